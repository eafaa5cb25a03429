"""Policies: known operations at known strengths, and all chance from the seed."""

from typing import Any

import numpy as np
import pytest

from pipeline.core.arrays import Images
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, ImageTransform
from pipeline.images.policies import (
    OPERATIONS,
    Operation,
    PolicyTransform,
    RandAugment,
    TrivialAugment,
    compute_strength,
)

POLICIES: list[dict[str, Any]] = [{"name": "rand_augment", "n": 3, "magnitude": 20}, {"name": "trivial_augment"}]
# Without a strength these depend on the image alone.
WITHOUT_STRENGTH = {"identity", "auto_contrast", "equalize"}


def noise(size: int = 16, channels: int = 3) -> Images:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)


def grey(*rows: list[int]) -> Images:
    return np.array(rows, dtype=np.uint8)[..., None]


def ran(name: str, image: Images, value: float) -> Images:
    return OPERATIONS[name](image, value).reshape(image.shape)


def transform(policy: dict[str, Any], **settings: Any) -> ImageTransform:
    return ImageTransform(parse({"policy": policy, **settings}, Augmentation, "a.yaml: augmentation"))


def test_an_unknown_policy_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"policy.name: unknown 'rand_augmnt'; did you mean rand_augment"):
        transform({"name": "rand_augmnt"})


def test_a_strength_beyond_thirty_is_refused() -> None:
    with pytest.raises(InputError, match=r"magnitude: Input should be less than or equal to 30, got 31"):
        transform({"name": "rand_augment", "magnitude": 31})


def test_trivial_augment_has_nothing_to_set() -> None:
    with pytest.raises(InputError, match=r"unknown key policy.*magnitude"):
        transform({"name": "trivial_augment", "magnitude": 9})


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [5, 32])
def test_a_policy_keeps_size_channels_and_type(size: int, channels: int, policy: dict[str, Any]) -> None:
    change, image = transform(policy), noise(size, channels)
    change.seed(0)
    for _ in range(200):
        result = change(image[:, ::-1])  # flipped images are not contiguous
        assert result.shape == image.shape
        assert result.dtype == np.uint8


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(policy: dict[str, Any]) -> None:
    change, image = transform(policy), noise()

    def drawn(seed: int) -> Images:
        change.seed(seed)
        return np.stack([change(image) for _ in range(5)])

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_policy_leaves_its_input_as_it_was() -> None:
    image = noise()
    before, change = image.copy(), transform(POLICIES[0])
    change.seed(0)
    for _ in range(100):
        change(image)
    assert np.array_equal(image, before)


def test_a_policy_comes_before_the_transforms() -> None:
    change = transform({"name": "trivial_augment"}, transforms=[{"Posterize": {"num_bits": 1, "p": 1.0}}])
    change.seed(0)
    assert {level for _ in range(50) for level in np.unique(change(noise())).tolist()} == {0, 128}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - WITHOUT_STRENGTH))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_operation_without_strength_changes_nothing(channels: int, name: str) -> None:
    image = noise(channels=channels)
    assert np.array_equal(ran(name, image, 0.0), image)


def test_a_shift_is_a_share_of_the_side_and_brings_in_grey() -> None:
    image = grey([10, 20, 30, 40], [50, 60, 70, 80])
    assert ran("translate_x", image, 0.25).tolist() == grey([128, 10, 20, 30], [128, 50, 60, 70]).tolist()
    assert ran("translate_y", image, 0.5).tolist() == grey([128] * 4, [10, 20, 30, 40]).tolist()


def test_a_rotation_by_ninety_degrees_turns_the_image() -> None:
    image = noise(7)
    assert np.array_equal(ran("rotate", image, 90), np.rot90(image))


def test_a_shear_moves_rows_by_their_distance_from_the_middle() -> None:
    image = grey([1, 2, 3], [4, 5, 6], [7, 8, 9])
    assert ran("shear_x", image, 1.0).tolist() == grey([2, 3, 128], [4, 5, 6], [128, 7, 8]).tolist()
    assert ran("shear_y", image, 1.0).tolist() == grey([4, 2, 128], [7, 5, 3], [128, 8, 6]).tolist()


@pytest.mark.parametrize(
    ("name", "value", "became"),
    [
        ("brightness", 0.9, [0, 190, 255]),  # times 1.9
        ("brightness", -0.5, [0, 50, 100]),
        ("contrast", -0.5, [50, 100, 150]),  # halfway to their mean, 100
        ("posterize", 4.0, [0, 96, 192]),  # multiples of 16
        ("solarize", 0.5, [0, 100, 55]),  # 200 >= 128 becomes 255 - 200
        ("auto_contrast", 0.0, [0, 127, 255]),
    ],
)
def test_levels_become_what_is_worked_by_hand(name: str, value: float, became: list[int]) -> None:
    assert ran(name, grey([0, 100, 200]), value).ravel().tolist() == pytest.approx(became, abs=1)


def test_colour_goes_as_far_as_grey() -> None:
    faded = ran("color", noise(), -1.0)
    assert np.array_equal(faded[..., 0], faded[..., 1])
    assert np.array_equal(faded[..., 1], faded[..., 2])


def test_sharpness_moves_away_from_the_smoothed_image() -> None:
    image = np.full((3, 3, 1), 100, dtype=np.uint8)
    image[1, 1] = 113  # smoothed it is (8 * 100 + 5 * 113) / 13 = 105
    assert ran("sharpness", image, 1.0)[1, 1, 0] == 121
    assert ran("sharpness", image, -1.0)[1, 1, 0] == 105


@pytest.mark.parametrize(
    ("policy", "operation", "level", "wanted"),
    [
        ("rand_augment", "rotate", 10, 10.0),
        ("rand_augment", "posterize", 15, 2.0),
        ("rand_augment", "shear_y", 30, 0.3),
        ("trivial_augment", "rotate", 30, 135.0),
        ("trivial_augment", "translate_x", 30, 1 / 7),
        ("trivial_augment", "equalize", 30, 0.0),
    ],
)
def test_strengths_are_shares_of_the_papers_ranges(policy: str, operation: str, level: int, wanted: float) -> None:
    assert compute_strength(policy, operation, level) == pytest.approx(wanted)


def drawn(
    policy: RandAugment | TrivialAugment, monkeypatch: pytest.MonkeyPatch, images: int
) -> list[tuple[str, float]]:
    """What a policy asks of the operations over some images."""
    asked: list[tuple[str, float]] = []

    def note(name: str) -> Operation:
        def operation(image: Images, value: float) -> Images:
            asked.append((name, value))
            return image

        return operation

    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, note(name))
    change = PolicyTransform(policy)
    change.seed(0)
    for _ in range(images):
        change(noise())
    return asked


def test_rand_augment_draws_n_of_all_operations_either_way_at_one_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = drawn(RandAugment(name="rand_augment", n=3, magnitude=15), monkeypatch, 200)
    assert len(asked) == 600
    assert {name for name, _ in asked} == set(OPERATIONS)
    assert {value for name, value in asked if name == "rotate"} == {-15.0, 15.0}
    assert {value for name, value in asked if name == "posterize"} == {2.0}


def test_trivial_augment_draws_one_operation_at_any_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = drawn(TrivialAugment(name="trivial_augment"), monkeypatch, 1400)
    assert len(asked) == 1400
    assert all(60 < sum(name == wanted for name, _ in asked) < 150 for wanted in OPERATIONS)
    turns = [value / 4.5 for name, value in asked if name == "rotate"]
    assert all(turn == pytest.approx(round(turn)) for turn in turns)
    assert min(turns) < -20
    assert max(turns) > 20
