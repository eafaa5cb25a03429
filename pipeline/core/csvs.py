"""CSVs as people write them: a BOM, another separator or encoding, and no guessing about values.

Every cell stays text: an id ``007`` keeps its zeros, a class called ``NA`` or ``None`` is a class.
"""

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from pipeline.core.errors import InputError, near_names, some

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 20
_PIECE = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written: its encoding, its separator and its header."""

    encoding: str
    separator: str
    columns: tuple[str, ...]


def read_table(path: Path) -> pd.DataFrame:
    """Reads a CSV with every cell as text; an empty cell is the empty string.

    Raises:
        InputError: no such file, empty, blank or repeated column names, or rows that do not fit the header.
    """
    dialect = detect_dialect(path)
    width = len(dialect.columns)
    rows: list[list[str]] = []
    with path.open(encoding=dialect.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=dialect.separator, strict=True)
        try:
            for row in reader:
                if row and len(row) != width:
                    raise _misfit(path, reader.line_num, len(row), width)
                if row:
                    rows.append(row)
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: {error}; correct that line") from error
    return pd.DataFrame(rows[1:], columns=list(dialect.columns), dtype="str")


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Reads some columns of a wide CSV as text, without ever holding the others, whose cells nobody counts.

    Raises:
        InputError: no such file, no such column, rows that pandas cannot cut, or a header as `read_table` refuses it.
    """
    dialect = detect_dialect(path)
    require_columns(dialect.columns, columns, path)
    with refuse_bad_rows(path):
        return pd.read_csv(
            path,
            dtype="str",
            sep=dialect.separator,
            encoding=dialect.encoding,
            usecols=list(columns),
            na_filter=False,
        )


@contextmanager
def refuse_bad_rows(path: Path) -> Iterator[None]:
    """Turns what pandas raises on rows with too many cells, or an open quote, into an `InputError`."""
    try:
        yield
    except pd.errors.ParserError as error:
        line = str(error).strip().splitlines()[-1].removeprefix("Error tokenizing data. C error: ")
        raise InputError(
            f"{path}: {line}; every row needs the cells that the header names, every quote its end"
        ) from error


def detect_dialect(path: Path) -> Dialect:
    """Finds out how a CSV is written, and checks its header.

    Raises:
        InputError: no such file, empty, not text, or blank or repeated column names.
    """
    if not path.is_file():
        near = [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        raise InputError(f"{path} does not exist; {near_names(path.name, near)}")
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        lines = list(islice(file, _SAMPLE_ROWS))
    if not lines or not lines[0].strip():
        raise InputError(f"{path} is empty; a CSV starts with a header line")
    separator = _separator(lines)
    columns = tuple(next(csv.reader(lines, delimiter=separator)))
    _check_header(columns, path)
    # pandas takes the first column for row names when the first row has a cell too many, and shifts all others.
    first = next((row for row in islice(csv.reader(lines, delimiter=separator), 1, None) if row), columns)
    if len(first) != len(columns):
        raise _misfit(path, 2, len(first), len(columns))
    return Dialect(encoding, separator, columns)


def require_columns(columns: Sequence[str], wanted: Sequence[str], path: Path) -> None:
    """Refuses a table that lacks a column.

    Raises:
        InputError: names the column, the file and the columns that are there.
    """
    for name in wanted:
        if name not in columns:
            hint = near_names(repr(name), map(repr, columns)) if len(columns) <= 30 else f"it has {some(columns)}"
            raise InputError(f"{path} has no column {name!r}; {hint}; correct the competition's file")


def _misfit(path: Path, line: int, cells: int, wanted: int) -> InputError:
    return InputError(f"{path}, line {line} has {cells} cells, its header {wanted}; correct that line")


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            return encoding
    # UTF-8 text is hardly ever anything else by chance; what is not UTF-8 comes from Windows.
    for encoding in ("utf-8", "cp1252"):
        if _decodes(path, encoding):
            return encoding
    raise InputError(f"{path} is neither UTF-8 nor Windows-1252 text; save it as UTF-8")


def _decodes(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=encoding, newline="") as file:
            while text := file.read(_PIECE):
                if "\0" in text:
                    return False
    except UnicodeDecodeError:
        return False
    return True


def _separator(lines: Sequence[str]) -> str:
    """The separator that cuts every line into the same number of cells, two or more: the most cells win."""
    best, most = ",", 1
    for separator in _SEPARATORS:
        widths = {len(row) for row in csv.reader(lines, delimiter=separator) if row}
        if len(widths) == 1 and max(widths) > most:
            best, most = separator, max(widths)
    if most == 1:
        # Rows that do not fit the header: let the header decide, so that the error names the row.
        best = max(_SEPARATORS, key=lambda separator: len(next(csv.reader(lines, delimiter=separator))))
    return best


def _check_header(columns: Sequence[str], path: Path) -> None:
    blank = [number for number, name in enumerate(columns, 1) if not name.strip()]
    if blank:
        raise InputError(f"{path}: columns {some(blank)} have no name; name them (pandas: to_csv(..., index=False))")
    twice = sorted({name for name in columns if columns.count(name) > 1}) if len(set(columns)) < len(columns) else []
    if twice:
        raise InputError(f"{path}: columns {some(twice)} stand there more than once; rename or remove them")
