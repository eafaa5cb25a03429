"""Summaries of out-of-fold predictions."""

import time

import numpy as np
import pytest
from support.fabricated import random_probs
from support.kinds import TARGETS, draw_truth, make_outputs

from pipeline.core.measures.class_metrics import METRICS
from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows, bootstrap_interval, summarise_scores
from pipeline.core.targets.several_targets import Part, SeveralTargets, list_part_columns

ACCURACY = get_metric("accuracy")
LABELS = np.array([0, 1, 0, 1, 0, 1])
FOLDS = np.array([0, 0, 1, 1, 2, 2])
ROWS = np.arange(6)
PROBS = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.1, 0.9]], dtype=np.float32)


def test_mean_std_and_pooled_equal_the_values_worked_by_hand() -> None:
    summary = summarise_scores(LabelledRows(LABELS, ROWS), FOLDS, PROBS, ACCURACY)
    assert summary.fold_scores == {"0": 1.0, "1": 0.5, "2": 1.0}
    assert summary.mean == pytest.approx(5 / 6)
    assert summary.std == pytest.approx(np.sqrt((2 * (1 / 6) ** 2 + (1 / 3) ** 2) / 2))  # n - 1 = 2
    assert summary.pooled == pytest.approx(5 / 6)


def test_pooled_weighs_rows_and_the_mean_weighs_folds() -> None:
    summary = summarise_scores(LabelledRows(LABELS, ROWS), np.array([0, 0, 0, 0, 1, 1]), PROBS, ACCURACY)
    assert summary.mean == pytest.approx((3 / 4 + 1) / 2)
    assert summary.pooled == pytest.approx(5 / 6)


def test_a_single_scored_fold_has_no_spread() -> None:
    summary = summarise_scores(LabelledRows(LABELS[:2], ROWS[:2]), FOLDS[:2], PROBS[:2], ACCURACY)
    assert summary.fold_scores == {"0": 1.0}
    assert summary.std == 0.0


def test_scores_hold_every_metric_shown_and_the_competitions() -> None:
    summary = summarise_scores(LabelledRows(LABELS, ROWS), FOLDS, PROBS, get_metric("quadratic_kappa"))
    assert set(summary.scores) == {"accuracy", "log_loss", "macro_f1", "top_3_accuracy", "quadratic_kappa"}
    assert summary.scores["quadratic_kappa"] == summary.pooled


@pytest.mark.parametrize(
    ("kinds", "name", "shown"),
    [(("grades", "numbers"), "rmse", {"rmse"}), (("grades", "one_class"), "log_loss", {"accuracy", "log_loss"})],
)
def test_beside_the_metric_of_several_targets_stand_those_that_judge_each(
    kinds: tuple[str, ...], name: str, shown: set[str]
) -> None:
    parts: dict[str, Part] = {kind: TARGETS[kind] for kind in kinds}  # type: ignore[misc]  # kinds that may be parts
    target = SeveralTargets(columns=list_part_columns(parts), parts=parts)
    truth = draw_truth(target, 48, np.random.default_rng(0))
    rows, values = np.arange(48), target.from_outputs(make_outputs(target, truth))
    metric = get_metric(name, target=target)
    assert set(summarise_scores(LabelledRows(truth, rows), rows % 3, values, metric, n_resamples=2).scores) == shown


def test_numbers_for_dvc_are_plain_floats() -> None:
    numbers = summarise_scores(LabelledRows(LABELS, ROWS), FOLDS, PROBS, ACCURACY).numbers()
    assert {type(value) for value in numbers.values()} == {float}
    assert numbers["low"] <= numbers["pooled"] <= numbers["high"]


def test_the_interval_is_as_wide_as_the_binomial_one() -> None:
    n, share = 2000, 0.8
    labels = np.zeros(n, dtype=np.int64)
    hit = np.arange(n) < share * n
    probs = np.where(hit[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
    low, high = bootstrap_interval(LabelledRows(labels, np.arange(n)), probs, ACCURACY)
    half = 1.96 * np.sqrt(share * (1 - share) / n)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.003)


def test_whole_groups_are_drawn_so_that_copies_add_no_certainty() -> None:
    labels, probs = np.arange(100) % 3, random_probs(100, 3, seed=0)
    alone = bootstrap_interval(LabelledRows(labels, np.arange(100)), probs, ACCURACY)
    copied = bootstrap_interval(
        LabelledRows(np.repeat(labels, 5), np.repeat(np.arange(100), 5)), np.repeat(probs, 5, axis=0), ACCURACY
    )
    assert copied == pytest.approx(alone)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_groups_of_unequal_size_are_drawn_whole_by_both_ways(name: str) -> None:
    # Two groups, one all right, one all wrong: a draw holds one, the other, or both.
    labels = np.array([0, 1, 0, 1, 0, 1])
    probs = np.array([[0.9, 0.1], [0.1, 0.9], *[[0.1, 0.9], [0.9, 0.1]] * 2], dtype=np.float32)
    low, high = bootstrap_interval(LabelledRows(labels, np.array([7, 7, 3, 3, 3, 3])), probs, get_metric(name))
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize("name", METRICS)
def test_the_same_seed_gives_the_same_interval_around_the_score(name: str) -> None:
    labels, probs, rows = np.arange(150) % 3, random_probs(150, 3, seed=1), np.arange(150)
    metric = get_metric(name)
    first = bootstrap_interval(LabelledRows(labels, rows), probs, metric, 5, n_resamples=50)
    assert first == bootstrap_interval(LabelledRows(labels, rows), probs, metric, 5, n_resamples=50)
    assert first != bootstrap_interval(LabelledRows(labels, rows), probs, metric, 6, n_resamples=50)
    assert first[0] < metric.score(labels, probs) < first[1]


def test_draws_without_a_class_are_left_out_of_the_interval() -> None:
    labels = np.array([0, 1, 1, 1, 1, 1, 1, 1])  # a third of all draws miss row 0
    low, high = bootstrap_interval(
        LabelledRows(labels, np.arange(8)), random_probs(8, 2, seed=2), get_metric("roc_auc")
    )
    assert 0.0 <= low <= high <= 1.0


def test_an_interval_that_no_draw_can_give_shrinks_to_the_score() -> None:
    labels, probs = np.arange(40), random_probs(40, 40, seed=3)
    summary = summarise_scores(LabelledRows(labels, labels), np.zeros(40, dtype=np.int64), probs, get_metric("roc_auc"))
    assert summary.interval == (summary.pooled, summary.pooled)


def test_permuted_labels_score_at_chance() -> None:
    labels = np.arange(3000) % 3
    probs = np.eye(3, dtype=np.float32)[np.random.default_rng(0).permutation(labels)]
    summary = summarise_scores(LabelledRows(labels, np.arange(3000)), np.arange(3000) % 5, probs, ACCURACY)
    assert summary.pooled == pytest.approx(1 / 3, abs=0.03)
    assert summary.interval[1] < 0.4


def test_ten_thousand_rows_are_resampled_in_seconds() -> None:
    labels, probs, rows = np.arange(10_000) % 15, random_probs(10_000, 15, seed=4), np.arange(10_000)
    started = time.perf_counter()
    for name in ("accuracy", "log_loss"):
        bootstrap_interval(LabelledRows(labels, rows), probs, get_metric(name))
    assert time.perf_counter() - started < 3
