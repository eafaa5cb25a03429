"""Tables with one column per pixel."""

import re
from dataclasses import dataclass
from math import isqrt
from typing import Any

import pandas as pd

_LEAST = 16  # columns that differ by a number alone: fewer are no image


@dataclass(frozen=True)
class Pixels:
    """A table of pixels: the pattern of its pixel columns, the shape of an image, the columns besides."""

    table: str
    pattern: str
    count: int
    shape: tuple[int, int, int]
    others: tuple[str, ...]

    def section(self, row_id: str | None) -> dict[str, Any]:
        """Returns the keys that train and test have in common."""
        height, width, channels = self.shape
        shape = [height, width] if channels == 1 else [height, width, channels]
        return ({"id": row_id} if row_id else {}) | {"pixels": self.pattern, "shape": shape}


def find_pixels(head: pd.DataFrame, path: str) -> Pixels | None:
    """Looks for pixel columns: many of one name but for its number, a square of them, grey levels inside.

    Args:
        head: the first rows.
        path: the table's name.
    """
    patterns: dict[str, list[str]] = {}
    for name in map(str, head.columns):
        patterns.setdefault(
            "".join(r"\d+" if part.isdigit() else re.escape(part) for part in re.split(r"(\d+)", name) if part), []
        ).append(name)
    pattern, columns = max(patterns.items(), key=lambda item: len(item[1]))
    shape = _shape(len(columns))
    if len(columns) < _LEAST or r"\d+" not in pattern or shape is None:
        return None
    values = head[columns].head(50).apply(pd.to_numeric, errors="coerce").to_numpy()
    if not len(values) or not ((values >= 0) & (values <= 255) & (values % 1 == 0)).all() or values.max() <= 1:
        return None
    return Pixels(
        path, pattern, len(columns), shape, tuple(str(name) for name in head.columns if name not in set(columns))
    )


def _shape(count: int) -> tuple[int, int, int] | None:
    for channels in (1, 3):
        side = isqrt(count // channels)
        if side * side * channels == count:
            return side, side, channels
    return None
