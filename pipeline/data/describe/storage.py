"""Proposes a storage size and channels from a few dozen images."""

import io
from collections import Counter
from collections.abc import Sequence
from statistics import median

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.core.errors import InputError, some
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Reading

_LOOKED_AT = 48
_LEAST, _MOST = 16, 160  # the shipped networks pool: 8 pixels leave them little; 160 are what those for photos take


def read_storage(listing: Listing, images: Sequence[str], pixels: tuple[int, int, int] | None) -> Reading:
    """Reads the storage section.

    Args:
        listing: the files.
        images: paths of training images.
        pixels: (height, width, channels) where a table holds the images.

    Raises:
        InputError: none of the images looked at can be read.
    """
    if pixels is not None:
        height, width, channels = pixels
        return _section(
            [(width, height)],
            channels,
            f"{height}x{width} pixels, {'grey' if channels == 1 else 'in colour'}, in the table",
        )
    chosen = images[:: max(1, len(images) // _LOOKED_AT)][:_LOOKED_AT]
    sizes, grey, broken = [], 0, []
    for path in chosen:
        try:
            with Image.open(io.BytesIO(listing.read(path))) as image:
                sizes.append(image.size)
                grey += _is_grey(image)
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
            broken.append(path)
    if not sizes:
        raise InputError(
            f"{listing.source}: none of {len(chosen)} images looked at can be read: {some(broken, 5)}; are they images?"
        )
    common, count = Counter(sizes).most_common(1)[0]
    spread = f"{common[0]}x{common[1]}" if count == len(sizes) else f"{_range(sizes, 0)} wide, {_range(sizes, 1)} high"
    colour = "all grey" if grey == len(sizes) else f"{grey} of them grey" if grey else "all in colour"
    reading = _section(
        sizes, 1 if grey == len(sizes) else 3, f"{len(sizes)} of {len(images):,} images looked at: {spread}, {colour}"
    )
    check = (f"{len(broken)} of {len(chosen)} images looked at cannot be read: {some(broken, 5)}",) if broken else ()
    return Reading(reading.section, reading.seen, check)


def _section(sizes: Sequence[tuple[int, int]], channels: int, seen: str) -> Reading:
    side = round(median(min(size) for size in sizes))
    size = min(max(side, _LEAST), _MOST)
    if size < side:
        seen += f"; stored at {size}, as much as the models proposed for photos take: raise it for larger ones"
    elif size > side:
        seen += f"; stored at {size}, so that the networks have something left to pool"
    return Reading({"size": size, "channels": channels, "resize": "crop"}, (seen,))


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA", "I", "I;16", "F"):
        return True
    rgb = np.asarray(image.convert("RGB")).astype("int16")
    # JPEG stores colour apart from brightness: a grey photo comes back within a step or two.
    return bool(np.abs(rgb - rgb[..., :1]).max() <= 3)


def _range(sizes: Sequence[tuple[int, int]], axis: int) -> str:
    values = [size[axis] for size in sizes]
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"
