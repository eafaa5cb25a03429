"""Mistakes: planted label errors are found."""

import numpy as np
import pytest
from support.fabricated import random_probs

from pipeline.reports.models.mistakes import find_label_errors


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
