"""Slices: images that are folders of slices, as a DICOM series: which are taken, and what they make together."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from math import isqrt
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.core.arrays import Pixels, round_levels
from pipeline.core.ids import natural_order
from pipeline.images.decoding import decode_file, naming
from pipeline.images.dicom import read_place
from pipeline.images.fitting import StorageForm, StoredImage
from pipeline.images.hashing import hash_appearance
from pipeline.images.levels import encode_levels

_NUMBERED = re.compile(r"(\D*)\d{1,6}(\.\w+)?")  # img-7.dcm; the numbers of a UID are longer, and of no order


def choose_slices(files: Sequence[str], form: StorageForm, base: Path) -> tuple[str, ...]:
    """Chooses the slices of one image that its form wants, spread evenly over all; with too few, some of them again.

    Their order is that of the numbers that end their names; of DICOM files with other names, that of their place, or
    number, in the series, which their headers tell; else that of the names.

    Args:
        files: of the folder, below ``base``; at least one.
        form: with ``slices``.
        base: of the files.
    """
    ordered, count = _order(files, base), count_slices(form)
    return tuple(ordered[(2 * number + 1) * len(ordered) // (2 * count)] for number in range(count))


def count_slices(form: StorageForm) -> int:
    """Counts the slices that make an image."""
    if form.slices == "spread":
        return form.channels
    return 1 if form.slices == "middle" else form.slice_count


def decode_slices(paths: Sequence[Path], form: StorageForm) -> StoredImage:
    """Reads the slices of one image and makes one of them: its channels, their mean, or a mosaic, row by row.

    The range of the form holds for each slice by itself.

    Raises:
        BrokenImageError: one cannot be read.
        InputError: memory ran out.
    """
    across = isqrt(len(paths))
    side = form.size // across if form.slices == "mosaic" else form.size
    channels = 1 if form.slices == "spread" else form.channels
    each = replace(form, slices=None, size=side, channels=channels)
    read = []
    for path in paths:
        with naming(path):
            read.append(decode_file(path, each))
    levels: Pixels = np.stack([one.levels for one in read])
    made = _join(levels, form, across)
    lost = max(one.lost for one in read)
    if not form.hashed:
        return StoredImage(encode_levels(made, form.dtype), read[0].width, read[0].height, "", "", lost)
    digest = hashlib.blake2b("".join(one.hash for one in read).encode(), digest_size=16).hexdigest()
    seen = Image.fromarray(round_levels(made.mean(axis=2)))
    appearance = hash_appearance(seen, digest)
    pixels = encode_levels(made, form.dtype)
    return StoredImage(pixels, read[0].width, read[0].height, digest, appearance, lost)


def _join(levels: Pixels, form: StorageForm, across: int) -> Pixels:
    """Joins slices (n, side, side, channels) into one image (size, size, channels)."""
    if form.slices == "spread":
        return np.ascontiguousarray(levels[..., 0].transpose(1, 2, 0))
    if form.slices == "mosaic":
        side, channels = levels.shape[1], levels.shape[3]
        rows = levels.reshape(across, across, side, side, channels).transpose(0, 2, 1, 3, 4)
        return np.ascontiguousarray(rows.reshape(form.size, form.size, channels))
    return np.asarray(levels.mean(axis=0, dtype=np.float32))


def are_numbered(files: Sequence[str]) -> bool:
    """Says whether the names of all files are one word and a number: ``Image-1.dcm``, ``Image-2.dcm``."""
    found = [_NUMBERED.fullmatch(Path(name).name) for name in files]
    return None not in found and len({match[1] for match in found if match}) == 1


def _order(files: Sequence[str], base: Path) -> list[str]:
    names = natural_order(list(files))
    if are_numbered(names):
        return names
    places = {name: read_place(base / name) for name in names}
    if any(place is None for place in places.values()):
        return names
    return sorted(names, key=lambda name: places[name] or 0.0)
