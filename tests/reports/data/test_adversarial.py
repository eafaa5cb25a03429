"""Adversarial validation: the AUC and its interval against scikit-learn and resampling by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.reports.data.adversarial import bootstrap_auc, compute_auc, judge_auc, predict_test_membership


def test_the_auc_counts_ties_half_as_scikit_learn_does() -> None:
    random = np.random.default_rng(0)
    scores, positive = random.integers(0, 5, 200) / 5, random.random(200) < 0.3
    assert compute_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_the_interval_of_the_auc_is_that_of_resampling_by_hand() -> None:
    random = np.random.default_rng(1)
    positive = np.arange(300) >= 200
    scores = random.normal(size=300) + positive
    drawn = []
    for _ in range(200):
        rows = np.concatenate([random.choice(np.flatnonzero(side), side.sum()) for side in (positive, ~positive)])
        drawn.append(roc_auc_score(positive[rows], scores[rows]))
    assert bootstrap_auc(scores, positive) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.025)


def test_train_and_test_of_one_kind_are_not_told_apart_and_of_two_kinds_they_are() -> None:
    random = np.random.default_rng(2)
    train, test = (random.normal(size=(300, 10)).astype(np.float32) for _ in range(2))
    is_test = np.arange(600) >= 300
    same, other = (predict_test_membership(train, test + shift) for shift in (0, 1))
    assert bootstrap_auc(same, is_test)[0] < 0.5
    assert not judge_auc(compute_auc(same, is_test), bootstrap_auc(same, is_test)[0])[1]
    assert compute_auc(other, is_test) > 0.9
    assert judge_auc(compute_auc(other, is_test), bootstrap_auc(other, is_test)[0])[1]
