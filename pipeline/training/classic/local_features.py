"""Descriptors of all images as one table on disk, computed once for all folds: whole or absent."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Rows
from pipeline.core.digests import is_signed, sign_file
from pipeline.core.files import atomic_path, locked, require_space
from pipeline.core.progress import track_progress
from pipeline.images.prefetching import Prefetcher
from pipeline.images.sift import WIDTH, Sift, SiftExtractor

_BATCH = 32


@dataclass(frozen=True)
class LocalFeatures:
    """Descriptors of images, one image after another.

    Attributes:
        descriptors: uint8 (total, 128), memory-mapped.
        places: float32 (total, 2), x and y in [0, 1).
        starts: int64 (n_images + 1,); those of image i are ``starts[i]`` to ``starts[i + 1]`` - 1.
    """

    descriptors: NDArray[np.uint8]
    places: NDArray[np.float32]
    starts: NDArray[np.int64]

    def of(self, rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
        """Returns the descriptors of some images, where they lie, and which of the images each belongs to."""
        ranges = [np.arange(self.starts[row], self.starts[row + 1]) for row in rows]
        chosen = np.concatenate(ranges) if ranges else np.zeros(0, dtype=np.int64)
        owners = np.repeat(np.arange(len(rows)), [len(found) for found in ranges])
        return self.descriptors[chosen], self.places[chosen], owners


def extract_descriptors(images: Images, section: Sift) -> LocalFeatures:
    """Extracts the descriptors of a few images in memory: uint8 (n, size, size, channels)."""
    extractor = SiftExtractor(section, images.shape[1])
    found = [extractor.extract(image) for image in images]
    starts = np.cumsum([0, *(len(descriptors) for descriptors, _ in found)], dtype=np.int64)
    descriptors = [part for part, _ in found] or [np.zeros((0, WIDTH), dtype=np.uint8)]
    places = [part for _, part in found] or [np.zeros((0, 2), dtype=np.float32)]
    return LocalFeatures(np.concatenate(descriptors), np.concatenate(places), starts)


def open_descriptors(path: Path, images: Images, mirrored: bool, section: Sift, workers: int) -> LocalFeatures:
    """Opens the descriptors of all images; extracts them first where they are not on disk.

    Args:
        path: of the descriptors' file; its folder is keyed by a fingerprint of the images, the settings and the code.
        images: uint8 (n, size, size, channels).
        mirrored: takes the mirror images instead.
        section: what to extract.
        workers: threads.

    Raises:
        InputError: the images do not suit the settings, or the disk is too full.
    """
    # Written last: where it lies, the descriptors are whole.
    table = path.with_suffix(".npz")
    with locked(path.with_suffix(".lock")):  # folds side by side want the same
        if not (is_signed(table) and is_signed(path)):
            _write(path, table, _extracted(images, mirrored, section, workers, f"descriptors {path.stem}"))
            sign_file(path)
            sign_file(table)
    with np.load(table, allow_pickle=False) as kept:
        where, starts = np.asarray(kept["places"]), np.asarray(kept["starts"])
    shape = (int(starts[-1]), WIDTH)
    # An empty file cannot be mapped.
    descriptors = np.memmap(path, dtype=np.uint8, mode="r", shape=shape) if shape[0] else np.zeros(shape, np.uint8)
    return LocalFeatures(descriptors, where, starts)


def _write(path: Path, table: Path, parts: Iterable[LocalFeatures]) -> None:
    places, counts = [np.zeros((0, 2), dtype=np.float32)], [0]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            require_space(path.parent, part.descriptors.nbytes)
            file.write(part.descriptors.tobytes())
            places.append(part.places)
            counts += np.diff(part.starts).tolist()
    with atomic_path(table) as temporary, temporary.open("wb") as file:
        starts = np.cumsum(counts, dtype=np.int64)
        np.savez(file, allow_pickle=False, places=np.concatenate(places), starts=starts)


def _extracted(images: Images, mirrored: bool, section: Sift, workers: int, words: str) -> Iterator[LocalFeatures]:
    def make(start: int) -> LocalFeatures:
        batch = images[start : start + _BATCH]
        return extract_descriptors(batch[:, :, ::-1] if mirrored else batch, section)

    with (
        track_progress(words, len(images)) as advance,
        closing(Prefetcher(make, range(0, len(images), _BATCH), workers)) as ahead,
    ):
        for part in ahead:
            advance(len(part.starts) - 1)
            yield part
