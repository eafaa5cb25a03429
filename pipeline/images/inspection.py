"""Facts of a picture file, for the description of a new competition: size, bands, depth and values."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.memory import has_room
from pipeline.core.picture_formats import SIGNATURE_BYTES, describe_content, find_picture_format
from pipeline.images.bands import Bands, list_limits
from pipeline.images.decoding import BrokenImageError
from pipeline.images.deep_files import count_pages, find_level
from pipeline.images.dicom import count_frames
from pipeline.images.picture_files import BROKEN, open_picture

_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class DeepValues:
    """The values of a deep picture.

    Attributes:
        type: of its numbers, as NumPy calls it.
        limits: the smallest and largest value that its type can hold.
        lowest: value there is.
        highest: value there is.
        usual: percentiles 0.5 and 99.5.
        window: whether the file names the values that become black and white.
    """

    type: str
    limits: tuple[float, float]
    lowest: float
    highest: float
    usual: tuple[float, float]
    window: bool


@dataclass(frozen=True)
class PictureFacts:
    """Facts of a picture file.

    Attributes:
        format: its title.
        size: width and height.
        bands: 1 (grey), 3 (colour) or more; without opacity.
        grey: whether all bands are alike.
        deep: its values, if they have more than 8 bits.
        level: of a slide, the one that was opened.
        frames: pages or frames of one size in the file, of which one is read.
    """

    format: str
    size: tuple[int, int]
    bands: int
    grey: bool
    deep: DeepValues | None = None
    level: int = 0
    frames: int = 1


def inspect_picture(content: bytes) -> PictureFacts:
    """Opens a picture file and reads off what it holds.

    Raises:
        BrokenImageError: it is no picture, or damaged.
    """
    known = find_picture_format(content[:SIGNATURE_BYTES])
    if known is None:
        raise BrokenImageError(describe_content(content[:SIGNATURE_BYTES]))
    try:
        with warnings.catch_warnings(action="ignore"):
            most = 2 * (Image.MAX_IMAGE_PIXELS or 2**31)
            level = find_level(io.BytesIO(content)) if known.name == "TIFF" else 0
            image = open_picture(io.BytesIO(content), known, most, level or "first", False).picture
            frames = _count_frames(content, known.name, image)
    except (*BROKEN, MemoryError) as error:
        if not has_room():
            raise
        raise BrokenImageError(" ".join(str(error).split())[:200] or type(error).__name__) from error
    if isinstance(image, Image.Image):
        return PictureFacts(known.title, image.size, 1 if _is_grey(image) else 3, _is_grey(image), None, level, frames)
    height, width, bands = image.values.shape
    grey = bands == 1 or (bands == 3 and bool((image.values == image.values[..., :1]).all()))
    return PictureFacts(known.title, (width, height), bands, grey, _read_values(image), level, frames)


def _count_frames(content: bytes, name: str, image: Image.Image | Bands) -> int:
    """Counts the frames of a file; those of a photo that follow the first are small copies of it."""
    if name in ("TIFF", "DICOM"):
        return (count_pages if name == "TIFF" else count_frames)(io.BytesIO(content))
    return int(getattr(image, "n_frames", 1)) if name not in ("JPEG", "HEIF", "AVIF") else 1


def inspect_values(picture: bytes | NDArray[Any]) -> PictureFacts:
    """Reads off what the content of a picture file, or an array (height, width, bands), holds.

    Raises:
        BrokenImageError: it is no picture, or damaged.
    """
    if isinstance(picture, bytes):
        return inspect_picture(picture)
    height, width, bands = picture.shape
    grey = bands == 1 or (bands == 3 and bool((picture == picture[..., :1]).all()))
    levels = picture.dtype.kind in "ui" and picture.size > 0 and picture.min() >= 0 and picture.max() <= 255
    deep = None if levels or picture.dtype.kind == "b" else _read_values(Bands(picture, list_limits(picture)))
    return PictureFacts("numbers", (width, height), bands, grey, deep)


def name_frames(found: Sequence[PictureFacts]) -> tuple[str, ...]:
    """Says what becomes of files with several pages or frames; nothing where each holds one picture."""
    several = [facts.frames for facts in found if facts.frames > 1]
    if not several:
        return ()
    least, most = min(several), max(several)
    number = f"{most}" if least == most else f"{least} to {most}"
    words = f"{len(several)} of {len(found)} images opened hold {number} pages or frames each: the first is taken; "
    words += "storage.frame: middle takes another"
    stacks = all(facts.frames == most and facts.bands == 1 and facts.format == found[0].format for facts in found)
    stacks = stacks and found[0].format == "TIFF"
    all_of_them = f"storage.channels: {most}" + (
        f" with storage.bands: {list(range(1, most + 1))}" if most == 3 else ""
    )
    return (words + (f", {all_of_them} takes them all as channels" if stacks else ""),)


def _read_values(bands: Bands) -> DeepValues | None:
    values = bands.values.ravel()
    if values.dtype.itemsize == 1:
        return None
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not values.size:
        return None
    low, high = np.percentile(values, _PERCENTILES)
    limits = bands.limits if bands.values.dtype.kind != "f" else (-np.inf, np.inf)
    return DeepValues(
        bands.values.dtype.name,
        limits,
        float(values.min()),
        float(values.max()),
        (float(low), float(high)),
        bands.window is not None,
    )


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("1", "L", "LA", "I", "I;16", "F"):
        return True
    rgb = np.asarray(image.convert("RGB")).astype("int16")
    # JPEG stores colour apart from brightness: a grey photo comes back within a step or two.
    return bool(np.abs(rgb - rgb[..., :1]).max() <= 3)
