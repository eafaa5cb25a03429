"""Batches: a pure function of the step, whoever makes them and when."""

import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation, ImageTransform
from pipeline.images.batches import AugmentationPlan, TrainBatches, TrainingSet, plain_batches, stream
from pipeline.images.policies import RandAugment
from pipeline.images.prefetching import Prefetcher
from pipeline.images.resizing import resize_unrounded
from pipeline.training.recipes.balance import Balance, repeat_rows

SHIFT = {"Affine": {"translate_px": [-2, 2], "rotate": [-20, 20], "p": 0.8}}


def batches(n: int = 23, valid: tuple[int, ...] = (), size: int = 8, **augmentation: Any) -> TrainBatches:
    """Batches of four over ``n`` images whose pixels all tell their row, except where ``augmentation`` moves them."""
    images = np.zeros((n, 8, 8, 1), dtype=np.uint8)
    images += np.arange(n, dtype=np.uint8)[:, None, None, None]
    images[:, :, :4] += 100  # the left half is brighter: a flip shows
    rows = np.setdiff1d(np.arange(n), valid)
    return TrainBatches(
        data=TrainingSet(images, rows, np.arange(n) % 3, 3),
        plan=AugmentationPlan(Augmentation(**augmentation)),
        size=size,
        batch_size=4,
        steps_per_epoch=len(rows) // 4,
        seed=(7, 0),
    )


def planned(made: TrainBatches, **changes: Any) -> TrainBatches:
    """The same batches, augmented otherwise."""
    return replace(made, plan=replace(made.plan, **changes))


def strong_of(made: TrainBatches, labels: tuple[int, ...], transform: dict[str, Any]) -> TrainBatches:
    """The same batches, images of some labels augmented more."""
    made = holding(made, strong=np.isin(made.data.labels, labels))
    return planned(made, strong_transforms=(transform,))


def holding(made: TrainBatches, **changes: Any) -> TrainBatches:
    """The same batches of other images, rows, labels or targets."""
    return replace(made, data=replace(made.data, **changes))


def drawn(made: TrainBatches, steps: range, workers: int) -> list[tuple[bytes, bytes]]:
    with closing(stream(made, steps.start, steps.stop, workers)) as ahead:
        return [(images.tobytes(), targets.tobytes()) for images, targets in ahead]


def rows_of(made: TrainBatches, epoch: int) -> list[int]:
    """The rows that one epoch shows, read from the pixels."""
    change = ImageTransform(made.plan.augmentation)
    steps = range(epoch * made.steps_per_epoch, (epoch + 1) * made.steps_per_epoch)
    return [int(level) for step in steps for level in made.batch(step, change)[0].min(axis=(1, 2, 3))]


def flipped(made: TrainBatches, epoch: int) -> dict[int, bool]:
    """Which of the rows that one epoch shows are flipped."""
    change = ImageTransform(made.plan.augmentation)
    steps = range(epoch * made.steps_per_epoch, (epoch + 1) * made.steps_per_epoch)
    images = np.concatenate([made.batch(step, change)[0] for step in steps])
    return {int(image.min()): bool(image[0, 0, 0] < image[0, -1, 0]) for image in images}


EVERYTHING: dict[str, Any] = {
    "flip": "random",
    "transforms": (SHIFT,),
    "mixup": 0.4,
    "cutmix": 1.0,
    "mix_probability": 0.8,
}


def test_a_batch_depends_on_its_step_alone_not_on_the_ones_made_before() -> None:
    made = batches(**EVERYTHING)
    change = ImageTransform(made.plan.augmentation)
    forwards = [made.batch(step, change) for step in range(10)]
    backwards = [made.batch(step, ImageTransform(made.plan.augmentation)) for step in reversed(range(10))][::-1]
    for (images, targets), (again, targets_again) in zip(forwards, backwards, strict=True):
        assert np.array_equal(images, again)
        assert np.array_equal(targets, targets_again)


def test_the_number_of_threads_changes_nothing() -> None:
    made = batches(**EVERYTHING)
    assert drawn(made, range(0, 40), 1) == drawn(made, range(0, 40), 5)


def test_a_stream_that_starts_later_continues_the_earlier_one() -> None:
    made = batches(**EVERYTHING)
    assert drawn(made, range(0, 20), 2)[13:] == drawn(made, range(13, 20), 3)


def test_another_seed_gives_other_batches() -> None:
    made = batches(**EVERYTHING)
    assert drawn(made, range(0, 3), 1) != drawn(replace(made, seed=(8, 0)), range(0, 3), 1)


def test_another_fold_gives_other_batches() -> None:
    made = batches(**EVERYTHING)
    assert drawn(made, range(0, 3), 1) != drawn(replace(made, seed=(7, 1)), range(0, 3), 1)


