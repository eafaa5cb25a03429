"""One image: a picture file, known by its content -> uint8 pixels at the storage size, and its hashes.

Special kinds of files are treated so:

- The format is read off the first bytes (`core/picture_formats.py`), whatever the file is called.
- EXIF orientation is applied; a damaged EXIF block is ignored.
- Transparency is laid over white: drawings and cut-outs are made to be seen on a page.
- Values of more than 8 bits become grey levels by the range of the form (`images/bands.py`).
- CMYK, palette, 1-bit and other modes are converted by Pillow; of an animation the first frame counts.
- A file above Pillow's limit for decompression bombs (179 megapixels) counts as broken.
- A JPEG file that lacks its end is kept where nine tenths of its rows are there, and counted.
"""

import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError
from pipeline.core.picture_formats import SIGNATURE_BYTES, describe_content, find_picture_format
from pipeline.images.bands import Bands, Frame, ValueRange, list_limits, scale_bands
from pipeline.images.hashing import hash_appearance, hash_pixels
from pipeline.images.picture_files import BROKEN, open_picture


@dataclass(frozen=True)
class StorageForm:
    """How an image is kept: the plain values of a competition's `storage` (whose module is slow to import in a worker).

    Attributes:
        size: height and width.
        channels: 1 (grey), 3 (RGB), or as many as the files have bands.
        resize: ``crop``, ``pad`` or ``stretch``.
        range: which values of deep files become black and white.
        frame: of a file with several, ``first`` or ``middle``.
        bands: which bands of a file become the channels, from 1; None for all.
    """

    size: int
    channels: int
    resize: str
    range: ValueRange = "dtype"
    frame: Frame = "first"
    bands: tuple[int, ...] | None = None


class BrokenImageError(ValueError):
    """A file that holds no readable image; the message says why."""


@dataclass(frozen=True)
class StoredImage:
    """A decoded image.

    Attributes:
        pixels: (size, size, channels) uint8.
        width: of the original, after its EXIF orientation.
        height: of the original, after its EXIF orientation.
        hash: digest of the original's decoded pixels: equal files and lossless copies share it.
        perceptual_hash: equal for images that look the same (see `hash_appearance`).
        lost: the share of the original's rows that its file lacks.
    """

    pixels: Images
    width: int
    height: int
    hash: str
    perceptual_hash: str
    lost: float = 0.0


def decode_file(path: Path, form: StorageForm) -> StoredImage:
    """Reads an image file and brings it to the storage size.

    Raises:
        BrokenImageError: empty, truncated or no image.
        InputError: memory ran out.
    """
    with path.open("rb") as file:
        return _decode(file, form, _limit_pixels(), str(path))


def decode_bytes(content: bytes, form: StorageForm, most_pixels: int) -> StoredImage:
    """Reads the bytes of an image file; of one with too many pixels, only the header is read.

    Raises:
        BrokenImageError: empty, truncated, too large, or no image.
        InputError: memory ran out.
    """
    return _decode(io.BytesIO(content), form, most_pixels, "the image")


def decode_array(values: NDArray[Any], form: StorageForm) -> StoredImage:
    """Brings numbers to the storage size: (height, width, bands), grey levels by the range of the form.

    Whole numbers of more than 16 bits, and floating point above 1, are taken for 0..255.

    Raises:
        InputError: values outside that, where the form states no range.
        BrokenImageError: another number of bands, or no numbers.
    """
    wide = values.dtype.kind == "f" or values.dtype.itemsize > 2
    if wide and form.range == "dtype":
        _require_levels(values)
    try:
        limits = (0.0, 255.0) if wide and values.dtype.kind != "f" else list_limits(values)
        return _fit_bands(Bands(values, limits), form)
    except ValueError as error:
        raise BrokenImageError(str(error)) from error


def _require_levels(values: NDArray[Any]) -> None:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size and (finite.min() < 0 or finite.max() > 255):
        raise InputError(
            f"its values, {finite.min():g} to {finite.max():g}, are no grey levels; say which of them are black and "
            "white with storage.range in the competition's file, such as percentile or [low, high]"
        )


