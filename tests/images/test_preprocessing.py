"""Preprocessing: what becomes of known images, and one pass over the store for all who ask."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.core.arrays import Images
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.images import preprocessing
from pipeline.images.preprocessing import PREPROCESS_STEPS, Steps, open_preprocessed, preprocess_image


class Model(Section):
    """A section that holds steps, as a model's file does."""

    preprocess: Steps = ()


def steps(*wanted: dict[str, Any]) -> Steps:
    return parse({"preprocess": list(wanted)}, Model, "a.yaml").preprocess


def ran(image: Images, name: str, **settings: Any) -> Images:
    return preprocess_image(image, steps({"name": name, **settings}))


def noise(n: int = 1, size: int = 16, channels: int = 3) -> Images:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def ramp(low: int, high: int, channels: int) -> Images:
    """Grey levels from ``low`` to ``high``, 16x16, alike in all channels."""
    levels = np.linspace(low, high, 256).astype(np.uint8).reshape(16, 16, 1)
    return np.repeat(levels, channels, axis=2)


def test_an_unknown_step_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"preprocess.0.name: unknown 'clache'; did you mean clahe"):
        steps({"name": "clache"})


def test_percentiles_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(InputError, match=r"low \(60.0\) must be less than high \(40.0\)"):
        steps({"name": "histogram_stretch", "low": 60.0, "high": 40.0})


@pytest.mark.parametrize("name", sorted(PREPROCESS_STEPS))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 17])
def test_a_step_keeps_size_channels_and_type(size: int, channels: int, name: str) -> None:
    image = noise(size=size, channels=channels)[0]
    before = image.copy()
    result = ran(image, name)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", sorted(PREPROCESS_STEPS))
def test_a_step_does_the_same_twice(name: str) -> None:
    image = noise()[0]
    assert np.array_equal(ran(image, name), ran(image, name))


@pytest.mark.parametrize("name", ["histogram_stretch", "equalize", "clahe", "gaussian_denoise"])
def test_a_grey_picture_comes_out_the_same_from_one_channel_and_from_three(name: str) -> None:
    one, three = ran(ramp(60, 180, 1), name), ran(ramp(60, 180, 3), name)
    assert np.array_equal(np.repeat(one, 3, axis=2), three)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_stretch_from_end_to_end_fills_the_range_linearly(channels: int) -> None:
    stretched = ran(ramp(100, 151, channels), "histogram_stretch", low=0.0, high=100.0)
    assert np.abs(stretched.astype(int) - (ramp(100, 151, channels).astype(int) - 100) * 5).max() == 0


def test_a_stretch_cuts_what_lies_beyond_its_percentiles() -> None:
    image = np.array([0] + [100] * 49 + [200] * 49 + [255], dtype=np.uint8).reshape(10, 10, 1)
    assert np.unique(ran(image, "histogram_stretch", low=5.0, high=95.0)).tolist() == [0, 255]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["histogram_stretch", "gaussian_denoise", "nl_means_denoise"])
def test_a_flat_image_stays_as_it_is(name: str, channels: int) -> None:
    flat = np.full((9, 9, channels), 77, dtype=np.uint8)
    assert np.array_equal(ran(flat, name), flat)


def test_equalisation_makes_few_levels_equally_far_apart() -> None:
    image = np.repeat(np.array([10, 20, 30, 40, 50, 60], dtype=np.uint8), 6).reshape(6, 6, 1)
    assert np.unique(ran(image, "equalize")).tolist() == [0, 51, 102, 153, 204, 255]


def test_contrast_changes_luminance_and_not_hue() -> None:
    image = np.clip(ramp(60, 120, 3) * np.array([1.0, 0.8, 0.6]), 0, 255).astype(np.uint8)
    before, after = (cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb).astype(int) for x in (image, ran(image, "clahe")))
    assert np.abs(before - after)[..., 0].max() > 10
    assert np.median(np.abs(before - after)[..., 1:]) <= 1


def test_a_higher_clip_limit_gives_more_contrast() -> None:
    image = ramp(100, 140, 1)
    deviations = [ran(image, "clahe", clip_limit=limit, grid=2).std() for limit in (1.0, 4.0, 16.0)]
    assert deviations == sorted(deviations)
    assert deviations[0] < deviations[-1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "setting"), [("gaussian_denoise", "sigma"), ("nl_means_denoise", "strength")])
