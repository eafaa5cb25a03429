"""One prediction for several images."""

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.kaggle.answers.pooling import (
    choose_pooling,
    choose_pooling_by_piece,
    list_pieces,
    list_poolings,
    pool_each,
    pool_truth,
    pool_values,
)

TAGS = SeveralLabels(columns=("x", "y"))
TWO = OneClass(columns=("no", "yes"))
SIZES = Numbers(columns=("w",), means=(0.0,), scales=(1.0,))
VALUES = np.array([[0.2, 0.4], [0.5, 0.5], [0.6, 0.0]], dtype=np.float32)
UNITS = ("b", "a", "b")


@pytest.mark.parametrize(
    ("pooling", "wanted"),
    [("mean", [0.4, 0.2]), ("max", [0.6, 0.4]), ("power_2", [np.sqrt(0.2), np.sqrt(0.08)])],
)
def test_predictions_are_pooled_by_unit_in_the_order_of_first_images(pooling: str, wanted: list[float]) -> None:
    units, pooled = pool_values(TAGS, VALUES, UNITS, pooling)
    assert units == ["b", "a"]
    np.testing.assert_allclose(pooled, [wanted, [0.5, 0.5]], rtol=1e-6)


def test_pooled_probabilities_of_classes_sum_to_one() -> None:
    _, pooled = pool_values(TWO, np.array([[0.9, 0.1], [0.3, 0.7]], dtype=np.float32), ("a", "a"), "max")
    np.testing.assert_allclose(pooled, [[0.5625, 0.4375]], rtol=1e-6)


def test_numbers_have_no_powers_and_may_be_negative() -> None:
    assert list_poolings(SIZES, None) == ["mean", "max"]
    _, pooled = pool_values(SIZES, np.array([[-2.0], [-4.0]], dtype=np.float32), ("a", "a"), "mean")
    assert pooled.tolist() == [[-3.0]]


def test_a_wanted_pooling_leaves_no_other_choice() -> None:
    assert list_poolings(TAGS, "max") == ["max"]
    assert list_poolings(TAGS, "power") == ["power_2", "power_4", "power_8"]


def test_pieces_are_labels_numbers_and_targets_but_not_single_classes() -> None:
    parts = SeveralTargets(columns=("a:no", "a:yes", "w:w"), parts={"a": TWO, "w": SIZES})
    assert list_pieces(TWO) == [("no", "yes")]
    assert list_pieces(TAGS) == [("x",), ("y",)]
    assert list_pieces(parts) == [("a:no", "a:yes"), ("w:w",)]
    assert list_pieces(SeveralLabels(columns=tuple(map(str, range(101))))) == [tuple(map(str, range(101)))]


def test_columns_are_pooled_each_by_its_own_name() -> None:
    _, pooled = pool_values(TAGS, VALUES, UNITS, {"x": "mean", "y": "max"})
    np.testing.assert_allclose(pooled, [[0.4, 0.4], [0.5, 0.5]], rtol=1e-6)


def test_units_whose_images_differ_are_refused() -> None:
    assert pool_truth(TWO, np.array([1, 0, 1]), UNITS).tolist() == [1, 0]
    with pytest.raises(InputError, match="1 training units have images with different answers: b;"):
        pool_truth(TWO, np.array([1, 0, 0]), UNITS)


def test_the_pooling_is_chosen_by_the_metric() -> None:
    # One clear image among dull ones tells: the largest prediction separates, the mean does not.
    values = np.array([[0.1, 0.9], [0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.6, 0.4], [0.6, 0.4]], dtype=np.float32)
    pooled = pool_each(values, list("aaabbb"), list_poolings(TWO, None))
    assert choose_pooling(TWO, get_metric("roc_auc"), np.array([1, 0]), pooled) == ("power_2", 1.0)


def test_what_was_tried_scores_as_its_pooled_predictions_do() -> None:
    random = np.random.default_rng(5)
    marks, units = random.integers(0, 2, (40, 2)), [f"u{number // 4}" for number in random.permutation(160)]
    values = random.random((160, 2)).astype(np.float32)
    metric, truth = get_metric("log_loss", target=TAGS), marks[:40]
    names = list_poolings(TAGS, None)
    pooled = pool_each(values, units, names)
    chosen = choose_pooling_by_piece(TAGS, metric, truth, pooled)
    scores = {
        (x, y): metric.score(truth, pool_values(TAGS, values, units, {"x": x, "y": y})[1]) for x in names for y in names
    }
    assert scores[chosen["x"], chosen["y"]] == min(scores.values())  # a mean over labels: one after the other is all
