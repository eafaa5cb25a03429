"""Thresholds fitted to a metric: of labels, one for all or one each; of ordered grades, on the expected grade.

References: Lipton et al. 2014, Optimal thresholding of classifiers to maximize F1 measure,
https://arxiv.org/abs/1402.1892; rounding by fitted thresholds for quadratic kappa is due to the winners of Kaggle's
CrowdFlower competition, https://github.com/ChenglongChen/kaggle-CrowdFlower
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from pipeline.core.arrays import Truth, Values
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.classes import Grades
from pipeline.core.targets.contract import FLOOR, Target

_COMMON = expit(np.linspace(-4.6, 4.6, 47))  # 0.01 to 0.99, and 0.5 among them
_MOVES = (-1.5, -0.7, -0.3, -0.1, 0.1, 0.3, 0.7, 1.5)  # of one label's log-odds
_PASSES = 3
# Predictions that a search by label may look at, all its steps together: 20 labels of 50,000 rows take 10 s.
_MOST_LOOKS = 600_000_000
_BELOW = np.nextafter(np.float32(0.5), np.float32(0))
_STEPS = 24  # places of a threshold between its neighbours


def apply_label_thresholds(target: Target, values: Values, thresholds: NDArray[np.float64]) -> Values:
    """Shifts the log-odds of each label, so that its threshold comes to lie at 0.5."""
    if np.all(thresholds == 0.5):
        return values
    shifted = target.to_outputs(values) - logit(np.clip(thresholds, FLOOR, 1 - FLOOR))
    moved = target.from_outputs(shifted)
    # Rounding must not move what lies on a threshold to the other side.
    return np.where(values >= thresholds, np.maximum(moved, np.float32(0.5)), np.minimum(moved, _BELOW))


def fit_common_threshold(target: Target, truth: Truth, values: Values, metric: Metric) -> NDArray[np.float64]:
    """Returns the threshold of all labels that raises a metric most, once for each label: (n_labels,).

    Of equal ones it is the one nearest to 0.5.
    """
    score = _make_scorer(target, truth, values, metric)
    ordered = sorted(_COMMON, key=lambda threshold: abs(threshold - 0.5))
    scores = [score(np.full(values.shape[1], threshold)) for threshold in ordered]
    return np.full(values.shape[1], ordered[int(np.argmax(scores))])


def fit_label_thresholds(target: Target, truth: Truth, values: Values, metric: Metric) -> NDArray[np.float64]:
    """Returns a threshold for each label that raise a metric together: (n_labels,).

    Starts from the best common one or from those that maximise each label's own F1, and moves one label after the
    other; a move must raise the score. Of very many labels the start is all there is.
    """
    score = _make_scorer(target, truth, values, metric)
    starts = [fit_common_threshold(target, truth, values, metric), _maximise_f1(truth, values)]
    best, thresholds = max(((score(start), start) for start in starts), key=lambda pair: pair[0])
    n_labels = values.shape[1]
    passes = min(_PASSES, _MOST_LOOKS // (n_labels * len(_MOVES) * values.size))
    for _ in range(passes):
        before = best
        for label in range(n_labels):
            for move in _MOVES:
                tried = thresholds.copy()
                tried[label] = expit(logit(tried[label]) + move)
                reached = score(tried)
                if reached > best + 1e-12:
                    best, thresholds = reached, tried
        if best == before:
            break
    return thresholds


def _make_scorer(
    target: Target, truth: Truth, values: Values, metric: Metric
) -> Callable[[NDArray[np.float64]], float]:
    """Returns what scores thresholds: decisions 0 and 1 are predictions whose plain decision is themselves."""
    sign = 1 if metric.greater_is_better else -1

    def score(thresholds: NDArray[np.float64]) -> float:
        return sign * metric.score(truth, (values >= thresholds.astype(np.float32)).astype(np.float32))

    return score


def _maximise_f1(truth: Truth, values: Values) -> NDArray[np.float64]:
    """Returns the threshold of each label with its largest F1; 0.5 for a label without rows."""
    order = np.argsort(-values, axis=0, kind="stable")
    marks = np.take_along_axis(truth.astype(np.float64), order, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    hits, chosen = marks.cumsum(axis=0), np.arange(1, len(values) + 1)[:, None]
    f1 = 2 * hits / (chosen + hits[-1:])
    last = np.ones(values.shape, dtype=np.bool_)
    last[:-1] = ranked[:-1] != ranked[1:]  # equal values are chosen together
    best = np.where(last, f1, -1).argmax(axis=0)
    columns = np.arange(values.shape[1])
    lowest = ranked[best, columns].astype(np.float64)
    following = ranked[np.minimum(best + 1, len(values) - 1), columns]
    middle = np.where(best + 1 < len(values), (lowest + following) / 2, lowest)
    return np.where(hits[-1] > 0, np.clip(middle, FLOOR, 1 - FLOOR), 0.5)


def apply_grade_thresholds(target: Grades, values: Values, thresholds: NDArray[np.float64]) -> Values:
    """Moves expected grades so that each threshold comes to lie between two grades, and shares them between the two."""
    grades = np.asarray(target.numbers)
    middles = (grades[1:] + grades[:-1]) / 2
    places = np.concatenate([grades[:1], thresholds, grades[-1:]])
    moved = np.interp(target.expect(values), places, np.concatenate([grades[:1], middles, grades[-1:]]))
    return target.share_numbers(moved)


def fit_grade_thresholds(target: Grades, truth: Truth, values: Values, metric: Metric) -> NDArray[np.float64]:
    """Returns thresholds on the expected grade that raise a metric: (n_grades - 1,), rising.

    Starts half-way between grades, or where as many rows are given each grade as have it, whichever scores better, and
    moves one threshold after the other.
    """
    sign = 1 if metric.greater_is_better else -1
    expected, grades = target.expect(values), np.asarray(target.numbers)
    one_hot = np.eye(len(grades), dtype=np.float32)

    def score(thresholds: NDArray[np.float64]) -> float:
        return sign * metric.score(truth, one_hot[np.searchsorted(thresholds, expected, side="right")])

    counts = np.bincount(target.index_labels(truth), minlength=len(grades))
    shares = counts.cumsum()[:-1] / counts.sum()
    starts = [(grades[1:] + grades[:-1]) / 2, _separate(np.quantile(expected, shares), grades)]
    best, thresholds = max(((score(start), start) for start in starts), key=lambda pair: pair[0])
    for _ in range(_PASSES):
        before = best
        for step in range(len(thresholds)):
            low, high = ([grades[0], *thresholds, grades[-1]][place] for place in (step, step + 2))
            for place in np.linspace(low, high, _STEPS + 2)[1:-1]:
                tried = thresholds.copy()
                tried[step] = place
                reached = score(tried)
                if reached > best + 1e-12:
                    best, thresholds = reached, tried
        if best == before:
            break
    result: NDArray[np.float64] = thresholds
    return result


def _separate(thresholds: NDArray[np.float64], grades: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keeps thresholds apart from each other and from the ends, so that each can be moved."""
    span = (grades[-1] - grades[0]) * 1e-3
    rising = np.maximum.accumulate(thresholds) + span * np.arange(1, len(thresholds) + 1)
    apart: NDArray[np.float64] = np.minimum(rising, grades[-1] - span * np.arange(len(thresholds), 0, -1))
    return apart
