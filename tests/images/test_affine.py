"""Affine: the pixels of albumentations' own, of the same draws."""

from typing import Any

import albumentations as A  # noqa: N812 # its own convention
import numpy as np
import pytest

from pipeline.images.affine import Affine
from pipeline.images.transforms import TransformChain, make_transform

WAYS: dict[str, dict[str, Any]] = {
    "shipped": {"translate_px": [-1, 1], "rotate": [-5, 5], "scale": [0.95, 1.05], "p": 0.5},
    "still": {"translate_px": [0, 1], "p": 1.0},
    "shares and shear": {"translate_percent": [-0.2, 0.2], "shear": [-10, 10], "rotate": [-400, 400], "p": 1.0},
    "axes apart": {"scale": {"x": [0.5, 1.5]}, "shear": {"y": [-5, 5]}, "translate_px": {"x": [-3, 3]}, "p": 0.9},
    "one ratio": {"scale": [0.5, 2.0], "keep_ratio": True, "balanced_scale": True, "p": 1.0},
    "another border": {"rotate": [-45, 45], "border_mode": 2, "interpolation": 2, "p": 1.0},
    "filled": {"rotate": [-45, 45], "fill": 128, "interpolation": 0, "p": 1.0},
    "fitted": {"rotate": [-45, 45], "fit_output": True, "p": 1.0},
}


def as_albumentations_says(way: dict[str, Any]) -> A.Compose:
    return A.Compose([A.Affine(**{name: tuple(v) if isinstance(v, list) else v for name, v in way.items()})])


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_the_same_draws_give_the_same_pixels(name: str, channels: int) -> None:
    images = np.random.default_rng(channels).integers(0, 256, (12, 17, 13, channels), dtype=np.uint8)
    chain, known = TransformChain([{"Affine": WAYS[name]}]), as_albumentations_says(WAYS[name])
    for seed in range(8):
        chain.seed(seed)
        known.set_random_seed(seed)
        for image in images:
            np.testing.assert_array_equal(chain(image), known(image=image)["image"])


def test_levels_between_whole_ones_are_warped_alike() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (16, 16, 1)).astype(np.float32)
    chain, known = TransformChain([{"Affine": WAYS["shipped"]}]), as_albumentations_says(WAYS["shipped"])
    for seed in range(40):
        chain.seed(seed)
        known.set_random_seed(seed)
        expected = np.clip(known(image=image / np.float32(255))["image"] * np.float32(255), 0, 255)
        np.testing.assert_array_equal(chain(image), expected)


def test_a_chain_runs_as_albumentations_composes_it() -> None:
    declared: list[dict[str, dict[str, Any]]] = [
        {"HorizontalFlip": {"p": 0.5}},
        {"Rotate": {"p": 0.7}},
        {"RandomBrightnessContrast": {"p": 0.5}},
        {"CoarseDropout": {"p": 0.5}},
        {"GaussNoise": {"p": 0.5}},
    ]
    chain = TransformChain(declared)
    known = A.Compose([getattr(A, name)(**way) for each in declared for name, way in each.items()])
    images = np.random.default_rng(0).integers(0, 256, (30, 24, 24, 3), dtype=np.uint8)
    chain.seed(3)
    known.set_random_seed(3)
    for image in images:
        np.testing.assert_array_equal(chain(image), known(image=image)["image"])


def test_it_is_what_a_models_file_gets() -> None:
    assert type(make_transform({"Affine": {"rotate": [-5, 5]}})) is Affine