def test_an_epoch_shows_every_row_once_except_the_remainder() -> None:
    made = batches(n=23)
    for epoch in range(5):
        seen = rows_of(made, epoch)
        assert len(seen) == len(set(seen)) == 20


def test_other_rows_sit_out_each_epoch() -> None:
    made = batches(n=23)
    left_out = [set(range(23)) - set(rows_of(made, epoch)) for epoch in range(12)]
    assert len(set().union(*left_out)) > 12


def test_each_epoch_has_an_order_of_its_own() -> None:
    made = batches(n=24)
    assert rows_of(made, 0) != rows_of(made, 1)
    assert sorted(rows_of(made, 0)) == sorted(rows_of(made, 1))


def test_valid_rows_never_appear() -> None:
    valid = (0, 5, 6, 22)
    made = batches(n=24, valid=valid)
    assert {row for epoch in range(8) for row in rows_of(made, epoch)} == set(range(24)) - set(valid)


def test_targets_are_those_of_the_images() -> None:
    made = batches()
    images, targets = made.batch(2, ImageTransform(made.plan.augmentation))
    assert targets.argmax(axis=1).tolist() == [level % 3 for level in images.min(axis=(1, 2, 3)).tolist()]


def test_alternating_flips_show_each_image_the_other_way_round_in_the_next_epoch() -> None:
    made = batches(n=24, flip="alternating")
    first, second, third = (flipped(made, epoch) for epoch in range(3))
    assert all(second[row] != first[row] for row in first)
    assert third == first
    assert len(set(first.values())) == 2


