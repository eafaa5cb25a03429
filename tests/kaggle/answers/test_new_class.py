"""The threshold of a class that no training image shows."""

import numpy as np
import pytest

from pipeline.kaggle.answers.new_class import fit_new_threshold

SURE = np.array([[0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.05, 0.1, 0.85]], dtype=np.float32)
LABELS = np.array([0, 1, 2])


def test_a_threshold_between_sure_and_left_out_predictions_is_right_for_both() -> None:
    # Left out, the classes leave (0.6, 0.4), (0.5, 0.5) and (1/3, 2/3): all new above 2/3, all known below 0.8.
    threshold, score = fit_new_threshold(SURE, LABELS, 2, 0.5)
    assert 2 / 3 < threshold <= 0.8
    assert score == pytest.approx(1.0)


def test_the_share_decides_where_known_and_new_overlap() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(5), 400).astype(np.float32)
    labels = np.array([rng.choice(5, p=row / row.sum()) for row in probs.astype(np.float64)])
    few, many = (fit_new_threshold(probs, labels, 3, share)[0] for share in (0.05, 0.9))
    assert few < many


def test_a_list_of_one_is_new_or_the_best_class() -> None:
    threshold, score = fit_new_threshold(SURE, LABELS, 1, 0.2)
    assert score == pytest.approx(1.0)
    assert 2 / 3 < threshold <= 0.8
