"""Temperatures, reliability and what is done to a combination at the end."""

import numpy as np
import pytest
from scipy.special import softmax
from support.members import number_classes, simulate

from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.calibration import (
    Reliability,
    apply_temperature,
    fit_temperature,
    join_small_bins,
    measure_reliability,
)
from pipeline.ensemble.decisions import apply_class_factors, fit_class_factors
from pipeline.ensemble.post_processing import Allowed, NestedPredictions, fit_post_processing


def degrees(labels: np.ndarray, probs: np.ndarray) -> float:
    return fit_temperature(labels, probs, number_classes(probs.shape[1]))


def cool(probs: np.ndarray, temperature: float) -> np.ndarray:
    return apply_temperature(probs, temperature, number_classes(probs.shape[1]))


def nested(probs: np.ndarray, scaled: np.ndarray | None = None) -> NestedPredictions:
    return NestedPredictions(probs, number_classes(probs.shape[1]), scaled=scaled)


def calibrated(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels drawn from them."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(rows, 5))
    probs = softmax(logits, axis=1)
    labels = (probs.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_in_comes_out(true: float) -> None:
    logits, labels = calibrated(20_000)
    probs = softmax(logits / true, axis=1).astype(np.float32)  # too cold or too hot by that much
    assert degrees(labels, probs) == pytest.approx(1 / true, rel=0.05)


def test_no_other_temperature_has_a_smaller_log_loss() -> None:
    stacked, labels = simulate([1.3], 500, 4, seed=3)
    found, loss = degrees(labels, stacked[0]), get_metric("log_loss")
    best = loss.score(labels, cool(stacked[0], found))
    assert all(best <= loss.score(labels, cool(stacked[0], found * factor)) for factor in (0.8, 0.95, 1.05, 1.25))


@pytest.mark.parametrize("right", [True, False])
def test_certain_predictions_end_at_a_bound(right: bool) -> None:
    probs = np.full((10, 2), [1.0, 0.0], dtype=np.float32)
    assert 0.05 <= fit_temperature(np.zeros(10, dtype=np.int64) + (not right), probs, number_classes(2)) <= 20.0


def test_cooling_keeps_the_order_of_classes() -> None:
    stacked, _ = simulate([1.0], 100, 4, seed=1)
    np.testing.assert_array_equal(cool(stacked[0], 3.0).argsort(axis=1), stacked[0].argsort(axis=1))


def test_the_calibration_error_equals_the_value_worked_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], dtype=np.float32)
    found = measure_reliability(np.array([0, 1, 0, 0]), probs)
    # confident 0.9, right in one of two; confident 0.6, right in both: (0.4 * 2 + 0.4 * 2) / 4
    assert found.error == pytest.approx(0.4, abs=1e-6)
    assert found.rows == (2, 2)


def test_a_certain_row_lies_in_the_last_bin() -> None:
    found = measure_reliability(np.array([0]), np.array([[1.0, 0.0]], dtype=np.float32))
    assert (found.rows, found.error) == ((1,), 0.0)


def test_class_factors_give_a_rare_class_its_due() -> None:
    random = np.random.default_rng(0)
    labels = (random.random(2000) < 0.1).astype(np.int64)
    rare = 1 / (1 + np.exp(-(random.normal(size=2000) + 2 * labels - 3)))
    probs = np.stack([1 - rare, rare], axis=1).astype(np.float32)
    metric = get_metric("balanced_accuracy")
    factors = fit_class_factors(labels, probs, metric)
    assert metric.score(labels, apply_class_factors(probs, factors)) > metric.score(labels, probs) + 0.1
    assert factors[1] > factors[0]