def test_random_flips_turn_about_half_of_the_images() -> None:
    made = batches(n=24, flip="random")
    shares = [np.mean(list(flipped(made, epoch).values())) for epoch in range(20)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_no_flip_means_none() -> None:
    assert not any(flipped(batches(n=24), 0).values())


@pytest.mark.parametrize("size", [4, 8, 16])
def test_batches_have_the_size_of_the_networks_input(size: int) -> None:
    made = batches(size=size, transforms=(SHIFT,))
    images, targets = made.batch(0, ImageTransform(made.plan.augmentation))
    assert images.shape == (4, size, size, 1)
    assert images.dtype == np.uint8
    assert targets.shape == (4, 3)
    assert targets.dtype == np.float32


@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize("workers", [1, 3])
def test_plain_batches_are_the_rows_in_order(workers: int, size: int) -> None:
    made = batches()
    rows = np.array([5, 1, 22, 7, 0])
    parts = list(plain_batches(made.data.images, rows, size, 2, workers))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert np.array_equal(
        np.concatenate(parts), np.stack([resize_unrounded(made.data.images[row], size) for row in rows])
    )


def test_plain_batches_of_no_rows_are_none() -> None:
    assert list(plain_batches(batches().data.images, np.array([], dtype=np.int64), 8, 2, 1)) == []


def test_a_mistake_in_a_thread_reaches_the_consumer() -> None:
    made = batches(transforms=({"RandomCrop": {"height": 4, "width": 4}},))
    with closing(stream(made, 0, 5, 2)) as ahead, pytest.raises(InputError, match="transforms must keep size"):
        list(ahead)


def alike(one: TrainBatches, other: TrainBatches, steps: range) -> list[bool]:
    """Says of each step whether both make the same batch."""
    return [a == b for a, b in zip(drawn(one, steps, 1), drawn(other, steps, 1), strict=True)]


def test_plain_epochs_have_flips_and_nothing_else() -> None:
    made = batches(policy=RandAugment(name="rand_augment"), **EVERYTHING)  # five steps an epoch
    flips_alone = planned(made, augmentation=Augmentation(flip="random"))
    assert alike(planned(made, plain_from=2), flips_alone, range(20)) == [False] * 10 + [True] * 10


def test_epochs_before_the_plain_ones_are_as_ever() -> None:
    made = batches(**EVERYTHING)
    assert alike(planned(made, plain_from=2), made, range(10)) == [True] * 10


def test_targets_that_are_given_replace_the_labels() -> None:
    made, soft = batches(), np.random.default_rng(0).random((23, 3), dtype=np.float32)
    images, targets = holding(made, targets=soft).batch(1, made.plan.transform())
    assert np.array_equal(targets, soft[images.min(axis=(1, 2, 3))])
    assert np.array_equal(images, made.batch(1, made.plan.transform())[0])


def test_targets_that_are_given_are_mixed_like_others() -> None:
    made = batches(mixup=1.0)
    given = holding(made, targets=np.eye(3, dtype=np.float32)[np.arange(23) % 3])
    assert drawn(given, range(10), 1) == drawn(made, range(10), 1)


BRIGHT = {"InvertImg": {"p": 1.0}}


def test_images_of_strong_classes_alone_go_through_the_strong_transforms() -> None:
    made = batches()
    strong = strong_of(made, (2,), BRIGHT)
    for step in range(5):
        images, targets = made.batch(step, made.plan.transform())
        changed, _ = strong.batch(step, strong.plan.transform())
        of_class = targets.argmax(axis=1) == 2
        assert np.array_equal(changed[of_class], 255 - images[of_class])
        assert np.array_equal(changed[~of_class], images[~of_class])


def test_plain_epochs_spare_strong_classes_too() -> None:
    strong = strong_of(batches(), (0, 1, 2), BRIGHT)
    assert alike(planned(strong, plain_from=1), batches(), range(10)) == [False] * 5 + [True] * 5


def test_threads_make_strong_images_as_one_does() -> None:
    made = strong_of(batches(**EVERYTHING), (1,), SHIFT)
    assert drawn(made, range(20), 1) == drawn(made, range(20), 4)


def test_a_check_finds_a_transform_that_does_not_fit() -> None:
    crop = {"RandomCrop": {"height": 4, "width": 4}}
    with pytest.raises(InputError, match=r"see augmentation.transforms"):
        batches(transforms=(crop,)).check()
    with pytest.raises(InputError, match=r"see balance.stronger.transforms"):
        strong_of(batches(), (2,), crop).check()
    batches(transforms=(SHIFT,)).check()


def test_a_transform_that_cannot_take_a_blank_image_is_named_with_the_image_before_the_training() -> None:
    """HEStain of albumentations 2.0.8 fits stain vectors by singular values, of which blank tissue has none."""
    rng = np.random.default_rng(0)
    images = rng.integers(60, 200, (12, 16, 16, 3), dtype=np.uint8)
    images[7] = 255
    stain = {"HEStain": {"method": "macenko", "p": 1.0}}
    made = holding(batches(n=12, size=16, transforms=(stain,)), images=images, ids=[f"tile{row}" for row in range(12)])
    with pytest.raises(
        InputError, match=r"^image tile7: augmentation\.transforms \(HEStain\) fails .*: HEStain: No t"
    ) as one:
        made.check()
    assert "\n" not in str(one.value)
    with pytest.raises(InputError, match=r"^the augmentation fails on image tile7: HEStain: "):
        made.batch(int(np.flatnonzero(made.order(0) == 7)[0]) // 4, made.plan.transform())


def test_a_transform_that_makes_one_value_of_an_image_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    plain: dict[str, dict[str, object]] = {"HorizontalFlip": {}}
    black = {"RandomBrightnessContrast": {"brightness_limit": [-1, -1], "contrast_limit": [0, 0], "p": 0.3}}
    made = holding(batches(n=12, transforms=(plain, black)), images=images)
    for _ in range(2):
        replace(made, data=replace(made.data, rows=made.data.rows[:1])).check()
    printed = capsys.readouterr().out
    assert printed.startswith("note: RandomBrightnessContrast turns nearly all pixels of image in row 0 into one value")
    assert printed.count("\n") == 1


def test_an_epoch_shows_repeated_rows_as_often_as_they_repeat() -> None:
    made = batches(n=12)
    repeated = replace(holding(made, rows=np.repeat(np.arange(12), 2)), steps_per_epoch=6)
    assert sorted(rows_of(repeated, 0)) == sorted([*range(12), *range(12)])


def test_classes_of_unequal_size_are_shown_equally_often_in_an_epoch_of_the_same_length() -> None:
    labels = np.repeat([0, 1, 2], [100, 10, 3])
    rows = repeat_rows(np.arange(113), labels, Balance(oversample="balanced"), ("a", "b", "c"), (), (0, 0))
    made = replace(holding(batches(n=113), labels=labels, rows=rows), steps_per_epoch=113 // 4)
    shown = np.bincount([labels[row] for epoch in range(30) for row in rows_of(made, epoch)])
    assert shown.sum() == 30 * 112
    assert shown / shown.sum() == pytest.approx(np.full(3, 1 / 3), abs=0.02)


def test_only_a_few_items_are_made_ahead() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    with closing(Prefetcher(make, range(1000), 2)) as ahead:
        assert next(iter(ahead)) == 0
    assert len(made) <= 7


def test_closing_ends_the_threads_though_the_iterator_is_still_held() -> None:
    ahead = Prefetcher(lambda number: number, range(1000), 3)
    held = iter(ahead)
    assert [next(held), next(held)] == [0, 1]
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]
    assert list(held) == []


@pytest.mark.parametrize("batch_size", [7, 32, 50, 100])
def test_resized_batches_have_their_size_however_they_are_made(batch_size: int) -> None:
    images = np.arange(90, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), dtype=np.uint8)
    parts = list(plain_batches(images, np.arange(90)[::-1], 8, batch_size, 3))
    assert [len(part) for part in parts[:-1]] == [batch_size] * (90 // batch_size - (90 % batch_size == 0))
    assert np.concatenate(parts)[:, 0, 0, 0].tolist() == list(range(89, -1, -1))
