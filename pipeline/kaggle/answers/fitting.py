"""Pooling of units and threshold of what is new: all that answers need beside predictions, fitted out-of-fold."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.core.answers import RankedSubmission, Submission
from pipeline.core.arrays import Labels, Truth, Values
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.kaggle.answers.contract import AnswerRule
from pipeline.kaggle.answers.new_class import fit_new_threshold
from pipeline.kaggle.answers.parts import find_length
from pipeline.kaggle.answers.pooling import (
    Pooled,
    Pooling,
    choose_pooling,
    choose_pooling_by_piece,
    join_pooled,
    list_pieces,
    list_poolings,
    pool_each,
    pool_truth,
)

Folds = frozenset[int]


@dataclass(frozen=True)
class ScoredRows:
    """Out-of-fold predictions and what is true, aligned.

    Attributes:
        truth: (n,) class indices or (n, truth_width).
        values: (n, n_columns).
        folds: (n,) the fold that validated each row.
        units: (n,) the unit of each image; empty texts where images stand alone.
    """

    truth: Truth
    values: Values
    folds: Labels
    units: tuple[str, ...]


def fit_rule(
    section: Submission, sample: pd.DataFrame, target: Target, metric: Metric, scored: ScoredRows
) -> tuple[AnswerRule, float]:
    """Fits what a form of answers needs, and scores the answers.

    Args:
        section: the form.
        sample: the sample submission, as text.
        target: what is predicted.
        metric: the competition's.
        scored: out-of-fold predictions.

    Returns:
        The rule, and the score of images, or of units whose pooling was chosen on the other folds.
    """
    pooling: Pooling = "mean"
    score = None
    if section.unit is not None:
        names = list_poolings(target, section.unit.pooling)
        if all(scored.units):
            pooling, score = _PoolingChoice(target, metric, scored, names).fit()
        elif section.unit.pooling is not None:
            pooling = names[len(names) // 2]
    threshold = 0.0
    if isinstance(section, RankedSubmission) and section.new is not None and section.new not in target.columns:
        labels = target.make_targets(scored.truth).argmax(axis=1) if not isinstance(target, OneClass) else scored.truth
        k = find_length(section, sample[section.label].tolist())
        threshold, _ = fit_new_threshold(scored.values, labels, k, section.new_share)
    return AnswerRule(pooling, threshold), metric.score(scored.truth, scored.values) if score is None else score


class _PoolingChoice:
    """The choice of a pooling on some folds: one for all columns, or one for each piece where other folds bear it out.

    Every choice is made on folds that it is not scored on; folds keep a unit together. Where one fold is left out
    already, its four neighbours are left out in turn beside it, and two neighbours share what the other folds choose:
    the cost grows with the folds, not with their square, and up to five folds are each other's neighbours.
    """

    def __init__(self, target: Target, metric: Metric, scored: ScoredRows, names: Sequence[str]) -> None:
        """Pools in every way."""
        self._target = target
        self._metric = metric
        self._truth = pool_truth(target, scored.truth, scored.units)
        self._pooled = pool_each(scored.values, scored.units, names)
        folds = dict(zip(scored.units, scored.folds.tolist(), strict=True))
        self._folds = np.array(list(folds.values()))
        self._may_differ = len(names) > 1 and len(list_pieces(target)) > 1
        self._known: dict[tuple[Folds, bool], Pooling] = {}

    def fit(self) -> tuple[Pooling, float]:
        """Chooses on all folds; the score is that of choices on the other folds, if there are any."""
        folds = frozenset(self._folds.tolist())
        chosen = self._choose(folds)
        if len(folds) == 1:
            return chosen, self._metric.score(self._truth, join_pooled(self._target, self._pooled, chosen))
        return chosen, self._cross_score(self._choose, folds)

    def _choose(self, folds: Folds) -> Pooling:
        if not self._may_differ or len(folds) == 1:
            return self._choose_one(folds)
        held = self._list_held(folds)
        one, each = (self._cross_score(choose, folds, held) for choose in (self._choose_one, self._choose_each))
        return self._choose_each(folds) if self._metric.better(each, one) else self._choose_one(folds)

    def _list_held(self, folds: Folds) -> Folds:
        """Lists the folds that a choice is judged on: all, or the neighbours of the one that is left out already."""
        ring = sorted(set(self._folds.tolist()))
        left = [place for place, fold in enumerate(ring) if fold not in folds]
        if not left:
            return folds
        near = {ring[(left[0] + step) % len(ring)] for step in (-2, -1, 1, 2)}
        return folds & near

    def _cross_score(self, choose: Callable[[Folds], Pooling], folds: Folds, held: Folds | None = None) -> float:
        truths, values = [], []
        for fold in sorted(folds if held is None else held):
            truth, pooled = self._take({fold})
            truths.append(truth)
            values.append(join_pooled(self._target, pooled, choose(folds - {fold})))
        return self._metric.score(np.concatenate(truths), np.concatenate(values))

    def _choose_one(self, folds: Folds) -> Pooling:
        if (folds, False) not in self._known:
            self._known[folds, False] = choose_pooling(self._target, self._metric, *self._take(folds))[0]
        return self._known[folds, False]

    def _choose_each(self, folds: Folds) -> Pooling:
        if (folds, True) not in self._known:
            self._known[folds, True] = choose_pooling_by_piece(self._target, self._metric, *self._take(folds))
        return self._known[folds, True]

    def _take(self, folds: Set[int]) -> tuple[Truth, Pooled]:
        rows = np.isin(self._folds, list(folds))
        return self._truth[rows], {name: values[rows] for name, values in self._pooled.items()}
