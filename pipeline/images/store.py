"""The image store: (n, size, size, channels) of 8 or 16 bits in a plain .npy file, filled row by row in flat memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.core.digests import require_unchanged
from pipeline.core.errors import DAMAGE, InputError
from pipeline.core.files import require_space
from pipeline.core.memory import explain_unread
from pipeline.images.fitting import StorageForm
from pipeline.images.levels import view_store

_ROOM = "free some space or lower storage.size in the competition's file"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts noted of one image while it was decoded.

    Attributes:
        width: of the original, after its EXIF orientation; 0 if it is broken.
        height: the same.
        hash: digest of the original's decoded pixels; empty if it is broken.
        perceptual_hash: equal for images that look the same; empty if it is broken.
        broken: the reason why the image cannot be read and its row is black; empty if it can.
        lost: the share of its rows that its file lacks.
    """

    width: int = 0
    height: int = 0
    hash: str = ""
    perceptual_hash: str = ""
    broken: str = ""
    lost: float = 0.0


@dataclass(frozen=True)
class Store:
    """A .npy file under construction.

    Attributes:
        path: the file.
        offset: bytes before the first row.
        row_bytes: bytes of one row.
    """

    path: Path
    offset: int
    row_bytes: int

    def count_rows(self) -> int:
        """Counts the rows, by the size of the file."""
        return (self.path.stat().st_size - self.offset) // self.row_bytes

    def write(self, row: int, pixels: NDArray[Any]) -> None:
        """Writes one row, as the store keeps it; any process may do so."""
        handle = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(handle, pixels.tobytes(), self.offset + row * self.row_bytes)
        finally:
            os.close(handle)


def create_store(path: Path, rows: int, form: StorageForm) -> Store:
    """Creates a store of black images.

    Raises:
        InputError: the disk has too little room.
    """
    dtype = np.dtype(form.dtype).newbyteorder("<")
    row_bytes = form.size * form.size * form.channels * dtype.itemsize
    require_space(path.parent, rows * row_bytes, _ROOM)
    header = {"descr": dtype.str, "fortran_order": False, "shape": (rows, form.size, form.size, form.channels)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        offset = file.tell()
        file.truncate(offset + rows * row_bytes)
    return Store(path, offset, row_bytes)


def open_store(path: Path, rows: int | None = None) -> Images:
    """Opens a store as a read-only memory map: grey levels (n, size, size, channels), uint8 or of 16 bits float32.

    Args:
        path: the file.
        rows: how many its index has, if they are to agree.

    Raises:
        InputError: no such file, or it is damaged, or holds another number of images.
    """
    images = _map_store(path)
    if rows is not None and len(images) != rows:
        raise InputError(f"{path} holds {len(images)} images, its index {rows} rows; run `dvc repro -f prepare`")
    return view_store(images)


def _map_store(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro prepare`")
    require_unchanged(path, "run `dvc repro -f prepare`")
    try:
        images: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        raise explain_unread(path, error, "is damaged", "run `dvc repro -f prepare`") from error
    return images


def copy_rows(path: Path, rows: Sequence[int], target: Path) -> None:
    """Copies some rows of a finished store into a new one, one by one."""
    join_stores([path], [rows], target)


def join_stores(paths: Sequence[Path], chosen: Sequence[Sequence[int]], target: Path) -> None:
    """Copies some rows of each of several finished stores into a new one, store by store.

    Raises:
        InputError: they differ in type, size or channels, one is damaged, or the disk has too little room.
    """
    stores = [_map_store(path) for path in paths]
    for path, images in zip(paths, stores, strict=True):
        if (images.dtype, images.shape[1:]) != (stores[0].dtype, stores[0].shape[1:]):
            raise InputError(
                f"{path} holds {images.dtype} {images.shape[1:]}, {paths[0]} {stores[0].dtype} {stores[0].shape[1:]}; "
                "run `dvc repro -f prepare`"
            )
    count, shape = sum(map(len, chosen)), stores[0].shape[1:]
    require_space(target.parent, count * int(np.prod(shape)) * stores[0].itemsize, _ROOM)
    with target.open("wb") as file:
        header = {"descr": stores[0].dtype.str, "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for images, rows in zip(stores, chosen, strict=True):
            for row in rows:
                file.write(images[row].tobytes())
