"""One image: a picture file, known by its content -> pixels at the storage size and type, and its hashes.

Special kinds of files are treated so:

- The format is read off the first bytes (`core/picture_formats.py`), whatever the file is called.
- EXIF orientation is applied; a damaged EXIF block is ignored.
- Transparency is laid over white: drawings and cut-outs are made to be seen on a page.
- Values of more than 8 bits become grey levels by the range of the form (`images/bands.py`).
- CMYK, palette, 1-bit and other modes are converted by Pillow; of an animation the first frame counts.
- A file above Pillow's limit for decompression bombs (179 megapixels) counts as broken.
- A JPEG file is decoded at a half, quarter or eighth of its size where that is twice the storage size or more.
- A JPEG file that lacks its end is kept where nine tenths of its rows are there, and counted.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.core.arrays import Pixels
from pipeline.core.errors import InputError, some
from pipeline.core.memory import has_room
from pipeline.core.picture_formats import SIGNATURE_BYTES, describe_content, find_picture_format
from pipeline.images.bands import Bands, list_limits, scale_bands, scale_levels
from pipeline.images.fitting import StorageForm, StoredImage, fit_channels, fit_image, fit_pixels
from pipeline.images.picture_files import BROKEN, OpenedPicture, open_picture
from pipeline.images.slides import Mosaic, make_mosaic

# A JPEG file is decoded at the smallest of its scales that holds the storage size twice: from there the resizing
# averages as from the whole (mean difference 0.3 grey levels), and the perceptual hash has eight times its 32 pixels.
_SPARE, _LOOKS = 2, 256


class BrokenImageError(ValueError):
    """A file that holds no readable image; the message says why."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begins what is said of a broken file with its name and folder: it is one of several that make an image."""
    try:
        yield
    except BrokenImageError as error:
        raise BrokenImageError(f"{path.parent.name}/{path.name}: {error}") from error


def decode_file(path: Path, form: StorageForm) -> StoredImage:
    """Reads an image file and brings it to the storage size.

    Raises:
        BrokenImageError: empty, truncated or no image.
        InputError: memory ran out.
    """
    _require_file(form)
    with path.open("rb") as file:
        return _decode(file, form, _limit_pixels(), str(path))


def decode_bytes(content: bytes, form: StorageForm, most_pixels: int) -> StoredImage:
    """Reads the bytes of an image file; of one with too many pixels, only the header is read.

    Raises:
        BrokenImageError: empty, truncated, too large, or no image.
        InputError: memory ran out.
    """
    _require_file(form)
    return _decode(io.BytesIO(content), form, most_pixels, "the image")


def _require_file(form: StorageForm) -> None:
    if form.slices not in (None, "middle"):
        raise BrokenImageError(f"one file, but storage.slices ({form.slices}) makes an image of a folder of slices")


def decode_channels(paths: Sequence[Path], form: StorageForm) -> StoredImage:
    """Reads the files of one image, each a channel, and brings them to the storage size.

    The range of the form holds for each file by itself.

    Raises:
        BrokenImageError: one cannot be read, holds several bands, or is of another size.
        InputError: memory ran out.
    """
    levels, lost = [], 0.0
    for path in paths:
        with naming(path), path.open("rb") as file:
            opened = _open(file, replace(form, bands=None, channels=1), _limit_pixels(), str(path), None)
        image = opened.picture
        bands = image if isinstance(image, Bands) else _list_bands(_flatten(image).convert("L"))
        if bands.values.shape[2] != 1:
            raise BrokenImageError(f"{path.name} holds {bands.values.shape[2]} bands; a channel's file holds one")
        levels.append(_scale(bands, form))
        lost = max(lost, opened.lost)
    sizes = {level.shape for level in levels}
    if len(sizes) > 1:
        listed = (f"{path.name} {level.shape[1]}x{level.shape[0]}" for path, level in zip(paths, levels, strict=True))
        raise BrokenImageError(f"its files differ in size: {some(listed)}")
    return replace(fit_channels(np.concatenate(levels, axis=2), form), lost=lost)


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


def find_least_side(form: StorageForm) -> int:
    """Returns the pixels that each side of a JPEG file keeps at least where it is decoded at a fraction of its size."""
    return max(_SPARE * form.size, _LOOKS)


def _limit_pixels() -> int:
    """Pillow's limit: it warns at one half."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 2**31)


def _decode(file: IO[bytes], form: StorageForm, most_pixels: int, place: str) -> StoredImage:
    opened = _open(file, form, most_pixels, place, find_least_side(form))
    try:
        return replace(_fit_opened(opened, form), lost=opened.lost)
    except ValueError as error:
        raise BrokenImageError(str(error)) from error
    except MemoryError as error:
        raise _out_of_memory(place) from error


def _out_of_memory(place: str) -> InputError:
    return InputError(
        f"{place}: memory ran out while it was decoded; lower prepare.workers in params.yaml, or end other programs"
    )


def _open(file: IO[bytes], form: StorageForm, most_pixels: int, place: str, least: int | None) -> OpenedPicture:
    head = file.read(SIGNATURE_BYTES)
    file.seek(0)
    known = find_picture_format(head)
    if known is None:
        raise BrokenImageError(describe_content(head))
    try:
        # Libraries warn about oddities that they survive; here an image is readable or it is broken.
        with warnings.catch_warnings(action="ignore"):
            plain = form.bands is None and form.channels in (1, 3)
            frame = form.level or form.frame
            return open_picture(file, known, most_pixels, frame, not plain, least if plain and not form.tiles else None)
    except MemoryError as error:
        raise _out_of_memory(place) from error
    except UnidentifiedImageError as error:
        raise BrokenImageError(f"damaged {known.title} file") from error
    except BROKEN as error:
        if not has_room():  # whatever its words: a damaged header may ask for any amount
            raise _out_of_memory(place) from error
        raise BrokenImageError(" ".join(str(error).split())[:300] or type(error).__name__) from error


def _fit_opened(opened: OpenedPicture, form: StorageForm) -> StoredImage:
    image = opened.picture
    if form.tiles is not None:
        return _fit_bands(image if isinstance(image, Bands) else _list_bands(_flatten(image).convert("RGB")), form)
    if isinstance(image, Bands):
        return _fit_bands(image, form)
    if form.bands is not None or form.channels not in (1, 3):
        return _fit_bands(_list_bands(image.convert("RGB") if image.mode in ("P", "CMYK", "YCbCr") else image), form)
    flat, mode = _flatten(image), "L" if form.channels == 1 else "RGB"
    return fit_image(flat if flat.mode == mode else flat.convert(mode), form, opened.size)


def _list_bands(image: Image.Image) -> Bands:
    values = np.asarray(image)
    return Bands(values if values.ndim == 3 else values[..., None], (0.0, 255.0))


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
    grey = _scale(bands, form)
    if form.tiles is not None:  # cut from grey levels: a range would see the white that is laid around tiles
        grey = make_mosaic(grey, Mosaic(form.tiles, form.tile_count, form.tile_size))
    return fit_pixels(grey, form)


def _scale(bands: Bands, form: StorageForm) -> Pixels:
    return scale_bands(bands, form.range) if form.dtype == "uint8" else scale_levels(bands, form.range)


def _flatten(image: Image.Image) -> Image.Image:
    """Lays transparent pixels over white."""
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return image
