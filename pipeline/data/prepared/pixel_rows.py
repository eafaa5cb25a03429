"""Images as rows of a CSV, one column per pixel or all in one cell: streamed in pieces, so that memory stays flat."""

import re
from collections.abc import Iterator, Sequence
from math import isqrt, prod
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.confined import match_whole
from pipeline.core.csvs import Dialect, detect_dialect, refuse_bad_rows
from pipeline.core.errors import InputError, some
from pipeline.core.layouts import CsvPixels, TestPixels
from pipeline.core.progress import track_progress
from pipeline.images.fitting import StorageForm, fit_pixels
from pipeline.images.store import ImageFacts, Store

_CELLS = 400_000


def fill_from_table(
    store: Store,
    base: Path,
    layout: CsvPixels | TestPixels,
    rows: Sequence[int],
    form: StorageForm,
    encoding: str | None = None,
) -> list[ImageFacts]:
    """Reads the images of a table into a store.

    Args:
        store: where the rows go.
        base: the source's folder.
        layout: the table and its pixel columns.
        rows: row i of the store is row ``rows[i]`` of the table (from 0).
        form: size, channels and resize policy.
        encoding: of a table that is not UTF-8.

    Returns:
        The facts of each image, in the order of the store.

    Raises:
        InputError: no pixel columns, no shape that fits them, or values that are no whole numbers in 0..255.
    """
    path = base / layout.table
    dialect = detect_dialect(path, encoding)
    columns = select_pixel_columns(dialect.columns, layout, path)
    in_cell = _count_in_cell(path, dialect, columns)
    shape = find_pixel_shape(in_cell or len(columns), layout, path)
    pieces = _read_cells(path, dialect, columns[0], in_cell) if in_cell else _pieces(path, dialect, columns)
    position = {row: place for place, row in enumerate(rows)}
    facts = [ImageFacts()] * len(rows)
    with track_progress("reading pixels", len(rows)) as advance:
        row = 0
        for pixels in pieces:
            for image in _shape_rows(pixels, shape, layout.planes):
                place = position.get(row)
                row += 1
                if place is None:
                    continue  # a row that is left out
                stored = fit_pixels(image, form)
                store.write(place, stored.pixels)
                facts[place] = ImageFacts(stored.width, stored.height, stored.hash, stored.perceptual_hash)
            advance(len(pixels))
    return facts


def _shape_rows(pixels: NDArray[np.uint8], shape: tuple[int, ...], planes: bool) -> NDArray[np.uint8]:
    """Shapes rows of pixels into images, (images, height, width[, channels])."""
    if not planes or len(shape) == 2:
        return pixels.reshape(-1, *shape)
    height, width, channels = shape
    return np.ascontiguousarray(pixels.reshape(-1, channels, height, width).transpose(0, 2, 3, 1))


def select_pixel_columns(columns: Sequence[str], layout: CsvPixels | TestPixels, path: Path) -> list[str]:
    """Picks the pixel columns; numbered ones (``pixel0``, ``pixel1``) go by their numbers, others stay as they stand.

    Raises:
        InputError: none fits the pattern.
    """
    found = [name for name in columns if match_whole(layout.pixels, name)]
    if not found:
        raise InputError(
            f"{path}: no column fits pixels: {layout.pixels!r}; it has {some(columns)}; correct the competition's file"
        )
    numbers = [re.fullmatch(r"\D*(\d+)", name) for name in found]
    if all(numbers):
        return sorted(found, key=lambda name: int(re.sub(r"\D", "", name)))
    return found


