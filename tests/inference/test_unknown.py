"""Scores of "none of these classes": known values, p-values, and a choice that needs no unknown picture."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.unknown.detector import choose_score, compute_p_values, fit_detector
from pipeline.inference.unknown.evaluation import evaluate_scores, group_classes
from pipeline.inference.unknown.last_layer import fit_last_layer
from pipeline.inference.unknown.scores import (
    build_bank,
    compute_energy,
    compute_entropy,
    compute_max_softmax,
    compute_neighbour_distance,
    list_scores,
)

N_CLASSES, WIDTH = 6, 12


def fold(seed: int, rows: int = 240, noise: float = 0.6) -> tuple[FoldOutputs, NDArray[np.int64]]:
    """Rows of six classes whose features lie around six directions, and what a linear layer says of them."""
    rng = np.random.default_rng(seed)
    centres = np.eye(WIDTH)[:N_CLASSES] * 3
    labels = np.arange(rows) % N_CLASSES
    features = (centres[labels] + rng.normal(0, noise, (rows, WIDTH))).astype(np.float32)
    logits = (features @ centres.T / 3).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return FoldOutputs(probs, logits, features), labels


def test_the_scores_are_what_is_worked_out_by_hand() -> None:
    outputs = FoldOutputs(
        np.array([[0.5, 0.5], [1.0, 0.0]], np.float32), np.array([[0.0, 0.0], [3.0, -50.0]], np.float32)
    )
    np.testing.assert_allclose(compute_max_softmax(outputs), [0.5, 0.0])
    np.testing.assert_allclose(compute_entropy(outputs), [np.log(2), 0.0])
    np.testing.assert_allclose(compute_energy(outputs), [-np.log(2), -3.0], rtol=1e-6)


def test_a_pictures_distance_is_that_to_its_kth_neighbour_in_direction() -> None:
    bank = build_bank(np.array([[1, 0], [0, 1], [-1, 0], [0, -2]], np.float32), n_classes=1)
    outputs = FoldOutputs(np.ones((1, 1), np.float32), None, np.array([[5, 0]], np.float32))
    assert bank.neighbours == 2
    np.testing.assert_allclose(compute_neighbour_distance(outputs, bank), [np.sqrt(2)], rtol=1e-6)


def test_a_picture_of_the_bank_is_no_neighbour_of_itself() -> None:
    features = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    bank = replace(build_bank(features, n_classes=3), neighbours=1)
    outputs = FoldOutputs(np.ones((3, 1), np.float32), None, features)
    np.testing.assert_allclose(compute_neighbour_distance(outputs, bank), 0, atol=1e-3)
    np.testing.assert_allclose(compute_neighbour_distance(outputs, bank, own=True), np.sqrt(2), rtol=1e-6)


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


def test_every_class_is_left_out_once() -> None:
    assert sorted(np.concatenate(list(group_classes(13))).tolist()) == list(range(13))
    assert len(list(group_classes(13))) == 5
    assert len(list(group_classes(3))) == 3
    assert list(group_classes(2)) == []


def test_classes_left_out_are_told_apart_from_those_kept() -> None:
    folds = [fold(seed) for seed in range(2)]
    found = evaluate_scores([outputs for outputs, _ in folds], [labels for _, labels in folds], N_CLASSES)
    assert list(found) == ["max_softmax", "entropy", "energy", "neighbours"]
    assert min(found.values()) > 0.8


def test_features_that_say_nothing_tell_nothing() -> None:
    outputs, labels = fold(0, rows=600)
    mixed = np.random.default_rng(1).permutation(labels)
    assert all(abs(value - 0.5) < 0.08 for value in evaluate_scores([outputs], [mixed], N_CLASSES).values())


def test_probabilities_alone_are_judged_without_the_columns_left_out() -> None:
    outputs, labels = fold(0)
    found = evaluate_scores([FoldOutputs(outputs.probs)], [labels], N_CLASSES)
    assert list(found) == ["max_softmax", "entropy"]
    assert found["max_softmax"] > 0.8


def test_too_few_pictures_or_classes_fall_back_on_the_simplest_score() -> None:
    outputs, labels = fold(0, rows=24)
    fitted = fit_detector([outputs], [labels], N_CLASSES)
    assert (fitted.aurocs, fitted.score) == ({}, "max_softmax")


def test_the_simplest_of_equal_scores_is_taken() -> None:
    assert choose_score({"max_softmax": 0.8, "energy": 0.8, "neighbours": 0.7}) == "max_softmax"
    assert choose_score({"max_softmax": 0.8, "energy": 0.81}) == "energy"


def test_a_chosen_score_flags_what_lies_elsewhere_and_few_known_pictures() -> None:
    folds = [fold(seed) for seed in range(3)]
    fitted = fit_detector([outputs for outputs, _ in folds], [labels for _, labels in folds], N_CLASSES)
    again, _ = fold(9, rows=600)
    known = fitted.compute_p_values([again] * 3)
    rng = np.random.default_rng(5)
    features = (np.eye(WIDTH)[8 + np.arange(60) % 3] * 3 + rng.normal(0, 0.3, (60, WIDTH))).astype(np.float32)
    logits = features[:, :N_CLASSES]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    strange = fitted.compute_p_values([FoldOutputs(probs, logits, features)] * 3)
    assert (known <= 0.05).mean() < 0.1
    assert (strange <= 0.05).mean() > 0.9


def test_a_model_has_the_scores_that_it_can_have() -> None:
    outputs, _ = fold(0)
    assert len(list_scores(FoldOutputs(outputs.probs))) == 2
    assert len(list_scores(FoldOutputs(outputs.probs, outputs.logits))) == 3
    assert len(list_scores(outputs)) == 4


def test_the_last_layer_finds_what_separates_classes() -> None:
    outputs, labels = fold(0)
    assert outputs.features is not None
    layer = fit_last_layer(outputs.features, labels, N_CLASSES, smoothing=0.0)
    assert (layer.compute_logits(outputs.features).argmax(axis=1) == labels).mean() > 0.99


def test_smoothed_labels_keep_the_last_layer_from_being_too_sure() -> None:
    outputs, labels = fold(0)
    assert outputs.features is not None
    sure = [
        softmax(
            fit_last_layer(outputs.features, labels, N_CLASSES, smoothing).compute_logits(outputs.features), axis=1
        ).max(axis=1)
        for smoothing in (0.0, 0.3)
    ]
    assert sure[0].mean() > 0.9
    assert abs(sure[1].mean() - (0.7 + 0.3 / N_CLASSES)) < 0.05
