"""Packed sets: the files of a listing that hold images row by row, grouped by name; their ids and some pictures."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.file_layouts import Packed
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.data.containers.array_rows import NAME, ROW
from pipeline.data.containers.cells import LEAST_PIXELS, Row
from pipeline.data.containers.formats import strip_shard
from pipeline.data.containers.parquet_rows import iterate_parquet_pixels
from pipeline.data.containers.pictures import Picture, iterate_pictures, sort_pixel_columns
from pipeline.data.containers.tables import find_row_columns, iterate_rows, read_rows
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import is_id, parent_folder

_OPENED = 48
_PIXELS = r"\d+"
_SIDES = (("height", "rows", "h"), ("width", "cols", "columns", "w"), ("depth", "channels", "c"))


@dataclass
class PackedSet:
    """Files that hold images, one per row.

    Attributes:
        listing: the files of the competition.
        pattern: what names these ones in a competition's file.
        files: their paths.
        plain: the columns of plain cells.
        packed: how they hold images.
        notes: guesses to check.
    """

    listing: Listing
    pattern: str
    files: tuple[str, ...]
    plain: tuple[str, ...]
    packed: Packed
    notes: tuple[str, ...] = ()
    _parts: list["PackedSet"] = field(default_factory=list)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The plain cells of all rows."""
        parts = [read_rows(self.listing.place(file), self.plain) for file in self.files]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def names(self) -> list[str]:
        """The columns that tell the images apart; none where the files hold no ids."""
        columns = [name for name in self.plain if name != ROW and is_id(self.table[name])]
        return [name for name in columns if self.table[name].nunique() == len(self.table)]

    @property
    def document(self) -> str | None:
        """The column of the document that a row's picture comes from, where documents list several pictures."""
        listed = [name.split(".")[0] for name in self.packed.columns or () if "." in name]
        return next((name for name in ("_id", "id") if name in self.plain), None) if listed else None

    def pictures(self) -> list[Picture]:
        """Some of the images, from the first file."""
        place, rows = self.listing.place(self.files[0]), len(self.table)
        wanted = range(1, rows + 1, max(1, min(rows, 1000) // _OPENED))
        return [picture for _, picture in islice(iterate_pictures(place, self.packed, wanted), _OPENED)]

    def section(self, row_id: str | None, column: str | None) -> dict[str, Any]:
        """Returns the keys of ``packed`` that the files do not tell.

        Args:
            row_id: the layout's id column, which is looked for first.
            column: of the files' ids; None where they hold none.
        """
        kept = self.packed.model_dump(exclude_none=True)
        if len(self.packed.columns or ()) == 1:
            del kept["columns"]  # the only one: it needs no naming
        if column is not None and row_id != column and (column != NAME or row_id in self.plain):
            kept = {"id": column} | kept
        return {"packed": {key: list(v) if isinstance(v, tuple) else v for key, v in kept.items()}} if kept else {}


def find_packed_sets(listing: Listing) -> list[PackedSet]:
    """Finds the sets of a listing; files that differ by what follows the first digit of their name are one set."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for path in listing.row_files:
        pure = PurePosixPath(path)
        if strip_shard(path) != path:  # train.tfrecord-00000-of-00002: a set by what stands before the number
            groups.setdefault((parent_folder(path), strip_shard(pure.name) + "-", ""), []).append(path)
            continue
        start = re.split(r"\d", pure.stem)[0]
        groups.setdefault((parent_folder(path), start if start != pure.stem else pure.stem, pure.suffix), []).append(
            path
        )
    found = []
    for (folder, start, suffix), files in groups.items():
        numbered = len(files) > 1 or PurePosixPath(files[0]).stem != start
        rivals = [key for key in groups if key[0] == folder and key[2] == suffix and key[1] != start]
        sign = "*" if start or not rivals else "[0-9]*"
        pattern = f"{'' if folder == '.' else folder + '/'}{start}{sign if numbered else ''}{suffix}"
        known = _open_set(listing, pattern, tuple(files))
        found += [known] if known is not None else []
    return found


def join_sets(first: PackedSet, second: PackedSet) -> PackedSet:
    """Joins two sets of one form whose folders or names differ in one part."""
    one, two = first.pattern.split("/"), second.pattern.split("/")
    pattern = "/".join(a if a == b else f"{{{a},{b}}}" for a, b in zip(one, two, strict=True))
    return PackedSet(first.listing, pattern, (*first.files, *second.files), first.plain, first.packed, first.notes)


def can_join(first: PackedSet, second: PackedSet) -> bool:
    """Says whether two sets hold other images in one form: equal columns, disjoint ids, one part of the path apart."""
    one, two = first.pattern.split("/"), second.pattern.split("/")
    if len(one) != len(two) or sum(a != b for a, b in zip(one, two, strict=True)) != 1:
        return False
    if first.plain != second.plain or first.packed != second.packed or not first.names:
        return False
    return not set(first.table[first.names[0]]) & set(second.table[first.names[0]])


def _open_set(listing: Listing, pattern: str, files: tuple[str, ...]) -> PackedSet | None:
    try:
        columns = find_row_columns(listing.place(files[0]))
        if columns.pictures:
            packed, notes = _describe_cells(columns.pictures)
            if packed.columns is None:
                packed, notes = _describe_raw(listing.place(files[0]), columns.pictures[0]) or (packed, notes)
            return PackedSet(listing, pattern, files, columns.plain, packed, notes)
        return _open_pixels(listing, pattern, files, columns.plain)
    except InputError:
        return None  # rows of another kind; where nothing else is found, the listing's error names the files


def _describe_cells(pictures: Sequence[str]) -> tuple[Packed, tuple[str, ...]]:
    if len(pictures) == 1:
        return Packed(columns=tuple(pictures) if "." in pictures[0] else None), ()
    note = f"each row holds {len(pictures)} pictures, {', '.join(pictures)}: read as the channels of one image"
    return Packed(columns=tuple(pictures)), (note,)


def _describe_raw(place: Path, column: str) -> tuple[Packed, tuple[str, ...]] | None:
    """Describes bytes that are no picture file but the pixels themselves, by the sides that stand beside them.

    Raises:
        InputError: no sides beside them, and no square.
    """
    rows = [row for row in islice(iterate_rows(place), _OPENED) if isinstance(row.get(column), bytes)]
    contents = [bytes(row[column]) for row in rows]  # type: ignore[call-overload]
    drawn = sum(find_picture_format(content[:SIGNATURE_BYTES]) is not None for content in contents)
    if 2 * drawn >= len(rows):
        return None
    sizes = {len(content) for content in contents}
    sides = [_read_sides(row) for row in rows]
    if len(sizes) == 1 and len(set(sides)) == 1 and sides[0] is not None and math.prod(sides[0]) in sizes:
        return Packed(shape=sides[0]), ()
    for channels in (1, 3):
        side = math.isqrt(min(sizes) // channels)
        if sizes == {side * side * channels} and side * side >= LEAST_PIXELS:
            note = f"bytes of {column} are no picture files: read as the grey levels of {side} x {side} pixels"
            return Packed(shape=(side, side, channels) if channels > 1 else (side, side)), (note,)
    raise InputError(f"{place}: {column} holds bytes that are no picture, and no column says its height and width")


def _read_sides(row: Row) -> tuple[int, int] | tuple[int, int, int] | None:
    """Reads height, width and channels out of the columns of such names."""
    found = []
    for words in _SIDES:
        cells = [cell for name, cell in row.items() if re.split(r"[/_.]", name.lower())[-1] in words]
        found.append(cells[0] if cells and isinstance(cells[0], int) else None)
    height, width, channels = found
    if height is None or width is None:
        return None
    return (height, width) if channels is None or channels == 1 else (height, width, channels)


def _open_pixels(listing: Listing, pattern: str, files: tuple[str, ...], plain: Sequence[str]) -> PackedSet | None:
    """A set with one column per pixel: Parquet with many columns whose names are a number, or end in one."""
    starts = [re.split(r"\d", name)[0] for name in plain if re.fullmatch(r"\D*\d+", name)]
    if len(starts) < LEAST_PIXELS or PurePosixPath(files[0]).suffix.lower() not in (".parquet", ".pq"):
        return None
    expression = re.escape(max(set(starts), key=starts.count)) + _PIXELS
    pixels = sort_pixel_columns(plain, expression)
    known = set(pixels)
    others = tuple(name for name in plain if name not in known)
    if not others:
        return None
    rows = np.stack(list(islice(iterate_parquet_pixels(listing.place(files[0]), pixels), _OPENED)))
    shape = _guess_shape(rows)
    square = shape[0] == shape[1]
    note = () if square else (f"shape {list(shape)}: of all that hold {len(pixels):,} pixels its rows are most alike",)
    return PackedSet(listing, pattern, files, others, Packed(pixels=expression, shape=None if square else shape), note)


def _guess_shape(rows: NDArray[Any]) -> tuple[int, int]:
    """Guesses height and width of images whose pixels stand row after row: in the right shape, neighbours are alike.

    Args:
        rows: (images, pixels).
    """
    count = rows.shape[1]
    values = rows.astype(np.float64)
    widths = [width for width in range(1, count + 1) if count % width == 0 and 1 / 8 <= width * width / count <= 8]
    steps = {width: float(np.abs(values[:, width:] - values[:, :-width]).mean()) for width in widths if width < count}
    best = min(steps, key=lambda width: (steps[width], abs(width * width - count)), default=count)
    return count // best, best