def overconfident(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    logits, labels = calibrated(rows)
    return softmax(3 * logits, axis=1).astype(np.float32), labels, np.arange(rows) % 5


def test_a_combination_that_is_overconfident_gets_a_temperature_and_its_calibration_error_falls() -> None:
    probs, labels, parts = overconfident(1500)
    done = fit_post_processing(
        LabelledRows(labels, np.arange(1500)),
        parts,
        nested(probs),
        get_metric("accuracy"),
    )
    assert done.temperature == pytest.approx(3, rel=0.15)
    assert done.after.error < done.before.error / 2
    np.testing.assert_array_equal(done.nested.argmax(axis=1), probs.argmax(axis=1))


def test_a_temperature_that_helps_nobody_is_left_alone() -> None:
    random = np.random.default_rng(1)
    probs = np.full((60, 3), 1 / 3, dtype=np.float32)
    done = fit_post_processing(
        LabelledRows(random.integers(0, 3, 60), np.arange(60)),
        np.arange(60) % 5,
        nested(probs),
        get_metric("log_loss"),
    )
    assert done.temperature == 1
    np.testing.assert_array_equal(done.nested, probs)


def test_without_permission_no_temperature_is_tried() -> None:
    probs, labels, parts = overconfident(300)
    done = fit_post_processing(
        LabelledRows(labels, np.arange(300)),
        parts,
        nested(probs),
        get_metric("accuracy"),
        allowed=Allowed(temperature=False),
    )
    assert done.temperature == 1
    np.testing.assert_array_equal(done.nested, probs)


def test_a_decision_rule_is_used_where_it_gains_and_not_for_accuracy() -> None:
    random = np.random.default_rng(0)
    labels = (random.random(2000) < 0.1).astype(np.int64)
    rare = 1 / (1 + np.exp(-(random.normal(size=2000) + 2 * labels - 3)))
    probs = np.stack([1 - rare, rare], axis=1).astype(np.float32)
    parts, groups = np.arange(2000) % 5, np.arange(2000)
    metric = get_metric("macro_f1")
    rows, given = LabelledRows(labels, groups), nested(probs)
    done = fit_post_processing(rows, parts, given, metric)
    assert done.decision is not None
    assert metric.score(labels, done.nested) > metric.score(labels, probs) + 0.02
    assert fit_post_processing(rows, parts, given, get_metric("accuracy")).decision is None
    assert fit_post_processing(rows, parts, given, metric, Allowed(decision=False)).decision is None


def test_finished_rows_do_not_see_their_own_part() -> None:
    probs, labels, parts = overconfident(500)
    spoiled = np.where(parts == 0, (labels + 1) % 5, labels)
    one, two = (
        fit_post_processing(
            LabelledRows(each, np.arange(500)),
            parts,
            nested(probs),
            get_metric("log_loss"),
        )
        for each in (labels, spoiled)
    )
    np.testing.assert_array_equal(one.nested[parts == 0], two.nested[parts == 0])


def test_temperatures_that_are_known_are_not_fitted_to_a_mixture() -> None:
    probs, labels, parts = overconfident(600)
    warm = np.eye(5, dtype=np.float32)[labels] * 0.9 + 0.02
    done = fit_post_processing(
        LabelledRows(labels, np.arange(600)),
        parts,
        nested(probs, scaled=warm),
        get_metric("log_loss"),
    )
    np.testing.assert_array_equal(done.nested, warm)
    assert done.temperature == pytest.approx(degrees(labels, probs))


def test_bins_of_few_rows_are_joined_with_their_neighbours() -> None:
    bins = Reliability((0.1, 0.3, 0.6, 0.9), (0.0, 0.5, 0.5, 1.0), (4, 6, 3, 30))
    joined = join_small_bins(bins, least=10)
    assert joined.rows == (13, 30)
    assert joined.confidence == pytest.approx(((0.4 + 1.8 + 1.8) / 13, 0.9))
    assert joined.accuracy == pytest.approx(((0 + 3 + 1.5) / 13, 1.0))


def test_all_rows_make_one_bin_where_they_are_too_few() -> None:
    assert join_small_bins(Reliability((0.2, 0.8), (0.0, 1.0), (2, 3)), least=10).rows == (5,)
    assert join_small_bins(Reliability((), (), ())).rows == ()


def test_a_rest_of_few_rows_joins_the_bin_beside_it_and_no_other() -> None:
    two = join_small_bins(Reliability((0.2, 0.9), (0.0, 1.0), (3, 12)), least=10)
    assert two.rows == (15,)
    three = join_small_bins(Reliability((0.2, 0.5, 0.9), (0.0, 0.5, 1.0), (3, 11, 12)), least=10)
    assert three.rows == (14, 12)
    assert three.accuracy == pytest.approx((5.5 / 14, 1.0))
