"""Decision rules for metrics of decisions that the plain ones do not maximise: thresholds by another name.

A rule turns predictions into others whose plain decision is the fitted one, so that whoever takes predictions needs to
know nothing of it: classes get factors, labels a shift of their log-odds, grades thresholds on the expected grade,
numbers the range that was seen, several targets each its own.
Reference: Lipton et al. 2014, Optimal thresholding of classifiers to maximize F1 measure, https://arxiv.org/abs/1402.1892
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Truth, Values
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.ensemble.combiners.contract import normalise_rows
from pipeline.ensemble.thresholds import (
    apply_grade_thresholds,
    apply_label_thresholds,
    fit_common_threshold,
    fit_grade_thresholds,
    fit_label_thresholds,
)

CLASS_FACTORS, NEW_CLASS, TEST_SHARES, COMMON_THRESHOLD, LABEL_THRESHOLDS, GRADE_THRESHOLDS, RANGE = (
    "class_factors",
    "new_class",
    "test_shares",
    "common_threshold",
    "label_thresholds",
    "grade_thresholds",
    "range",
)
_FACTORS = np.exp(np.linspace(-1.5, 1.5, 13))
_NEW_FACTORS = np.exp(np.linspace(-5, 5, 41))
_PASSES, _LEADING = 4, 20
_AND, _NONE = " + ", "none"  # between the rules of several targets; the target that has none
_BY_ARGMAX = ("accuracy", "micro_f1")  # of true probabilities the largest is the best label
Fit = Callable[[Truth, Values], NDArray[np.float64]]


@dataclass(frozen=True)
class Decision:
    """A fitted rule.

    Attributes:
        rule: its name; of several targets those of all, with ` + ` between them.
        target: what is predicted.
        numbers: one factor per class, one threshold per label, one per step between grades, or the least and the most
            of each number.
    """

    rule: str
    target: Target
    numbers: NDArray[np.float64]

    def __call__(self, values: Values) -> Values:
        """Turns predictions into those whose plain decision is the rule's."""
        if self.rule in (COMMON_THRESHOLD, LABEL_THRESHOLDS):
            return apply_label_thresholds(self.target, values, self.numbers)
        if self.rule == GRADE_THRESHOLDS and isinstance(self.target, Grades):
            return apply_grade_thresholds(self.target, values, self.numbers)
        if isinstance(self.target, SeveralTargets):
            parts = _split_rule(self.rule, self.target)
            moved, place = values.copy(), 0
            for rule, part, columns, count in parts:
                if count:
                    own = Decision(rule, part, self.numbers[place : place + count])
                    moved[:, columns], place = own(values[:, columns]), place + count
            return moved
        if self.rule == RANGE:
            least, most = self.numbers.reshape(2, -1).astype(np.float32)
            return np.clip(values, least, most)
        return apply_class_factors(values, self.numbers)

    def name_numbers(self) -> dict[str, float]:
        """Names the numbers for the ensemble's card."""
        return dict(zip(_list_names(self.rule, self.target), self.numbers.tolist(), strict=True))


def read_decision(rule: str, target: Target, numbers: dict[str, float]) -> Decision | None:
    """Makes the rule of a card again; None where it has none."""
    if not numbers:
        return None
    return Decision(rule, target, np.array([numbers[name] for name in _list_names(rule, target)]))


def _split_rule(rule: str, target: SeveralTargets) -> list[tuple[str, Target, slice, int]]:
    """Splits the rule of several targets: the rule of each, the target, its columns, and how many numbers it has."""
    rules = rule.split(_AND)
    return [
        (own, part, columns, 0 if own == _NONE else len(_list_names(own, part)))
        for own, (_, part, columns, _) in zip(rules, target.each(), strict=True)
    ]


def _list_names(rule: str, target: Target) -> Sequence[str]:
    if isinstance(target, SeveralTargets):
        parts = zip(target.each(), rule.split(_AND), strict=True)
        return [f"{name}:{each}" for (name, part, *_), own in parts if own != _NONE for each in _list_names(own, part)]
    if rule == GRADE_THRESHOLDS:
        return [f"{grade} or higher" for grade in target.columns[1:]]
    if rule == RANGE:
        return [f"{name} {end}" for end in ("least", "most") for name in target.columns]
    return target.columns


