"""Rows of arrays: NPY, NPZ and HDF5, either one entry per image or arrays whose first axis counts the images.

Entries have the columns ``name`` and ``image``. Arrays have ``row``, which counts from 0, and their own names. What is
read is one row at a time, so that memory stays flat.
"""

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.core.memory import explain_unread
from pipeline.core.picture_formats import SIGNATURE_BYTES, find_picture_format
from pipeline.data.containers.cells import Row

NAME, IMAGE, ROW = "name", "image", "row"
_BANDS = (1, 3, 4)
# Beside their own errors, readers raise what Python does on a damaged header, which NumPy reads as a Python literal.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    EOFError,
    MemoryError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class StoredArray:
    """An array in a file: its shape, whether it holds encoded bytes, and its readers, whole and row by row."""

    shape: tuple[int, ...]
    encoded: bool
    read: Callable[[], object]
    iterate: Callable[[], Iterator[object]]


def iterate_hdf5(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the rows of an HDF5 file.

    Args:
        path: the file.
        columns: those that are wanted; None is all.

    Raises:
        InputError: damaged, or neither one data set per image nor arrays of one length.
    """
    import h5py

    with _refusing(path, "HDF5"), h5py.File(path, "r") as file:
        sets: dict[str, StoredArray] = {}

        def note(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset):
                sets[name] = _describe_set(node)

        file.visititems(note)
        yield from _iterate_arrays(sets, columns, path)


def iterate_numpy(path: Path, columns: Collection[str] | None) -> Iterator[Row]:
    """Yields the rows of an NPY file (columns ``row`` and ``value``) or of the arrays of an NPZ.

    Args:
        path: the file.
        columns: those that are wanted; None is all.

    Raises:
        InputError: damaged, pickled objects, or neither one array per image nor arrays of one length.
    """
    with _refusing(path, "NumPy"), ExitStack() as closing:
        if path.suffix.lower() == ".npy":
            arrays = {"value": _describe_npy(lambda: path.open("rb"), path)}
        else:
            archive = closing.enter_context(zipfile.ZipFile(path))
            arrays = {
                name.removesuffix(".npy"): _describe_npy(partial(archive.open, name), path)
                for name in archive.namelist()
            }
        yield from _iterate_arrays(arrays, columns, path)


def _iterate_arrays(arrays: Mapping[str, StoredArray], columns: Collection[str] | None, path: Path) -> Iterator[Row]:
    if not arrays:
        raise InputError(f"{path} holds no array; get it again")
    wanted = set(columns) if columns is not None else None
    if all(_is_one_image(array, alone=len(arrays) == 1) for array in arrays.values()):
        names = natural_order(list(arrays))
        for name, short in zip(names, _shorten(names), strict=True):
            row: Row = {NAME: short}
            yield row if wanted is not None and IMAGE not in wanted else row | {IMAGE: arrays[name].read()}
        return
    lengths = {name: array.shape[0] if array.shape else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(
            f"{path} holds arrays of several lengths: {some(f'{name} {size}' for name, size in lengths.items())}; "
            "wanted one entry per image, or arrays whose first axis counts the images; save those of training and of "
            "test images in files of their own"
        )
    chosen = {name: array for name, array in arrays.items() if wanted is None or name in wanted}
    rows = [array.iterate() for array in chosen.values()]
    for number in range(next(iter(lengths.values()))):
        yield {ROW: number} | {name: next(cells) for name, cells in zip(chosen, rows, strict=True)}


def _shorten(names: list[str]) -> list[str]:
    """Drops the folders that all names begin or end with: ``images/a1`` and ``images/a2``, ``a1/image``."""
    parts = [name.split("/") for name in names]
    least = min(map(len, parts)) - 1
    first = next((n for n in range(least) if len({part[n] for part in parts}) > 1), least) if len(parts) > 1 else 0
    parts = [part[first:] for part in parts]
    least = min(map(len, parts)) - 1
    last = next((n for n in range(least) if len({part[-1 - n] for part in parts}) > 1), least) if len(parts) > 1 else 0
    return ["/".join(part[: len(part) - last]) for part in parts]


def _is_one_image(array: StoredArray, alone: bool) -> bool:
    """Says whether an array is one image: encoded bytes, height x width, or that with channels behind or before.

    Three or four pictures in grey look like channels before: an array ``alone`` in its file is taken for pictures.
    """
    if array.encoded or len(array.shape) != 3:
        return array.encoded or len(array.shape) == 2
    first, *others = array.shape
    return others[-1] in _BANDS or (not alone and first in _BANDS[1:] and first < min(others))


def _describe_set(dataset: Any) -> StoredArray:
    scalar = dataset.shape == ()
    encoded = scalar and dataset.dtype.kind in "VSO"
    if dataset.dtype == np.uint8 and len(dataset.shape) == 1:
        encoded = _begins_as_picture(dataset[:SIGNATURE_BYTES].tobytes())

    def read() -> object:
        value = dataset[()]
        if isinstance(value, np.void):
            return value.tobytes()
        return value.tobytes() if encoded and isinstance(value, np.ndarray) else value

    def iterate() -> Iterator[object]:
        size = max(1, 1_000_000 // max(1, math.prod(dataset.shape[1:])))
        for start in range(0, dataset.shape[0], size):
            yield from dataset[start : start + size]

    return StoredArray(tuple(dataset.shape), bool(encoded), read, iterate)


def list_single_pictures(paths: Sequence[str], read_head: Callable[[str], bytes]) -> list[str]:
    """Lists the NumPy files that hold one picture each: three or more in a folder, of one shape that is a picture's.

    Of folders with fewer, such as those by the letters of names (``0/0/1/001f4f945f.npy``), ten or more together, each
    called otherwise, are as good.

    Args:
        paths: of NPY files.
        read_head: from a path to the first `SIGNATURE_BYTES` bytes.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    found: list[str] = []
    sparse: dict[int, list[str]] = {}  # by how deep they lie
    for inside in folders.values():
        sparse.setdefault(inside[0].count("/"), []).extend(inside if len(inside) < 3 else [])
    pooled = [each for each in sparse.values() if len({path.rpartition("/")[2] for path in each}) == len(each) > 9]
    for inside in [*(inside for inside in folders.values() if len(inside) > 2), *pooled]:
        try:
            shapes = {_read_header(io.BytesIO(read_head(path)))[0] for path in inside}
        except _DAMAGED:
            continue
        if len(shapes) == 1 and _may_be_picture(shapes.pop()):
            found += inside
    return found


def _may_be_picture(shape: tuple[int, ...]) -> bool:
    """Says whether an array may be a picture, with any number of bands: fewer than its height and width."""
    return len(shape) == 2 or (len(shape) == 3 and (shape[2] < min(shape[:2]) or shape[0] < min(shape[1:])))


def _describe_npy(opened: Callable[[], IO[bytes]], path: Path) -> StoredArray:
    with opened() as file:
        shape, order, dtype = _read_header(file)
        encoded = dtype == np.uint8 and len(shape) == 1 and _begins_as_picture(file.read(SIGNATURE_BYTES))
    if dtype.hasobject:
        raise InputError(f"{path} holds pickled objects, which could run any program when they are read; save arrays")
    if order and len(shape) > 1:
        raise InputError(f"{path} is in Fortran order; save it again with numpy.save(..., numpy.ascontiguousarray(x))")
    size = math.prod(shape[1:])

    def read() -> object:
        with opened() as file:
            _read_header(file)
            array = _take(file, dtype, math.prod(shape)).reshape(shape)
        return array.tobytes() if encoded else array

    def iterate() -> Iterator[object]:
        with opened() as file:
            _read_header(file)
            for _ in range(shape[0]):
                cell = _take(file, dtype, size)
                yield cell.reshape(shape[1:]) if len(shape) > 1 else cell[0]

    return StoredArray(shape, encoded, read, iterate)


def _begins_as_picture(content: bytes) -> bool:
    """Says whether a row of bytes is a picture file, and no row of labels."""
    return find_picture_format(content) is not None


def _take(file: IO[bytes], dtype: np.dtype[Any], count: int) -> Any:
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise ValueError("it ends within an array")
    return np.frombuffer(content, dtype)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)  # type: ignore[no-any-return,unused-ignore]


@contextmanager
def _refusing(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _DAMAGED as error:
        raise explain_unread(path, error, f"is no whole {kind} file", "get it again") from error
