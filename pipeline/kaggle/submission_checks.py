"""Holds a submission to the competition's sample; every refusal names row and column.

Rows are counted from 1, without the header. Cells are text: ids and class names stand there exactly as the competition
writes them.
"""

import codecs
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.competition import ProbabilitySubmission, Submission
from pipeline.core.csvs import detect_dialect, read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.kaggle.submission import map_value_columns

_SUM_TOLERANCE = 1e-6
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_submission_file(
    path: Path, sample: pd.DataFrame, submission: Submission, classes: Sequence[str]
) -> pd.DataFrame:
    """Holds a file to the sample, down to what only its bytes tell; returns it as text.

    Raises:
        InputError: the first thing that does not fit, with its file, row and column.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of a submission")
    first = str(sample.columns[0])
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(_BOMS):
        raise InputError(f"{path}: header, column 1: a byte order mark stands before {first!r}; save it as plain UTF-8")
    if not start.strip():
        raise InputError(f"{path}: header, column 1: the file is empty, wanted {first!r} as in the sample")
    separator = detect_dialect(path).separator
    if separator != "," and len(sample.columns) > 1:
        raise InputError(
            f"{path}: header, column 1: {separator!r} stands behind it, wanted a comma; save it with commas"
        )
    _check_encoding(path)
    try:
        frame = read_table(path)
        check_submission(frame, sample, submission, classes)
    except InputError as error:
        place = "" if str(error).startswith(str(path)) else f"{path}: "
        raise InputError(f"{place}{error}") from error
    return frame


def _check_encoding(path: Path) -> None:
    """Refuses what only we could read: Kaggle takes every file for UTF-8."""
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        row, column = before.count(b"\n"), before.rpartition(b"\n")[2].count(b",") + 1
        place = f"submission row {row}" if row else "header"
        raise InputError(f"{path}: {place}, column {column}: it is not UTF-8; save it as plain UTF-8") from error


def check_submission(frame: pd.DataFrame, sample: pd.DataFrame, submission: Submission, classes: Sequence[str]) -> None:
    """Holds a submission to the sample: columns, ids, their order, and values that mean something.

    Args:
        frame: the submission, as text or numbers.
        sample: the competition's sample submission, as text.
        submission: how the competition wants it.
        classes: class names.

    Raises:
        InputError: the first thing that does not fit, with its row and column.
    """
    columns = map_value_columns(sample, submission, classes)
    _check_header([str(column) for column in frame.columns], [str(column) for column in sample.columns])
    ids = frame[submission.id].astype("str").tolist()
    _check_ids(ids, sample[submission.id].tolist(), submission.id)
    for column, name in columns.items():
        if name is None:
            _check_labels(frame[column], ids, classes)
        else:
            _check_probabilities(frame[column], ids)
    if isinstance(submission, ProbabilitySubmission):
        sums = frame[list(columns)].astype("float64").sum(axis=1).to_numpy()
        for row in np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)[:1]:
            where = f"{_row(row, ids)}, columns {some(columns, 3)}"
            raise InputError(f"{where}: the probabilities sum to {sums[row]:.9g}, wanted 1")


def _check_header(found: Sequence[str], wanted: Sequence[str]) -> None:
    for number, name in enumerate(wanted):
        if number >= len(found) or found[number] != name:
            got = f"got {found[number]!r}" if number < len(found) else "it is missing"
            raise InputError(
                f"submission header, column {number + 1}: {got}, wanted {name!r} as in the sample, whose columns are "
                f"{some(wanted)}"
            )
    if len(found) > len(wanted):
        number = len(wanted)
        raise InputError(f"submission header, column {number + 1}: {found[number]!r} is not in the sample; remove it")


def _check_ids(ids: Sequence[str], wanted: Sequence[str], column: str) -> None:
    """Finds the first id that repeats, that the sample lacks, that is missing, or that stands elsewhere."""
    known, seen = set(wanted), dict[str, int]()
    for row, name in enumerate(ids):
        place = f"submission row {row + 1}, column {column}: id {name!r}"
        if name in seen:
            raise InputError(f"{place} stands in row {seen[name] + 1} already; keep one row of each id")
        seen[name] = row
        if name not in known:
            raise InputError(f"{place} is not in the sample{_instead(row, wanted)}")
    lost = [name for name in wanted if name not in seen]
    for row, expected in enumerate(wanted):
        found = ids[row] if row < len(ids) else None
        if found != expected:
            got = "the file ends" if found is None else f"id {found!r}"
            rest = f"; {len(lost)} ids are missing: {some(lost, 3)}" if lost else ""
            raise InputError(
                f"submission row {row + 1}, column {column}: {got}, wanted {expected!r} as in the sample{rest}"
            )


def _instead(row: int, wanted: Sequence[str]) -> str:
    return f", wanted {wanted[row]!r}" if row < len(wanted) else f", which ends after {len(wanted)} rows"


def _check_labels(cells: "pd.Series[str]", ids: Sequence[str], classes: Sequence[str]) -> None:
    texts = cells.astype("str")
    for row in np.flatnonzero(~texts.isin(list(classes)).to_numpy())[:1]:
        value = texts.iloc[row]
        raise InputError(f"{_row(row, ids)}, column {cells.name}: {value!r} is no class; {near_names(value, classes)}")


def _check_probabilities(cells: "pd.Series[str]", ids: Sequence[str]) -> None:
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(numbers) | (numbers < 0) | (numbers > 1 + _SUM_TOLERANCE)
    for row in np.flatnonzero(wrong)[:1]:
        raise InputError(f"{_row(row, ids)}, column {cells.name}: {cells.iloc[row]!r} is no probability, wanted 0 to 1")


def _row(row: int, ids: Sequence[str]) -> str:
    return f"submission row {row + 1} (id {ids[row]})"
