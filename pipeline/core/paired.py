"""Paired comparisons: which of several predictions of the same rows scores better, with standard errors.

Differences are paired: the same rows, and whole groups of them, are drawn for both.
Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.scores import LabelledRows, resample_means, resample_rows

_DRAWS, _COSTLY_DRAWS = 60, 200


@dataclass(frozen=True)
class Standing:
    """Scores of several predictions of the same rows.

    Attributes:
        scores: (n_candidates,) by the metric.
        errors: (n_candidates,) standard error of each score.
        behind: (n_candidates,) how much each is worse than the best; >= 0.
        behind_errors: (n_candidates,) standard error of that difference; 0 for the best.
    """

    scores: NDArray[np.float64]
    errors: NDArray[np.float64]
    behind: NDArray[np.float64]
    behind_errors: NDArray[np.float64]

    @property
    def simplest(self) -> int:
        """The first candidate that is within one standard error of the best."""
        return int(np.flatnonzero(self.behind <= self.behind_errors)[0])


@dataclass(frozen=True)
class Gain:
    """How much one prediction is better than another, positive when it is: 95 % percentile interval."""

    value: float
    low: float
    high: float


def measure_standing(rows: LabelledRows, candidates: Sequence[Values], metric: Metric, seed: int = 0) -> Standing:
    """Compares predictions of the same rows.

    Standard errors are of means over groups where the metric is a mean over rows, else of 60 bootstrap draws.

    Args:
        rows: the scored rows, n of them.
        candidates: predictions (n, n_columns) each.
        metric: what to score by.
        seed: of the bootstrap.
    """
    sign = 1 if metric.greater_is_better else -1
    labels = rows.labels
    scores = np.array([metric.score(labels, probs) for probs in candidates])
    best = int(np.argmax(sign * scores))
    group = np.unique(rows.groups, return_inverse=True)[1]
    if metric.rows is not None:
        values = np.stack([metric.rows(labels, probs) for probs in candidates])
        errors = np.array([error_of_mean(each, group) for each in values])
        apart = np.array([error_of_mean(values[best] - each, group) for each in values])
    else:
        drawn = _draws(labels, group, candidates, metric, seed)
        errors, apart = drawn.std(axis=0, ddof=1), (drawn[:, [best]] - drawn).std(axis=0, ddof=1)
    return Standing(scores, errors, sign * (scores[best] - scores), apart)


def measure_gain(
    rows: LabelledRows, probs: Values, other: Values, metric: Metric, seed: int = 0, n_resamples: int = 1000
) -> Gain:
    """Returns how much ``probs`` scores better than ``other``, with its paired bootstrap interval.

    Of metrics that are no mean over rows, at most 200 resamples are drawn: each costs a whole evaluation.
    """
    labels = rows.labels
    sign = 1 if metric.greater_is_better else -1
    value = sign * (metric.score(labels, probs) - metric.score(labels, other))
    group = np.unique(rows.groups, return_inverse=True)[1]
    if metric.rows is not None:
        gains = sign * (metric.rows(labels, probs) - metric.rows(labels, other))
        resampled = resample_means(gains, group, np.random.default_rng(seed), n_resamples)
    else:
        drawn = _draws(labels, group, [probs, other], metric, seed, min(n_resamples, _COSTLY_DRAWS))
        resampled = sign * (drawn[:, 0] - drawn[:, 1])
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Gain(value, float(low), float(high))


def measure_seed_gain(
    rows: LabelledRows, probs: Sequence[Values], others: Sequence[Values], metric: Metric, seed: int = 0
) -> Gain:
    """Returns how much better a training is than another, on average over seeds, with its 95 % interval.

    The interval is of a bootstrap that draws rows, by whole groups, and seeds, one fewer than there are: the variance
    of their mean is then neither too small nor too large.

    Reference: Rao and Wu 1988, Resampling inference with complex survey data, https://doi.org/10.2307/2288945

    Args:
        rows: the scored rows, n of them.
        probs: (n, n_columns) of each seed of the one; two or more.
        others: of the same seeds of the other.
        metric: what to score by.
        seed: of the bootstrap.
    """
    sign, labels = 1 if metric.greater_is_better else -1, rows.labels
    pairs = list(zip(probs, others, strict=True))
    values = [sign * (metric.score(labels, one) - metric.score(labels, other)) for one, other in pairs]
    group, random = np.unique(rows.groups, return_inverse=True)[1], np.random.default_rng(seed)
    if metric.rows is not None:
        gains = [sign * (metric.rows(labels, one) - metric.rows(labels, other)) for one, other in pairs]
        # The same draws of rows for all seeds: equal generators.
        drawn = np.stack([resample_means(each, group, np.random.default_rng(seed), 1000) for each in gains])
    else:
        scored = _draws(labels, group, [*probs, *others], metric, seed, _COSTLY_DRAWS).T
        drawn = sign * (scored[: len(pairs)] - scored[len(pairs) :])
    chosen = random.integers(0, len(pairs), size=(len(pairs) - 1, drawn.shape[1]))
    low, high = np.percentile(np.take_along_axis(drawn, chosen, axis=0).mean(axis=0), [2.5, 97.5])
    return Gain(float(np.mean(values)), float(low), float(high))


def describe_gain(gain: Gain, greater_is_better: bool) -> str:
    """Says in which direction the score went, whether that is better, how sure it is, and what that means."""
    if gain.value == gain.low == gain.high == 0:
        return "the same"
    way = "higher" if (gain.value > 0) == greater_is_better else "lower"
    verdict = "better" if gain.value > 0 else "worse"
    change = f"{abs(gain.value):.4f} {way} ({verdict})" if gain.value else "no change"
    ends = (f"{abs(end):.4f} {'better' if end >= 0 else 'worse'}" for end in (gain.low, gain.high))
    sure = "beyond chance" if gain.low > 0 or gain.high < 0 else "within chance"
    return f"{change}, {sure} (95 %: {' to '.join(ends)})"


def error_of_mean(rows: NDArray[np.float64], group: Labels) -> float:
    """Returns the standard error of a mean over rows that come in groups (a ratio estimate).

    Args:
        rows: (n,) values.
        group: (n,) their groups, numbered from 0.
    """
    sums, sizes = np.bincount(group, weights=rows), np.bincount(group)
    many = len(sums)
    apart = sums - rows.mean() * sizes
    return float(np.sqrt((apart**2).sum() * many / max(many - 1, 1)) / len(rows))


def _draws(
    labels: Truth,
    group: Labels,
    candidates: Sequence[Values],
    metric: Metric,
    seed: int,
    n_resamples: int = _DRAWS,
) -> NDArray[np.float64]:
    """Scores every candidate on the same draws: (n_draws, n_candidates)."""
    scores = []
    for rows in resample_rows(group, np.random.default_rng(seed), n_resamples):
        try:
            scores.append([metric.score(labels[rows], probs[rows]) for probs in candidates])
        except InputError:
            continue  # the metric is undefined on this draw, which misses a class
    if len(scores) < 2:
        return np.zeros((2, len(candidates)))
    return np.array(scores)
