"""Mirrored twins: training images that are one another's mirror image, as copies of one photograph often are.

Hashes do not find them: a mirrored picture has another one. Here the signs of low frequencies are compared, of which a
mirror turns over those of odd order along the rows; pixels decide between the few pairs that are left.
Reference: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions, https://www.phash.org
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.data.prepared.duplicates import name_sets

_ORDERS = 8  # frequencies along each side
_FLAT = 4.0  # levels of standard deviation: below it there is nothing to compare
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_BANDS, _DIFFER = 4, 3  # of four bands of signs one is equal where three signs differ at most
_CROWD = 50  # images that share a band: of more it is too common to tell anything
_ALIKE = 0.95  # correlation of the pixels
_ROWS, _PAIRS = 64, 1_000_000  # at once


def name_mirrored_twins(images: Images, count: int | None = None) -> list[str]:
    """Names the set of mirrored twins that each image belongs to; empty where it has none.

    Args:
        images: (n, size, size, channels), as stored.
        count: how many of them, from the first, are looked at; None for all.
    """
    count = len(images) if count is None else count
    pairs = find_mirrored_twins(images, count)
    return name_sets(pairs, count)


def find_mirrored_twins(images: Images, count: int | None = None) -> NDArray[np.int64]:
    """Finds pairs of images of which one is the other, mirrored left to right.

    Signs of up to 3 of 63 frequencies may differ; the pixels of one then have to correlate with the other's mirror
    image by 0.95. On animals15 seven training pairs remain, all of one class each.

    Args:
        images: (n, size, size, channels), as stored.
        count: how many of them, from the first, are looked at; None for all.

    Returns:
        (n_pairs, 2) rows, the lower first.
    """
    own, mirrored, usable = _read_signs(images, len(images) if count is None else count)
    found = [pair for pairs in _pair_by_bands(own, mirrored, usable) for pair in pairs.tolist()]
    kept = [(a, b) for a, b in sorted({(min(pair), max(pair)) for pair in found}) if _correlate(images, a, b) >= _ALIKE]
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _read_signs(images: Images, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Reads the signs of each image's low frequencies, those of its mirror image, and the rows that are not flat."""
    side = images.shape[1]
    waves = np.cos(np.pi / (2 * side) * np.outer(np.arange(_ORDERS), 2 * np.arange(side) + 1)).astype(np.float32)
    turned = np.where(np.arange(_ORDERS) % 2, -1, 1)
    own, mirrored = list[NDArray[np.uint64]](), list[NDArray[np.uint64]]()
    usable = list[NDArray[np.bool_]]()
    for start in range(0, count, _ROWS):
        grey = _make_grey(images[start : min(start + _ROWS, count)])
        waved = waves @ grey @ waves.T
        waved[:, 0, 0] = 0  # the mean
        for signs, made in ((own, waved), (mirrored, waved * turned)):
            signs.append(np.packbits(made.reshape(len(made), -1) > 0, axis=1).view(np.uint64)[:, 0])
        usable.append(grey.std(axis=(1, 2)) >= _FLAT)
    none = np.zeros(0, dtype=np.uint64)
    return (
        np.concatenate([none, *own]),
        np.concatenate([none, *mirrored]),
        np.flatnonzero(np.concatenate([[], *usable])),
    )


def _pair_by_bands(
    own: NDArray[np.uint64], mirrored: NDArray[np.uint64], usable: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yields pairs of rows whose signs, one mirrored, differ little: (n_pairs, 2), some more than once."""
    for band in range(_BANDS):
        mask = np.uint64(sum(1 << bit for bit in range(band, _ORDERS**2, _BANDS)))
        keys = own[usable] & mask
        order = usable[np.argsort(keys, kind="stable")]
        keys = np.sort(keys)
        first, last = (np.searchsorted(keys, mirrored[usable] & mask, side=side) for side in ("left", "right"))
        count = np.where(last - first <= _CROWD, last - first, 0)
        ends = np.cumsum(count)
        for low in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            at = np.arange(low, min(low + _PAIRS, int(ends[-1])))
            which = np.searchsorted(ends, at, side="right")
            one, other = usable[which], order[first[which] + at - (ends - count)[which]]
            near = (one != other) & (np.bitwise_count(mirrored[one] ^ own[other]) <= _DIFFER)
            yield np.stack([one[near], other[near]], axis=1)


def _make_grey(images: Images) -> NDArray[np.float32]:
    """Turns images (n, size, size, channels) into float32 (n, size, size)."""
    channels = images.shape[-1]
    weights = _GREY if channels == len(_GREY) else np.full(channels, 1 / channels, dtype=np.float32)
    return np.asarray(images.astype(np.float32) @ weights)


def _correlate(images: Images, one: int, other: int) -> float:
    """Correlates the pixels of an image with those of another's mirror image."""
    grey, mirrored = _make_grey(images[[one, other]])
    return float(np.corrcoef(grey.ravel(), mirrored[:, ::-1].ravel())[0, 1])
