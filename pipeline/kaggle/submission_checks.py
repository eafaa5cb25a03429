"""Checks of a submission against the competition's sample; every error names row and column.

Rows are counted from 1, without the header. Cells are text: ids and class names are written exactly as the competition
writes them.
"""

import codecs
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.answers import ProbabilitySubmission, Submission
from pipeline.core.csvs import detect_dialect, read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.kaggle.submission import map_value_columns

_SUM_TOLERANCE = 1e-6
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_submission_file(
    path: Path, sample: pd.DataFrame, submission: Submission, classes: Sequence[str]
) -> pd.DataFrame:
    """Checks a file against the sample, its encoding and separator too; returns it as text.

    Raises:
        InputError: the first thing that does not fit, with its file, row and column.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of a submission")
    first = str(sample.columns[0])
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(_BOMS):
        raise InputError(
            f"{path}: header, column 1: there is a byte order mark before {first!r}; save it as plain UTF-8"
        )
    if not start.strip():
        raise InputError(f"{path}: header, column 1: the file is empty, wanted {first!r} as in the sample")
    separator = detect_dialect(path).separator
    if separator != "," and len(sample.columns) > 1:
        raise InputError(
            f"{path}: header, column 1: the separator is {separator!r}, wanted a comma; save it with commas"
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
    """Refuses every other encoding: Kaggle reads each file as UTF-8."""
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        row, column = before.count(b"\n"), before.rpartition(b"\n")[2].count(b",") + 1
        place = f"submission row {row}" if row else "header"
        raise InputError(f"{path}: {place}, column {column}: it is not UTF-8; save it as plain UTF-8") from error


def check_submission(frame: pd.DataFrame, sample: pd.DataFrame, submission: Submission, classes: Sequence[str]) -> None:
    """Checks a submission against the sample: columns, ids, their order, and valid values.

    Args:
        frame: the submission, as text or numbers.
        sample: the competition's sample submission, as text.
        submission: the format that the competition requires.
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


def _check_header(header: Sequence[str], wanted: Sequence[str]) -> None:
    for number, name in enumerate(wanted):
        if number >= len(header) or header[number] != name:
            got = f"got {header[number]!r}" if number < len(header) else "it is missing"
            raise InputError(
                f"submission header, column {number + 1}: {got}, wanted {name!r} as in the sample, whose columns are "
                f"{some(wanted)}"
            )
    if len(header) > len(wanted):
        number = len(wanted)
        raise InputError(f"submission header, column {number + 1}: {header[number]!r} is not in the sample; remove it")


def _check_ids(ids: Sequence[str], wanted: Sequence[str], column: str) -> None:
    """Refuses the first id that repeats, that the sample lacks, that is missing, or that is in another row."""
    known, first_rows = set(wanted), dict[str, int]()
    for row, name in enumerate(ids):
        place = f"submission row {row + 1}, column {column}: id {name!r}"
        if name in first_rows:
            raise InputError(f"{place} is already in row {first_rows[name] + 1}; keep one row of each id")
        first_rows[name] = row
        if name not in known:
            raise InputError(f"{place} is not in the sample{_describe_expected(row, wanted)}")
    missing = [name for name in wanted if name not in first_rows]
    for row, expected in enumerate(wanted):
        actual = ids[row] if row < len(ids) else None
        if actual != expected:
            got = "the file ends" if actual is None else f"id {actual!r}"
            rest = f"; {len(missing)} ids are missing: {some(missing, 3)}" if missing else ""
            raise InputError(
                f"submission row {row + 1}, column {column}: {got}, wanted {expected!r} as in the sample{rest}"
            )


def _describe_expected(row: int, wanted: Sequence[str]) -> str:
    return f", wanted {wanted[row]!r}" if row < len(wanted) else f", which ends after {len(wanted)} rows"


def _check_labels(cells: "pd.Series[str]", ids: Sequence[str], classes: Sequence[str]) -> None:
    texts = cells.astype("str")
    for row in np.flatnonzero(~texts.isin(list(classes)).to_numpy())[:1]:
        value = texts.iloc[row]
        raise InputError(
            f"{_row(row, ids)}, column {cells.name}: {value!r} is not a class; {near_names(value, classes)}"
        )


def _check_probabilities(cells: "pd.Series[str]", ids: Sequence[str]) -> None:
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(numbers) | (numbers < 0) | (numbers > 1 + _SUM_TOLERANCE)
    for row in np.flatnonzero(wrong)[:1]:
        raise InputError(
            f"{_row(row, ids)}, column {cells.name}: {cells.iloc[row]!r} is not a probability, wanted 0 to 1"
        )


def _row(row: int, ids: Sequence[str]) -> str:
    return f"submission row {row + 1} (id {ids[row]})"
