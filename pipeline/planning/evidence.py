"""Evidence for a new ensemble against the present one, and the score that a choice among many is worth.

Both are paired on the nested out-of-fold predictions. An ensemble replaces another where its metric is better by more
than one standard error, or better at all while its loss is better by more than one: losses tell ensembles apart that
equal decisions do not.
Reference for choosing within the loop that scores: Varma and Simon 2006, Bias in error estimation when using
cross-validation for model selection, https://doi.org/10.1186/1471-2105-7-91
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.arrays import Labels, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import error_of_mean, measure_standing
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.contract import Target


@dataclass(frozen=True)
class Verdict:
    """Whether a new ensemble replaces the present one.

    Attributes:
        better: whether it does.
        gain: by how much the metric is better, positive when it is.
        error: paired standard error of that.
        reason: in a sentence.
    """

    better: bool
    gain: float
    error: float
    reason: str


def compare_ensembles(rows: LabelledRows, new: Values, old: Values, metric: Metric, target: Target) -> Verdict:
    """Compares nested predictions (n, n_columns) of the same rows."""
    standing = measure_standing(rows, [new, old], metric)
    worse = int(np.argmax(standing.behind))
    gain = float(standing.behind[worse] if worse == 1 else -standing.behind[worse])
    error = float(standing.behind_errors.max())
    losses = target.measure_losses(rows.labels, old) - target.measure_losses(rows.labels, new)
    group = np.unique(rows.groups, return_inverse=True)[1]
    loss_gain, loss_error = float(losses.mean()), error_of_mean(losses, group)
    if gain > error:
        return Verdict(True, gain, error, "better by more than one standard error")
    if gain >= 0 and loss_gain > loss_error:
        return Verdict(True, gain, error, "not worse, and its loss is lower by more than one standard error")
    if gain > 0:
        return Verdict(False, gain, error, "better by less than one standard error, and so is its loss")
    return Verdict(False, gain, error, "not better")


def score_after_choice(rows: LabelledRows, folds: Labels, versions: Sequence[Values], metric: Metric) -> float:
    """Scores the choice among ensembles: each fold is predicted by the one that is best on the other folds.

    The best of many nested scores is too good by the luck of the best; here no row has a say in what predicts it.

    Args:
        rows: n of them.
        folds: (n,) the fold of each row.
        versions: nested predictions (n, n_columns) of each ensemble that was tried.
        metric: the competition's.

    Returns:
        The pooled score of all rows.
    """
    sign = 1 if metric.greater_is_better else -1
    chosen = np.empty_like(versions[0])
    for fold in np.unique(folds):
        inside = folds == fold
        scores = [_score(rows, version, ~inside, metric, sign) for version in versions]
        chosen[inside] = versions[int(np.argmax(scores))][inside]
    return metric.score(rows.labels, chosen)


def _score(rows: LabelledRows, version: Values, kept: Labels, metric: Metric, sign: int) -> float:
    try:
        return sign * metric.score(rows.labels[kept], version[kept])
    except InputError:
        return -np.inf  # undefined on these rows: a class without any
