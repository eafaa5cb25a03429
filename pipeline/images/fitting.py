"""Fitting: pixels of any size -> the storage size and type, with the hashes of the original."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.core.arrays import Images, Pixels, round_levels
from pipeline.images.bands import Frame, ValueRange
from pipeline.images.hashing import hash_appearance, hash_image, hash_pixels
from pipeline.images.levels import StoreType, decode_levels, encode_levels
from pipeline.images.slides import TileChoice

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # as Pillow makes grey of colours


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
        level: of a slide, from 0, the largest.
        tiles: how the tiles of a mosaic are chosen; None for the picture as a whole.
        tile_count: tiles of a mosaic.
        tile_size: their side in pixels.
        dtype: of the stored values.
        slices: what the slices of a folder make; None where a file makes an image.
        slice_count: those that a mean or a mosaic is made of.
        hashed: whether images are hashed when they are decoded, which takes half the seconds of small ones.
    """

    size: int
    channels: int
    resize: str
    range: ValueRange = "dtype"
    frame: Frame = "first"
    bands: tuple[int, ...] | None = None
    level: int = 0
    tiles: TileChoice | None = None
    tile_count: int = 16
    tile_size: int = 128
    dtype: StoreType = "uint8"
    slices: Literal["middle", "spread", "mean", "mosaic"] | None = None
    slice_count: int = 16
    hashed: bool = True


@dataclass(frozen=True)
class StoredImage:
    """A decoded image.

    Attributes:
        pixels: (size, size, channels), as the store keeps them.
        width: of the original, after its EXIF orientation.
        height: of the original, after its EXIF orientation.
        hash: digest of the decoded pixels: equal files and lossless copies share it; where a JPEG file is decoded at a
            fraction of its size, copies with other metadata alone. Empty where the form asks for none.
        perceptual_hash: equal for images that look the same (see `hash_appearance`); empty likewise.
        lost: the share of the original's rows that its file lacks.
    """

    pixels: NDArray[Any]
    width: int
    height: int
    hash: str
    perceptual_hash: str
    lost: float = 0.0

    @property
    def levels(self) -> Images:
        """The pixels as they are read from a store: grey levels of 0 to 255."""
        return decode_levels(self.pixels)


def fit_pixels(pixels: Pixels, form: StorageForm) -> StoredImage:
    """Brings grey levels to the storage size: (height, width), or (height, width, channels) of 1, 3 or the form's."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8:
        return fit_channels(_match_channels(pixels, form.channels), form)
    if channels in (1, 3) and form.channels in (1, 3):
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
        return fit_image(image.convert("L" if form.channels == 1 else "RGB"), form)
    return fit_channels(pixels, form)


def fit_channels(pixels: Pixels, form: StorageForm) -> StoredImage:
    """Hashes a picture of any number of channels and brings each to the storage size; looks are those of their mean."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = pixels.shape
    fitted = [_fit(Image.fromarray(np.ascontiguousarray(pixels[..., band])), form) for band in range(channels)]
    if not form.hashed:
        return StoredImage(np.stack(fitted, axis=2), width, height, "", "")
    digest = hash_pixels(pixels)
    mean = Image.fromarray(round_levels(pixels.mean(axis=2)))
    return StoredImage(np.stack(fitted, axis=2), width, height, digest, hash_appearance(mean, digest))


def fit_image(image: Image.Image, form: StorageForm, size: tuple[int, int] | None = None) -> StoredImage:
    """Hashes an image of mode L or RGB and brings it to the storage size.

    Shrinking averages over all pixels, enlarging interpolates (Pillow's bicubic filter widens with the factor).

    Args:
        image: upright.
        form: size, channels and resize policy.
        size: width and height of the original, where the image was decoded at a fraction of them.
    """
    pixels = _fit(image, form).reshape(form.size, form.size, form.channels)
    if not form.hashed:
        return StoredImage(pixels, *(size or image.size), "", "")
    digest = hash_image(image)
    return StoredImage(pixels, *(size or image.size), digest, hash_appearance(image, digest))


def _match_channels(levels: Pixels, channels: int) -> Pixels:
    """Makes grey of colours, or colours of grey, where the other is wanted."""
    if levels.ndim == 3 and levels.shape[2] == 3 and channels == 1:
        return np.asarray(levels @ _LUMINANCE)
    if channels == 3 and levels.size == levels.shape[0] * levels.shape[1]:
        return np.repeat(levels.reshape(*levels.shape[:2], 1), 3, axis=2)
    return levels


def _fit(image: Image.Image, form: StorageForm) -> NDArray[Any]:
    if form.dtype == "uint8":
        return np.asarray(_resize(image, form), dtype=np.uint8)
    fitted = [np.asarray(_resize(band.convert("F"), form)) for band in image.split()]
    return encode_levels(np.stack(fitted, axis=2) if len(fitted) > 1 else fitted[0], form.dtype)


def _resize(image: Image.Image, form: StorageForm) -> Image.Image:
    size = (form.size, form.size)
    if form.resize == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    if form.resize == "pad":
        return ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=0)
    return image.resize(size, Image.Resampling.BICUBIC)
