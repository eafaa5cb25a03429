"""Mirrored twins: copies of a picture that were turned over, and what only looks like them."""

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.prepared import mirrored_twins
from pipeline.data.prepared.mirrored_twins import find_mirrored_twins, name_mirrored_twins


def photographs(count: int, side: int = 32, channels: int = 3) -> NDArray[np.uint8]:
    """Makes pictures of soft blotches, each unlike the others."""
    rough = np.random.default_rng(0).integers(0, 256, (count, 6, 6, channels), dtype=np.uint8)
    made = [cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in rough]
    return np.stack(made).reshape(count, side, side, channels)


def recode(pixels: NDArray[np.uint8], quality: int = 60) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_pictures_that_were_turned_over_and_saved_again_are_found() -> None:
    images = photographs(60)
    images[7] = recode(images[3][:, ::-1])
    images[50] = np.clip(images[21][:, ::-1] * 0.9 + 8, 0, 255).astype(np.uint8)
    assert find_mirrored_twins(images).tolist() == [[3, 7], [21, 50]]


def test_copies_that_were_not_turned_over_are_no_mirrored_twins() -> None:
    images = photographs(20)
    images[7] = recode(images[3])
    images[9] = images[4][::-1]
    assert len(find_mirrored_twins(images)) == 0


def test_pictures_in_which_there_is_nothing_to_see_are_no_twins() -> None:
    images = photographs(20)
    images[3:9] = np.random.default_rng(0).integers(100, 108, (6, 32, 32, 3))
    assert len(find_mirrored_twins(images)) == 0


@pytest.mark.parametrize("channels", [1, 6])
def test_other_numbers_of_channels_are_compared_too(channels: int) -> None:
    images = photographs(20, channels=channels)
    images[12] = images[5][:, ::-1]
    assert find_mirrored_twins(images).tolist() == [[5, 12]]


def test_pixels_decide_where_low_frequencies_agree() -> None:
    images = photographs(20) // 3 + 85
    images[12] = images[5][:, ::-1]
    chequered = 80 * (-1) ** np.indices((32, 32)).sum(axis=0)[..., None]
    images[12] = (images[12] + chequered).astype(np.uint8)
    own, mirrored, _ = mirrored_twins._read_signs(images, 20)
    assert np.bitwise_count(mirrored[5] ^ own[12]) <= 3
    assert len(find_mirrored_twins(images)) == 0


@pytest.mark.parametrize("changed", [0, 1, 2, 3, 4])
def test_up_to_three_signs_may_differ_wherever_they_lie(changed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrored_twins, "_PAIRS", 2)
    random = np.random.default_rng(changed)
    own, mirrored = random.integers(0, 2**64, (2, 400), dtype=np.uint64)
    bits = random.choice(64, changed, replace=False)
    own[300] = mirrored[20] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    found = [pair for pairs in mirrored_twins._pair_by_bands(own, mirrored, np.arange(400)) for pair in pairs.tolist()]
    assert ([20, 300] in found) == (changed <= 3)


def test_twins_of_one_picture_are_one_set() -> None:
    images = photographs(10)
    images[6] = images[2][:, ::-1]
    images[8] = recode(images[2], quality=95)[:, ::-1]
    names = name_mirrored_twins(images)
    assert names[2] == names[6] == names[8] != ""
    assert {name for row, name in enumerate(names) if row not in (2, 6, 8)} == {""}


def test_no_images_are_no_twins() -> None:
    assert name_mirrored_twins(photographs(2)[:0]) == []
