"""Bands: the values of a deep or many-banded picture as its file holds them, and their way to whole grey levels.

A picture of 12, 16 or 32 bits has no brightness of its own: which values become black and white is `ValueRange`, a key
of the competition's file.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images

ValueRange = Literal["dtype", "data", "percentile", "window"] | tuple[float, float]
Frame = Literal["first", "middle"]
_PERCENTILES = (0.5, 99.5)
_ENOUGH = 100_000  # values that percentiles are taken from
_TABLE = 65536


@dataclass(frozen=True)
class Bands:
    """A picture as its file holds it.

    Attributes:
        values: (height, width, bands), any type of number.
        limits: the values that the file's type can hold, black and white.
        window: the values that the file itself wants to be black and white; None where it names none.
        inverted: whether small values are bright (MONOCHROME1).
    """

    values: NDArray[Any]
    limits: tuple[float, float]
    window: tuple[float, float] | None = None
    inverted: bool = False

    def choose(self, numbers: tuple[int, ...]) -> "Bands":
        """Returns some bands, counted from 1, in the order given.

        Raises:
            ValueError: no such band.
        """
        there = self.values.shape[2]
        absent = [number for number in numbers if number > there]
        if absent:
            raise ValueError(f"storage.bands names band {absent[0]}, but the picture has {there}")
        return replace(self, values=self.values[:, :, [number - 1 for number in numbers]])


def list_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Lists the limits of a picture's type: whole numbers by their bits, floating point 0..1, or 0..255 above that.

    32-bit whole numbers are taken for 16-bit ones, which older PNG and TIFF writers put there.
    """
    kind = values.dtype
    if kind.kind == "b":
        return 0.0, 1.0
    if kind.kind in "ui":
        info = np.iinfo(kind if kind.itemsize <= 2 else np.dtype(f"{kind.kind}2"))
        return (float(info.min), float(info.max)) if kind.kind == "u" or _is_negative(values) else (0.0, 65535.0)
    largest = np.nanmax(values, initial=0.0, where=np.isfinite(values))
    return (0.0, 1.0) if largest <= 1 else (0.0, 255.0)


def _is_negative(values: NDArray[Any]) -> bool:
    return bool(values.dtype.itemsize <= 2 or (values.size and values.min() < 0))


def leave_blank(values: NDArray[Any], blank: NDArray[np.bool_]) -> NDArray[Any]:
    """Makes no numbers (NaN) of pixels that a file says are none of its picture, unless all are.

    Args:
        values: (height, width, ...), any type of number.
        blank: of the same shape.
    """
    if not blank.any() or blank.all():
        return values
    numbers = values.astype(np.float32 if values.dtype.itemsize <= 2 or values.dtype.kind == "f" else np.float64)
    numbers[blank] = np.nan
    return numbers


def scale_levels(bands: Bands, wanted: ValueRange) -> NDArray[np.float32]:
    """Scales a picture as `scale_bands` does, but leaves what lies between two grey levels: float32 in [0, 255].

    Raises:
        ValueError: no value is a number.
    """
    levels = _as_numbers(_levels(bands.values.astype(np.float64), *find_range(bands, wanted)), bands.inverted)
    kept = np.clip(levels, 0, 255).astype(np.float32)
    return 255 - kept if bands.inverted else kept


def find_range(bands: Bands, wanted: ValueRange) -> tuple[float, float]:
    """Finds the values that become black and white.

    Raises:
        ValueError: no value is a number.
    """
    if isinstance(wanted, tuple):
        return wanted
    if wanted == "dtype":
        return bands.limits
    if wanted == "window" and bands.window is not None:
        return bands.window
    values = bands.values.ravel()
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError("none of its values is a number")
    if wanted == "percentile":
        low, high = np.percentile(values[:: max(1, values.size // _ENOUGH)], _PERCENTILES)
        if low < high:
            return float(low), float(high)
    return float(values.min()), float(values.max())


def scale_bands(bands: Bands, wanted: ValueRange) -> Images:
    """Scales a picture to grey levels: uint8 (height, width, bands); what is no number becomes black.

    Values outside the range become black or white; a picture whose range is one value alone becomes black.

    Raises:
        ValueError: no value is a number.
    """
    low, high = find_range(bands, wanted)
    values = bands.values
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2 and values.size > _TABLE:
        wide = values.astype(np.int16) if values.dtype.itemsize == 1 else values
        # One row of values: OpenCV looks up any number of them, but only so many channels.
        row = np.ascontiguousarray(wide).reshape(1, -1)
        choice = wide.dtype.kind == "i", low, high, bands.inverted
        found = (
            _multiply(row, *choice[1:]) if _is_product(*choice) else cv2.LUT(row.view(np.uint16), _make_table(*choice))
        )
        return np.asarray(found, dtype=np.uint8).reshape(values.shape)
    return _rounded(_as_numbers(_levels(values.astype(np.float64), low, high), bands.inverted), bands.inverted)


def _as_numbers(levels: NDArray[np.float64], inverted: bool) -> NDArray[np.float64]:
    """Makes black of what is no number, also where small values are bright."""
    finite = np.isfinite(levels)
    if finite.all():
        return levels
    if not finite.any():
        raise ValueError("none of its values is a number")
    return np.where(np.isnan(levels), 255.0 if inverted else 0.0, levels)


@lru_cache(maxsize=8)
def _make_table(signed: bool, low: float, high: float, inverted: bool) -> Images:
    """Makes the grey levels of all 16-bit values: looking them up is several times faster than arithmetic on pixels."""
    return _rounded(_levels(_list_steps(signed).astype(np.float64), low, high), inverted)


@lru_cache(maxsize=64)
def _is_product(signed: bool, low: float, high: float, inverted: bool) -> bool:
    """Says whether `_multiply`, three times faster than the table, gives its level for each of the 16-bit values.

    It multiplies in float32, so a value that lies right between two levels may come out one level off.
    """
    if low >= high:
        return False
    table = _make_table(signed, low, high, inverted)
    return bool(np.array_equal(_multiply(_list_steps(signed)[None], low, high, inverted)[0], table))


def _multiply(row: NDArray[Any], low: float, high: float, inverted: bool) -> Images:
    """Scales one row of 16-bit values in float32; OpenCV takes the absolute value of what it multiplied."""
    info = np.iinfo(row.dtype)
    kept = np.maximum(row, row.dtype.type(min(np.floor(low), info.max))) if low >= info.min + 1 else row
    scale = 255 / (high - low)
    levels = cv2.convertScaleAbs(kept, alpha=scale, beta=-low * scale)
    return np.asarray(cv2.bitwise_not(levels) if inverted else levels, dtype=np.uint8)


def _list_steps(signed: bool) -> NDArray[Any]:
    """Lists all 16-bit values in the order of their bits."""
    steps = np.arange(_TABLE, dtype=np.uint16)
    return steps.view(np.int16) if signed else steps


def _levels(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if low == high:
        return np.where(np.isnan(values), np.nan, 0.0)
    return (values - low) * (255 / (high - low))


def _rounded(levels: NDArray[np.float64], inverted: bool) -> Images:
    grey = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return 255 - grey if inverted else grey
