"""Pixels: tables with one column per pixel, and a storage size and channels proposed from a few dozen images."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isqrt
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import InputError, some
from pipeline.data.containers.cells import LEAST_PIXELS
from pipeline.data.containers.pictures import Picture
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Reading
from pipeline.data.describe.value_range import describe_range
from pipeline.images.decoding import BrokenImageError
from pipeline.images.inspection import PictureFacts, inspect_values, name_frames

_LEAST_COLUMNS = 16  # columns that differ by a number alone: fewer are no image
_OPENED = 48
_CLEARLY = 0.8  # of the steps between neighbours: less is no chance
_LEAST, _MOST = 16, 160  # the shipped networks pool: 8 pixels leave them little; 160 are what those for photos take


@dataclass(frozen=True)
class PixelTable:
    """A table of pixels: the pattern of its pixel columns, the shape of an image, the columns besides.

    ``planes`` says that a row holds all values of one channel before those of the next. The one column that the pattern
    fits may also hold all pixels of an image in each cell.
    """

    table: str
    pattern: str
    count: int
    shape: tuple[int, int, int]
    others: tuple[str, ...]
    planes: bool = False

    def section(self, row_id: str | None) -> dict[str, Any]:
        """Returns the keys that train and test have in common."""
        height, width, channels = self.shape
        shape = [height, width] if channels == 1 else [height, width, channels]
        planes = {"planes": True} if self.planes else {}
        return ({"id": row_id} if row_id else {}) | {"pixels": self.pattern, "shape": shape} | planes


def find_pixel_table(head: pd.DataFrame, path: str) -> PixelTable | None:
    """Looks for a square of grey levels: in many columns of one name but for its number, or in one column of lists.

    Args:
        head: the first rows.
        path: the table's name.
    """
    cells = _find_pixel_cells(head, path)
    if cells is not None:
        return cells
    patterns: dict[str, list[str]] = {}
    for name in map(str, head.columns):
        patterns.setdefault(
            "".join(r"\d+" if part.isdigit() else re.escape(part) for part in re.split(r"(\d+)", name) if part), []
        ).append(name)
    pattern, columns = max(patterns.items(), key=lambda item: len(item[1]))
    shape = _shape(len(columns))
    if len(columns) < _LEAST_COLUMNS or r"\d+" not in pattern or shape is None:
        return None
    values = head[columns].head(50).apply(pd.to_numeric, errors="coerce").to_numpy()
    if not _are_grey_levels(values):
        return None
    known = set(columns)
    others = tuple(str(name) for name in head.columns if name not in known)
    if pattern.count(r"\d+") == 1:  # as prepare sorts them
        values = values[:, np.argsort([int(re.sub(r"\D", "", name)) for name in columns], kind="stable")]
    return PixelTable(path, pattern, len(columns), shape, others, _are_planes(values, shape))


def _find_pixel_cells(head: pd.DataFrame, path: str) -> PixelTable | None:
    for name in map(str, head.columns):
        rows = [cell.split() for cell in head[name].astype(str)]
        shape = _shape(len(rows[0])) if rows and {len(row) for row in rows} == {len(rows[0])} else None
        if shape is None or len(rows[0]) < LEAST_PIXELS:
            continue
        numbers = pd.to_numeric(np.array(rows).ravel(), errors="coerce")
        values = np.asarray(numbers, dtype=np.float64).reshape(len(rows), -1)
        if _are_grey_levels(values):
            others = tuple(str(other) for other in head.columns if other != name)
            return PixelTable(path, re.escape(name), len(rows[0]), shape, others, _are_planes(values, shape))
    return None


def _are_grey_levels(values: NDArray[np.float64]) -> bool:
    return bool(len(values) and ((values >= 0) & (values <= 255) & (values % 1 == 0)).all() and values.max() > 1)


def _are_planes(values: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    """Says whether neighbours are more alike where a row is read channel by channel than pixel by pixel.

    Args:
        values: (images, pixels).
        shape: height, width and channels.
    """
    height, width, channels = shape
    if channels == 1:
        return False
    planes = values.reshape(-1, channels, height, width)
    pixels = values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    return _measure_steps(planes) < _CLEARLY * _measure_steps(pixels)


def _measure_steps(images: NDArray[np.float64]) -> float:
    """Mean step between neighbours of (images, channels, height, width)."""
    return float(np.abs(np.diff(images, axis=2)).mean() + np.abs(np.diff(images, axis=3)).mean())


def _shape(count: int) -> tuple[int, int, int] | None:
    for channels in (1, 3):
        side = isqrt(count // channels)
        if side * side * channels == count:
            return side, side, channels
    return None


def describe_storage(listing: Listing, train: Reading) -> Reading:
    """Describes the storage section.

    Args:
        listing: the files.
        train: the training images: paths, some packed pictures, or the shape of those in a table.

    Raises:
        InputError: none of the images opened can be read.
    """
    if train.pixels is not None:
        height, width, channels = train.pixels
        return _section(
            [(width, height)],
            channels,
            f"{height}x{width} pixels, {'grey' if channels == 1 else 'in colour'}, in the table",
        )
    images = train.images
    paths = images[:: max(1, len(images) // _OPENED)][:_OPENED]
    listing.load(paths)
    chosen = {path: partial(listing.read, path) for path in paths} or _read_packed(train)
    found: list[PictureFacts] = []
    broken = []
    for path, read in chosen.items():
        try:
            found.append(inspect_values(read()))
        except BrokenImageError as error:
            broken.append(f"{path} ({error})")
    if not found:
        raise InputError(
            f"{listing.source}: none of {len(chosen)} images opened can be read: {some(broken, 5)}; are they images?"
        )
    count_all = train.rows if train.pictures else len(images)
    sizes, grey = [facts.size for facts in found], sum(facts.grey for facts in found)
    common, count = Counter(sizes).most_common(1)[0]
    spread = f"{common[0]}x{common[1]}" if count == len(sizes) else f"{_range(sizes, 0)} wide, {_range(sizes, 1)} high"
    channels = _count_channels(listing, found)
    files = train.section.get("files", {}).get("channels", ())
    if files and channels != 1:
        raise InputError(
            f"{listing.source}: the files {train.section['files']['path']} are {len(files)} channels of an image, but "
            f"hold {channels} themselves; wanted grey pictures"
        )
    channels = len(files) or channels
    colour = _describe_colour(channels, grey, len(sizes))
    reading = _section(
        sizes,
        channels,
        f"{len(sizes)} of {count_all:,} images opened: {_list_formats(found)}, {spread}, {colour}",
    )
    sliced = _describe_slices(train, channels)
    check = (f"{len(broken)} of {len(chosen)} images opened cannot be read: {some(broken, 5)}",) if broken else ()
    deep = [facts.deep for facts in found if facts.deep is not None]
    values = describe_range(deep) if deep else Reading({})
    level = min(facts.level for facts in found)
    if level:
        values = replace(values, section={**values.section, "level": level})
        words = f"level {level} of these slides is read; storage.tiles makes a mosaic of the tissue of a larger one"
        check = (*check, f"{words}: docs/competitions.md")
    check = (*check, *name_frames(found))
    section = {**reading.section, **sliced.section, **values.section}
    return Reading(section, (*reading.facts, *values.facts), (*check, *sliced.check, *values.check))


def _describe_slices(train: Reading, channels: int) -> Reading:
    """Describes what becomes of images that are folders of slices."""
    files = train.section.get("files", {})
    start = "" if train.section.get("images") in (".", None) else f"{train.section['images']}/"
    if not files or train.images[0].removeprefix(start).count("/") <= files["path"].count("/"):
        return Reading({})
    taken = {"slices": "middle"} if channels != 1 else {"slices": "spread", "channels": 3}
    words = "three slices, spread over all, become the channels" if channels == 1 else "the middle one is taken"
    check = f"each image is a folder of slices: {words}; storage.slices takes others, or makes a mean or mosaic"
    return Reading(taken, (), (check,))


def _describe_colour(channels: int, grey: int, count: int) -> str:
    if channels not in (1, 3):
        return f"{channels} bands"
    return "all grey" if grey == count else f"{grey} of them grey" if grey else "all in colour"


def _read_packed(train: Reading) -> dict[str, Callable[[], Picture]]:
    def give(picture: Picture) -> Picture:
        return picture

    where = train.section["images"]
    return {f"{where}, picture {number}": partial(give, each) for number, each in enumerate(train.pictures, 1)}


def _list_formats(found: Sequence[PictureFacts]) -> str:
    return ", ".join(name for name, _ in Counter(facts.format for facts in found).most_common())


def _count_channels(listing: Listing, found: Sequence[PictureFacts]) -> int:
    bands = Counter(facts.bands for facts in found if facts.bands not in (1, 3))
    if len(bands) == 1 and bands.total() == len(found):
        return next(iter(bands))
    if bands:
        raise InputError(
            f"{listing.source}: {bands.total()} of {len(found)} images opened are pictures of "
            f"{' or '.join(map(str, sorted(bands)))} bands, and the others are not; write the competition's file by "
            "hand and choose bands that all of them have: storage.bands: [3, 2, 1] (docs/competitions.md)"
        )
    return 1 if all(facts.grey for facts in found) else 3


def _section(sizes: Sequence[tuple[int, int]], channels: int, fact: str) -> Reading:
    side = round(median(min(size) for size in sizes))
    size = min(max(side, _LEAST), _MOST)
    if size < side:
        fact += f"; stored at {size}, the input size of the models proposed for photos: raise it for larger inputs"
    elif size > side:
        fact += f"; stored at {size}, as smaller images leave the networks nothing to pool"
    return Reading({"size": size, "channels": channels, "resize": "crop"}, (fact,))


def _range(sizes: Sequence[tuple[int, int]], axis: int) -> str:
    values = [size[axis] for size in sizes]
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"
