"""Detectors of unknown images: p-values, the choice of a score, and false alarms at the stated rate."""

import numpy as np
from support.fold_outputs import N_CLASSES, WIDTH, fabricate_outputs

from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.unknown.detector import choose_score, compute_p_values, fit_detector


def test_a_p_value_is_the_share_of_known_pictures_that_are_as_strange() -> None:
    known = [np.array([0.0, 1.0, 2.0]), np.array([10.0, 11.0, 12.0])]
    found = compute_p_values(known, [np.array([2.0, 3.0]), np.array([10.5, 13.0])])
    np.testing.assert_allclose(found, [(1 + 1 + 2) / 7, 1 / 7])


def test_known_pictures_are_flagged_at_the_stated_rate() -> None:
    rng = np.random.default_rng(0)
    known = [rng.normal(size=800) for _ in range(5)]
    new = rng.normal(size=4000)
    rate = (compute_p_values(known, [new] * 5) <= 0.05).mean()
    assert 0.035 < rate < 0.065


def test_models_that_differ_flag_fewer_but_never_more_than_twice_the_rate() -> None:
    rng = np.random.default_rng(0)
    known = [rng.normal(size=800) for _ in range(5)]
    shared, own = rng.normal(size=4000), rng.normal(size=(5, 4000))
    rate = (compute_p_values(known, list(np.sqrt(0.8) * shared + np.sqrt(0.2) * own)) <= 0.05).mean()
    assert 0.01 < rate <= 0.1


def test_too_few_pictures_or_classes_fall_back_on_the_simplest_score() -> None:
    outputs, labels = fabricate_outputs(0, rows=24)
    fitted = fit_detector([outputs], [labels], N_CLASSES)
    assert (fitted.aurocs, fitted.score) == ({}, "max_softmax")


def test_the_simplest_of_equal_scores_is_taken() -> None:
    assert choose_score({"max_softmax": 0.8, "energy": 0.8, "neighbours": 0.7}) == "max_softmax"
    assert choose_score({"max_softmax": 0.8, "energy": 0.81}) == "energy"


def test_a_chosen_score_flags_what_lies_elsewhere_and_few_known_pictures() -> None:
    folds = [fabricate_outputs(seed) for seed in range(3)]
    fitted = fit_detector([outputs for outputs, _ in folds], [labels for _, labels in folds], N_CLASSES)
    again, _ = fabricate_outputs(9, rows=600)
    known = fitted.compute_p_values([again] * 3)
    rng = np.random.default_rng(5)
    features = (np.eye(WIDTH)[8 + np.arange(60) % 3] * 3 + rng.normal(0, 0.3, (60, WIDTH))).astype(np.float32)
    logits = features[:, :N_CLASSES]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    strange = fitted.compute_p_values([FoldOutputs(probs, logits, features)] * 3)
    assert (known <= 0.05).mean() < 0.1
    assert (strange <= 0.05).mean() > 0.9
