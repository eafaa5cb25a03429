"""Whole slides: the levels of a TIFF file, and mosaics of those of its tiles that hold tissue.

A mosaic shows tissue at a magnification at which the slide as a whole would be far too large.
Reference: https://www.kaggle.com/code/iafoss/panda-16x128x128-tiles (the darkest tiles)
"""

from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np

from pipeline.core.arrays import Pixels

TileChoice = Literal["dark", "colour", "even"]
_ALIKE = 0.03  # by which the shapes of two levels may differ: sides are rounded
_TISSUE, _LEAST = 0.08, 0.1  # the saturation of stained tissue, of white; the least share of it that makes a tile count
_WHITE = 255
_STEP = 4  # pixels: scores are taken from every fourth row and column


@dataclass(frozen=True)
class Mosaic:
    """How tiles of a picture become one.

    Attributes:
        choose: the ``dark``est tiles, those of the strongest ``colour``, or tiles with tissue spread ``even``ly.
        count: tiles, a square number.
        size: side of a tile in pixels.
    """

    choose: TileChoice
    count: int
    size: int


def list_levels(first: Any, pages: Any) -> list[Any]:
    """Lists the pages of a TIFF file that are the picture of its first page at falling sizes, that page included.

    Args:
        first: the first page, as tifffile reads it.
        pages: all pages.
    """
    inner = list(first.pages) if first.subifds else []
    shape = first.imagewidth / first.imagelength
    found: dict[int, Any] = {}
    for page in [first, *inner, *(pages[number] for number in range(1, len(pages)))]:
        page = page.aspage()
        alike = abs(page.imagewidth / page.imagelength / shape - 1) < _ALIKE
        if alike and page.samplesperpixel == first.samplesperpixel and page.imagewidth <= first.imagewidth:
            found.setdefault(page.imagewidth, page)
    return [found[width] for width in sorted(found, reverse=True)]


def make_mosaic(pixels: Pixels, mosaic: Mosaic) -> Pixels:
    """Lays tiles of a picture side by side, in their order in it; where there are too few, white ones follow.

    Args:
        pixels: grey levels (height, width, bands); its last row and column of tiles are filled up with white.
        mosaic: which tiles.

    Returns:
        (side, side, bands) of the same type, where side is that of a tile times the root of their number.
    """
    tiles = _cut(pixels, mosaic.size)
    seen = tiles[:, ::_STEP, ::_STEP].astype(np.float32) / np.float32(_WHITE)
    dark, colour = 1 - seen.mean(axis=3), seen.max(axis=3) - seen.min(axis=3)
    if tiles.shape[3] == 1:
        colour = dark
    if mosaic.choose == "even":
        held = np.flatnonzero((colour > _TISSUE).mean(axis=(1, 2)) >= _LEAST)
        places = np.linspace(0, len(held) - 1, min(mosaic.count, len(held))).round().astype(int)
        chosen = held[places]
    else:
        score = (dark if mosaic.choose == "dark" else colour).mean(axis=(1, 2))
        chosen = np.sort(np.argsort(-score, kind="stable")[: mosaic.count])
    laid = np.full((mosaic.count, *tiles.shape[1:]), _WHITE, dtype=pixels.dtype)
    laid[: len(chosen)] = tiles[chosen]
    across, side = isqrt(mosaic.count), mosaic.size
    rows = laid.reshape(across, across, side, side, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(rows.reshape(across * side, across * side, -1))


def _cut(pixels: Pixels, side: int) -> Pixels:
    """Cuts a picture into tiles: (tiles, side, side, bands)."""
    height, width, channels = pixels.shape
    more = (-height % side, -width % side)
    padded = np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), constant_values=_WHITE)
    rows, columns = padded.shape[0] // side, padded.shape[1] // side
    return padded.reshape(rows, side, columns, side, channels).swapaxes(1, 2).reshape(-1, side, side, channels)
