"""Class shares from predictions: calibration, expectation maximisation, the test for a difference, repeated rows."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from support.members import simulate

from pipeline.ensemble.class_shares import (
    count_shares,
    draw_by_class,
    estimate_shares,
    fit_bias_calibration,
    measure_difference,
    measure_influence,
    repeat_by_class,
)

SHARES = np.array([0.6, 0.25, 0.1, 0.05])


def outputs(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns log-probabilities of one member (rows, 4), and labels."""
    stacked, labels = simulate([2.0], rows, 4, seed)
    return np.log(np.maximum(stacked[0].astype(np.float64), 1e-7)), labels


def test_calibration_undoes_a_temperature_and_biases() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(40_000, 3)) * 2
    labels = (softmax(logits, axis=1).cumsum(axis=1) < random.random((40_000, 1))).sum(axis=1)
    distorted = log_softmax(2.5 * (logits + np.array([0.5, 0.0, -0.5])), axis=1)
    fitted = fit_bias_calibration(labels, distorted)
    np.testing.assert_allclose(fitted(distorted), softmax(logits, axis=1), atol=0.03)


def test_calibrated_predictions_have_the_mean_of_the_labels() -> None:
    logs, labels = outputs(2000, 1)
    np.testing.assert_allclose(
        fit_bias_calibration(labels, logs)(logs).mean(axis=0), np.bincount(labels) / 2000, atol=1e-3
    )


def test_one_newton_step_comes_close_to_a_fit_on_drawn_rows() -> None:
    logs, labels = outputs(2000, 2)
    fitted = fit_bias_calibration(labels, logs)
    rows = np.random.default_rng(0).integers(0, 2000, 2000)
    stepped = fitted.numbers + measure_influence(labels, logs, fitted)[rows].mean(axis=0)
    again = fit_bias_calibration(labels[rows], logs[rows]).numbers
    assert np.abs(again - fitted.numbers).max() > 0.02
    np.testing.assert_allclose(stepped, again, atol=0.008)


def test_perfect_predictions_give_the_shares_they_have() -> None:
    probs = np.eye(4)[np.repeat(np.arange(4), [60, 25, 10, 5])]
    np.testing.assert_allclose(estimate_shares(probs, np.full(4, 0.25)), SHARES, atol=1e-6)


def test_predictions_that_know_nothing_leave_the_shares_of_training() -> None:
    np.testing.assert_allclose(estimate_shares(np.tile(SHARES, (50, 1)), SHARES), SHARES, atol=1e-6)


def test_shares_of_another_mix_are_estimated() -> None:
    logs, labels = outputs(4000, 3)
    other, truth = outputs(20_000, 4)
    rows = draw_by_class(truth, SHARES, 4000, np.random.default_rng(0))
    calibrated = fit_bias_calibration(labels, logs)(other[rows])
    estimated = estimate_shares(calibrated, count_shares(labels, 4))
    np.testing.assert_allclose(estimated, SHARES, atol=0.03)
    plain = np.bincount(other[rows].argmax(axis=1), minlength=4) / 4000
    assert np.abs(estimated - SHARES).sum() < np.abs(plain - SHARES).sum() / 2


def test_a_class_without_rows_counts_half_a_row() -> None:
    np.testing.assert_allclose(count_shares(np.array([0, 0, 2]), 3), np.array([2, 0.5, 1]) / 3.5)


def test_a_difference_by_chance_is_as_rare_as_its_level() -> None:
    chances = []
    for seed in range(200):
        probs, _ = simulate([2.0], 500, 4, seed)
        chances.append(measure_difference(probs[0, :300], probs[0, 300:], np.arange(300)))
    assert np.mean(np.array(chances) < 0.01) <= 0.03
    assert np.mean(np.array(chances) < 0.5) == pytest.approx(0.5, abs=0.12)


def test_rows_in_groups_say_less() -> None:
    probs, _ = simulate([2.0], 600, 4, 0)
    tilted = probs[0, 300:] * np.array([1.2, 1, 1, 1])
    tilted /= tilted.sum(axis=1, keepdims=True)
    alone = measure_difference(probs[0, :300], tilted, np.arange(300))
    tripled = measure_difference(np.repeat(probs[0, :100], 3, axis=0), tilted, np.repeat(np.arange(100), 3))
    by_one = measure_difference(np.repeat(probs[0, :100], 3, axis=0), tilted, np.arange(300))
    assert 0 <= alone <= 1
    assert tripled > by_one


def test_equal_predictions_do_not_differ() -> None:
    same = np.full((20, 3), 1 / 3, dtype=np.float32)
    assert measure_difference(same, same[:5], np.arange(20)) == 1.0


def test_repeated_rows_have_the_wanted_shares() -> None:
    labels = np.repeat(np.arange(4), 25)
    rows = repeat_by_class(labels, SHARES)
    np.testing.assert_allclose(np.bincount(labels[rows]) / len(rows), SHARES, atol=1 / len(rows))
    each = np.bincount(rows, minlength=100)[:25]
    assert each.max() - each.min() <= 1  # every row of a class counts alike


def test_rows_of_shares_nought_are_left_out() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    assert set(labels[repeat_by_class(labels, np.array([0.5, 0.0, 0.5]))]) == {0, 2}
    assert set(labels[draw_by_class(labels, np.array([0.0, 1.0, 0.0]), 8, np.random.default_rng(0))]) == {1}
