"""Tables of text out of any file that holds rows: CSV, and each format of `containers.formats`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from pipeline.core.csvs import read_source_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.data.containers.cells import Row, explode_pictures, format_texts, holds_picture, holds_text
from pipeline.data.containers.formats import find_format
from pipeline.data.containers.parquet_rows import list_parquet_columns, read_plain_parquet
from pipeline.data.containers.patterns import expand_path

_HEAD = 50


@dataclass(frozen=True)
class RowColumns:
    """The columns of a file of rows: those of plain cells, and those that hold pictures, by the first rows."""

    plain: tuple[str, ...]
    pictures: tuple[str, ...]


def read_rows(path: Path, columns: Sequence[str] | None = None, encoding: str | None = None) -> pd.DataFrame:
    """Reads the plain cells of a table as text; of a pattern, those of all its files one after the other.

    Args:
        path: of the file, or a pattern (see `expand_path`).
        columns: those that are wanted; None is all.
        encoding: of a CSV that is not UTF-8.

    Raises:
        InputError: no such file, a file that cannot be read, or files of other columns than the first one's.
    """
    files = list_row_files(path)
    if files:
        parts = [_read_file(file, columns) for file in files]
    else:  # CSVs of a pattern; else a CSV, or the error that names its neighbours
        files = [file for file in expand_path(path) if file != path] or [path]
        parts = [read_source_table(file, encoding) for file in files]
    for file, part in zip(files, parts, strict=True):
        if list(part.columns) != list(parts[0].columns):
            raise InputError(
                f"{file} has the columns {some(part.columns)}, {files[0].name} {some(parts[0].columns)}; "
                "files of one pattern need the same ones"
            )
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def list_row_files(path: Path) -> list[Path]:
    """Lists the files of rows that a path or pattern means; none where it means a CSV, a folder, or nothing.

    Raises:
        InputError: a workbook, or files of which some hold no rows that can be read.
    """
    files = expand_path(path)
    unread = [file for file in files if find_format(file) is None]
    if unread and len(unread) < len(files):
        raise InputError(f"{path} also fits {some(file.name for file in unread)}, which hold no rows; narrow it")
    return [] if unread else files


def iterate_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yields the rows of one file; a row that lists several pictures becomes one row for each.

    Raises:
        InputError: the file cannot be read.
    """
    found = find_format(path)
    if found is None:
        raise InputError(f"{path} is no file of rows")
    # The id of a row names its pictures where it lists several, so it is read as well.
    wanted = None if columns is None else {name.split(".")[0] for name in columns} | {"_id", "id"}
    for row in explode_pictures(found.iterate(path, wanted)):
        yield row if columns is None else {name: cell for name, cell in row.items() if name in columns}


def find_row_columns(path: Path) -> RowColumns:
    """Finds the columns of a file of rows by its first rows.

    Raises:
        InputError: the file cannot be read, or holds no row.
    """
    names: dict[str, list[object]] = {}
    for row in islice(iterate_rows(path), _HEAD):
        for name, cell in row.items():
            names.setdefault(name, []).append(cell)
    if not names:
        raise InputError(f"{path} holds no rows; get it again")
    pictures = [name for name, cells in names.items() if any(map(holds_picture, cells))]
    plain = [name for name, cells in names.items() if name not in pictures and all(map(holds_text, cells))]
    return RowColumns(tuple(plain), tuple(pictures))


def _read_file(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    found = find_format(path)
    names = list(find_row_columns(path).plain) if columns is None else list(columns)
    if found is not None and found.kind == "Parquet":
        there = list_parquet_columns(path)
        _require(path, [name.split(".")[0] if name not in there else name for name in names], there)
        plain = read_plain_parquet(path, names) if set(names) <= set(there) else None
        if plain is not None:
            return _format_columns(path, plain)
    cells: dict[str, list[object]] = {name: [] for name in names}
    count = 0
    for count, row in enumerate(iterate_rows(path, names), 1):
        for name in row:
            if name not in cells:
                continue
            column = cells[name]
            column.extend([None] * (count - 1 - len(column)))
            column.append(row[name])
    for name, column in cells.items():
        if columns is not None and count and not column:
            _require(path, [name], find_row_columns(path).plain)
        column.extend([None] * (count - len(column)))
    return _format_columns(path, cells)


def _format_columns(path: Path, cells: dict[str, list[object]]) -> pd.DataFrame:
    return pd.DataFrame({name: format_texts(column, f"{path}, {name}") for name, column in cells.items()}, dtype="str")


def _require(path: Path, wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            hint = near_names(repr(name), map(repr, known)) if len(known) <= 30 else f"it has {some(known)}"
            raise InputError(f"{path} has no column {name!r}; {hint}; correct the competition's file")
