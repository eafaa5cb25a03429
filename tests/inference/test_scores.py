"""Scores for unknown images: known values by hand."""

from dataclasses import replace

import numpy as np
from support.fold_outputs import fabricate_outputs

from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.unknown.scores import (
    build_bank,
    compute_energy,
    compute_entropy,
    compute_max_softmax,
    compute_neighbour_distance,
    list_scores,
)


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


def test_a_model_has_the_scores_that_it_can_have() -> None:
    outputs, _ = fabricate_outputs(0)
    assert len(list_scores(FoldOutputs(outputs.probs))) == 2
    assert len(list_scores(FoldOutputs(outputs.probs, outputs.logits))) == 3
    assert len(list_scores(outputs)) == 4
