"""Every metric against values worked by hand."""

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk
from support.fabricated import random_probs
from support.kinds import TARGETS, draw_truth, make_outputs

from pipeline.core.errors import InputError
from pipeline.core.measures.class_metrics import METRICS
from pipeline.core.measures.metric import MetricOptions
from pipeline.core.metrics import WEIGHTED, get_metric, list_metrics_for

LABELS = np.array([0, 0, 1, 2])
PROBS = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.25, 0.5, 0.25]], dtype=np.float32)
# argmax: 0 1 1 1

BY_HAND = {
    "accuracy": 2 / 4,
    "log_loss": -(log(0.5) + log(0.2) + log(0.8) + log(0.25)) / 4,
    # class 0: precision 1, recall 1/2 -> 2/3; class 1: precision 1/3, recall 1 -> 1/2; class 2: 0
    "macro_f1": (2 / 3 + 1 / 2 + 0) / 3,
    "balanced_accuracy": (1 / 2 + 1 + 0) / 3,
    # each class against the rest, pairs in the right order (a tie counts half), averaged over the classes:
    # class 0: .5, .2 over .1, .25: 3 of 4; class 1: .8 over .3, .5, .5: 3 of 3; class 2: .25 over .2, .3, .1: 2 of 3
    "roc_auc": (3 / 4 + 1 + 2 / 3) / 3,
    # squared distances: observed 0 + 1 + 0 + 1 = 2; expected from the margins true (2, 1, 1) and predicted (1, 3, 0):
    # (0,1): 2*3/4 * 1, (1,0): 1*1/4 * 1, (2,0): 1*1/4 * 4, (2,1): 1*3/4 * 1 -> 3.5
    "quadratic_kappa": 1 - 2 / 3.5,
    "micro_f1": 2 / 4,
    "weighted_f1": (2 / 3 * 2 + 1 / 2 * 1 + 0) / 4,
    # right 2 of 4; sum of true x predicted counts 2*1 + 1*3 + 1*0 = 5: (2*4 - 5) / sqrt((16 - 10) * (16 - 6))
    "matthews": 3 / 60**0.5,
    # squared distances to the one-hot class: .38, .98, .06, .875
    "brier": (0.38 + 0.98 + 0.06 + 0.875) / 4,
    # class 0: .5 first, then .25 (not it), .2: precisions 1, 2/3; class 1: .8 first: 1; class 2: .3 (not it), .25: 1/2
    "average_precision": ((1 + 2 / 3) / 2 + 1 + 1 / 2) / 3,
    # confidences .5 right, .5 wrong, .8 right, .5 wrong: .8 right (1/1), .5 right (2/2), then two wrong ones; 4 rows
    "gap": (1 + 1) / 4,
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_equals_the_value_worked_by_hand(name: str) -> None:
    assert get_metric(name).score(LABELS, PROBS) == pytest.approx(BY_HAND[name], abs=1e-6)


@pytest.mark.parametrize(("k", "expected"), [(1, 2 / 4), (2, 3 / 4), (3, 1.0), (9, 1.0)])
def test_top_k_accuracy_equals_the_value_worked_by_hand(k: int, expected: float) -> None:
    # ranks of the true class, ties to the later one: 1, 3, 1, and 2 (0.25 at class 2 before 0.25 at class 0)
    assert get_metric("top_k_accuracy", k).score(LABELS, PROBS) == pytest.approx(expected)


def test_losses_alone_are_better_when_lower() -> None:
    assert {name for name, metric in METRICS.items() if not metric.greater_is_better} == {"log_loss", "brier"}
    assert get_metric("log_loss").better(0.1, 0.2)
    assert not get_metric("accuracy").better(0.1, 0.2)
    assert get_metric("top_k_accuracy", 3).better(0.3, 0.2)


def test_equal_scores_beat_each_other_in_no_direction() -> None:
    assert not get_metric("log_loss").better(0.2, 0.2)
    assert not get_metric("accuracy").better(0.2, 0.2)


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "top_k_accuracy"])
def test_what_the_rows_add_averages_to_the_score(name: str) -> None:
    metric = get_metric(name, 3 if name == "top_k_accuracy" else None)
    labels, probs = np.random.default_rng(0).integers(0, 7, 500), random_probs(500, 7, seed=1)
    assert metric.rows is not None
    assert metric.rows(labels, probs).mean() == pytest.approx(metric.score(labels, probs), abs=1e-9)


def test_a_certain_mistake_costs_a_finite_log_loss_by_rows_and_as_a_whole() -> None:
    metric, probs = get_metric("log_loss"), np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert metric.rows is not None
    assert metric.score(np.array([1, 1]), probs) == pytest.approx(metric.rows(np.array([1, 1]), probs).mean())
    assert np.isfinite(metric.score(np.array([1, 1]), probs))


