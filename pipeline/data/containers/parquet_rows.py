"""Rows of Apache Parquet, batch by batch: plain columns, encoded pictures, one column per pixel."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError, one_line, some
from pipeline.core.room import require_room_of_arrow
from pipeline.data.containers.cells import Row

_CELLS, _ROWS, _ROWS_OF_NESTED = 4_000_000, 1024, 64
_MOST_BYTES, _MOST_TIMES = 256_000_000, 100  # a file may unfold into the first, or into so many times its size
_PLAIN = (
    "string",
    "dictionary<values=string",
    "large_string",
    "int",
    "uint",
    "bool",
    "float",
    "double",
    "date",
    "decimal",
    "timestamp",
)
_FIELD, _NAME = "bytes", "path"  # of a picture as Hugging Face's data sets store it: {bytes, path}


def list_parquet_columns(path: Path) -> list[str]:
    """Lists the columns, without the one that pandas writes for its row names.

    Raises:
        InputError: no whole Parquet file, or two of its columns have one name.
    """
    with _opened(path) as file:
        names = file.schema_arrow.names
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{path}: columns {some(twice)} are there more than once; rename or remove them")
    return [name for name in names if not name.startswith("__index_level_")]


def iterate_parquet(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the rows.

    Args:
        path: the file.
        columns: those that are wanted; None is all.

    Raises:
        InputError: no whole Parquet file, or one that unfolds into far more than it is.
    """
    for names, values in _iterate_batches(path, columns):
        for row in zip(*values, strict=True):
            yield _unfold(dict(zip(names, row, strict=True)))


def read_plain_parquet(path: Path, columns: Collection[str]) -> dict[str, list[object]] | None:
    """Reads columns of one plain value a row; None where one of them holds bytes, or several values in a cell.

    A third of the time of `iterate_parquet`, which makes a dictionary of each row.

    Raises:
        InputError: as `iterate_parquet`.
    """
    with _opened(path) as file:
        kinds = [str(file.schema_arrow.field(name).type) for name in columns]
    if not all(kind.startswith(_PLAIN) for kind in kinds):
        return None
    cells: dict[str, list[object]] = {name: [] for name in columns}
    for names, values in _iterate_batches(path, columns):
        for name, column in zip(names, values, strict=True):
            cells[name].extend(column)
    return cells


def iterate_parquet_pixels(path: Path, columns: Sequence[str]) -> Iterator[NDArray[Any]]:
    """Yields the numbers of each row in the order of ``columns``, with flat memory.

    Raises:
        InputError: no whole Parquet file, a column that holds no numbers, or a cell without one.
    """
    with _opened(path) as file:
        kinds = {name: file.schema_arrow.field(name).type for name in columns}
        for name, kind in kinds.items():
            if not str(kind).startswith(("int", "uint", "float", "double", "halffloat", "bool")):
                raise InputError(f"{path}: {name} holds {kind} and no pixels; correct packed.pixels")
        done = 0
        for batch in file.iter_batches(_rows(len(columns)), columns=list(columns)):
            holes = [name for name in columns if batch.column(name).null_count]
            if holes:
                raise InputError(f"{path}: {holes[0]} has no value in a row from {done + 1} on; correct the file")
            arrays = [batch.column(name).to_numpy(zero_copy_only=False) for name in columns]
            done += batch.num_rows
            yield from np.stack(arrays, axis=1)


def _iterate_batches(path: Path, columns: Collection[str] | None) -> Iterator[tuple[list[str], list[list[object]]]]:
    """Yields names of columns and their values, some rows at a time, which are counted before they are written out."""
    import pyarrow as pa

    names = [name for name in list_parquet_columns(path) if columns is None or name in columns]
    unfolded, most = 0, max(_MOST_BYTES, _MOST_TIMES * path.stat().st_size)
    with _opened(path) as file:
        shared, nested = _list_shared(file.metadata)
    with _opened(path, shared) as file:
        for batch in file.iter_batches(min(_rows(len(names)), _ROWS_OF_NESTED if nested else _ROWS), columns=names):
            unfolded += sum(_count_bytes(column) for column in batch.columns)
            if unfolded > most:
                raise InputError(
                    f"{path} unfolds from {path.stat().st_size / 1e6:.1f} MB into more than {most / 1e6:,.0f} MB: its "
                    "values repeat or are too long; write ids and labels that are short"
                )
            plain = [
                column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
                for column in batch.columns
            ]
            yield batch.schema.names, [column.to_pylist() for column in plain]


def _list_shared(about: Any) -> tuple[list[str], bool]:
    """Lists the columns of text and bytes whose values the file may hold once for many rows, each small enough.

    Arrow hands them over as they stand, unless other columns are around them: it says whether there are such, too.
    """
    shared, nested = [], False
    for place in range(about.num_columns):
        parts = [about.row_group(group).column(place) for group in range(about.num_row_groups)]
        if not parts or parts[0].physical_type != "BYTE_ARRAY":
            continue
        if "." in parts[0].path_in_schema:
            nested = True
        elif all(part.total_uncompressed_size <= _MOST_BYTES for part in parts):
            shared.append(parts[0].path_in_schema)
    return shared, nested


def _count_bytes(column: Any) -> int:
    """Counts the bytes of an Arrow array as if every value were written out, also where it holds each but once.

    Of values that are held once Parquet gives text and bytes alone.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.DictionaryArray):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
        return int(column.indices.nbytes + (pc.sum(lengths).as_py() or 0))
    if isinstance(column, pa.StructArray):
        return max(int(column.nbytes), sum(_count_bytes(field) for field in column.flatten()))
    if isinstance(column, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return max(int(column.nbytes), _count_bytes(column.flatten()))
    return int(column.nbytes)


def _rows(columns: int) -> int:
    return max(1, min(_ROWS, _CELLS // max(1, columns)))


def _unfold(row: Row) -> Row:
    """Takes the bytes out of pictures of that form; their names become a column such as ``image.path``."""
    cells: Row = {}
    for name, value in row.items():
        if isinstance(value, dict) and isinstance(value.get(_FIELD), bytes):
            cells[name] = value[_FIELD]
            if value.get(_NAME):
                cells[f"{name}.{_NAME}"] = value[_NAME]
        else:
            cells[name] = value
    return cells


@contextmanager
def _opened(path: Path, shared: Sequence[str] = ()) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_room_of_arrow(path)
    try:
        with pq.ParquetFile(path, read_dictionary=list(shared)) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no whole Parquet file ({one_line(error)}); get it again") from error
