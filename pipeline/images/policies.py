"""Augmentation policies: a few operations drawn for each image, with one strength or none to set.

The 14 operations and their order of strength (0 to 30) are those of the papers; each keeps size, channels and uint8.
Shear and shift are shares of the image's side, so that a policy means the same at every size.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline.core.arrays import Images
from pipeline.core.config import Section
from pipeline.images.channels import map_channels

Operation = Callable[[Images, float], Images]

_LEVELS = 30
_GREY = (128, 128, 128, 128)  # what comes in from outside the image, as in the papers' code
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], dtype=np.float32) / 13  # Pillow's, which sharpness moves from


class RandAugment(Section):
    """``n`` operations per image, all of one strength.

    Attributes:
        n: operations, drawn with replacement.
        magnitude: 0 leaves nearly everything as it is, 30 is the strongest.

    Reference: Cubuk et al. 2020, RandAugment, https://arxiv.org/abs/1909.13719
    """

    name: Literal["rand_augment"]
    n: int = Field(default=2, ge=1, le=14)
    magnitude: int = Field(default=9, ge=0, le=_LEVELS)


class TrivialAugment(Section):
    """One operation per image, of a strength drawn again each time, from wider ranges: nothing to set.

    The paper shifts by up to 32 pixels; here it is the share that this is of its ImageNet side, 32 of 224.

    Reference: Müller and Hutter 2021, TrivialAugment (Wide), https://arxiv.org/abs/2103.10158
    """

    name: Literal["trivial_augment"]


Policy = Annotated[RandAugment | TrivialAugment, Field(discriminator="name")]


def _warp(image: Images, across: tuple[float, float, float], down: tuple[float, float, float]) -> Images:
    """Moves pixels by a 2x2 matrix about the centre, and by a shift in pixels."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.array([across, down])
    matrix[:, 2] += centre - matrix[:, :2] @ centre
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=_GREY))


def _rotate(image: Images, degrees: float) -> Images:
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return _warp(image, (cosine, sine, 0.0), (-sine, cosine, 0.0))


def _pixels() -> Any:
    from pipeline.images.quiet_albumentations import pixels  # takes seconds to start: only where a policy is declared

    return pixels


def _sharpen(image: Images, share: float) -> Images:
    smooth = cv2.filter2D(image, -1, _SMOOTH, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.addWeighted(image, 1 + share, smooth, -share, 0.0))


OPERATIONS: dict[str, Operation] = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: _pixels().auto_contrast(image, cutoff=0, ignore=None, method="pil"),
    "equalize": lambda image, _: _pixels().equalize(image),
    "rotate": _rotate,
    "shear_x": lambda image, slope: _warp(image, (1.0, slope, 0.0), (0.0, 1.0, 0.0)),
    "shear_y": lambda image, slope: _warp(image, (1.0, 0.0, 0.0), (slope, 1.0, 0.0)),
    "translate_x": lambda image, share: _warp(image, (1.0, 0.0, share * image.shape[1]), (0.0, 1.0, 0.0)),
    "translate_y": lambda image, share: _warp(image, (1.0, 0.0, 0.0), (0.0, 1.0, share * image.shape[0])),
    "brightness": lambda image, share: _pixels().adjust_brightness_torchvision(image, np.float32(1 + share)),
    "color": lambda image, share: _pixels().adjust_saturation_torchvision(image, 1 + share),
    "contrast": lambda image, share: _pixels().adjust_contrast_torchvision(image, 1 + share),
    "sharpness": _sharpen,
    "posterize": lambda image, bits: _pixels().posterize(image, 8 - round(bits)),
    "solarize": lambda image, share: _pixels().solarize(image, (1 - share) * 256 / 255),
}


def _apply(name: str, value: float, image: Images) -> Images:
    return OPERATIONS[name](image, value)


# Operations that go either way, and how far at the highest strength: slopes, shares of the side, degrees, shares.
_EITHER_WAY = {
    "rand_augment": {
        **dict.fromkeys(("shear_x", "shear_y"), 0.3),
        **dict.fromkeys(("translate_x", "translate_y"), 150 / 331),
        "rotate": 30.0,
        **dict.fromkeys(("brightness", "color", "contrast", "sharpness"), 0.9),
    },
    "trivial_augment": {
        **dict.fromkeys(("shear_x", "shear_y"), 0.99),
        **dict.fromkeys(("translate_x", "translate_y"), 32 / 224),
        "rotate": 135.0,
        **dict.fromkeys(("brightness", "color", "contrast", "sharpness"), 0.99),
    },
}
# Bits lost, share of grey levels inverted; the operations in neither table have no strength.
_ONE_WAY = {
    "rand_augment": {"posterize": 4.0, "solarize": 1.0},
    "trivial_augment": {"posterize": 6.0, "solarize": 1.0},
}


def compute_strength(policy: str, operation: str, level: int) -> float:
    """Returns what a strength of 0 to 30 means for an operation, in its own unit and without sign."""
    highest = (_EITHER_WAY[policy] | _ONE_WAY[policy]).get(operation, 0.0)
    return highest * level / _LEVELS


class PolicyTransform:
    """A policy, ready to run in one thread."""

    def __init__(self, policy: RandAugment | TrivialAugment) -> None:
        """Takes the settings; `seed` comes before the first image."""
        self._policy = policy
        self._names = tuple(OPERATIONS)
        self._rng = np.random.default_rng(0)

    def seed(self, seed: int) -> None:
        """Fixes all draws until the next call."""
        self._rng = np.random.default_rng([seed, 7])  # no copy of the transforms' draws, who get the bare seed

    def __call__(self, image: Images) -> Images:
        """Transforms one contiguous uint8 image (height, width, channels)."""
        for name, value in self._drawn():
            change = partial(_apply, name, value)
            if image.shape[2] in (1, 3):
                image = change(image).reshape(image.shape)
            elif name != "color":  # which needs colours
                image = map_channels(image, change)
        return image

    def _drawn(self) -> list[tuple[str, float]]:
        policy, rng = self._policy, self._rng
        drawn = []
        for number in rng.integers(len(self._names), size=policy.n if isinstance(policy, RandAugment) else 1):
            name = self._names[number]
            level = policy.magnitude if isinstance(policy, RandAugment) else int(rng.integers(_LEVELS + 1))
            sign = 1 - 2 * int(rng.integers(2)) if name in _EITHER_WAY[policy.name] else 1
            drawn.append((name, sign * compute_strength(policy.name, name, level)))
        return drawn