def test_denoising_brings_a_noisy_image_nearer_to_the_clean_one(name: str, setting: str, channels: int) -> None:
    clean = np.full((24, 24, channels), 60, dtype=np.uint8)
    clean[:, 12:] = 190
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, 8, clean.shape), 0, 255).astype(np.uint8)
    value = {"sigma": 0.7, "strength": 12.0}[setting]
    errors = [np.abs(x.astype(int) - clean).mean() for x in (noisy, ran(noisy, name, **{setting: value}))]
    assert errors[1] < 0.8 * errors[0]


def test_colour_denoising_takes_red_for_red() -> None:
    # Lab weighs red and blue unlike: swapped channels would not come out swapped.
    image = noise(size=12)[0]
    wanted = cv2.fastNlMeansDenoisingColored(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), None, 10.0, 10.0)
    assert np.array_equal(ran(image, "nl_means_denoise", strength=10.0), cv2.cvtColor(wanted, cv2.COLOR_BGR2RGB))


def test_steps_run_in_their_order() -> None:
    image, first, second = noise()[0], {"name": "gaussian_denoise"}, {"name": "equalize"}
    in_turn = preprocess_image(preprocess_image(image, steps(first)), steps(second))
    assert np.array_equal(preprocess_image(image, steps(first, second)), in_turn)
    assert not np.array_equal(preprocess_image(image, steps(second, first)), in_turn)


EQUALIZED = ({"name": "equalize"},)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_store_holds_every_image_after_the_steps(tmp_path: Path, workers: int) -> None:
    images = noise(150, 6)
    found = open_preprocessed(images, steps(*EQUALIZED), tmp_path, "key", workers)
    assert isinstance(found, np.memmap)
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.stack([preprocess_image(image, steps(*EQUALIZED)) for image in images]))


def test_without_steps_the_images_come_back_and_nothing_is_written(tmp_path: Path) -> None:
    images = noise(3)
    assert open_preprocessed(images, (), tmp_path / "cache", "key", 1) is images
    assert not (tmp_path / "cache").exists()


def test_the_store_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(70, 6)
    first = open_preprocessed(images, steps(*EQUALIZED), tmp_path, "key", 1)
    monkeypatch.delitem(PREPROCESS_STEPS, "equalize")
    assert np.array_equal(open_preprocessed(images, steps(*EQUALIZED), tmp_path, "key", 1), first)


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ({"name": "clahe", "clip_limit": 3.0}, "key"),
        ({"name": "equalize"}, "key"),
        ({"name": "clahe"}, "another"),
    ],
)
def test_other_steps_and_other_images_have_a_store_of_their_own(
    tmp_path: Path, wanted: dict[str, Any], key: str
) -> None:
    images = noise(3)
    open_preprocessed(images, steps({"name": "clahe"}), tmp_path, "key", 1)
    open_preprocessed(images, steps(wanted), tmp_path, key, 1)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_another_opencv_has_a_store_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(3)
    open_preprocessed(images, steps(*EQUALIZED), tmp_path, "key", 1)
    monkeypatch.setattr(cv2, "__version__", "0.0")
    open_preprocessed(images, steps(*EQUALIZED), tmp_path, "key", 1)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_a_pass_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Images, step: Section) -> Images:
        raise KeyboardInterrupt

    monkeypatch.setitem(PREPROCESS_STEPS, "equalize", fail)
    with pytest.raises(KeyboardInterrupt):
        open_preprocessed(noise(3), steps(*EQUALIZED), tmp_path, "key", 1)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_a_full_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, needed: int) -> None:
        raise InputError(f"{needed} bytes")

    monkeypatch.setattr(preprocessing, "require_space", refuse)
    with pytest.raises(InputError, match="768 bytes"):
        open_preprocessed(noise(1), steps(*EQUALIZED), tmp_path, "key", 1)


def test_a_store_of_no_images_is_empty(tmp_path: Path) -> None:
    empty = np.zeros((0, 4, 4, 3), dtype=np.uint8)
    assert open_preprocessed(empty, steps(*EQUALIZED), tmp_path, "key", 1).shape == (0, 4, 4, 3)
