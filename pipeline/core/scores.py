"""Scores of out-of-fold predictions: per fold, pooled, and the bootstrap interval of the pooled one.

Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric

_DRAWS_AT_ONCE = 1_000_000
_COSTLY_RESAMPLES = 200


@dataclass(frozen=True)
class LabelledRows:
    """The rows that predictions are scored on.

    Attributes:
        labels: what is true of each row: class indices (n,), or (n, truth_width) of other targets.
        groups: (n,) rows of one group belong together: a bootstrap draws them together.
    """

    labels: Truth
    groups: Labels


@dataclass(frozen=True)
class Summary:
    """Scores of a model's out-of-fold predictions by the competition's metric.

    Attributes:
        fold_scores: score of each scored fold, by its number as text.
        mean: of the fold scores.
        std: of the fold scores, with n - 1 in the denominator; 0 for a single fold.
        pooled: score of all scored rows together.
        interval: 95 % percentile bootstrap interval of ``pooled``; whole groups are drawn. Both ends are ``pooled``
            where no resample can be scored.
        scores: pooled value of every metric shown and of the competition's, by name; without those undefined here.
    """

    fold_scores: dict[str, float]
    mean: float
    std: float
    pooled: float
    interval: tuple[float, float]
    scores: dict[str, float]

    def numbers(self) -> dict[str, float]:
        """Returns the small numbers that `dvc metrics` compares."""
        low, high = self.interval
        return {"mean": self.mean, "std": self.std, "pooled": self.pooled, "low": low, "high": high, **self.scores}


def summarise_scores(
    rows: LabelledRows, folds: Labels, probs: Values, metric: Metric, seed: int = 0, n_resamples: int = 1000
) -> Summary:
    """Scores out-of-fold predictions.

    Args:
        rows: the scored rows, n of them.
        folds: (n,) the fold that predicted each row.
        probs: (n, n_columns) out-of-fold predictions.
        metric: the competition's.
        seed: of the bootstrap.
        n_resamples: of the bootstrap; metrics that are no mean over rows get at most 200, because each costs a whole
            evaluation.

    Raises:
        InputError: the metric is undefined on a fold.
    """
    labels = rows.labels
    by_fold = {str(fold): metric.score(labels[folds == fold], probs[folds == fold]) for fold in np.unique(folds)}
    values = np.array(list(by_fold.values()))
    scores = {}
    for each in (*metric.beside, metric):
        try:
            scores[each.name] = each.score(labels, probs)
        except InputError:
            continue  # undefined on these rows (a class without any)
    return Summary(
        fold_scores=by_fold,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        pooled=metric.score(labels, probs),
        interval=bootstrap_interval(rows, probs, metric, seed, n_resamples),
        scores=scores,
    )


def bootstrap_interval(
    rows: LabelledRows, probs: Values, metric: Metric, seed: int = 0, n_resamples: int = 1000
) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of a pooled score, drawing whole groups.

    Args:
        rows: the scored rows, n of them.
        probs: (n, n_columns) predictions.
        metric: what to score.
        seed: the same seed gives the same interval.
        n_resamples: how many draws; at most 200 are made of a metric that is no mean over rows.
    """
    labels = rows.labels
    group = np.unique(rows.groups, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    if metric.rows is not None:
        resampled = resample_means(metric.rows(labels, probs), group, random, n_resamples)
    else:
        draws = resample_rows(group, random, min(n_resamples, _COSTLY_RESAMPLES))
        resampled = _scores(labels, probs, metric, draws)
    if not len(resampled):
        pooled = metric.score(labels, probs)
        return pooled, pooled
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def resample_means(
    rows: NDArray[np.float64], group: Labels, random: np.random.Generator, n_resamples: int
) -> NDArray[np.float64]:
    """Returns the means of ``rows`` in bootstrap draws of whole groups: (n_resamples,).

    Args:
        rows: (n,) values.
        group: (n,) numbers 0, 1, ... without gaps.
        random: what draws.
        n_resamples: how many draws.
    """
    sums = np.bincount(group, weights=rows)
    sizes = np.bincount(group).astype(np.float64)
    means = []
    remaining = n_resamples
    while remaining:
        many = min(remaining, max(1, _DRAWS_AT_ONCE // len(sums)))  # bounds the memory, however many rows
        drawn = random.integers(0, len(sums), size=(many, len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
        remaining -= many
    return np.concatenate(means)


def resample_rows(group: Labels, random: np.random.Generator, n_resamples: int) -> Iterator[Labels]:
    """Yields the rows of bootstrap draws of whole groups, as `resample_means` takes them."""
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    by_group = np.argsort(group, kind="stable")
    for _ in range(n_resamples):
        drawn = random.integers(0, len(sizes), size=len(sizes))
        many = sizes[drawn]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        yield by_group[np.repeat(starts[drawn], many) + within]


def _scores(labels: Truth, probs: Values, metric: Metric, draws: Iterator[Labels]) -> NDArray[np.float64]:
    scores = []
    for rows in draws:
        try:
            scores.append(metric.score(labels[rows], probs[rows]))
        except InputError:
            continue  # the metric is undefined on this draw, which misses a class
    return np.array(scores)
