"""Levels: how a store keeps grey levels, in 8 or 16 bits, and what reads of it: whole ones, or float32 between two.

All that reads a store counts in grey levels of 0 to 255, whatever the store's type: one of 16 bits has levels between
two whole ones. So networks scale both alike, and a model's settings mean the same.
"""

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Pixels

StoreType = Literal["uint8", "uint16", "float16"]
_STEPS = 257  # steps of a uint16 store between two whole grey levels: 255 is 65,535


def encode_levels(levels: Pixels, dtype: StoreType) -> NDArray[Any]:
    """Encodes grey levels as a store of a type keeps them.

    A uint16 store keeps 257 steps to each level; a float16 store 8 of them above 128 and ever more towards black.

    Args:
        levels: of any shape; what lies outside 0..255 is cut off.
        dtype: of the store.
    """
    if levels.dtype == np.uint8 and dtype == "uint8":
        return levels
    kept = np.clip(levels.astype(np.float32), 0, 255)
    if dtype == "float16":
        return kept.astype(np.float16)
    return np.rint(kept * _STEPS).astype(np.uint16) if dtype == "uint16" else np.rint(kept).astype(np.uint8)


def decode_levels(stored: NDArray[Any]) -> Images:
    """Decodes what a store keeps: uint8 as it is, other types as float32 in [0, 255]."""
    if stored.dtype == np.uint8:
        return stored
    levels = stored.astype(np.float32)
    return cast(Images, levels / np.float32(_STEPS) if stored.dtype == np.uint16 else levels)


class DeepImages:
    """The images of a store of 16 bits: read like an array of float32 (n, size, size, channels) in [0, 255].

    What is read is copied; the store itself stays on disk.
    """

    def __init__(self, stored: NDArray[np.uint16 | np.float16]) -> None:
        """Takes the memory map of the store."""
        self._stored = stored
        self.shape, self.ndim, self.dtype = stored.shape, stored.ndim, np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes of all images once they are read."""
        return self._stored.size * self.dtype.itemsize

    def __len__(self) -> int:
        """Counts the images."""
        return len(self._stored)

    def __getitem__(self, key: Any) -> Images:
        """Reads what NumPy would index."""
        return decode_levels(np.asarray(self._stored[key]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Reads all images."""
        levels = decode_levels(np.asarray(self._stored))
        return levels if dtype is None else levels.astype(dtype)


def view_store(stored: NDArray[Any]) -> Images:
    """Views the array of a store as grey levels: uint8 as it is, 16 bits as `DeepImages`."""
    return stored if stored.dtype == np.uint8 else cast(Images, DeepImages(stored))
