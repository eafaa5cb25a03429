"""When an ensemble replaces another, and what the best of many is worth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import OneClass
from pipeline.planning.evidence import compare_ensembles, score_after_choice

TARGET = OneClass(kind="one_class", columns=("a", "b", "c"))
ACCURACY = get_metric("accuracy")


def made(rows: int, skill: float, seed: int, sharp: float = 1.0) -> tuple[LabelledRows, NDArray[np.float32]]:
    truth = np.random.default_rng(0).integers(0, 3, rows)
    rng = np.random.default_rng(seed)
    logits = sharp * (skill * np.eye(3)[truth] + rng.normal(size=(rows, 3)))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return LabelledRows(truth, np.arange(rows)), probs.astype(np.float32)


def test_a_clear_gain_replaces_and_a_loss_does_not() -> None:
    rows, weak = made(2000, 1.0, 1)
    strong = made(2000, 2.0, 2)[1]
    gained, lost = (compare_ensembles(rows, *pair, ACCURACY, TARGET) for pair in ((strong, weak), (weak, strong)))
    assert gained.better
    assert gained.gain == pytest.approx(ACCURACY.score(rows.labels, strong) - ACCURACY.score(rows.labels, weak))
    assert not lost.better
    assert lost.gain == pytest.approx(-gained.gain)


def test_the_same_decisions_with_a_lower_loss_replace() -> None:
    rows, sharp = made(2000, 2.0, 1, sharp=4.0)
    calm = made(2000, 2.0, 1, sharp=1.5)[1]
    verdict = compare_ensembles(rows, calm, sharp, ACCURACY, TARGET)
    assert (verdict.better, verdict.gain) == (True, 0)
    assert "loss" in verdict.reason


def test_noise_replaces_rarely() -> None:
    rows = made(400, 1.0, 0)[0]
    better = [
        compare_ensembles(rows, made(400, 1.0, seed)[1], made(400, 1.0, seed + 100)[1], ACCURACY, TARGET).better
        for seed in range(1, 61)
    ]
    assert sum(better) < 20  # about one in six by chance for each of metric and loss


def test_lower_is_better_of_a_loss() -> None:
    rows, weak = made(2000, 1.0, 1)
    strong = made(2000, 2.0, 2)[1]
    assert compare_ensembles(rows, strong, weak, get_metric("log_loss"), TARGET).gain > 0


def test_the_best_of_many_equal_ones_is_worth_no_more_than_one_of_them() -> None:
    rows = made(300, 1.0, 0)[0]
    folds = np.arange(300) % 5
    versions = [made(300, 1.0, seed)[1] for seed in range(1, 41)]
    scores = [ACCURACY.score(rows.labels, version) for version in versions]
    honest = score_after_choice(rows, folds, versions, ACCURACY)
    assert honest < max(scores) - 0.02
    assert abs(honest - np.mean(scores)) < 0.05
    assert score_after_choice(rows, folds, versions[:1], ACCURACY) == scores[0]
