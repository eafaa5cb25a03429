"""Linear heads: the same minimum as the kept library's, for every kind of target."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn.discriminant_analysis
import sklearn.linear_model
from numpy.typing import NDArray

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import CumulativeGrades, RegressedGrades
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.training.heads.linear_heads import (
    Coefficients,
    LinearRows,
    fit_linear_head,
    list_scaled_outputs,
    list_strengths,
)
from pipeline.training.heads.moments import Matrix, Moments, join_features
from pipeline.training.heads.recipe import DiscriminantHead, LogisticHead, PrototypeHead, RidgeHead, check_head

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 300)
FEATURES = (np.eye(3)[LABELS] @ RANDOM.normal(size=(3, 12)) + RANDOM.normal(size=(300, 12))).astype(np.float32)
FEATURES = FEATURES * np.linspace(0.1, 5, 12, dtype=np.float32) + 3
CLASSES = OneClass(columns=("a", "b", "c"))
GRADES: dict[str, Any] = {"columns": ("0", "1", "2"), "numbers": (0.0, 1.0, 2.0)}
NUMBERS = Numbers(columns=("x", "y"), means=(1.0, 2.0), scales=(0.8, 2.0))
SEVERAL = SeveralTargets(
    columns=("kind:a", "kind:b", "kind:c", "size:x"),
    parts={"kind": CLASSES, "size": Numbers(columns=("x",), means=(1.0,), scales=(0.8,))},
)
MARKS = np.stack([LABELS == 0, LABELS > 0], axis=1).astype(np.float32)
TARGETS: dict[str, tuple[Target, NDArray[Any]]] = {
    "classes": (CLASSES, LABELS),
    "grades": (Grades(**GRADES), LABELS),
    "regressed grades": (RegressedGrades(**GRADES), LABELS),
    "cumulative grades": (CumulativeGrades(**GRADES), LABELS),
    "labels": (SeveralLabels(columns=("p", "q")), MARKS),
    "numbers": (NUMBERS, np.stack([LABELS, 2 * LABELS], axis=1).astype(np.float32)),
    "several": (SEVERAL, np.stack([LABELS, LABELS], axis=1).astype(np.float32)),
}


def rows(target: Target, truth: NDArray[Any], features: Matrix = FEATURES, weights: Matrix | None = None) -> LinearRows:
    joined = join_features([[features]], 1, np.arange(len(features)) % 3, weights)
    moments = joined.measure_moments(frozenset())
    return LinearRows(joined.gather(np.arange(len(features))), truth, target, moments, weights)


def standardised(features: Matrix = FEATURES) -> Matrix:
    return np.asarray((features - features.mean(axis=0)) / features.std(axis=0))


def outputs(fit: Coefficients, part: LinearRows) -> Matrix:
    return part.multiply(fit.weights) + fit.intercepts


def test_logistic_regression_finds_the_minimum_of_the_kept_library() -> None:
    part, penalty = rows(CLASSES, LABELS), 0.001
    made = fit_linear_head(LogisticHead(name="logistic"), part, penalty, None)
    strength = 1 / (penalty * 12 * len(LABELS))
    known = sklearn.linear_model.LogisticRegression(C=strength, tol=1e-8, max_iter=1000).fit(standardised(), LABELS)
    probs = CLASSES.from_outputs(outputs(made, part))
    assert np.abs(probs - known.predict_proba(standardised())).max() < 0.02
    assert np.abs(made.weights - known.coef_.T).max() < 0.05


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    part, head = rows(CLASSES, LABELS), LogisticHead(name="logistic")
    strong = fit_linear_head(head, part, 0.01, None)
    cold, warm = (fit_linear_head(head, part, 0.003, start) for start in (None, strong))
    assert np.abs(CLASSES.from_outputs(outputs(cold, part)) - CLASSES.from_outputs(outputs(warm, part))).max() < 0.02


def test_ridge_is_the_kept_librarys() -> None:
    target, truth = TARGETS["numbers"]
    part = rows(target, truth)
    made = fit_linear_head(RidgeHead(name="ridge"), part, 0.01, None)
    wanted = target.make_targets(truth)
    known = sklearn.linear_model.Ridge(alpha=0.01 * 12 * len(LABELS)).fit(standardised(), wanted)
    assert np.allclose(outputs(made, part), known.predict(standardised()), atol=1e-3)


def test_the_discriminant_decides_as_the_kept_librarys() -> None:
    part = rows(CLASSES, LABELS)
    made = fit_linear_head(DiscriminantHead(name="discriminant"), part, 0.05, None)
    known = sklearn.discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05)
    decided = known.fit(standardised(), LABELS).predict(standardised())
    assert (outputs(made, part).argmax(axis=1) == decided).mean() > 0.98


def test_prototypes_choose_the_nearest_mean() -> None:
    even = np.concatenate([np.flatnonzero(label == LABELS)[:80] for label in range(3)])  # the shares decide nothing
    part = rows(CLASSES, LABELS[even], FEATURES[even])
    made = fit_linear_head(PrototypeHead(name="prototypes"), part, 0.0, None)
    standard = standardised(FEATURES[even])
    means = np.stack([standard[LABELS[even] == label].mean(axis=0) for label in range(3)])
    nearest = ((standard[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(outputs(made, part).argmax(axis=1), nearest)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("head", [LogisticHead(name="logistic"), RidgeHead(name="ridge")], ids=lambda head: head.name)
def test_every_kind_of_target_is_learnt(kind: str, head: LogisticHead | RidgeHead) -> None:
    target, truth = TARGETS[kind]
    part = rows(target, truth)
    made = outputs(fit_linear_head(head, part, 1e-3, None), part)
    scale = 5.0 if isinstance(head, RidgeHead) else 1.0
    made = np.where(list_scaled_outputs(target), made * scale, made)
    same = np.repeat(made.mean(axis=0, keepdims=True), len(made), axis=0)
    assert made.shape == (300, target.n_outputs)
    learnt, idle = (target.measure_output_losses(truth, each).mean() for each in (made, same))
    assert learnt < 0.75 * idle


def test_a_class_without_rows_stays_possible() -> None:
    four = OneClass(columns=("a", "b", "c", "d"))
    for head in (
        LogisticHead(name="logistic"),
        DiscriminantHead(name="discriminant"),
        PrototypeHead(name="prototypes"),
    ):
        made = outputs(fit_linear_head(head, rows(four, LABELS), list_strengths(head)[0], None), rows(four, LABELS))
        assert np.isfinite(made).all()


@pytest.mark.parametrize("kind", ["labels", "numbers", "several", "regressed grades"])
def test_a_head_of_classes_is_refused_where_there_are_none(kind: str) -> None:
    for head in (DiscriminantHead(name="discriminant"), PrototypeHead(name="prototypes")):
        with pytest.raises(InputError, match=f"head.name: {head.name} is for one class"):
            check_head(head, TARGETS[kind][0])


def test_strengths_are_positive() -> None:
    with pytest.raises(InputError, match=r"penalties\.0.*greater than 0"):
        parse({"name": "logistic", "penalties": [0.0]}, LogisticHead, "a test")


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("head", [LogisticHead(name="logistic"), RidgeHead(name="ridge")])
def test_a_row_of_weight_two_is_a_row_that_stands_there_twice(name: str, head: LogisticHead | RidgeHead) -> None:
    target, truth = TARGETS[name]
    twice = np.concatenate([np.arange(300), np.arange(100)])
    shift, unit = FEATURES.mean(axis=0), FEATURES.std(axis=0)
    weights = np.where(np.arange(300) < 100, np.float32(2), np.float32(1))
    made = fit_linear_head(head, rows(target, truth, weights=weights), 0.001, None)
    joined = join_features([[FEATURES]], 1, np.zeros(300, dtype=np.int64))
    features = joined.gather(twice)
    moments = join_features([[FEATURES[twice]]], 1, np.zeros(400, dtype=np.int64)).measure_moments(frozenset())
    again = LinearRows(features, truth[twice], target, _bring(moments, (shift, unit), FEATURES[twice]))
    repeated = fit_linear_head(head, again, 0.001, None)
    np.testing.assert_allclose(made.weights, repeated.weights, atol=0.01)
    np.testing.assert_allclose(made.intercepts, repeated.intercepts, atol=0.01)


def _bring(moments: Moments, to: tuple[Matrix, Matrix], features: Matrix) -> Moments:
    """Moments of features as another set of rows standardises them."""
    brought = (features - to[0]) / to[1]
    return replace(moments, mean=brought.mean(axis=0), scale=brought.std(axis=0))
