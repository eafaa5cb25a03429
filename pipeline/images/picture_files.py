"""Picture files: one file of a known format, opened by its reader -> an upright Pillow image, or deep bands."""

import io
import struct
import tokenize
import zlib
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.memory import has_room
from pipeline.core.picture_formats import PictureFormat
from pipeline.images.bands import Bands, Frame, list_limits
from pipeline.images.coded_files import read_deep_png, read_jpeg_2000, read_jpeg_xl, read_rare_jpeg, require_few_scans
from pipeline.images.deep_files import read_npy, read_tiff
from pipeline.images.dicom import read_dicom

_MOST_LOST = 0.1  # of the rows of a JPEG file without its end
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
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
    tokenize.TokenError,  # of NumPy, which reads an array's header as a Python literal
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class OpenedPicture:
    """A picture out of its file.

    Attributes:
        picture: its pixels, upright.
        lost: the share of its rows that its file lacks: that of a JPEG file without its end.
        size: width and height of the original where it was decoded at a fraction of them.
    """

    picture: Image.Image | Bands
    lost: float = 0.0
    size: tuple[int, int] | None = None


def open_picture(
    file: IO[bytes],
    known: PictureFormat,
    most_pixels: int,
    frame: Frame | int,
    many_bands: bool,
    least: int | None = None,
) -> OpenedPicture:
    """Opens a picture file, upright.

    Args:
        file: at its beginning.
        known: its format.
        most_pixels: of one with more, only the header is read.
        frame: of a file with several; a number is the level of a TIFF slide, which other formats do not have.
        many_bands: whether other channels are wanted than grey or RGB.
        least: pixels that suffice on each side: a JPEG file is decoded at a half, quarter or eighth of its size that
            has as many. None for the full size.

    Raises:
        Exception: one of `BROKEN`, or `MemoryError`.
    """
    if known.name == "DICOM":
        return OpenedPicture(read_dicom(file, "first" if isinstance(frame, int) else frame, most_pixels))
    if known.name == "JPEG XL":
        bands = read_jpeg_xl(file, many_bands, most_pixels)
        levels = bands.values if bands.values.shape[2] != 1 else bands.values[..., 0]
        plain = levels.dtype == np.uint8 and bands.values.shape[2] in (1, 3)
        return OpenedPicture(Image.fromarray(levels) if plain else bands)  # 8 bits are grey levels, whatever the range
    if known.name == "NPY":
        return OpenedPicture(read_npy(file, most_pixels))
    deep = None
    if known.name == "TIFF":
        deep = read_tiff(file, many_bands, frame, most_pixels)
    elif known.name == "JPEG2000":
        deep = read_jpeg_2000(file, many_bands, most_pixels)
    elif known.name == "JPEG":
        require_few_scans(file)
    if deep is not None:
        return OpenedPicture(deep)
    file.seek(0)
    try:
        return _open_with_pillow(file, known, most_pixels, many_bands, least)
    except UnidentifiedImageError:
        file.seek(0)
        rare = read_rare_jpeg(file, most_pixels) if known.name == "JPEG" else None
        if rare is None:
            raise
        return OpenedPicture(rare)
    except OSError as error:
        if known.name != "JPEG":
            raise
        return _open_cut_jpeg(file, known, most_pixels, error)


def _open_with_pillow(
    file: IO[bytes], known: PictureFormat, most_pixels: int, many_bands: bool = False, least: int | None = None
) -> OpenedPicture:
    if known.name == "HEIF":
        from pi_heif import register_heif_opener

        register_heif_opener()
    # Asked for formats by name, Pillow looks among those alone that it has loaded.
    if known.name not in Image.OPEN:
        Image.init()
    with Image.open(file, formats=(known.name,)) as image:
        if image.width * image.height > most_pixels:
            pixels = f"{image.width} x {image.height} pixels"
            raise ValueError(f"{pixels} are too many; {most_pixels / 1e6:.0f} million are taken")
        if known.name == "PNG" and image.mode in ("RGB", "RGBA", "LA") and _holds_16_bits(file):
            return OpenedPicture(read_deep_png(file, many_bands, most_pixels))
        size = image.size
        if least is not None and known.name == "JPEG":
            image.draft(None, (least, least))
        scaled = image.size != size
        turned = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image)[..., None]
        return OpenedPicture(Bands(deep, list_limits(deep)))
    return OpenedPicture(image, size=(size[::-1] if turned else size) if scaled else None)


def _holds_16_bits(file: IO[bytes]) -> bool:
    """Says whether a PNG file has 16 bits a channel; leaves it at its beginning if it has."""
    before = file.tell()
    file.seek(24)
    deep = file.read(1) == b"\x10"
    file.seek(0 if deep else before)
    return deep


def _open_cut_jpeg(file: IO[bytes], known: PictureFormat, most_pixels: int, error: OSError) -> OpenedPicture:
    """Opens a JPEG file without its end, if little is missing.

    Where rows are missing, the decoder fills them by what follows: rows that differ between two ends are lost.

    Raises:
        OSError: the file is not cut, but damaged.
        ValueError: too much is missing.
    """
    file.seek(0)
    content = file.read()
    one, other = (
        _open_with_pillow(io.BytesIO(content + end + b"\xff\xd9"), known, most_pixels).picture for end in (b"", _NOISE)
    )
    different = np.asarray(one) != np.asarray(other)
    lost = float(different.reshape(len(different), -1).any(axis=1).mean())
    if lost > _MOST_LOST:
        raise ValueError(f"cut off: {lost:.0%} of its rows are missing") from error
    return OpenedPicture(one, max(lost, 1e-6))


def _upright(image: Image.Image) -> bool:
    """Decodes an image and turns it by its EXIF orientation; says whether width and height changed places."""
    image.load()
    try:
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        ImageOps.exif_transpose(image, in_place=True)
    except (*BROKEN, MemoryError):  # a damaged block may ask for any amount
        if not has_room():
            raise
        return False
    return turned