def find_pixel_shape(count: int, layout: CsvPixels | TestPixels, path: Path) -> tuple[int, ...]:
    """Returns (height, width) or (height, width, channels): as stated, or square when the count allows it.

    Raises:
        InputError: the stated shape has another count, or no square fits and none is stated.
    """
    if layout.shape is not None:
        if prod(layout.shape) != count or len(layout.shape) not in (2, 3) or layout.shape[2:] not in ((), (1,), (3,)):
            raise InputError(f"{path}: {count} pixel columns do not make the shape {list(layout.shape)}; correct that")
        return layout.shape
    for channels in (1, 3):
        side = isqrt(count // channels)
        if side * side * channels == count:
            return (side, side) if channels == 1 else (side, side, channels)
    raise InputError(f"{path}: {count} pixel columns make no square image; state shape in the competition's file")


def _pieces(path: Path, dialect: Dialect, columns: list[str]) -> Iterator[NDArray[np.uint8]]:
    rows = max(1, _CELLS // len(columns))
    done, wanted = 0, set(columns)
    with refuse_bad_rows(path):
        # Text first would be simple, and fifty times as large: numbers are parsed as numbers, and only a piece that
        # fails is read as text, to say where.
        reader = pd.read_csv(
            path,
            sep=dialect.separator,
            encoding=dialect.encoding,
            names=list(dialect.columns),
            header=0,
            skiprows=dialect.skipped,
            dtype={name: "float64" if name in wanted else "str" for name in dialect.columns},
            na_values={name: [""] for name in columns},
            keep_default_na=False,
            chunksize=rows,
        )
        with reader:
            while True:
                try:
                    piece = next(reader)
                except StopIteration:
                    return
                except pd.errors.ParserError:
                    raise  # `refuse_bad_rows` turns it into an InputError
                except ValueError as error:
                    _refuse_text(path, dialect, columns, done, rows)
                    raise InputError(f"{path}: {error}; pixels are whole numbers in 0..255") from error
                values = piece[columns].to_numpy()
                _check_range(values, path, columns, done)
                done += len(values)
                yield values.astype(np.uint8)


def _count_in_cell(path: Path, dialect: Dialect, columns: list[str]) -> int:
    """Counts the pixels in the first cell of the only column; 0 where each has a column of its own."""
    if len(columns) > 1:
        return 0
    with refuse_bad_rows(path):
        first = next(_read_text(path, dialect, columns, chunksize=1), None)
    count = len(first[columns[0]].iloc[0].split()) if first is not None and len(first) else 0
    return count if count > 1 else 0


def _read_cells(path: Path, dialect: Dialect, column: str, count: int) -> Iterator[NDArray[np.uint8]]:
    done = 0
    with refuse_bad_rows(path):
        for piece in _read_text(path, dialect, [column], chunksize=max(1, _CELLS // count)):
            rows = [cell.split() for cell in piece[column]]
            wrong = next((row for row, cells in enumerate(rows) if len(cells) != count), None)
            if wrong is not None:
                raise InputError(
                    f"{path}, row {done + wrong + 1} (line {done + wrong + 2}), column {column}: "
                    f"{len(rows[wrong])} pixels, the first row has {count}; correct it"
                )
            values = pd.to_numeric(np.array(rows).ravel(), errors="coerce").astype(np.float64).reshape(-1, count)
            _check_range(values, path, [f"{column}, pixel {pixel + 1}" for pixel in range(count)], done)
            done += len(values)
            yield values.astype(np.uint8)


def _read_text(path: Path, dialect: Dialect, columns: list[str], chunksize: int) -> Iterator[pd.DataFrame]:
    with pd.read_csv(
        path,
        sep=dialect.separator,
        encoding=dialect.encoding,
        names=list(dialect.columns),
        header=0,
        usecols=columns,
        dtype="str",
        na_filter=False,
        skiprows=dialect.skipped,
        chunksize=chunksize,
    ) as reader:
        yield from reader


def _check_range(values: NDArray[np.float64], path: Path, columns: Sequence[str], done: int) -> None:
    fits = (values >= 0) & (values <= 255) & (values == np.floor(values))
    if not fits.all():
        row, column = np.argwhere(~fits)[0]
        value = values[row, column]
        text = "no value" if np.isnan(value) else f"{value:g}"
        raise InputError(_wrong(path, done + int(row), columns[column], text))


def _refuse_text(path: Path, dialect: Dialect, columns: Sequence[str], done: int, rows: int) -> None:
    table = pd.read_csv(
        path,
        sep=dialect.separator,
        encoding=dialect.encoding,
        names=list(dialect.columns),
        header=0,
        usecols=list(columns),
        dtype="str",
        na_filter=False,
        skiprows=[*range(dialect.skipped), *range(dialect.skipped + 1, dialect.skipped + done + 1)],
        nrows=rows,
    )[list(columns)]
    for name in columns:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any():
            row = int(np.flatnonzero(numbers.isna())[0])
            raise InputError(_wrong(path, done + row, name, repr(table[name].iloc[row])))


def _wrong(path: Path, row: int, column: str, value: str) -> str:
    return f"{path}, row {row + 1} (line {row + 2}), column {column}: {value} is no whole number in 0..255; correct it"
