"""Deep files: TIFF of any depth and number of bands, and NumPy arrays, as the bands that they hold."""

import logging
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import some
from pipeline.core.memory import has_room
from pipeline.images.bands import Bands, Frame, leave_blank, list_limits
from pipeline.images.slides import list_levels

# The tag Orientation: how many quarters to turn, and whether the rows are mirrored first (TIFF 6.0, page 36).
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}

# What tifffile raises on a header that is none.
_NO_HEADER = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, struct.error)
_SLIDE, _SHOWS = 2048, 512  # pixels of the shorter side: a slide has as many, and shows what is in it at as few
_SMALL = 1 << 24  # bytes of a picture that no machine is short of
_NO_DATA = 42113  # GDAL's tag: the value of pixels that nothing was measured at
# How Pillow reads TIFF of 8 bits: photometric interpretation -> samples of a pixel, opacity among them; compressions.
_PLAIN = {0: (1, 2), 1: (1, 2), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,), 8: (3,)}
_PACKED = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000)


def read_tiff(file: IO[bytes], many_bands: bool, frame: Frame | int, most_pixels: int) -> Bands | None:
    """Reads a page of a TIFF file, or its pages as bands where each holds one.

    Args:
        file: opened.
        many_bands: whether pages of one band each are bands of one picture.
        frame: of several pages; a number is the level of a slide, from 1: 0 would be the whole size.
        most_pixels: of a page that is decoded.

    Returns:
        None where Pillow keeps all that the file holds, 8 bits and up to four bands, and nothing else is wanted; and
        where the file has no header that can be read.

    Raises:
        ValueError: damaged, too large, or of a compression that is not read.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it survives, it logs
    try:
        whole = tifffile.TiffFile(file)
        first = whole.pages.first
    except (tifffile.TiffFileError, *_NO_HEADER):
        return None
    many_bands = many_bands or _are_channels(whole)
    plain = not many_bands and frame == "first"
    if plain and _is_plain(first):
        return None
    try:
        if isinstance(frame, int):
            return _read_level(first, whole, frame, most_pixels)
        pages = [first] if plain else [_whole_page(page) for page in whole.pages]
        as_bands = many_bands and len(pages) > 1 and first.samplesperpixel == 1
        chosen = pages if as_bands else [pages[(len(pages) - 1) // 2 if frame == "middle" else 0]]
        parts = [_decode_page(page, most_pixels, whole.filehandle.size, many_bands) for page in chosen]
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error
    if len({part.shape[:2] for part in parts}) > 1:
        raise ValueError("its pages differ in size, so they are no bands of one picture")
    return _name_bands(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2), first)


def _is_plain(page: Any) -> bool:
    """Says whether Pillow keeps all of a page: unsigned values of 8 bits, in colours and codes that it knows."""
    alpha = page.samplesperpixel != 2 or bool(page.extrasamples and page.extrasamples[0] in (1, 2))
    known = page.samplesperpixel in _PLAIN.get(page.photometric, ()) and page.compression in _PACKED and alpha
    return bool(page.bitspersample <= 8 and page.sampleformat == 1 and known)


def _are_channels(whole: Any) -> bool:
    """Says whether a file of a microscope names its pages channels of one picture: ImageJ's and OME's axis C."""
    try:
        return bool((whole.is_imagej or whole.is_ome) and len(whole.pages) > 1 and whole.series[0].axes == "CYX")
    except (RuntimeError, *_NO_HEADER):  # what a description says may be anything; the pages are read without it
        return False


def find_level(file: IO[bytes]) -> int:
    """Finds the smallest level of a slide that still shows what is in it; 0 of any other TIFF file.

    The file is left at its beginning.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        whole = tifffile.TiffFile(file)
        sides = [min(page.imagewidth, page.imagelength) for page in list_levels(whole.pages.first, whole.pages)]
    except (tifffile.TiffFileError, *_NO_HEADER):
        return 0
    finally:
        file.seek(0)
    return sum(side >= _SHOWS for side in sides) - 1 if sides[0] >= _SLIDE else 0


