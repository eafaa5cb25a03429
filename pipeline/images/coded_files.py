"""Coded files: JPEG 2000, JPEG XL, PNG of 16 bits and rare kinds of JPEG, as the bands that imagecodecs decodes."""

import re
import struct
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.images.bands import Bands, list_limits

_SIZE = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 code stream, and the marker of its size
_FIELDS = struct.Struct(">HH8IH")  # length, capabilities, sizes, number of components
_LOSSLESS, _LOSSLESS_SCAN = 0xC3, 0xF7  # frames of lossless JPEG and of JPEG-LS
_FRAMES = {*range(0xC0, 0xD0), _LOSSLESS_SCAN} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9  # markers of JPEG: a pass over the picture begins, and the picture ends
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # behind coded pixels; others belong to them
_MOST_SCANS = 100  # that libtiff decodes, too; those who write files need about ten


def read_jpeg_2000(file: IO[bytes], many_bands: bool, most_pixels: int) -> Bands | None:
    """Reads a JPEG 2000 file of more than 8 bits, signed, or of other bands than grey and RGB, which Pillow rounds.

    Args:
        file: opened.
        many_bands: whether opacity is a band.
        most_pixels: of one with more, only the header is read.

    Returns:
        None for whole grey levels of 8 bits, which Pillow keeps, and for a file without such a header.

    Raises:
        ValueError: damaged or too large.
    """
    import imagecodecs

    content = file.read()
    start = content.find(_SIZE)
    if start < 0 or len(content) < start + 4 + _FIELDS.size:
        return None
    _, _, right, bottom, left, top, *_, count = _FIELDS.unpack_from(content, start + 4)
    depths = content[start + 4 + _FIELDS.size :: 3][:count]
    if not depths or (max(depths) < 8 and count <= 4):  # bits less one; the highest bit says signed
        return None
    _limit(right - left, bottom - top, most_pixels)
    bands = _arranged(_call(imagecodecs.jpeg2k_decode, content))
    if not many_bands and count in (2, 4) and b"cdef" in content[:start]:  # a box that names the opacity
        bands = _lay_over_white(bands)
    bits = (max(depths) & 0x7F) + 1
    signed = bands.dtype.kind == "i"
    return Bands(bands, (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1))


def require_few_scans(file: IO[bytes]) -> None:
    """Refuses a JPEG file of very many scans: one takes 12 bytes, and a millisecond for each megapixel.

    Args:
        file: at its beginning, and left there.

    Raises:
        ValueError: it has more than 100.
    """
    content = file.read()
    file.seek(0)
    if content.count(bytes((0xFF, _SCAN))) > _MOST_SCANS and (found := _count_scans(content)) > _MOST_SCANS:
        raise ValueError(f"a JPEG file of {found:,} scans would take very long; at most {_MOST_SCANS} are taken")


def _count_scans(content: bytes) -> int:
    """Counts the scans of the first picture; previews before it and films behind it do not matter."""
    count, place = 0, 2
    while (found := _MARKER.search(content, place)) and content[found.end() - 1] != _END:
        count += content[found.end() - 1] == _SCAN
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return count


def read_jpeg_xl(file: IO[bytes], many_bands: bool, most_pixels: int) -> Bands:
    """Reads a JPEG XL file; the first frame of an animation.

    Raises:
        ValueError: damaged or too large.
    """
    import imagecodecs

    return _decoded(imagecodecs.jpegxl_decode, file.read(), many_bands, most_pixels)


def read_deep_png(file: IO[bytes], many_bands: bool, most_pixels: int) -> Bands:
    """Reads a PNG of 16 bits a channel, of which Pillow keeps 8 where there are several.

    Raises:
        ValueError: damaged or too large.
    """
    import imagecodecs

    return _decoded(imagecodecs.png_decode, file.read(), many_bands, most_pixels)


def read_rare_jpeg(file: IO[bytes], most_pixels: int) -> Bands | None:
    """Reads a JPEG of 12 bits, a lossless one, or a JPEG-LS; None for any other, which Pillow reads or calls damaged.

    Raises:
        ValueError: damaged or too large.
    """
    import imagecodecs

    content = file.read()
    frame = _find_frame(content)
    if frame is None:
        return None
    kind, bits, height, width = frame
    _limit(width, height, most_pixels)
    if kind == _LOSSLESS_SCAN:
        values = _arranged(_call(imagecodecs.jpegls_decode, content))
    elif kind == _LOSSLESS:
        values = _arranged(_call(imagecodecs.ljpeg_decode, content))
    elif bits > 8:
        values = _arranged(_call(imagecodecs.jpeg8_decode, content))
    else:
        return None
    return Bands(values, (0.0, 2.0**bits - 1))


def _find_frame(content: bytes) -> tuple[int, int, int, int] | None:
    """Finds the header of a JPEG's frame: its kind, bits, height and width."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, (length,) = content[place + 1], struct.unpack_from(">H", content, place + 2)
        if marker in _FRAMES:
            return marker, *struct.unpack_from(">BHH", content, place + 4)
        place += 2 + length
    return None


def _decoded(decode: Callable[[bytes], Any], content: bytes, many_bands: bool, most_pixels: int) -> Bands:
    values = _arranged(_call(decode, content))
    _limit(values.shape[1], values.shape[0], most_pixels)
    if not many_bands and values.shape[2] in (2, 4):
        values = _lay_over_white(values)
    return Bands(values, list_limits(values))


def _call(decode: Callable[[bytes], Any], content: bytes) -> NDArray[Any]:
    try:
        return np.asarray(decode(content))
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _limit(width: int, height: int, most_pixels: int) -> None:
    if width * height > most_pixels:
        raise ValueError(f"{width} x {height} pixels are too many; {most_pixels:,} are taken")


def _arranged(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim == 4:
        values = values[0]
    return values[..., None] if values.ndim == 2 else values


def _lay_over_white(values: NDArray[Any]) -> NDArray[Any]:
    """Lays transparent pixels over white; the last band is the opacity."""
    white = list_limits(values)[1]
    opacity = values[..., -1:].astype(np.float64) / white
    if opacity.min() == 1:
        return values[..., :-1]
    laid = values[..., :-1] * opacity + white * (1 - opacity)
    return (np.rint(laid) if values.dtype.kind == "u" else laid).astype(values.dtype)
