"""CSVs as people write them: a BOM, another separator or encoding, and no guessing about values.

Every cell stays text: an id ``007`` keeps its zeros, a class called ``NA`` or ``None`` is a class.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.encodings import detect_encoding
from pipeline.core.errors import InputError, near_names, one_line, some

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 20
_FEW_ROWS = 1_000
_MANY_COLUMNS = 10_000  # of text, each an array of its own that takes 70 us to make
# Blanks to Python, and letters of no width, which nobody sees and no name means.
_BLANK = " \t\r\n\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = _BLANK + "\u200b\u2060\ufeff"
csv.field_size_limit(2**31 - 1)  # masks and outlines in one cell are longer than the 131,072 letters of the default


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written.

    Attributes:
        encoding: of its text.
        separator: between cells.
        columns: the names in its header, without blanks around them; column 3 without a name is ``Unnamed: 2``.
        skipped: lines above the header: 1 where spreadsheets write ``sep=;``, else 0.
    """

    encoding: str
    separator: str
    columns: tuple[str, ...]
    skipped: int = 0


def read_table(path: Path) -> "pd.DataFrame":
    """Reads a CSV with every cell as text, to the letter; an empty cell is the empty string.

    Raises:
        InputError: no such file, empty, not UTF-8, repeated column names, or rows that do not fit the header.
    """
    header, rows = _read_rows(path, detect_dialect(path))
    return _make_frame(rows, header)


def read_source_table(path: Path, encoding: str | None = None) -> "pd.DataFrame":
    """Reads a table of a competition: as `read_table`, without the blanks around names and cells.

    Args:
        path: the table.
        encoding: of text that is not UTF-8; None refuses such text.

    Raises:
        InputError: as `read_table`, or text that is not in that encoding either.
    """
    dialect = detect_dialect(path, encoding)
    _, rows = _read_rows(path, dialect)
    # Column by column 100,000 of them take minutes, and few rows four times as long.
    if by_cell := len(rows) < max(len(dialect.columns), _FEW_ROWS):
        rows = [[cell.strip(_INVISIBLE) for cell in row] for row in rows]
    frame = _make_frame(rows, list(dialect.columns))
    return frame if by_cell else frame.apply(lambda cells: cells.str.strip(_INVISIBLE))


def read_columns(path: Path, columns: Sequence[str], encoding: str | None = None) -> "pd.DataFrame":
    """Reads some columns of a wide CSV as text, without ever holding the others, whose cells nobody counts.

    Raises:
        InputError: no such file, no such column, rows that pandas cannot cut, or a header as `read_table` refuses it.
    """
    import pandas as pd

    dialect = detect_dialect(path, encoding)
    require_columns(dialect.columns, columns, path)
    with refuse_bad_rows(path), _refuse_no_text(path, dialect.encoding):
        frame = pd.read_csv(
            path,
            dtype="str",
            sep=dialect.separator,
            encoding=dialect.encoding,
            names=list(dialect.columns),
            header=0,
            skiprows=dialect.skipped,
            usecols=list(columns),
            na_filter=False,
        )
    return frame.apply(lambda cells: cells.str.strip(_INVISIBLE)) if len(frame) else frame


@contextmanager
def refuse_bad_rows(path: Path) -> Iterator[None]:
    """Turns what pandas raises on rows with too many cells, or an open quote, into an `InputError`."""
    import pandas as pd

    try:
        yield
    except pd.errors.ParserError as error:
        line = str(error).strip().splitlines()[-1].removeprefix("Error tokenizing data. C error: ")
        raise InputError(
            f"{path}: {line}; every row needs the cells that the header names, every quote its end"
        ) from error


