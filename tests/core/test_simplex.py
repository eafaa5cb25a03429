"""Weights on the simplex: known values, what makes a minimum one, and what must change nothing."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core import simplex
from pipeline.core.simplex import MixtureLoss, compress_residuals, fit_log_loss_weights, fit_mixture_weights


def members(count: int, rows: int, seed: int = 0) -> NDArray[np.float32]:
    """Probabilities of the true class by members that agree with each other as models of one competition do."""
    rng = np.random.default_rng(seed)
    logits = 1 + 2 * rng.normal(size=rows) + rng.uniform(0.4, 1.2, (count, 1)) * rng.normal(size=(count, rows))
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def test_two_members_that_know_different_rows_count_by_the_rows_that_they_know() -> None:
    # The loss is -(2 log w + log(1 - w)) / 3, lowest at w = 2/3.
    found = fit_log_loss_weights(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert found == pytest.approx([2 / 3, 1 / 3], abs=1e-7)


def test_a_member_that_is_worse_on_every_row_counts_nothing() -> None:
    found = fit_log_loss_weights(np.array([[0.6, 0.7, 0.3], [0.5, 0.6, 0.2]]))
    assert found.tolist() == [1.0, 0.0]


def test_the_weights_are_a_minimum_of_the_log_loss() -> None:
    # Karush, Kuhn, Tucker: the mean of p_i / mixture is 1 for each member that counts, at most 1 for the others.
    probs = members(12, 2000).astype(np.float64)
    found = fit_log_loss_weights(probs)
    gains = (probs / (found @ probs)).mean(axis=1)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert 1 < (found > 0).sum() < 12
    assert gains[found > 0] == pytest.approx(1, abs=1e-6)
    assert gains.max() < 1 + 1e-6


@pytest.mark.parametrize(("count", "rows"), [(3, 50), (12, 2000), (40, 300)])
def test_the_order_of_members_and_rows_changes_nothing(count: int, rows: int) -> None:
    probs, rng = members(count, rows), np.random.default_rng(1)
    order = rng.permutation(count)
    shuffled = fit_log_loss_weights(probs[order][:, rng.permutation(rows)])
    assert shuffled == pytest.approx(fit_log_loss_weights(probs)[order], abs=1e-6)


def test_members_that_are_the_same_count_the_same() -> None:
    probs = members(3, 500)
    found = fit_log_loss_weights(np.stack([probs[0], probs[1], probs[0], probs[2]]))
    assert found[0] == pytest.approx(found[2], abs=1e-6)
    assert 2 * found[0] == pytest.approx(fit_log_loss_weights(probs)[0], abs=1e-5)


def test_a_member_alone_counts_whole() -> None:
    assert fit_log_loss_weights(np.array([[0.2, 0.9]])).tolist() == [1.0]


def test_without_rows_all_count_the_same() -> None:
    assert fit_log_loss_weights(np.zeros((4, 0))).tolist() == [0.25] * 4


def test_a_row_that_no_member_knows_does_not_break_the_rest() -> None:
    probs = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert fit_log_loss_weights(probs) == pytest.approx([2 / 3, 1 / 3], abs=1e-6)


def test_members_that_know_nothing_at_all_count_the_same() -> None:
    assert fit_log_loss_weights(np.zeros((2, 5))) == pytest.approx([0.5, 0.5])


def test_the_same_input_gives_the_same_bits() -> None:
    probs = members(20, 5000)
    assert fit_log_loss_weights(probs).tobytes() == fit_log_loss_weights(probs).tobytes()


def test_many_members_reach_the_same_lowest_loss_as_all_at_once() -> None:
    random = np.random.default_rng(3)
    probs = random.beta(random.uniform(0.5, 3.0, 60)[:, None], 1.0, (60, 400))
    loss = MixtureLoss(probs)
    grown, whole = simplex._grown(loss), simplex._solved(loss)
    losses = [-np.log(weights @ probs).mean() for weights in (grown, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-7)
    np.testing.assert_allclose(grown, whole, atol=1e-3)


def test_two_hundred_members_take_less_than_a_second_of_cpu() -> None:
    random = np.random.default_rng(3)
    probs = random.beta(random.uniform(0.5, 3.0, 200)[:, None], 1.0, (200, 400))
    begun = time.process_time()
    assert fit_log_loss_weights(probs).sum() == pytest.approx(1)
    assert time.process_time() - begun < 1.0


def test_weights_of_numbers_are_those_of_least_squares() -> None:
    # Errors 1 and -2 cancel at w = 2/3; a third member of error 3 counts nothing.
    residuals = np.array([[1.0, 1.0], [-2.0, -2.0], [3.0, 3.0]])
    found = fit_mixture_weights(MixtureLoss(np.empty((3, 0)), residuals=residuals))
    assert residuals.T @ found == pytest.approx([0, 0], abs=1e-6)


def test_compressed_residuals_have_the_same_squares() -> None:
    residuals = np.random.default_rng(0).normal(size=(4, 50))
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    small = compress_residuals(residuals)
    assert small.shape == (4, 4)
    assert ((weights @ small) ** 2).sum() == pytest.approx(((weights @ residuals) ** 2).sum())


@pytest.mark.parametrize("count", [5, 60])
def test_a_loss_of_logarithms_and_squares_has_no_better_weights_nearby(count: int) -> None:
    random = np.random.default_rng(1)
    probs, residuals = members(count, 200).astype(np.float64), random.normal(size=(count, 30)) / 30
    shares = random.uniform(0, 1, 200) / 200
    found = fit_mixture_weights(MixtureLoss(probs, shares, residuals))

    def loss(weights: NDArray[np.float64]) -> float:
        return float(((weights @ residuals) ** 2).sum() - shares @ np.log(weights @ probs))

    assert found.sum() == pytest.approx(1)
    assert all(loss(found) <= loss(0.99 * found + 0.01 * np.eye(count)[member]) + 1e-9 for member in range(count))
