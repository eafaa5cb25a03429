"""Pooling of units and threshold of what is new: all that answers need beside predictions, fitted out-of-fold."""

from collections.abc import Callable, Sequence
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
    Pooling,
    choose_pooling,
    choose_pooling_by_piece,
    list_pieces,
    list_poolings,
    pool_truth,
    pool_values,
)

Choose = Callable[[Target, Metric, Truth, Values, Sequence[str], Sequence[str]], tuple[Pooling, float]]


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
            pooling, score = _choose_nested(target, metric, scored, names, choose_pooling)
            if len(names) > 1 and len(list_pieces(target)) > 1:
                by_piece, reached = _choose_nested(target, metric, scored, names, choose_pooling_by_piece)
                pooling, score = (by_piece, reached) if metric.better(reached, score) else (pooling, score)
        elif section.unit.pooling is not None:
            pooling = names[len(names) // 2]
    threshold = 0.0
    if isinstance(section, RankedSubmission) and section.new is not None and section.new not in target.columns:
        labels = target.make_targets(scored.truth).argmax(axis=1) if not isinstance(target, OneClass) else scored.truth
        k = find_length(section, sample[section.label].tolist())
        threshold, _ = fit_new_threshold(scored.values, labels, k, section.new_share)
    return AnswerRule(pooling, threshold), metric.score(scored.truth, scored.values) if score is None else score


def _choose_nested(
    target: Target, metric: Metric, scored: ScoredRows, names: list[str], choose: Choose
) -> tuple[Pooling, float]:
    """Chooses on all folds; the score is that of choices on the other folds."""
    truth = pool_truth(target, scored.truth, scored.units)
    chosen, score = choose(target, metric, truth, scored.values, scored.units, names)
    if len(names) == 1 or len(np.unique(scored.folds)) == 1:
        return chosen, score
    truths, pooled = [], []
    for fold in np.unique(scored.folds):
        inner, outer = (np.flatnonzero(mask) for mask in (scored.folds != fold, scored.folds == fold))
        units = [[scored.units[row] for row in rows] for rows in (inner, outer)]
        known = pool_truth(target, scored.truth[inner], units[0])
        best, _ = choose(target, metric, known, scored.values[inner], units[0], names)
        truths.append(pool_truth(target, scored.truth[outer], units[1]))
        pooled.append(pool_values(target, scored.values[outer], units[1], best)[1])
    return chosen, metric.score(np.concatenate(truths), np.concatenate(pooled))
