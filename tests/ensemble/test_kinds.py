"""Every combiner, temperature and choice under one contract for every kind of target."""

from dataclasses import replace

import numpy as np
import pytest
from support.kinds import TARGETS, sample_kind

from pipeline.core.targets.spec import KINDS
from pipeline.ensemble.calibration import apply_temperature, fit_temperature, measure_reliability
from pipeline.ensemble.combiners.catalogue import COMBINERS, explain_skip
from pipeline.ensemble.combiners.contract import OofRows
from pipeline.ensemble.nested import assign_parts, choose_candidate, score_candidates

STRENGTHS = (0.3, 1.0, 2.0)
FITTED = ("mean", "convex", "weighted_geometric", "greedy", "class_weights", "stack_logistic")
OTHERS = sorted(set(TARGETS) - {"one_class"})
IDS = [str(row) for row in range(250)]


def measure_loss(given: OofRows, values: np.ndarray) -> float:
    return float(given.target.measure_losses(given.truth, values).mean())


def tried(given: OofRows) -> list[str]:
    return [name for name in COMBINERS if explain_skip(name, given) is None]


def test_every_kind_is_simulated() -> None:
    assert set(TARGETS) == set(KINDS)


@pytest.mark.parametrize("kind", TARGETS)
def test_what_is_combined_are_predictions_of_the_target(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    for name in tried(given):
        values = COMBINERS[name](given)(given.stacked)
        assert values.dtype == np.float32
        given.target.check_values(values, IDS, name)


@pytest.mark.parametrize("kind", OTHERS)
def test_weights_are_not_negative_and_sum_to_one(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    for name in tried(given):
        weights = COMBINERS[name](given).weights
        if weights is not None:
            assert (weights >= 0).all()
            np.testing.assert_allclose(weights.sum(axis=0), 1)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "vote_shares" else kind for kind in OTHERS]
)
def test_a_combiner_that_is_fitted_beats_the_mean_where_one_member_knows_and_seven_do_not(kind: str) -> None:
    given = sample_kind(kind, [4.0 if kind == "several_labels" else 2.5] + [0.0] * 7, rows=600)
    half = given.where(np.arange(600) < 300)
    rest = given.where(np.arange(600) >= 300)
    mean = measure_loss(rest, COMBINERS["mean"](half)(rest.stacked))
    # Half of the bags lack the one that knows, and errors of numbers are not bounded.
    bags = {"greedy_metric", "greedy_bagged"} if given.target.outputs[-1][1] == "linear" else set()
    for name in set(tried(given)) - {"mean", "geometric_mean", "rank_mean"} - bags:
        assert measure_loss(rest, COMBINERS[name](half)(rest.stacked)) < 0.9 * mean, name