def count_pages(file: IO[bytes]) -> int:
    """Counts the pages of a TIFF file that are as large as its first; 1 of a slide, whose levels they are, or of none.

    The file is left at its beginning.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        whole = tifffile.TiffFile(file)
        pages = whole.pages
        channels = _are_channels(whole)
        levels = len(list_levels(pages.first, pages))
        sizes = [(page.imagewidth, page.imagelength) for page in map(_whole_page, pages)]
    except (tifffile.TiffFileError, *_NO_HEADER):
        return 1
    finally:
        file.seek(0)
    return sizes.count(sizes[0]) if levels == 1 and not channels else 1


def _read_level(first: Any, whole: Any, level: int, most_pixels: int) -> Bands:
    """Reads a level of a slide."""
    levels = list_levels(first, whole.pages)
    if level >= len(levels):
        sizes = some(f"{page.imagewidth} x {page.imagelength}" for page in levels)
        raise ValueError(f"it has the levels 0 to {len(levels) - 1} ({sizes}), but storage.level is {level}")
    return _name_bands(_decode_page(levels[level], most_pixels, whole.filehandle.size, False), levels[level])


def _name_bands(values: NDArray[Any], page: Any) -> Bands:
    """Says what the values of a page mean: their limits, and whether the largest is black."""
    import tifffile

    if values.dtype.kind == "c":
        raise ValueError("complex numbers, which are no picture; save their size or their parts as floating point")
    limits = list_limits(values)
    if values.dtype.kind == "u" and page.bitspersample < 16:
        limits = (0.0, 2.0**page.bitspersample - 1)
    if _NO_DATA in page.tags:
        values = leave_blank(values, values == _read_no_data(page))
    return Bands(values, limits, inverted=page.photometric == tifffile.PHOTOMETRIC.MINISWHITE)


def _read_no_data(page: Any) -> float:
    """Reads the value of what was not measured; NaN, which nothing equals, where it is no number.

    tifffile says 0, which is a value as any other, where the type of the pixels does not hold it as it is written:
    255.0 or -9999 of whole numbers from 0, all of single precision.
    """
    try:
        return float(page.tags[_NO_DATA].value)
    except (TypeError, ValueError):
        return float("nan")


def _decode_page(page: Any, most_pixels: int, size: int, many_bands: bool) -> NDArray[Any]:
    if page.imagewidth * page.imagelength > most_pixels:
        raise ValueError(f"{page.imagewidth} x {page.imagelength} pixels are too many; {most_pixels:,} are taken")
    _require_data(page, size)
    return _arrange(page, many_bands)


def _whole_page(page: Any) -> Any:
    import tifffile

    return page.aspage() if isinstance(page, tifffile.TiffFrame) else page


def _require_data(page: Any, size: int) -> None:
    """Refuses a page whose parts are missing or lie behind the end of the file: they would come out black."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not parts or any(offset + count > size for offset, count in parts):
        raise ValueError("cut off: parts of the picture are missing after the end of the file")
    if any(count == 0 for _, count in parts):
        raise ValueError("parts of the picture are missing from the file")


def _arrange(page: Any, many_bands: bool) -> NDArray[Any]:
    """Decodes a page as (height, width, bands), upright; opacity is a band where many are wanted."""
    try:
        values = np.asarray(page.asarray())
    except MemoryError as error:
        if page.nbytes > _SMALL or not has_room():
            raise
        raise ValueError("damaged: its parts ask for more memory than the picture needs") from error
    axes = page.axes
    if axes in ("SYX", "CYX"):
        values = np.moveaxis(values, 0, 2)
    elif axes == "YX":
        values = values[..., None]
    elif axes not in ("YXS", "YXC"):
        raise ValueError(f"a TIFF file with the axes {axes}, which is no picture of rows, columns and bands")
    if not many_bands and page.extrasamples and values.shape[2] in (2, 4) and page.extrasamples[-1] in (1, 2):
        values = values[..., :-1]  # alpha
    tag = page.tags.get("Orientation")
    turns, mirrored = _TURNS.get(int(tag.value) if tag is not None else 1, (0, False))
    return np.ascontiguousarray(np.rot90(values[:, ::-1] if mirrored else values, turns))


def read_npy(file: IO[bytes], most_pixels: int) -> Bands:
    """Reads a NumPy array of one picture: (height, width), (height, width, bands), or (bands, height, width).

    The bands are the first axis where that is shorter than both others.

    Raises:
        ValueError: damaged, too large, of another shape, or no numbers.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.kind not in "buif" or len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"an array of {dtype} and the shape {list(shape)}, which is no picture of rows and columns")
    first = len(shape) == 3 and shape[0] < min(shape[1:])
    pixels = int(np.prod(shape[1:] if first else shape[:2]))
    if pixels > most_pixels:
        raise ValueError(f"{pixels:,} pixels are too many; {most_pixels:,} are taken")
    file.seek(0)
    values = np.asarray(np.load(file, allow_pickle=False))
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    values = values[..., None] if values.ndim == 2 else np.moveaxis(values, 0, 2) if first else values
    return Bands(np.ascontiguousarray(values), list_limits(values))
