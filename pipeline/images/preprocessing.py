"""Preprocessing: steps that every image of a model goes through first, for brightness, contrast and noise; no chance.

Contrast and brightness of colour images change in their luminance alone, the Y of YCrCb, which is the grey level where
an image is grey: the same picture comes out the same whether it is stored with one channel or three. Channels that are
no colours change each by itself.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import cv2
import numpy as np
from pydantic import Field, model_validator

from pipeline.core.arrays import Images
from pipeline.core.closure import code_digest
from pipeline.core.config import Section
from pipeline.core.digests import is_signed, sign_file
from pipeline.core.errors import InputError, some
from pipeline.core.files import atomic_path, locked, require_space
from pipeline.core.progress import track_progress
from pipeline.images.channels import map_channels
from pipeline.images.prefetching import Prefetcher

_CHUNK = 64


class HistogramStretch(Section):
    """Brightness: two percentiles of the luminance become 0 and 255, linearly; a flat image stays as it is.

    Attributes:
        low: the percentile that becomes black.
        high: the percentile that becomes white.
    """

    name: Literal["histogram_stretch"]
    low: float = Field(default=2.0, ge=0.0, lt=100.0)
    high: float = Field(default=98.0, gt=0.0, le=100.0)

    @model_validator(mode="after")
    def _in_order(self) -> "HistogramStretch":
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        return self


class Equalize(Section):
    """Contrast: the histogram of the luminance becomes as flat as it can."""

    name: Literal["equalize"]


class Clahe(Section):
    """Contrast in each part of the image: equalisation in tiles whose slopes are limited.

    Attributes:
        clip_limit: of the slopes, times that of no change.
        grid: tiles along each side.

    Reference: Zuiderveld 1994, Contrast limited adaptive histogram equalization, Graphics Gems IV
    """

    name: Literal["clahe"]
    clip_limit: float = Field(default=2.0, gt=0.0)
    grid: int = Field(default=8, ge=1, le=64)


class GaussianDenoise(Section):
    """Noise: a Gaussian blur.

    Attributes:
        sigma: in pixels of the stored image.
    """

    name: Literal["gaussian_denoise"]
    sigma: float = Field(default=0.8, gt=0.0, le=20.0)


class NlMeansDenoise(Section):
    """Noise: means over patches that look alike.

    Attributes:
        strength: in grey levels, about the deviation of the noise.

    Reference: Buades, Coll and Morel 2011, Non-local means denoising, https://doi.org/10.5201/ipol.2011.bcm_nlm
    """

    name: Literal["nl_means_denoise"]
    strength: float = Field(default=3.0, gt=0.0, le=100.0)


PreprocessStep = Annotated[
    HistogramStretch | Equalize | Clahe | GaussianDenoise | NlMeansDenoise, Field(discriminator="name")
]
Steps = tuple[PreprocessStep, ...]


def _stretch(image: Images, step: HistogramStretch) -> Images:
    def stretched(grey: Images) -> Images:
        low, high = np.percentile(grey, [step.low, step.high])
        if low == high:
            return grey
        if grey.dtype != np.uint8:
            return cast(Images, np.clip((grey - np.float32(low)) * np.float32(255 / (high - low)), 0, 255))
        levels = np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255)
        return np.asarray(cv2.LUT(grey, np.rint(levels).astype(np.uint8)), dtype=np.uint8)

    return _on_luminance(image, stretched)


def _equalize(image: Images, step: Equalize) -> Images:
    return _on_luminance(image, lambda grey: np.asarray(cv2.equalizeHist(grey), dtype=np.uint8))


def _clahe(image: Images, step: Clahe) -> Images:
    # An object of its own for each image: it keeps buffers, and images go through many threads.
    clahe = cv2.createCLAHE(step.clip_limit, (step.grid, step.grid))
    return _on_luminance(image, lambda grey: np.asarray(clahe.apply(grey), dtype=np.uint8))


def _gaussian(image: Images, step: GaussianDenoise) -> Images:
    def blurred(part: Images) -> Images:
        return np.asarray(cv2.GaussianBlur(part, (0, 0), step.sigma, borderType=cv2.BORDER_REFLECT_101))

    return blurred(image) if image.shape[-1] in (1, 3) else map_channels(image, blurred)


def _nl_means(image: Images, step: NlMeansDenoise) -> Images:
    if image.shape[-1] == 1:
        return np.asarray(cv2.fastNlMeansDenoising(image, None, step.strength), dtype=np.uint8)
    if image.shape[-1] != 3:
        return map_channels(image, lambda part: _nl_means(part, step))
    # OpenCV takes the channels for BGR on its way to Lab.
    denoised = cv2.fastNlMeansDenoisingColored(
        np.ascontiguousarray(image[..., ::-1]), None, step.strength, step.strength
    )
    return np.asarray(denoised[..., ::-1], dtype=np.uint8)


PREPROCESS_STEPS: dict[str, Callable[[Images, Any], Images]] = {
    "histogram_stretch": _stretch,
    "equalize": _equalize,
    "clahe": _clahe,
    "gaussian_denoise": _gaussian,
    "nl_means_denoise": _nl_means,
}


_OF_ANY_DEPTH = ("histogram_stretch", "gaussian_denoise")


def preprocess_image(image: Images, steps: Steps) -> Images:
    """Runs steps, in order, on one image (height, width, channels).

    Raises:
        InputError: a step works on 8 bits alone, and the image has levels between two.
    """
    for step in steps:
        if image.dtype != np.uint8 and step.name not in _OF_ANY_DEPTH:
            raise InputError(
                f"input.preprocess: {step.name} works on 8 bits, but the store holds 16; these steps take both: "
                f"{some(_OF_ANY_DEPTH)}; change the model's file, or set storage.dtype: uint8 in the competition's"
            )
        image = np.ascontiguousarray(PREPROCESS_STEPS[step.name](image, step).reshape(image.shape))
    return image


def open_preprocessed(images: Images, steps: Steps, folder: Path, key: str, workers: int) -> Images:
    """Returns all images after the steps, as a read-only memory map: computed once, then opened.

    Args:
        images: (n, height, width, channels).
        steps: what they go through; with none, ``images`` itself comes back.
        folder: where the results are kept.
        key: digest of ``images``.
        workers: threads.

    Raises:
        InputError: the disk has too little room.
    """
    if not steps:
        return images
    path = folder / f"{_fingerprint(images, steps, key)}.npy"
    with locked(path.with_suffix(".lock")):  # folds side by side want the same
        if not is_signed(path):
            require_space(folder, images.nbytes)
            _write(path, images, steps, workers)
            sign_file(path)
    images_after: Images = np.load(path, mmap_mode="r", allow_pickle=False)
    return images_after


def _fingerprint(images: Images, steps: Steps, key: str) -> str:
    determined_by = {
        "images": [key, list(images.shape)],
        "steps": [step.model_dump(mode="json") for step in steps],
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "code": code_digest("pipeline.images.preprocessing"),
    }
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()[:32]


def _write(path: Path, images: Images, steps: Steps, workers: int) -> None:
    def make(start: int) -> Images:
        return np.stack([preprocess_image(image, steps) for image in images[start : start + _CHUNK]])

    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        track_progress("preprocessing images", len(images)) as advance,
        closing(Prefetcher(make, range(0, len(images), _CHUNK), workers)) as chunks,
    ):
        header = {"descr": images.dtype.str, "fortran_order": False, "shape": images.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk.tobytes())
            advance(len(chunk))


def _on_luminance(image: Images, change: Callable[[Images], Images]) -> Images:
    if image.shape[-1] == 1:
        return change(np.ascontiguousarray(image[..., 0]))
    if image.shape[-1] != 3:
        return map_channels(image, lambda channel: change(channel[..., 0]))
    parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    parts[..., 0] = change(np.ascontiguousarray(parts[..., 0]))
    made = np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB))
    return cast(Images, made if made.dtype == np.uint8 else np.clip(made, 0, 255))
