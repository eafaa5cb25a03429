"""Checks of a submission against the competition's sample; every error names row and column.

Rows are counted from 1, without the header. Cells are text: ids and class names are written exactly as the competition
writes them.
"""

import codecs
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.core.csvs import detect_dialect, read_table
from pipeline.core.errors import InputError, some
from pipeline.kaggle.answers.contract import AnswerSheet
from pipeline.kaggle.answers.forms import open_form

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_submission_file(path: Path, sheet: AnswerSheet) -> pd.DataFrame:
    """Checks a file against the sample, its encoding and separator too; returns it as text.

    Raises:
        InputError: the first thing that does not fit, with its file, row and column.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of a submission")
    first = str(sheet.sample.columns[0])
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(_BOMS):
        raise InputError(
            f"{path}: header, column 1: there is a byte order mark before {first!r}; save it as plain UTF-8"
        )
    if not start.strip():
        raise InputError(f"{path}: header, column 1: the file is empty, wanted {first!r} as in the sample")
    _check_encoding(path)
    separator = detect_dialect(path).separator
    if separator != "," and len(sheet.sample.columns) > 1:
        raise InputError(
            f"{path}: header, column 1: the separator is {separator!r}, wanted a comma; save it with commas"
        )
    try:
        frame = read_table(path)
        check_submission(frame, sheet)
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


def check_submission(frame: pd.DataFrame, sheet: AnswerSheet) -> None:
    """Checks a submission against the sample: columns, ids, their order, and valid values.

    Args:
        frame: the submission, as text or numbers.
        sheet: the sample, the format that the competition requires, and what belongs to it.

    Raises:
        InputError: the first thing that does not fit, with its row and column.
    """
    form = open_form(sheet)
    _check_header([str(column) for column in frame.columns], [str(column) for column in sheet.sample.columns])
    _check_ids(frame[sheet.section.id].astype("str").tolist(), form.ids, sheet.section.id)
    form.check(frame)


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