def detect_dialect(path: Path, encoding: str | None = None) -> Dialect:
    """Finds out how a CSV is written, and checks its header.

    Raises:
        InputError: no such file, empty, not text, not in the encoding given, or repeated column names.
    """
    if not path.is_file():
        near = [file.name for file in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        raise InputError(f"{path} does not exist; {near_names(path.name, near)}")
    encoding = detect_encoding(path, encoding)
    with _refuse_no_text(path, encoding):
        return _find_dialect(path, encoding)


@contextmanager
def _refuse_no_text(path: Path, encoding: str) -> Iterator[None]:
    """Turns text that its encoding does not hold, or that no CSV holds, into an `InputError`."""
    try:
        yield
    except UnicodeError as error:
        raise InputError(
            f"{path} begins as {encoding}, but is not all of it ({one_line(error)}); save it again as UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path}: {error}; correct it") from error


def _find_dialect(path: Path, encoding: str) -> Dialect:
    with path.open(encoding=encoding, newline="") as file:
        lines = list(islice(file, _SAMPLE_ROWS + 1))
    stated = _stated_separator(lines)
    lines = lines[1:] if stated else lines
    if not lines or not lines[0].strip():
        raise InputError(f"{path} is empty; a CSV starts with a header line")
    separator = stated or _separator(lines)
    columns = _name_columns(next(csv.reader(lines, delimiter=separator)))
    names = tuple(name.strip(_INVISIBLE) for name in columns)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"{path}: columns {some(twice)} are there more than once; rename or remove them")
    # pandas takes the first column for row names when the first row has a cell too many, and shifts all others.
    first = next((row for row in islice(csv.reader(lines, delimiter=separator), 1, None) if row), columns)
    if len(first) != len(columns):
        raise _misfit(path, 2, len(first), len(columns))
    return Dialect(encoding, separator, names, 1 if stated else 0)


def require_columns(columns: Sequence[str], wanted: Sequence[str], path: Path) -> None:
    """Refuses a table that lacks a column.

    Raises:
        InputError: names the column, the file and the columns that are there.
    """
    for name in wanted:
        if name not in columns:
            hint = near_names(repr(name), map(repr, columns)) if len(columns) <= 30 else f"it has {some(columns)}"
            raise InputError(f"{path} has no column {name!r}; {hint}; correct the competition's file")


def cut_whole_rows(raw: bytes) -> bytes:
    """Cuts the beginning of a CSV behind its last whole row; empty where not even one row is whole."""
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    line_end = {b"\xff\xfe": b"\n\0", b"\xfe\xff": b"\0\n"}.get(raw[:2], b"\n")
    end = len(raw)
    while (end := raw.rfind(line_end, 0, end)) >= 0:
        # A line end inside a quoted cell has an odd number of quotes before it.
        if not (wide and end % 2) and raw.count(b'"', 0, end) % 2 == 0:
            return raw[: end + len(line_end)]
    return b""


def _read_rows(path: Path, dialect: Dialect) -> tuple[list[str], list[list[str]]]:
    width = len(dialect.columns)
    rows: list[list[str]] = []
    with _refuse_no_text(path, dialect.encoding), path.open(encoding=dialect.encoding, newline="") as file:
        for _ in range(dialect.skipped):
            file.readline()
        reader = csv.reader(file, delimiter=dialect.separator, strict=True)
        try:
            for row in reader:
                if row and len(row) != width:
                    raise _misfit(path, reader.line_num + dialect.skipped, len(row), width)
                if row:
                    rows.append(row)
        except csv.Error as error:
            line = reader.line_num + dialect.skipped
            raise InputError(f"{path}, line {line}: {error}; correct that line") from error
    return _name_columns(rows[0]), rows[1:]


def _make_frame(rows: list[list[str]], columns: list[str]) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    if len(columns) <= max(_MANY_COLUMNS, len(rows)):
        return pd.DataFrame(rows, columns=columns, dtype="str")
    cells = np.array(rows, dtype=object).reshape(len(rows), len(columns))
    return pd.DataFrame(cells, columns=columns, dtype=object)


def _name_columns(header: Sequence[str]) -> list[str]:
    """Names columns without a name as pandas does: most often it is an index that pandas wrote."""
    return [name if name.strip(_INVISIBLE) else f"Unnamed: {number}" for number, name in enumerate(header)]


def _misfit(path: Path, line: int, cells: int, wanted: int) -> InputError:
    return InputError(f"{path}, line {line} has {cells} cells, its header {wanted}; correct that line")


def _stated_separator(lines: Sequence[str]) -> str | None:
    """The separator that a first line such as ``sep=;`` states, as Excel reads and writes it."""
    first = lines[0].rstrip("\r\n").strip('"') if lines else ""
    return first[4] if len(first) == 5 and first[:4].lower() == "sep=" and first[4] in _SEPARATORS else None


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