@pytest.mark.parametrize("kind", OTHERS)
def test_the_order_of_members_changes_nothing(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    turned = replace(given, stacked=given.stacked[::-1])
    scales = np.maximum(given.stacked.std(axis=(0, 1)), 1)
    for name in set(tried(given)) - {"stack_boosting"}:  # trees draw features by position
        one, two = COMBINERS[name](given)(given.stacked), COMBINERS[name](turned)(turned.stacked)
        np.testing.assert_allclose(one / scales, two / scales, atol=3e-3, err_msg=name)


@pytest.mark.parametrize("kind", OTHERS)
def test_no_weights_nearby_have_a_smaller_loss_than_those_that_minimise_it(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    weights = COMBINERS["convex"](given).weights
    assert weights is not None

    def loss(shares: np.ndarray) -> float:
        return measure_loss(given, given.target.normalise(np.tensordot(shares, given.stacked, 1)))

    best = loss(weights)
    assert all(best <= loss(0.97 * weights + 0.03 * np.eye(3)[member]) + 1e-6 for member in range(3))


@pytest.mark.parametrize("kind", OTHERS)
def test_the_slope_of_weighted_outputs_leads_to_their_smallest_loss(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    rule = COMBINERS["weighted_geometric"](given)
    assert measure_loss(given, rule(given.stacked)) <= measure_loss(given, COMBINERS["convex"](given)(given.stacked))


@pytest.mark.parametrize("kind", OTHERS)
def test_with_permuted_truth_no_candidate_is_better_than_knowing_nothing(kind: str) -> None:
    given = sample_kind(kind, (1.0, 1.5), rows=300)
    truth = given.truth[np.random.default_rng(3).permutation(300)]
    permuted = replace(given, truth=truth)
    base = given.target.make_targets(truth).mean(axis=0)
    nothing = given.target.normalise(np.tile(base, (300, 1)))
    if kind in ("numbers", "several_targets"):
        nothing = given.target.from_outputs(np.zeros_like(given.stacked[0]))
    least = measure_loss(permuted, nothing)
    for candidate in score_candidates(permuted, FITTED, (False, True))[0]:
        assert measure_loss(permuted, candidate.nested) > 0.97 * least, candidate.name


@pytest.mark.parametrize("kind", OTHERS)
def test_a_part_is_predicted_by_fits_that_did_not_see_it(kind: str) -> None:
    given = sample_kind(kind, (0.5, 1.0), rows=100)
    held = given.folds == 2
    spoiled = given.truth.copy()
    spoiled[held] = np.roll(given.truth[held], 1, axis=0)
    one, two = (score_candidates(each, FITTED, (True,))[0] for each in (given, replace(given, truth=spoiled)))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.nested[held], second.nested[held], err_msg=first.name)


@pytest.mark.parametrize("kind", OTHERS)
def test_candidates_are_chosen(kind: str) -> None:
    given = sample_kind(kind, STRENGTHS)
    candidates, skipped = score_candidates(given, ("mean", "convex", "rank_mean", "geometric_mean"), (False, True))
    choice = choose_candidate(candidates, given, np.arange(250))
    given.target.check_values(choice.nested, IDS, "nested")
    linear = kind in ("numbers", "several_targets")
    assert ("rank_mean" in skipped) == linear


def test_numbers_are_never_cooled() -> None:
    given = sample_kind("numbers", STRENGTHS)
    candidates, _ = score_candidates(given, ("mean", "convex"), (False, True))
    assert [candidate.name for candidate in candidates] == ["mean", "convex"]
    assert fit_temperature(given.truth, given.stacked[0], given.target) == 1.0
    assert measure_reliability(given.truth, given.stacked[0], given.target).rows == ()


@pytest.mark.parametrize("kind", ["several_labels", "vote_shares", "grades", "several_targets"])
@pytest.mark.parametrize("true", [0.4, 2.5])
def test_no_other_temperature_has_a_smaller_loss(kind: str, true: float) -> None:
    given = sample_kind(kind, (1.0,))
    values = apply_temperature(given.stacked[0], true, given.target)
    found = fit_temperature(given.truth, values, given.target)
    best = measure_loss(given, apply_temperature(values, found, given.target))
    for factor in (0.8, 0.95, 1.05, 1.25):
        assert best <= measure_loss(given, apply_temperature(values, found * factor, given.target)) + 1e-7


def test_the_reliability_of_labels_equals_the_value_worked_by_hand() -> None:
    marks = np.array([[1, 0], [0, 0]], dtype=np.float32)
    values = np.array([[0.9, 0.2], [0.9, 0.2]], dtype=np.float32)
    found = measure_reliability(marks, values, TARGETS["several_labels"])
    # 0.9 is right in one of two, 0.2 in none of two: (0.4 * 2 + 0.2 * 2) / 4
    assert found.error == pytest.approx(0.3, abs=1e-6)
    assert found.rows == (2, 2)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_single_fold_is_cut_into_parts_of_whole_groups(kind: str) -> None:
    given = sample_kind(kind, (1.0,), rows=120)
    groups = np.repeat(np.arange(40), 3)
    parts = assign_parts(np.zeros(120, dtype=np.int64), groups, given.truth, given.target)
    assert set(parts.tolist()) == {0, 1, 2, 3, 4}
    assert all(len(np.unique(parts[groups == group])) == 1 for group in range(40))


def test_what_a_kind_has_no_use_for_says_why() -> None:
    numbers, shares = (sample_kind(kind, STRENGTHS) for kind in ("numbers", "vote_shares"))
    assert explain_skip("geometric_mean", numbers) == "the mean of numbers is the same in every space"
    assert explain_skip("class_weights", shares) is not None
    assert explain_skip("greedy_metric", shares) == "the metric is kl_divergence, which its twin minimises"
    assert explain_skip("class_weights", numbers) is None
