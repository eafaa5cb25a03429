"""Pictures out of packed files, one by one in the order of the file: encoded bytes, or arrays of numbers."""

import math
import re
from collections.abc import Container, Iterator, Sequence
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.confined import match_whole
from pipeline.core.errors import InputError, some
from pipeline.core.file_layouts import Packed
from pipeline.data.containers.cells import Row
from pipeline.data.containers.parquet_rows import iterate_parquet_pixels, list_parquet_columns
from pipeline.data.containers.tables import find_row_columns, iterate_rows

Picture = bytes | NDArray[Any]  # encoded, or (height, width, channels)
_PIXELS = "pixels names columns of Parquet files; the other formats hold a picture in one cell: see packed.columns"


def iterate_pictures(path: Path, packed: Packed, wanted: Container[int]) -> Iterator[tuple[int, Picture]]:
    """Yields the pictures of a packed file.

    Args:
        path: the file.
        packed: how it holds them.
        wanted: rows, from 1; the pictures of others are not made.

    Raises:
        InputError: the file cannot be read, or its cells hold no pictures as ``packed`` says.
    """
    if packed.pixels is not None:
        yield from _from_columns(path, packed, packed.pixels, wanted)
        return
    columns = packed.columns if packed.columns is not None else _only_column(path)
    for number, row in enumerate(iterate_rows(path, columns), 1):
        if number in wanted:
            yield number, _from_cells(row, columns, packed.shape, f"{path}, row {number}")


def sort_pixel_columns(names: Sequence[str], pattern: str) -> list[str]:
    """Picks the columns whose whole name fits a pattern; numbered ones go by their number, others as they stand."""
    found = [name for name in names if match_whole(pattern, name)]
    numbers = [re.fullmatch(r"\D*(\d+)", name) for name in found]
    return sorted(found, key=lambda name: int(re.sub(r"\D", "", name))) if all(numbers) else found


def shape_pixels(values: NDArray[Any], shape: Sequence[int] | None, place: str) -> NDArray[Any]:
    """Brings numbers to (height, width, channels): as stated, as they are, or square; channels may stand first.

    Raises:
        InputError: they fit neither the stated shape nor a square.
    """
    if shape is not None:
        if values.size != math.prod(shape):
            raise InputError(
                f"{place} holds {values.size} values, which do not make the shape {list(shape)}; correct packed.shape"
            )
        values = values.reshape(tuple(shape))
    if values.ndim == 1:
        side = next((s for c in (1, 3) if (s := isqrt(values.size // c)) * s * c == values.size), None)
        if side is None:
            raise InputError(f"{place}: {values.size} values make no square image; state packed.shape")
        values = values.reshape(side, side, -1)
    if values.ndim == 2:
        values = values[..., None]
    elif values.ndim == 3 and values.shape[0] < min(values.shape[1:]):
        values = np.moveaxis(values, 0, 2)  # channels first
    if values.ndim != 3:
        raise InputError(f"{place} has the shape {list(values.shape)}; an image is height x width (x channels)")
    return values


def _from_columns(path: Path, packed: Packed, pattern: str, wanted: Container[int]) -> Iterator[tuple[int, Picture]]:
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise InputError(f"{path}: {_PIXELS}")
    there = list_parquet_columns(path)
    columns = sort_pixel_columns(there, pattern)
    if not columns:
        raise InputError(f"{path}: no column fits packed.pixels {pattern!r}; it has {some(there)}")
    for number, values in enumerate(iterate_parquet_pixels(path, columns), 1):
        if number in wanted:
            yield number, shape_pixels(values, packed.shape, f"{path}, row {number}")


def _only_column(path: Path) -> tuple[str, ...]:
    pictures = find_row_columns(path).pictures
    if len(pictures) != 1:
        raise InputError(
            f"{path}: {some(pictures) or 'no column'} {'look like pictures' if pictures else 'holds pictures'}; name "
            "the one, or one per channel, with packed.columns (or packed.pixels for one column per pixel)"
        )
    return pictures


def _from_cells(row: Row, columns: Sequence[str], shape: Sequence[int] | None, place: str) -> Picture:
    bands = [_read_cell(row.get(name), name, shape, place) for name in columns]
    first = bands[0]
    if len(bands) == 1:
        return first
    arrays = [shape_pixels(band, shape, place) for band in bands if not isinstance(band, bytes)]
    if len(arrays) < len(bands) or len({array.shape for array in arrays}) > 1:
        raise InputError(f"{place}: {some(columns)} hold no arrays of one shape, and cannot be channels of one image")
    return np.concatenate(arrays, axis=2)


def _read_cell(cell: object, name: str, shape: Sequence[int] | None, place: str) -> Picture:
    if isinstance(cell, bytes):
        if shape is not None and len(cell) == math.prod(shape):
            return shape_pixels(np.frombuffer(cell, np.uint8), shape, place)
        return cell
    if cell is None:
        return b""
    try:
        values = cell if isinstance(cell, np.ndarray) else np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: {name} holds no picture but {cell!r:.60}; correct packed.columns") from error
    return shape_pixels(values, shape, f"{place}, {name}")
