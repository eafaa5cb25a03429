"""Every combiner under one contract, and values worked by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.members import number_classes, sample, simulate

from pipeline.core.arrays import Labels, Probs, Weights
from pipeline.core.metrics import get_metric
from pipeline.ensemble.combiners import greedy
from pipeline.ensemble.combiners.catalogue import COMBINERS, explain_skip
from pipeline.ensemble.combiners.contract import OofRows, blend_members, normalise_rows
from pipeline.ensemble.combiners.greedy import select_members
from pipeline.ensemble.combiners.means import find_best_member
from pipeline.ensemble.combiners.scorers import make_accuracy_scorer, make_log_loss_scorer, make_metric_scorer

STRENGTHS = (0.3, 1.0, 2.0)
ALL = sorted(COMBINERS)


def hand(stacked: list[list[list[float]]], labels: list[int], metric: str = "accuracy") -> OofRows:
    probs = np.array(stacked, dtype=np.float32)
    return OofRows(
        probs, np.array(labels), np.arange(len(labels)) % 2, get_metric(metric), number_classes(probs.shape[2])
    )


@pytest.mark.parametrize("name", ALL)
def test_what_is_combined_are_probabilities(name: str) -> None:
    given = sample(STRENGTHS)
    probs = COMBINERS[name](given)(given.stacked)
    assert probs.dtype == np.float32
    assert probs.shape == given.stacked.shape[1:]
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_weights_are_not_negative_and_sum_to_one(name: str) -> None:
    given = sample(STRENGTHS)
    weights = COMBINERS[name](given).weights
    if weights is None:
        assert name.startswith("stack")
        return
    assert weights.shape[0] == len(STRENGTHS)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1)


@pytest.mark.parametrize("name", ALL)
def test_the_same_members_give_the_same_bits_twice(name: str) -> None:
    given = sample(STRENGTHS)
    first, second = (COMBINERS[name](given)(given.stacked) for _ in range(2))
    np.testing.assert_array_equal(first, second)


# Trees bin rows and draw features by position; selection among bags draws members by position.
_BY_POSITION = {"stack_boosting"}


@pytest.mark.parametrize("name", sorted(set(ALL) - _BY_POSITION))
def test_the_order_of_rows_changes_nothing(name: str) -> None:
    given = sample(STRENGTHS)
    order = np.random.default_rng(1).permutation(len(given.truth))
    moved = replace(given, stacked=given.stacked[:, order], truth=given.truth[order], folds=given.folds[order])
    one, two = COMBINERS[name](given), COMBINERS[name](moved)
    np.testing.assert_allclose(one(given.stacked), two(given.stacked), atol=2e-3)


@pytest.mark.parametrize("name", sorted(set(ALL) - _BY_POSITION))
def test_the_order_of_members_changes_nothing(name: str) -> None:
    given = sample(STRENGTHS)
    turned = replace(given, stacked=given.stacked[::-1])
    one, two = COMBINERS[name](given), COMBINERS[name](turned)
    np.testing.assert_allclose(one(given.stacked), two(turned.stacked), atol=2e-3)


@pytest.mark.parametrize("name", sorted(set(ALL) - _BY_POSITION))
def test_renamed_classes_change_nothing(name: str) -> None:
    given = sample(STRENGTHS)
    order = np.array([2, 0, 3, 1])
    renamed = replace(given, stacked=given.stacked[:, :, order], truth=np.argsort(order)[given.truth])
    one, two = COMBINERS[name](given), COMBINERS[name](renamed)
    np.testing.assert_allclose(one(given.stacked)[:, order], two(renamed.stacked), atol=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_a_class_that_no_fitted_row_has_still_gets_a_probability(name: str) -> None:
    given = sample(STRENGTHS, n_classes=4)
    kept = given.where(given.truth != 3)
    probs = COMBINERS[name](kept)(given.stacked)
    assert np.isfinite(probs).all()
    assert probs.shape[1] == 4


@pytest.mark.parametrize("name", sorted(set(ALL) - {"mean", "geometric_mean", "rank_mean"}))
def test_a_combiner_that_is_fitted_beats_the_mean_where_one_member_knows_and_nine_do_not(name: str) -> None:
    stacked, labels = simulate([2.5] + [0.0] * 9, 1200, 4, seed=5)
    half = OofRows(stacked[:, :600], labels[:600], np.arange(600) % 5, get_metric("accuracy"), number_classes(4))
    fitted = COMBINERS[name](half)(stacked[:, 600:])
    mean = COMBINERS["mean"](half)(stacked[:, 600:])
    assert (fitted.argmax(axis=1) == labels[600:]).mean() > (mean.argmax(axis=1) == labels[600:]).mean() + 0.02


def test_the_mean_equals_the_value_worked_by_hand() -> None:
    given = hand([[[0.2, 0.8]], [[0.6, 0.4]]], [1])
    np.testing.assert_allclose(COMBINERS["mean"](given)(given.stacked), [[0.4, 0.6]], atol=1e-7)


def test_a_weighted_mean_equals_the_value_worked_by_hand() -> None:
    stacked = np.array([[[0.2, 0.8]], [[0.6, 0.4]]], dtype=np.float32)
    np.testing.assert_allclose(blend_members(stacked, np.array([0.25, 0.75])), [[0.5, 0.5]], atol=1e-7)


def test_the_geometric_mean_equals_the_value_worked_by_hand() -> None:
    given = hand([[[0.2, 0.8]], [[0.5, 0.5]]], [1])
    # sqrt(0.2 * 0.5) : sqrt(0.8 * 0.5) = 1 : 2
    np.testing.assert_allclose(COMBINERS["geometric_mean"](given)(given.stacked), [[1 / 3, 2 / 3]], atol=1e-6)


def test_ranks_are_shared_by_equal_values() -> None:
    given = hand([[[0.1, 0.9], [0.3, 0.7], [0.3, 0.7], [0.9, 0.1]]], [0, 0, 1, 1])
    probs = COMBINERS["rank_mean"](given)(given.stacked)
    assert probs[1, 0] == probs[2, 0] == pytest.approx(0.5, abs=0.01)
    assert probs[0, 0] < 0.2 < 0.8 < probs[3, 0]


def test_a_rank_does_not_depend_on_the_other_rows_predicted() -> None:
    given = sample(STRENGTHS, metric="roc_auc")
    fitted = COMBINERS["rank_mean"](given)
    np.testing.assert_array_equal(fitted(given.stacked)[:7], fitted(given.stacked[:, :7]))


@pytest.mark.parametrize("strengths", [(0.3, 0.6), (0.2, 0.2, 0.2, 0.2)])
def test_members_that_say_one_and_nought_keep_their_weights_by_class(strengths: tuple[float, ...]) -> None:
    given = sample(strengths, n_classes=3)
    certain = np.eye(3, dtype=np.float32)[given.stacked.argmax(axis=2)]
    weights = COMBINERS["class_weights"](replace(given, stacked=certain)).weights
    assert weights is not None
    np.testing.assert_allclose(weights.sum(axis=0), 1)


def test_greedy_selection_picks_what_the_hand_picks() -> None:
    # True-class probabilities of two rows. Alone: log .9 + log .1 twice, log .2 + log .2. Together the first two
    # average to .5 and .5, better than any alone; each further pick brings that down.
    true_probs = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.2]], dtype=np.float32)
    weights = select_members(true_probs, np.arange(3), make_log_loss_scorer(2), rounds=6)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0])


def test_selection_by_accuracy_and_by_any_metric_agree_on_accuracy() -> None:
    given = sample((0.5, 1.0, 1.5, 0.2))
    everyone = np.arange(4)
    values, score = make_accuracy_scorer(given.stacked, given.truth)
    fast = select_members(values, everyone, score, rounds=8)
    slow = select_members(given.stacked, everyone, make_metric_scorer(given.truth, get_metric("accuracy")), rounds=8)
    np.testing.assert_array_equal(fast, slow)


def test_of_equally_likely_classes_the_first_counts_as_predicted() -> None:
    probs = np.array([[[0.5, 0.5, 0.0], [0.2, 0.4, 0.4], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8]]] * 2, dtype=np.float32)
    for labels, accuracy in (([0, 1, 0, 2], 1.0), ([1, 2, 2, 2], 0.25), ([2, 0, 1, 0], 0.0)):
        values, score = make_accuracy_scorer(probs, np.array(labels))
        assert score(values[0], values[1], 2) == accuracy


def test_a_half_that_is_drawn_again_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = sample((0.5, 1.0, 1.5, 0.2))
    searched: list[tuple[int, ...]] = []
    values, score = make_accuracy_scorer(given.stacked, given.truth)
    select = greedy.select_members

    def count(values: Probs, members: Labels, *rest: Any) -> Weights:
        searched.append(tuple(members))
        return select(values, members, *rest)

    monkeypatch.setattr(greedy, "select_members", count)
    weights = greedy.select_in_bags(values, score, greedy.BY_ACCURACY, 0)
    assert len(searched) == len(set(searched)) <= 4
    random = np.random.default_rng(0)
    each = np.zeros(4)
    for _ in range(greedy.BY_ACCURACY.bags):
        members = np.sort(random.permutation(4)[:3])
        each[members] += select(values, members, score, greedy.BY_ACCURACY.rounds)
    np.testing.assert_array_equal(weights, each / each.sum())


def test_the_scorer_of_sums_is_the_log_loss_of_their_mean() -> None:
    given = sample((0.5, 1.0, 1.5))
    true_probs = given.loss.likelihoods
    got = make_log_loss_scorer(len(given.truth))(true_probs[0] + true_probs[1], true_probs[2], 3)
    assert -got == pytest.approx(get_metric("log_loss").score(given.truth, given.stacked.mean(axis=0)), abs=1e-6)


def test_of_equal_members_the_one_with_the_smaller_log_loss_is_best() -> None:
    given = hand([[[0.6, 0.4], [0.4, 0.6]], [[0.9, 0.1], [0.1, 0.9]]], [0, 1])
    assert find_best_member(given) == 1


def test_a_row_of_zeros_becomes_uniform() -> None:
    np.testing.assert_allclose(normalise_rows(np.zeros((1, 4))), [[0.25] * 4])


def test_what_is_not_tried_says_why() -> None:
    assert explain_skip("greedy_metric", sample(STRENGTHS, metric="log_loss")) is not None
    assert explain_skip("convex", sample((1.0,))) == "one member"
    assert explain_skip("mean", sample((1.0,))) is None
    assert all(explain_skip(name, sample(STRENGTHS)) is None for name in ALL)