def _limit_pixels() -> int:
    """Pillow's limit: it warns at one half."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 2**31)


def _decode(file: IO[bytes], form: StorageForm, most_pixels: int, place: str) -> StoredImage:
    head = file.read(SIGNATURE_BYTES)
    file.seek(0)
    known = find_picture_format(head)
    if known is None:
        raise BrokenImageError(describe_content(head))
    try:
        # Libraries warn about oddities that they survive; here an image is readable or it is broken.
        with warnings.catch_warnings(action="ignore"):
            plain = form.bands is None and form.channels in (1, 3)
            image, lost = open_picture(file, known, most_pixels, form.frame, many_bands=not plain)
            return replace(_fit_opened(image, form), lost=lost)
    except MemoryError as error:
        raise InputError(
            f"{place}: memory ran out while it was decoded; lower prepare.workers in params.yaml, or end other programs"
        ) from error
    except UnidentifiedImageError as error:
        raise BrokenImageError(f"damaged {known.title} file") from error
    except BROKEN as error:
        raise BrokenImageError(" ".join(str(error).split())[:300] or type(error).__name__) from error


def _fit_opened(image: Image.Image | Bands, form: StorageForm) -> StoredImage:
    if isinstance(image, Bands):
        return _fit_bands(image, form)
    if form.bands is not None or form.channels not in (1, 3):
        plain = image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr") else image
        values = np.asarray(plain)
        return _fit_bands(Bands(values if values.ndim == 3 else values[..., None], (0.0, 255.0)), form)
    return fit_image(_flatten(image).convert("L" if form.channels == 1 else "RGB"), form)


def _fit_bands(bands: Bands, form: StorageForm) -> StoredImage:
    """Brings a deep or many-banded picture to the storage size.

    Raises:
        ValueError: it has another number of bands.
    """
    if form.bands is not None:
        bands = bands.choose(form.bands)
    there = bands.values.shape[2]
    if there != form.channels and {there, form.channels} != {1, 3}:
        raise ValueError(
            f"it has {there} bands, but storage.channels is {form.channels}; set storage.channels: {there} in the "
            f"competition's file, or choose some with storage.bands, such as {list(range(1, min(there, 3) + 1))}"
        )
    return fit_pixels(scale_bands(bands, form.range), form)


def fit_pixels(pixels: Images, form: StorageForm) -> StoredImage:
    """Brings pixels to the storage size: uint8 (height, width), or (height, width, channels) of 1, 3 or the form's."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels in (1, 3) and form.channels in (1, 3):
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
        return fit_image(image.convert("L" if form.channels == 1 else "RGB"), form)
    return _fit_channels(pixels, form)


def _fit_channels(pixels: Images, form: StorageForm) -> StoredImage:
    """Hashes a picture of any number of channels and brings each to the storage size; looks are those of their mean."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = pixels.shape
    fitted = [_fit(Image.fromarray(np.ascontiguousarray(pixels[..., band])), form) for band in range(channels)]
    digest = hash_pixels(pixels)
    mean = Image.fromarray(np.rint(pixels.mean(axis=2)).astype(np.uint8))
    return StoredImage(np.stack(fitted, axis=2), width, height, digest, hash_appearance(mean, digest))


def fit_image(image: Image.Image, form: StorageForm) -> StoredImage:
    """Hashes an image of mode L or RGB and brings it to the storage size.

    Shrinking averages over all pixels, enlarging interpolates (Pillow's bicubic filter widens with the factor).
    """
    pixels = _fit(image, form).reshape(form.size, form.size, form.channels)
    digest = hash_pixels(np.asarray(image))
    return StoredImage(pixels, image.width, image.height, digest, hash_appearance(image, digest))


def _fit(image: Image.Image, form: StorageForm) -> Images:
    size = (form.size, form.size)
    if form.resize == "crop":
        fitted = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    elif form.resize == "pad":
        fitted = ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=0)
    else:
        fitted = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(fitted, dtype=np.uint8)


def _flatten(image: Image.Image) -> Image.Image:
    """Lays transparent pixels over white."""
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return image
