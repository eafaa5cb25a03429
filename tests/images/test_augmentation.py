"""Augmentation: what is refused, what the mixings keep, and that a seed fixes all of it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, ImageTransform
from pipeline.images.mixing import mix_batch
from pipeline.images.resizing import resize_image, resize_unrounded

GEOMETRY = {"Affine": {"translate_px": [-2, 2], "rotate": [-8, 8], "scale": [0.9, 1.1], "p": 0.7}}
ERASING = {"Erasing": {"scale": [0.1, 0.3], "p": 1.0}}


def augmentation(*transforms: dict[str, Any], **settings: Any) -> Augmentation:
    return parse({"transforms": list(transforms), **settings}, Augmentation, "a.yaml: augmentation")


def noise(n: int, size: int = 12, channels: int = 3) -> Images:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def one_hot(n: int, classes: int = 4) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[np.arange(n) % classes]


def flat(values: list[int], size: int = 10) -> Images:
    """Images of one grey level each."""
    return np.broadcast_to(np.array(values, dtype=np.uint8)[:, None, None, None], (len(values), size, size, 1)).copy()


def test_an_unknown_transform_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"transform 'Afine' is unknown to albumentations; did you mean Affine"):
        augmentation({"Afine": {}})


def test_an_unknown_argument_is_refused_with_those_it_takes() -> None:
    with pytest.raises(InputError, match=r"transform Affine takes no rotat; it takes .*rotate.*translate_px"):
        augmentation({"Affine": {"rotat": 5}})


def test_a_value_that_albumentations_would_replace_by_its_default_is_refused() -> None:
    with pytest.raises(InputError, match=r"transform Affine: .*'far'") as caught:
        augmentation({"Affine": {"rotate": "far"}})
    assert "://" not in str(caught.value)


def test_two_transforms_in_one_list_item_are_refused() -> None:
    with pytest.raises(InputError, match="start a list item for each"):
        augmentation(GEOMETRY | ERASING)


def test_mix_probability_without_a_mixing_is_refused() -> None:
    with pytest.raises(InputError, match="mix_probability needs mixup or cutmix"):
        augmentation(mix_probability=0.5)


@pytest.mark.parametrize(
    ("transform", "became"),
    [
        ({"RandomCrop": {"height": 6, "width": 6}}, r"uint8 \(6, 6, 3\)"),
        ({"ToFloat": {}}, r"float32 \(12, 12, 3\)"),
    ],
)
def test_a_transform_that_changes_size_or_type_is_refused(transform: dict[str, Any], became: str) -> None:
    change = ImageTransform(augmentation(transform))
    change.seed(0)
    with pytest.raises(InputError, match=rf"turned uint8 \(12, 12, 3\) into {became}"):
        change(noise(1)[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(channels: int) -> None:
    image = noise(1, channels=channels)[0]

    def drawn(seed: int) -> Images:
        change = ImageTransform(augmentation(GEOMETRY, ERASING))
        change.seed(seed)
        return np.stack([change(image) for _ in range(5)])

    assert drawn(1).shape == (5, 12, 12, channels)
    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_seed_forgets_the_draws_before_it() -> None:
    image = noise(1)[0]
    change = ImageTransform(augmentation(GEOMETRY))
    change.seed(1)
    first = change(image)
    change.seed(1)
    assert np.array_equal(change(image), first)


BLACK = {"Erasing": {"scale": [0.3, 0.3], "ratio": [1.0, 1.0], "fill": 0, "p": 1.0}}
TWO_LEVELS = {"Posterize": {"num_bits": 1, "p": 1.0}}


def test_strong_images_go_through_the_stronger_transforms_after_the_others() -> None:
    change = ImageTransform(augmentation(TWO_LEVELS), (BLACK,))
    change.seed(0)
    image = np.full((20, 20, 1), 200, dtype=np.uint8)
    assert np.unique(change(image)).tolist() == [128]
    assert np.unique(change(image, strong=True)).tolist() == [0, 128]


def test_stronger_transforms_need_no_others() -> None:
    change = ImageTransform(augmentation(), (TWO_LEVELS,))
    change.seed(0)
    image = noise(1)[0]
    assert change(image) is image
    assert np.unique(change(image, strong=True)).tolist() == [0, 128]


def test_the_draws_of_strong_images_come_from_the_seed() -> None:
    change, image = ImageTransform(augmentation(), (GEOMETRY, ERASING)), noise(1)[0]

    def drawn(seed: int) -> Images:
        change.seed(seed)
        return np.stack([change(image, strong=True) for _ in range(5)])

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_stronger_transform_that_changes_the_size_is_refused_by_its_place() -> None:
    change = ImageTransform(augmentation(), ({"RandomCrop": {"height": 6, "width": 6}},))
    with pytest.raises(InputError, match=r"into uint8 \(6, 6, 3\); .*see balance.stronger.transforms"):
        change(noise(1)[0], strong=True)


@pytest.mark.parametrize(
    ("transform", "why"),
    [
        ({"RandomCrop": {"height": 6, "width": 6, "p": 0.001}}, r"turned uint8 \(12, 12, 3\) into uint8 \(6, 6, 3\)"),
        ({"ToFloat": {"p": 0.001}}, r"into float32"),
        (
            {"RandomCrop": {"height": 60, "width": 60, "p": 0.001}},
            r"\(RandomCrop\) fails on an image of \(12, 12, 3\): .*60",
        ),
    ],
)
@pytest.mark.parametrize("strong", [False, True])
def test_a_transform_that_is_hardly_ever_drawn_is_tried_all_the_same(
    transform: dict[str, Any], why: str, strong: bool
) -> None:
    change = ImageTransform(augmentation(), (transform,)) if strong else ImageTransform(augmentation(transform))
    with pytest.raises(InputError, match=why) as error:
        change.check(noise(1)[0])
    assert ("balance.stronger.transforms" if strong else "augmentation.transforms") in str(error.value)


@pytest.mark.parametrize(
    "chain",
    [
        [{"Pad": {"padding": 2}}, {"RandomCrop": {"height": 12, "width": 12}}],
        [{"RandomCrop": {"height": 6, "width": 6, "p": 0.5}}, {"Resize": {"height": 12, "width": 12}}],
        [{"ToFloat": {}}, {"FromFloat": {"dtype": "uint8"}}],
        [{"ToFloat": {"p": 0}}],
        [{"RandomRotate90": {}}, {"MedianBlur": {}}, {"ElasticTransform": {}}],
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_chain_that_keeps_the_image_whole_is_accepted(chain: list[dict[str, Any]], channels: int) -> None:
    image = noise(1, channels=channels)[0]
    change = ImageTransform(augmentation(*chain))
    change.check(image)
    change.seed(0)
    assert change(image).shape == image.shape


def test_a_chain_that_keeps_the_image_whole_only_when_all_of_it_is_drawn_is_refused() -> None:
    chain: list[dict[str, Any]] = [
        {"RandomCrop": {"height": 6, "width": 6}},
        {"Resize": {"height": 12, "width": 12, "p": 0.99}},
    ]
    with pytest.raises(InputError, match=r"into uint8 \(6, 6, 3\); .*see augmentation.transforms \(RandomCrop\)"):
        ImageTransform(augmentation(*chain)).check(noise(1)[0])


def test_trying_transforms_uses_up_no_draw() -> None:
    image = noise(1)[0]
    one, other = ImageTransform(augmentation(GEOMETRY, ERASING)), ImageTransform(augmentation(GEOMETRY, ERASING))
    one.seed(0)
    other.seed(0)
    one.check(image)
    assert np.array_equal(one(image), other(image))


def test_without_transforms_an_image_stays_as_it_is() -> None:
    image = noise(1)[0]
    assert np.array_equal(ImageTransform(Augmentation())(image), image)


def test_random_erasing_covers_a_part_of_the_image() -> None:
    change = ImageTransform(augmentation({"Erasing": {"scale": [0.2, 0.2], "ratio": [1.0, 1.0], "fill": 0, "p": 1.0}}))
    change.seed(0)
    erased = change(np.full((20, 20, 1), 255, dtype=np.uint8))
    assert 0.1 < (erased == 0).mean() < 0.3


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
def test_mixed_targets_are_probabilities(settings: dict[str, Any]) -> None:
    for seed in range(30):
        _, targets = mix_batch(noise(16), one_hot(16), Augmentation(**settings), np.random.default_rng(seed))
        assert targets.dtype == np.float32
        assert targets.min() >= 0
        assert np.allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_mixup_weighs_pixels_as_it_weighs_targets() -> None:
    # Image i has grey level 40 * i, so a mixed level tells the mixed target.
    levels = np.arange(6) * 40
    targets = np.eye(6, dtype=np.float32)
    for seed in range(20):
        images, mixed = mix_batch(flat(levels.tolist()), targets, Augmentation(mixup=1.0), np.random.default_rng(seed))
        assert np.abs(images[:, 0, 0, 0] - mixed @ levels).max() <= 0.51  # rounded to whole grey levels


def test_the_share_of_a_cutmix_target_is_the_share_of_its_area() -> None:
    targets = np.eye(6, dtype=np.float32)
    for seed in range(40):
        images, mixed = mix_batch(flat(list(range(6))), targets, Augmentation(cutmix=1.0), np.random.default_rng(seed))
        areas = np.stack([(images == level).mean(axis=(1, 2, 3)) for level in range(6)], axis=1)
        assert np.allclose(areas, mixed, atol=1e-6)


def test_a_cutmix_patch_is_one_rectangle_from_one_partner() -> None:
    images, _ = mix_batch(
        flat([0, 1, 2, 3], 16), np.eye(4, dtype=np.float32), Augmentation(cutmix=1.0), np.random.default_rng(2)
    )
    for row, image in enumerate(images[..., 0]):
        where = np.argwhere(image != row)
        if len(where):
            (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
            patch = image[top : bottom + 1, left : right + 1]
            assert (patch == patch[0, 0]).all()


def test_mix_probability_is_the_share_of_batches_mixed() -> None:
    config = Augmentation(mixup=1.0, mix_probability=0.3)
    targets = one_hot(8)
    mixed = [mix_batch(noise(8), targets, config, np.random.default_rng(seed))[1] is not targets for seed in range(400)]
    assert np.mean(mixed) == pytest.approx(0.3, abs=0.08)


def test_without_mixing_a_batch_stays_as_it_is() -> None:
    images, targets = noise(4), one_hot(4)
    same, kept = mix_batch(images, targets, Augmentation(), np.random.default_rng(0))
    assert same is images
    assert kept is targets


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [6, 12, 20])
def test_resizing_keeps_a_flat_image_flat(size: int, channels: int) -> None:
    image = np.full((12, 12, channels), 77, dtype=np.uint8)
    result = resize_image(image, size)
    assert result.shape == (size, size, channels)
    assert (result == 77).all()


def test_shrinking_averages_the_pixels_it_joins() -> None:
    image = np.array([[0, 100], [50, 250]], dtype=np.uint8)[..., None]
    assert resize_image(np.tile(image, (2, 2, 1)), 2).tolist() == [[[100], [100]], [[100], [100]]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [5, 6, 20, 24])
def test_without_rounding_an_image_is_the_same_to_within_half_a_grey_level(size: int, channels: int) -> None:
    image = noise(1, 12, channels)[0]
    result = resize_unrounded(image, size)
    assert result.shape == (size, size, channels)
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 255
    assert np.abs(result - resize_image(image, size)).max() <= 0.55  # OpenCV rounds the weights, too
    assert (result != np.rint(result)).any()


def test_an_image_that_has_the_size_stays_as_it_is() -> None:
    image = noise(1)[0]
    assert resize_unrounded(image, image.shape[0]) is image
