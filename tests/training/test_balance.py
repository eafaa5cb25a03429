"""Unequal classes: 100 ants, 10 bees and 3 cats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.arrays import Rows
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.core.targets.classes import OneClass
from pipeline.training.recipes.balance import (
    Balance,
    check_classes,
    compute_class_weights,
    find_weak_classes,
    list_strong_classes,
    repeat_rows,
)

CLASSES = ("ant", "bee", "cat")
TARGET = OneClass(columns=CLASSES)
LABELS = np.repeat([0, 1, 2, 0, 1, 2], [60, 4, 2, 40, 6, 1])
STRATA = TARGET.make_strata(LABELS)
ROWS = np.arange(len(LABELS))
IDS = tuple(f"i{row}" for row in ROWS)
WEAK = {"oof": "oof.parquet", "lowest": 1, "factor": 2.0}
SHIFT = [{"Affine": {"translate_px": [-2, 2]}}]


def balance(**settings: Any) -> Balance:
    return parse(settings, Balance, "a.yaml: balance")


def sampled(rows: Rows = ROWS, seed: tuple[int, ...] = (0, 0), **settings: Any) -> Rows:
    return repeat_rows(rows, LABELS, balance(**settings), CLASSES, (), seed)


def counts(rows: Rows) -> list[int]:
    return [int((LABELS[rows] == label).sum()) for label in range(3)]


def test_by_default_rows_stay_as_they_are_and_nothing_is_weighted() -> None:
    assert sampled() is ROWS
    assert compute_class_weights(STRATA, balance(), TARGET) is None
    assert list_strong_classes(balance(), CLASSES, ()) == ()


def test_balanced_oversampling_shows_all_classes_as_often_as_the_largest() -> None:
    assert counts(sampled(oversample="balanced")) == [100, 100, 100]


def test_rows_of_a_class_repeat_as_equally_as_they_can() -> None:
    times = np.bincount(sampled(oversample="balanced"))
    assert set(times[LABELS == 0]) == {1}
    assert set(times[LABELS == 1]) == {10}
    assert sorted(times[LABELS == 2]) == [33, 33, 34]


def test_a_fraction_of_a_class_is_shown_once_more() -> None:
    rows = sampled(oversample={"bee": 2.5, "cat": 1.5})
    assert counts(rows) == [100, 25, 5]  # 4.5 rounds up
    assert sorted(np.bincount(rows)[LABELS == 1]) == [2] * 5 + [3] * 5


def test_weak_classes_are_shown_more_often_on_top() -> None:
    settings = balance(oversample={"bee": 2.0, "cat": 3.0}, weak=WEAK)
    assert counts(repeat_rows(ROWS, LABELS, settings, CLASSES, (1,), (0, 0))) == [100, 40, 9]


def test_which_rows_are_shown_once_more_depends_on_the_seed_alone() -> None:
    first, again, other = (sampled(seed=seed, oversample={"bee": 1.5}) for seed in ((0, 0), (0, 0), (0, 1)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_training_rows_are_repeated() -> None:
    training = ROWS[:66]
    assert set(sampled(training, oversample="balanced")) == set(training)
    assert counts(sampled(training, oversample="balanced")) == [60, 60, 60]


def test_a_class_without_training_rows_stays_without() -> None:
    assert counts(sampled(ROWS[:64], oversample="balanced")) == [60, 60, 0]


def test_balanced_weights_give_each_class_the_same_sum() -> None:
    weights = compute_class_weights(STRATA, balance(class_weight="balanced"), TARGET)
    assert weights is not None
    assert weights.dtype == np.float32
    assert weights == pytest.approx([113 / 300, 113 / 30, 113 / 9])


@pytest.mark.parametrize("wanted", ["balanced", {"cat": 8.0}, {"ant": 0.1, "bee": 3.0}])
def test_the_mean_weight_of_the_training_rows_is_one(wanted: Any) -> None:
    weights = compute_class_weights(STRATA, balance(class_weight=wanted), TARGET)
    assert weights is not None
    assert weights[LABELS].mean() == pytest.approx(1.0, abs=1e-5)


def test_weights_by_class_keep_their_proportions() -> None:
    weights = compute_class_weights(STRATA, balance(class_weight={"cat": 8.0}), TARGET)
    assert weights is not None
    assert weights / weights[0] == pytest.approx([1, 1, 8])


def test_what_is_shown_equally_often_needs_no_weight() -> None:
    weights = compute_class_weights(STRATA[sampled(oversample="balanced")], balance(class_weight="balanced"), TARGET)
    assert weights == pytest.approx([1, 1, 1])


def written(path: Path, right: NDArray[np.bool_]) -> Path:
    """Writes OOF predictions that are right where they shall be, and say the next class elsewhere."""
    probs = np.eye(3, dtype=np.float32)[np.where(right, LABELS, (LABELS + 1) % 3)]
    write_predictions(path, Predictions(IDS, probs, CLASSES))
    return path


def weakest(path: Path, rows: Rows = ROWS, lowest: int = 1) -> tuple[int, ...]:
    weak = balance(weak=WEAK | {"lowest": lowest}).weak
    assert weak is not None
    return find_weak_classes(weak, path, IDS, TARGET, LABELS, rows)


def test_the_weakest_classes_are_those_of_lowest_recall(tmp_path: Path) -> None:
    right = np.ones(len(LABELS), dtype=np.bool_)
    right[:90] = False  # 76 of the ants, 4 of the bees, 2 of the cats
    path = written(tmp_path / "oof.parquet", right)
    assert weakest(path, lowest=2) == (0, 2)  # recall 0.16, 0.6, 0.333


def test_of_equally_weak_classes_the_first_come_first(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet", np.zeros(len(LABELS), dtype=np.bool_))
    assert weakest(path, lowest=2) == (0, 1)


def test_the_held_out_rows_say_nothing_of_weakness(tmp_path: Path) -> None:
    right = np.ones(len(LABELS), dtype=np.bool_)
    right[:30] = False  # half of the ants of the training rows
    before = weakest(written(tmp_path / "oof.parquet", right), ROWS[:66])
    right[106:] = False  # all bees and cats of the held-out rows
    path = written(tmp_path / "oof.parquet", right)
    assert before == weakest(path, ROWS[:66]) == (0,)
    assert weakest(path, ROWS) == (1,)  # recall 0.7, 0.4, 0.667


def test_a_class_that_no_row_shows_is_not_weak(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet", np.zeros(len(LABELS), dtype=np.bool_))
    assert weakest(path, ROWS[:64], lowest=3)[-1] == 2


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"stronger": {"classes": ["cat", "bee"], "transforms": SHIFT}}, (1, 2)),
        ({"stronger": {"transforms": SHIFT}, "weak": WEAK | {"strong": True}}, (0,)),
        ({"stronger": {"classes": ["cat"], "transforms": SHIFT}, "weak": WEAK | {"strong": True}}, (0, 2)),
        ({"stronger": {"classes": ["cat"], "transforms": SHIFT}, "weak": WEAK}, (2,)),
    ],
)
def test_named_and_found_classes_are_augmented_more(settings: dict[str, Any], found: tuple[int, ...]) -> None:
    assert list_strong_classes(balance(**settings), CLASSES, (0,)) == found


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"oversample": {"bea": 2.0}}, "balance.oversample"),
        ({"class_weight": {"bea": 2.0}}, "balance.class_weight"),
        ({"stronger": {"classes": ["bea"], "transforms": SHIFT}}, "balance.stronger.classes"),
    ],
)
def test_an_unknown_class_is_refused_with_the_near_names(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError, match=rf"^{place}: no class is called 'bea'; did you mean bee"):
        check_classes(balance(**settings), TARGET)


def test_classes_that_exist_are_accepted() -> None:
    check_classes(balance(oversample={"bee": 2.0}, class_weight={"cat": 0.5}, weak=WEAK), TARGET)


def test_as_many_weak_classes_as_there_are_classes_are_refused() -> None:
    with pytest.raises(InputError, match=r"balance.weak.lowest is 3, but there are 3 classes"):
        check_classes(balance(weak=WEAK | {"lowest": 3}), TARGET)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"oversample": "balancd"}, r"oversample.*'none' or 'balanced', got 'balancd'"),
        ({"oversample": {"bee": 0.5}}, r"oversample.*bee: Input should be greater than or equal to 1, got 0.5"),
        ({"class_weight": {"bee": 0.0}}, r"class_weight.*bee: Input should be greater than 0, got 0.0"),
        ({"weak": WEAK | {"strong": True}}, r"weak.strong needs stronger.transforms"),
        ({"weak": WEAK | {"factor": 1.0}}, r"weak does nothing"),
        ({"stronger": {"transforms": SHIFT}}, r"stronger needs classes, or weak.strong: true"),
        ({"stronger": {"classes": ["cat"], "transforms": []}}, r"stronger.transforms: .*at least 1"),
        ({"stronger": {"classes": ["cat"], "transforms": [{"Afine": {}}]}}, r"'Afine' is unknown .*did you mean Affin"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        balance(**settings)
