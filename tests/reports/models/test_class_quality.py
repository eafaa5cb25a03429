"""Quality by class, pairs of classes and examples, on cases worked by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from support.members import simulate

from pipeline.reports.models.class_quality import (
    ConfusedPair,
    compute_class_quality,
    count_wrong_classes,
    find_confused_pairs,
    find_most_confident,
)
from pipeline.reports.models.heat_maps import choose_examples
from pipeline.reports.models.mistakes import find_mistakes


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


def test_examples_are_the_surest_right_and_wrong_of_each_class() -> None:
    assert choose_examples(LABELS, PROBS) == [5, 0, 2, 4, 3]


def test_simulated_members_make_pairs() -> None:
    stacked, labels = simulate([1.0], 200, 4, 0)
    counts = compute_class_quality(labels, stacked[0]).counts
    found = find_confused_pairs(counts, 100)
    assert sum(pair.there + pair.back for pair in found) == counts.sum() - counts.trace()


def test_a_class_of_far_lower_recall_is_weak_unless_chance_makes_it_so() -> None:
    def judge(sure: int) -> list[int]:
        labels = np.repeat(np.arange(3), [sure, 100, 100])
        predicted = labels.copy()
        predicted[: sure // 2] = 1
        return compute_class_quality(labels, np.eye(3, dtype=np.float32)[predicted]).weak

    assert judge(100) == [0]
    assert judge(2) == []
