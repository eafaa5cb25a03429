from collections.abc import Callable

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.core.arrays import Images, make_displayed
from pipeline.images.channels import make_grey, map_channels
from pipeline.images.hog import Hog, compute_hog, count_features
from pipeline.images.policies import OPERATIONS, PolicyTransform, RandAugment
from pipeline.images.preprocessing import PREPROCESS_STEPS, PreprocessStep, preprocess_image
from pipeline.images.views import Views, make_views

SIX = np.random.default_rng(0).integers(0, 256, (24, 24, 6), dtype=np.uint8)


def _by_channel(change: Callable[[Images], Images]) -> Images:
    return np.concatenate([change(np.ascontiguousarray(SIX[..., [number]])) for number in range(6)], axis=2)


def test_each_channel_changes_by_itself() -> None:
    assert np.array_equal(map_channels(SIX, lambda part: 255 - part), 255 - SIX)


def test_grey_is_the_mean_of_channels_that_are_no_colours() -> None:
    assert np.array_equal(make_grey(SIX), np.rint(SIX.mean(axis=2)).astype(np.uint8))
    assert np.array_equal(make_grey(SIX[..., :1]), SIX[..., 0])


def test_the_first_three_channels_are_displayed() -> None:
    assert np.array_equal(make_displayed(SIX), SIX[..., :3])
    two = make_displayed(SIX[..., :2])
    assert np.array_equal(two[..., :2], SIX[..., :2])
    assert not two[..., 2].any()


@pytest.mark.parametrize("name", PREPROCESS_STEPS)
def test_a_step_treats_six_channels_as_six_grey_images(name: str) -> None:
    steps = (TypeAdapter(PreprocessStep).validate_python({"name": name}),)
    assert np.array_equal(preprocess_image(SIX, steps), _by_channel(lambda part: preprocess_image(part, steps)))


def test_a_policy_runs_on_any_number_of_channels() -> None:
    policy = PolicyTransform(RandAugment(name="rand_augment", n=14, magnitude=20))
    for channels in (2, 4, 6):
        policy.seed(channels)
        assert policy(np.ascontiguousarray(SIX[..., :channels])).shape == (24, 24, channels)
    assert "color" in OPERATIONS


def test_a_view_of_six_channels_is_that_of_each() -> None:
    views = Views(mirror=True, crops=0.8, shift=2)
    for place, view in enumerate(make_views(SIX[None], views)):
        single = [list(make_views(SIX[None, ..., [number]], views))[place] for number in range(6)]
        assert np.array_equal(view, np.concatenate(single, axis=3))


def test_the_gradients_of_six_channels_are_counted() -> None:
    section = Hog(name="hog", colour_grid=2)
    assert compute_hog(SIX[None], section).shape == (1, count_features(section, 24, 6))
