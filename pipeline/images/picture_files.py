"""Picture files: one file of a known format, opened by its reader -> an upright Pillow image, or deep bands."""

import io
import struct
import zlib
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.picture_formats import PictureFormat
from pipeline.images.bands import Bands, Frame, list_limits
from pipeline.images.deep_files import read_deep_png, read_jpeg_xl, read_tiff
from pipeline.images.dicom import read_dicom

_MOST_LOST = 0.1  # of the rows of a JPEG file without its end
_NOISE = bytes(range(1, 250)) * 4  # no marker of a JPEG file
# What the readers raise on damaged files.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def open_picture(
    file: IO[bytes], known: PictureFormat, most_pixels: int, frame: Frame, many_bands: bool
) -> tuple[Image.Image | Bands, float]:
    """Opens a picture file, upright.

    Args:
        file: at its beginning.
        known: its format.
        most_pixels: of one with more, only the header is read.
        frame: of a file with several.
        many_bands: whether other channels are wanted than grey or RGB.

    Returns:
        The picture, and the share of its rows that its file lacks: that of a JPEG file without its end.

    Raises:
        Exception: one of `BROKEN`, or `MemoryError`.
    """
    if known.name == "DICOM":
        return read_dicom(file, frame, most_pixels), 0.0
    if known.name == "JPEG XL":
        return read_jpeg_xl(file, most_pixels), 0.0
    if known.name == "TIFF":
        bands = read_tiff(file, many_bands, frame, most_pixels)
        if bands is not None:
            return bands, 0.0
        file.seek(0)
    try:
        return _open_with_pillow(file, known, most_pixels), 0.0
    except UnidentifiedImageError:
        raise
    except OSError as error:
        if known.name != "JPEG":
            raise
        return _open_cut_jpeg(file, known, most_pixels, error)


def _open_with_pillow(file: IO[bytes], known: PictureFormat, most_pixels: int) -> Image.Image | Bands:
    if known.name == "HEIF":
        from pi_heif import register_heif_opener

        register_heif_opener()
    # Asked for formats by name, Pillow looks among those alone that it has loaded.
    if known.name not in Image.OPEN:
        Image.init()
    with Image.open(file, formats=(known.name,)) as opened:
        if opened.width * opened.height > most_pixels:
            size = f"{opened.width} x {opened.height} pixels"
            raise ValueError(f"{size} are too many; {most_pixels / 1e6:.0f} million are taken")
        if known.name == "PNG" and opened.mode in ("RGB", "RGBA", "LA") and _holds_16_bits(file):
            return read_deep_png(file, most_pixels)
        image = _upright(opened)
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image)[..., None]
        return Bands(deep, list_limits(deep))
    return image


def _holds_16_bits(file: IO[bytes]) -> bool:
    """Says whether a PNG file has 16 bits a channel; leaves it at its beginning if it has."""
    before = file.tell()
    file.seek(24)
    deep = file.read(1) == b"\x10"
    file.seek(0 if deep else before)
    return deep


def _open_cut_jpeg(
    file: IO[bytes], known: PictureFormat, most_pixels: int, error: OSError
) -> tuple[Image.Image | Bands, float]:
    """Opens a JPEG file without its end, if little is missing.

    Where rows are missing, the decoder fills them by what follows: rows that differ between two ends are lost.

    Raises:
        OSError: the file is not cut, but damaged.
        ValueError: too much is missing.
    """
    file.seek(0)
    content = file.read()
    one, other = (
        _open_with_pillow(io.BytesIO(content + end + b"\xff\xd9"), known, most_pixels) for end in (b"", _NOISE)
    )
    different = np.asarray(one) != np.asarray(other)
    lost = float(different.reshape(len(different), -1).any(axis=1).mean())
    if lost > _MOST_LOST:
        raise ValueError(f"cut off: {lost:.0%} of its rows are missing") from error
    return one, max(lost, 1e-6)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except (*BROKEN, MemoryError):  # a damaged block may ask for any amount
        return image.copy()
