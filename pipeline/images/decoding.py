"""One image: any file that Pillow reads -> uint8 pixels at the storage size, and its hashes.

Special kinds of files are treated so:

- EXIF orientation is applied; a damaged EXIF block is ignored.
- Transparency is laid over white: drawings and cut-outs are made to be seen on a page.
- 16-bit files are scaled by 255/65535; 32-bit integers are taken for 16-bit ones (older PNG and TIFF writers);
  floating point is taken for 0..1 when nothing exceeds 1, else for 0..255.
- CMYK, palette, 1-bit and other modes are converted by Pillow; of an animation the first frame counts.
- A file above Pillow's limit for decompression bombs (179 megapixels) counts as broken.
"""

import hashlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.arrays import Images

_HASH_SIZE = 8
_FLAT = 4.0
_COMMON = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
# What Pillow's readers raise on damaged files.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class StorageForm:
    """How an image is kept: the plain values of a competition's `storage` (whose module is slow to import in a worker).

    Attributes:
        size: height and width.
        channels: 1 (grey) or 3 (RGB).
        resize: ``crop``, ``pad`` or ``stretch``.
    """

    size: int
    channels: int
    resize: str


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
        perceptual_hash: equal for images that look the same (see `perceptual_hash`).
    """

    pixels: Images
    width: int
    height: int
    hash: str
    perceptual_hash: str


def decode_file(path: Path, form: StorageForm) -> StoredImage:
    """Reads an image file and brings it to the storage size.

    Raises:
        BrokenImageError: empty, truncated or no image.
    """
    if path.stat().st_size == 0:
        raise BrokenImageError("empty file")
    return fit_image(_opened(path, form, None), form)


def decode_bytes(content: bytes, form: StorageForm, most_pixels: int) -> StoredImage:
    """Reads the bytes of an image file; of one with too many pixels, only the header is read.

    Raises:
        BrokenImageError: empty, truncated, too large, or no image of a common format.
    """
    if not content:
        raise BrokenImageError("empty file")
    Image.init()  # asked for formats by name, Pillow looks among those alone that it has loaded
    return fit_image(_opened(io.BytesIO(content), form, most_pixels), form)


def _opened(source: Path | io.BytesIO, form: StorageForm, most_pixels: int | None) -> Image.Image:
    """Opens an image as mode L or RGB; with a limit of pixels, only if it is of a common format."""
    formats = None if most_pixels is None else _COMMON
    try:
        # Pillow warns about oddities that it survives; here an image is readable or it is broken.
        with warnings.catch_warnings(action="ignore"), Image.open(source, formats=formats) as opened:
            if most_pixels is not None and opened.width * opened.height > most_pixels:
                size = f"{opened.width} x {opened.height} pixels"
                raise BrokenImageError(f"{size} are too many; {most_pixels / 1e6:.0f} million are taken")
            image = _upright(opened)
            return _flatten(image).convert("L" if form.channels == 1 else "RGB")
    except BrokenImageError:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImageError("not an image") from error
    except _BROKEN as error:
        raise BrokenImageError(" ".join(str(error).split()) or type(error).__name__) from error


def fit_image(image: Image.Image, form: StorageForm) -> StoredImage:
    """Hashes an image of mode L or RGB and brings it to the storage size.

    Shrinking averages over all pixels, enlarging interpolates (Pillow's bicubic filter widens with the factor).
    """
    size = (form.size, form.size)
    if form.resize == "crop":
        fitted = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    elif form.resize == "pad":
        fitted = ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=0)
    else:
        fitted = image.resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(form.size, form.size, form.channels)
    digest = hash_pixels(np.asarray(image))
    return StoredImage(pixels, image.width, image.height, digest, hash_appearance(image, digest))


def hash_pixels(pixels: NDArray[Any]) -> str:
    """Digest of an array's shape and bytes."""
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest()


def hash_appearance(image: Image.Image, digest: str) -> str:
    """Hash that survives re-encoding and resizing: the signs of 64 low frequencies of the grey image.

    Pairs of unequal images that share it, and the share of 300 images that keep it as a JPEG of quality 95:

    ==========  ======  ===============  ===============  ===============
    pairs/kept  images  hash_size 8      hash_size 10     hash_size 16
    ==========  ======  ===============  ===============  ===============
    digits        1797  0 / 60 %         0 / 32 %         0 / 0 %
    animals15     9000  3 / 94 %         2 / 78 %         0 / 21 %
    fashion      15000  38 / 78 %        3 / 72 %         0 / 19 %
    dogs10        1400  0 / 97 %         0 / 89 %         0 / 68 %
    ==========  ======  ===============  ===============  ===============

    By eye the three of animals15 are the same photographs, brightened or re-encoded; those of fashion are shoes and
    shirts of one outline. A false pair only makes two images share a fold, a missed one leaks: 8 it is. Difference
    and wavelet hashes of that size pair 4,880 and 2.1 million images of fashion.

    An image without contrast has no frequencies to tell; its content hash stands in.
    Reference: https://github.com/JohannesBuchner/imagehash
    """
    grey = image.convert("L")
    if float(np.asarray(grey).std()) < _FLAT:
        return digest
    return str(imagehash.phash(grey, hash_size=_HASH_SIZE))


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:
        return image.copy()


def _flatten(image: Image.Image) -> Image.Image:
    """Brings deep pixels to 8 bits and lays transparent ones over white."""
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image).astype(np.float64)
        scale = 255 / 65535 if image.mode != "F" else 255.0 if deep.size and deep.max() <= 1 else 1.0
        return Image.fromarray(np.rint(np.clip(np.nan_to_num(deep) * scale, 0, 255)).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return image
