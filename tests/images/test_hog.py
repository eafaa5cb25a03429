"""HOG features: their number, what they tell apart, and which images they refuse."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.hog import Hog, compute_hog, count_features


def section(**changes: object) -> Hog:
    return parse({"name": "hog", **changes}, Hog, "a test")


def pictures(size: int, channels: int, count: int = 2) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def ramp(turned: bool) -> NDArray[np.uint8]:
    """One 8x8 grey picture that brightens to the right, or downwards."""
    line = np.tile(np.arange(0, 240, 30, dtype=np.uint8), (8, 1))
    return (line.T if turned else line)[None, ..., None]


def test_28_grey_pixels_give_392_numbers() -> None:
    features = compute_hog(pictures(28, 1), section())
    assert features.shape == (2, 392)
    assert features.dtype == np.float32


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cells_per_block": 2, "orientations": 9},
        {"pixels_per_cell": 5},
        {"size": 24, "block_norm": "L1-sqrt"},
        {"colour_grid": 3},
    ],
)
def test_the_count_foretold_is_the_count_there_is(changes: dict[str, object], channels: int) -> None:
    wanted = section(**changes)
    features = compute_hog(pictures(17, channels), wanted)
    assert features.shape == (2, count_features(wanted, wanted.size or 17, channels))
    assert np.isfinite(features).all()


@pytest.mark.parametrize(("turned", "direction"), [(False, 0), (True, 4)])
def test_a_ramp_counts_in_the_direction_of_its_gradient(turned: bool, direction: int) -> None:
    cells = compute_hog(ramp(turned), section()).reshape(2, 2, 8)
    assert (cells.argmax(axis=2) == direction).all()


def test_a_constant_image_has_no_gradients() -> None:
    assert not compute_hog(np.full((1, 8, 8, 3), 77, dtype=np.uint8), section()).any()


def test_the_colours_of_a_cell_are_its_mean_and_deviation() -> None:
    image = np.zeros((1, 8, 8, 1), dtype=np.uint8)
    image[0, :4, :4] = 255
    image[0, 4:, :2] = 255
    found = compute_hog(image, section(colour_grid=2))[0, -8:]
    assert found.tolist() == pytest.approx([1, 0, 0.5, 0, 0, 0, 0.5, 0], abs=1e-6)


def test_colours_are_lab() -> None:
    image = np.full((1, 8, 8, 3), (200, 30, 60), dtype=np.uint8)
    found = compute_hog(image, section(colour_grid=1))[0, -6:]
    lab = cv2.cvtColor(image[0], cv2.COLOR_RGB2LAB)[0, 0] / 255
    assert found.tolist() == pytest.approx([*lab, 0, 0, 0], abs=1e-3)


def test_resizing_comes_first() -> None:
    images = pictures(16, 1)
    small = np.stack([cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)[..., None] for image in images])
    assert np.array_equal(compute_hog(images, section(size=8)), compute_hog(small, section()))


def test_each_image_is_described_for_itself() -> None:
    images = pictures(12, 3, 5)
    together = compute_hog(images, section(colour_grid=2))
    assert np.array_equal(together[3:4], compute_hog(images[3:4], section(colour_grid=2)))


def test_no_images_are_no_rows() -> None:
    assert compute_hog(pictures(28, 1, 0), section()).shape == (0, 392)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, r"a block is 4 pixels wide \(1 cells of 4\), the images are 3; lower pixels_per_cell"),
        ({"pixels_per_cell": 2, "cells_per_block": 2}, "a block is 4 pixels wide"),
        ({"pixels_per_cell": 2, "colour_grid": 4}, "colour_grid is 4, the images are 3 pixels wide; lower colour_grid"),
    ],
)
def test_images_that_are_too_small_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        compute_hog(pictures(3, 1), section(**changes))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("orientations", 0, "orientations: .* greater than or equal to 1"),
        ("block_norm", "l2", "block_norm: .* 'L2'"),
        ("cells", 2, "unknown key cells; did you mean"),
    ],
)
def test_wrong_settings_are_refused(key: str, value: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        section(**{key: value})
