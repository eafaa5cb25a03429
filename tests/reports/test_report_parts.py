"""What the report computes, on cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.fabricated import random_probs
from support.members import simulate

from pipeline.core.sampling import draw_balanced_rows
from pipeline.reports.models.class_quality import (
    ConfusedPair,
    compute_class_quality,
    count_wrong_classes,
    find_confused_pairs,
    find_most_confident,
)
from pipeline.reports.models.heat_maps import EVEN, ModelHeat, choose_examples
from pipeline.reports.models.mistakes import find_label_errors, find_mistakes
from pipeline.reports.models.overfitting import diagnose_fit


def shared(rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


LABELS = np.array([0, 0, 0, 1, 1, 2])
PROBS = shared([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.3, 0.7, 0.0], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]])


def test_counts_and_mean_probabilities_by_true_class() -> None:
    found = compute_class_quality(LABELS, PROBS)
    assert found.counts.tolist() == [[1, 2, 0], [1, 1, 0], [1, 0, 0]]
    assert found.mean_probs[0] == pytest.approx([0.5, 0.5, 0.0])
    assert found.mean_probs[1] == pytest.approx([0.5, 0.45, 0.05])
    assert found.never_predicted == [2]
    assert found.worst_first == [2, 0, 1]


def test_a_class_without_rows_has_no_mean_and_is_not_listed() -> None:
    found = compute_class_quality(LABELS[:5], PROBS[:5])
    assert np.isnan(found.mean_probs[2]).all()
    assert found.worst_first == [0, 1]
    assert found.never_predicted == []


def test_a_class_with_a_single_image_is_judged_like_any_other() -> None:
    found = compute_class_quality(LABELS, PROBS)
    assert (found.support[2], found.f1[2], found.recall[2]) == (1, 0.0, 0.0)
    assert count_wrong_classes(found.counts, 2) == [(0, 1)]
    assert choose_examples(LABELS, PROBS)[0] == 5


def test_pairs_count_both_directions_and_come_the_worst_first() -> None:
    counts = compute_class_quality(LABELS, PROBS).counts
    assert find_confused_pairs(counts, 5) == [ConfusedPair(0, 1, 2, 1), ConfusedPair(0, 2, 0, 1)]
    assert find_confused_pairs(np.diag([3, 3]), 5) == []


def test_the_surest_rows_come_first() -> None:
    assert find_most_confident(LABELS, PROBS, 0, 1, 5) == [2, 1]
    assert [(one.row, one.label) for one in find_mistakes(LABELS, PROBS)[:2]] == [(3, 1), (2, 0)]
    assert [label for label, _ in find_mistakes(LABELS, PROBS)[0].guesses] == [0, 1, 2]


def test_planted_label_errors_are_found_and_good_labels_are_not_doubted() -> None:
    labels = np.arange(300) % 3
    probs = (0.6 * np.eye(3)[labels] + 0.4 * random_probs(300, 3, 0)).astype(np.float32)
    assert find_label_errors(labels, probs).tolist() == []
    planted = set(range(0, 300, 10))
    wrong = labels.copy()
    wrong[list(planted)] = (wrong[list(planted)] + 1) % 3
    found = set(find_label_errors(wrong, probs).tolist())
    assert found <= planted
    assert len(found) >= 25


@pytest.mark.parametrize("label", [0, 2])
def test_labels_are_doubted_without_noise_where_a_class_is_never_predicted_or_has_one_image(label: int) -> None:
    labels = np.arange(60) % 2
    probs = 0.9 * np.eye(3, dtype=np.float32)[labels] + 0.1 * random_probs(60, 3, 0)
    probs[:, 2] = 0
    labels[0] = label
    found = find_label_errors(labels, probs / probs.sum(axis=1, keepdims=True)).tolist()
    assert found in ([], [0])
    assert find_label_errors(np.zeros(60, dtype=np.int64), probs).tolist() == []


def history(train: list[float], valid: list[float | None], folds: int = 2) -> pd.DataFrame:
    epochs = range(1, len(train) + 1)
    rows = {"epoch": epochs, "loss": train, "valid_loss": valid}
    return pd.concat([pd.DataFrame(rows | {"fold": fold}) for fold in range(folds)])


@pytest.mark.parametrize(
    ("train", "valid", "verdict"),
    [
        ([2.0, 0.4], [2.0, 0.5], "fits"),
        ([2.0, 0.1], [2.0, 1.0], "overfits"),
        ([2.0, 0.5, 0.4], [1.0, 0.5, 0.7], "turned"),
        ([2.0, 1.9], [2.0, 1.95], "underfits"),
        ([2.0, 1.0, 0.4], [None, None, 0.5], "fits"),
    ],
)
def test_the_gap_is_named(train: list[float], valid: list[float | None], verdict: str) -> None:
    found = diagnose_fit(history(train, valid), 10)  # guessing costs 2.30: gap 0.23, turn 0.12, half 1.15
    assert found is not None
    assert found.verdict == verdict
    assert found.gap == pytest.approx((valid[-1] or 0) - train[-1])


def test_a_history_without_losses_is_not_judged() -> None:
    assert diagnose_fit(pd.DataFrame({"fold": [0], "epoch": [1]}), 3) is None
    assert diagnose_fit(history([1.0], [None]), 3) is None


def looked(shares: list[float]) -> ModelHeat:
    return ModelHeat("one", "Grad-CAM", (), np.arange(len(shares)), np.array(shares))


def test_a_model_looks_at_the_borders_when_its_share_is_surely_below_an_even_spread() -> None:
    assert looked([0.1, 0.12, 0.08, 0.11] * 5).at_borders
    assert not looked([0.1, 0.45] * 10).at_borders
    assert not looked([EVEN] * 20).at_borders
    assert not looked([EVEN - 0.001] * 20).at_borders
    assert looked([0.2, float("nan"), 0.4]).mean == pytest.approx(0.3)
    assert not looked([float("nan")]).at_borders


def test_the_sample_has_the_same_number_of_each_class_as_far_as_there_are_images() -> None:
    labels = np.array([0] * 100 + [1] * 100 + [2])
    rows = draw_balanced_rows(labels, 31, 0)
    assert np.bincount(labels[rows]).tolist() == [15, 15, 1]
    assert len(set(rows.tolist())) == 31
    assert draw_balanced_rows(labels, 1000, 0).tolist() == list(range(201))


def test_examples_are_the_surest_right_and_wrong_of_each_class() -> None:
    assert choose_examples(LABELS, PROBS) == [5, 0, 2, 4, 3]


def test_simulated_members_make_pairs() -> None:
    stacked, labels = simulate([1.0], 200, 4, 0)
    counts = compute_class_quality(labels, stacked[0]).counts
    found = find_confused_pairs(counts, 100)
    assert sum(pair.there + pair.back for pair in found) == counts.sum() - counts.trace()