@pytest.mark.parametrize("n_classes", [2, 7])
def test_log_loss_is_that_of_scikit_learn_to_the_bit(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    labels, probs = rng.integers(0, n_classes, 500), rng.dirichlet(np.full(n_classes, 0.1), 500).astype(np.float32)
    double = probs.astype(np.float64)
    double /= double.sum(axis=1, keepdims=True)
    assert get_metric("log_loss").score(labels, probs) == sk.log_loss(labels, double, labels=range(n_classes))


def test_two_classes_are_scored_like_many() -> None:
    labels = np.array([0, 1, 1])
    probs = np.array([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], dtype=np.float32)
    assert get_metric("roc_auc").score(labels, probs) == pytest.approx(1 / 2)  # 0.4 above 0.3, below 0.8
    assert get_metric("top_k_accuracy", 1).score(labels, probs) == pytest.approx(2 / 3)
    assert get_metric("top_k_accuracy", 2).score(labels, probs) == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_the_rows_changes_no_score(name: str) -> None:
    labels, probs = np.arange(300) % 4, random_probs(300, 4, seed=2)
    order = np.random.default_rng(3).permutation(300)
    metric = get_metric(name)
    assert metric.score(labels[order], probs[order]) == pytest.approx(metric.score(labels, probs), abs=1e-12)


def test_a_prediction_that_is_right_everywhere_scores_best() -> None:
    labels = np.arange(30) % 3
    probs: NDArray[np.float32] = np.eye(3, dtype=np.float32)[labels]
    scores = {name: metric.score(labels, probs) for name, metric in METRICS.items()}
    assert scores.pop("log_loss") == pytest.approx(0, abs=1e-9)
    assert scores.pop("brier") == 0
    assert set(scores.values()) == {1.0}


def test_permuted_labels_score_at_chance() -> None:
    labels = np.arange(4000) % 4
    probs = (np.eye(4)[np.random.default_rng(4).permutation(labels)] * 0.7 + 0.075).astype(np.float32)
    assert get_metric("accuracy").score(labels, probs) == pytest.approx(1 / 4, abs=0.03)
    assert get_metric("roc_auc").score(labels, probs) == pytest.approx(1 / 2, abs=0.03)
    assert get_metric("quadratic_kappa").score(labels, probs) == pytest.approx(0, abs=0.05)


def test_roc_auc_without_a_row_of_some_class_is_refused() -> None:
    with pytest.raises(InputError, match=r"roc_auc needs every class.*\[2\]"):
        get_metric("roc_auc").score(np.array([0, 1]), PROBS[:2])


def test_quadratic_kappa_of_one_class_alone_is_refused() -> None:
    with pytest.raises(InputError, match=r"quadratic_kappa needs two classes.*index 1"):
        get_metric("quadratic_kappa").score(np.array([1, 1]), PROBS[[1, 2]])


def test_macro_f1_counts_an_absent_class_as_zero_without_a_warning() -> None:
    assert get_metric("macro_f1").score(np.array([0, 1]), PROBS[[0, 2]]) == pytest.approx(2 / 3)


def test_an_unknown_metric_names_the_near_ones() -> None:
    with pytest.raises(InputError, match=r"'acuracy' is unknown; did you mean .*accuracy"):
        get_metric("acuracy")


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(n_classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(n_classes), random.integers(0, n_classes, 60)])
    probs = random.dirichlet(np.ones(n_classes), len(labels)).round(1).astype(np.float32) + np.float32(0.01)
    probs /= probs.sum(axis=1, keepdims=True)
    predicted = probs.argmax(axis=1)
    area = (
        sk.roc_auc_score(labels, probs[:, 1])
        if n_classes == 2
        else np.mean([sk.roc_auc_score(labels == column, probs[:, column]) for column in range(n_classes)])
    )
    wanted = {
        "macro_f1": sk.f1_score(labels, predicted, average="macro", labels=range(n_classes), zero_division=0),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "quadratic_kappa": sk.cohen_kappa_score(labels, predicted, weights="quadratic"),
        "roc_auc": area,
    }
    for name, value in wanted.items():
        assert get_metric(name).score(labels, probs) == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("kind", [kind for kind in TARGETS if kind != "several_targets"])
def test_weights_change_the_metrics_that_are_said_to_weigh_and_no_other(kind: str) -> None:
    target, random = TARGETS[kind], np.random.default_rng(0)
    truth = draw_truth(target, 60, random)
    outputs = make_outputs(target, truth)
    values = target.from_outputs(outputs + random.normal(size=outputs.shape) * np.arange(1, outputs.shape[1] + 1))
    plain = list_metrics_for(target, MetricOptions(beta=2.0))
    weighted = list_metrics_for(target, MetricOptions(beta=2.0, weights={target.columns[0]: 5.0}))
    apart = ("probabilistic_f1", "partial_roc_auc", "weighted_roc_auc", "rmsle")  # of two classes, of numbers above 0
    judging = [name for name in plain if name not in apart]
    changed = {name for name in judging if weighted[name].score(truth, values) != plain[name].score(truth, values)}
    assert changed == set(WEIGHTED.get(kind, ()))


def test_a_weight_of_no_class_is_refused_before_anything_is_scored() -> None:
    for kind in ("one_class", "grades"):
        with pytest.raises(InputError, match=r"metric.weights names 'zebra'; known: "):
            get_metric("macro_recall", target=TARGETS[kind], options=MetricOptions(weights={"zebra": 3.0}))