def list_rules(target: Target, metric: Metric, new: str | None = None) -> Iterator[tuple[str, Fit]]:
    """Yields the rules that may raise a metric, the simplest first: name, and what fits it to truth and predictions.

    Argmax of true probabilities is the best label for accuracy, and no decision matters to a metric of probabilities.

    Args:
        target: what is predicted.
        metric: what is raised.
        new: the class that stands for "none of the others" in ranked lists, if there is one.
    """
    if isinstance(target, SeveralTargets):
        yield from _join_rules(target, metric)
        return
    decides = metric.wants == "label"
    if isinstance(target, SeveralLabels) and decides:
        yield COMMON_THRESHOLD, lambda truth, values: fit_common_threshold(target, truth, values, metric)
        yield LABEL_THRESHOLDS, lambda truth, values: fit_label_thresholds(target, truth, values, metric)
    if isinstance(target, Numbers):
        yield RANGE, lambda truth, values: np.concatenate([truth.min(axis=0), truth.max(axis=0)]).astype(np.float64)
    if isinstance(target, OneClass) and new in target.columns and metric.rows is not None:
        place = target.columns.index(new)
        yield NEW_CLASS, lambda truth, values: fit_new_factor(truth, values, metric, place)
    elif isinstance(target, OneClass) and decides and metric.name not in _BY_ARGMAX:
        if isinstance(target, Grades):
            yield GRADE_THRESHOLDS, lambda truth, values: fit_grade_thresholds(target, truth, values, metric)
        yield CLASS_FACTORS, lambda truth, values: fit_class_factors(target.index_labels(truth), values, metric)


def _join_rules(target: SeveralTargets, metric: Metric) -> Iterator[tuple[str, Fit]]:
    """Yields the rule that takes the first one of each target, fitted to its own metric; none where none has one."""
    if not metric.parts:
        return
    parts = list(target.each())
    rules = [next(list_rules(part, own), (_NONE, None)) for (_, part, *_), own in zip(parts, metric.parts, strict=True)]

    def fit(truth: Truth, values: Values) -> NDArray[np.float64]:
        found = [
            fit_part(part.take_truth(truth[:, width]), values[:, columns])
            for (_, fit_part), (_, part, columns, width) in zip(rules, parts, strict=True)
            if fit_part is not None
        ]
        return np.concatenate(found)

    if any(name != _NONE for name, _ in rules):
        yield _AND.join(name for name, _ in rules), fit


def fit_class_factors(labels: Labels, probs: Probs, metric: Metric) -> NDArray[np.float64]:
    """Returns factors of the classes that raise a metric: (n_classes,), their geometric mean 1.

    Starts from equal factors or from one over the class frequencies, whichever scores better, and tries a grid of
    factors for one class after the other; a change must raise the score.

    Args:
        labels: (n_samples,) class indices.
        probs: (n_samples, n_classes) probabilities.
        metric: what is raised.
    """
    sign = 1 if metric.greater_is_better else -1
    n_classes = probs.shape[1]
    counts = np.maximum(np.bincount(labels, minlength=n_classes), 1)
    starts = [np.ones(n_classes), len(labels) / (n_classes * counts)]

    def score(factors: NDArray[np.float64]) -> float:
        return sign * metric.score(labels, apply_class_factors(probs, factors))

    best, factors = max(((score(start), start) for start in starts), key=lambda pair: pair[0])
    for _ in range(_PASSES):
        before = best
        for column in range(n_classes):
            for factor in _FACTORS:
                tried = factors.copy()
                tried[column] *= factor
                reached = score(tried)
                if reached > best + 1e-12:
                    best, factors = reached, tried
        if best == before:
            break
    result: NDArray[np.float64] = factors / np.exp(np.log(factors).mean())
    return result


def apply_class_factors(probs: Probs, factors: NDArray[np.float64]) -> Probs:
    """Multiplies each class by its factor and divides rows by their sums."""
    return normalise_rows(probs * factors)


def fit_new_factor(labels: Labels, probs: Probs, metric: Metric, new: int) -> NDArray[np.float64]:
    """Returns the factor of one class that raises a metric of ranks, the others' 1: (n_classes,).

    A factor moves that class through the list of each row, whose first classes are all that counts: with thousands of
    classes the twenty most probable ones, the row's own and the new one are looked at.

    Args:
        labels: (n_samples,) class indices.
        probs: (n_samples, n_classes) probabilities.
        metric: a mean over rows of what depends on the order of a row's classes.
        new: index of that class.
    """
    rows, column = np.arange(len(labels)), new
    seen, own = probs, labels
    if probs.shape[1] > _LEADING + 2:
        others = probs.copy()
        others[:, new] = others[rows, labels] = -1
        leading = np.argpartition(-others, _LEADING, axis=1)[:, :_LEADING]
        itself = np.where(labels == new, np.float32(0), probs[rows, labels])
        seen = np.concatenate([probs[:, [new]], np.take_along_axis(probs, leading, axis=1), itself[:, None]], axis=1)
        own, column = np.where(labels == new, 0, _LEADING + 1), 0
    sign, middle = 1 if metric.greater_is_better else -1, len(_NEW_FACTORS) // 2
    scores = []
    for factor in _NEW_FACTORS:
        moved = seen.copy()
        moved[:, column] *= np.float32(factor)
        scores.append(sign * metric.score(own, moved))
    best = np.flatnonzero(np.asarray(scores) >= max(scores) - 1e-12)
    factors = np.ones(probs.shape[1])
    factors[new] = _NEW_FACTORS[best[np.argmin(np.abs(best - middle))]]  # of equals the one that changes least
    return factors
