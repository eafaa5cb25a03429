"""Evaluation of scores: classes left out in turn, no unknown image needed."""

import numpy as np
from support.fold_outputs import N_CLASSES, fabricate_outputs

from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.unknown.evaluation import evaluate_scores, group_classes


def test_every_class_is_left_out_once() -> None:
    assert sorted(np.concatenate(list(group_classes(13))).tolist()) == list(range(13))
    assert len(list(group_classes(13))) == 5
    assert len(list(group_classes(3))) == 3
    assert list(group_classes(2)) == []


def test_classes_left_out_are_told_apart_from_those_kept() -> None:
    folds = [fabricate_outputs(seed) for seed in range(2)]
    found = evaluate_scores([outputs for outputs, _ in folds], [labels for _, labels in folds], N_CLASSES)
    assert list(found) == ["max_softmax", "entropy", "energy", "neighbours"]
    assert min(found.values()) > 0.8


def test_features_that_say_nothing_tell_nothing() -> None:
    outputs, labels = fabricate_outputs(0, rows=600)
    mixed = np.random.default_rng(1).permutation(labels)
    assert all(abs(value - 0.5) < 0.08 for value in evaluate_scores([outputs], [mixed], N_CLASSES).values())


def test_probabilities_alone_are_judged_without_the_columns_left_out() -> None:
    outputs, labels = fabricate_outputs(0)
    found = evaluate_scores([FoldOutputs(outputs.probs)], [labels], N_CLASSES)
    assert list(found) == ["max_softmax", "entropy"]
    assert found["max_softmax"] > 0.8
