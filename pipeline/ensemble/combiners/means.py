"""Combiners without fitted weights, and the best single model."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Probs
from pipeline.ensemble.combiners.contract import (
    Fitted,
    OofRows,
    Rule,
    apply_softmax,
    make_blend,
    normalise_rows,
    take_logs,
)

_QUANTILES = np.linspace(0, 1, 1001)


def fit_mean(sample: OofRows) -> Fitted:
    """Weighs all members alike."""
    return make_blend(np.full(len(sample.stacked), 1 / len(sample.stacked)))


def fit_geometric_mean(sample: OofRows) -> Fitted:
    """Averages log-probabilities: a member that all but excludes a class is heard.

    Reference: Genest and Zidek 1986, Combining probability distributions, https://doi.org/10.1214/ss/1177013825
    """
    n_members = len(sample.stacked)

    def combine(stacked: Probs) -> Probs:
        return pool_logs(stacked, np.full(n_members, 1 / n_members))

    return Rule(combine, np.full(n_members, 1 / n_members))


def fit_rank_mean(sample: OofRows) -> Fitted:
    """Averages percentile ranks, for metrics that see only the order of rows (AUC).

    A probability's rank is its place among the same member's out-of-fold probabilities of the same class, equal ones
    sharing their middle rank, so that a test row's does not depend on the other test rows.
    """
    quantiles = _quantiles(sample.stacked)

    def combine(stacked: Probs) -> Probs:
        total = np.zeros(stacked.shape[1:], dtype=np.float64)
        for member, probs in enumerate(stacked):
            for column in range(probs.shape[1]):
                total[:, column] += _rank(probs[:, column], quantiles[:, member, column])
        return normalise_rows(total)

    return Rule(combine, np.full(len(sample.stacked), 1 / len(sample.stacked)))


def fit_best_single(sample: OofRows) -> Fitted:
    """Takes the member that scores best; of equals, the one with the smaller log loss."""
    return make_blend(np.eye(len(sample.stacked))[find_best_member(sample)])


def find_best_member(sample: OofRows) -> int:
    """Returns the index of the member that scores best; of equals, the one with the smaller log loss."""
    sign = 1 if sample.metric.greater_is_better else -1
    scores = [sign * sample.metric.score(sample.labels, member) for member in sample.stacked]
    likelihoods = take_logs(sample.true_probs).mean(axis=1, dtype=np.float64)
    return max(range(len(scores)), key=lambda member: (scores[member], likelihoods[member]))


def pool_logs(stacked: Probs, weights: NDArray[np.float64], logged: bool = False) -> Probs:
    """Returns the weighted geometric mean; the weights need not sum to 1.

    Args:
        stacked: (n_members, n_samples, n_classes) probabilities.
        weights: (n_members,).
        logged: whether ``stacked`` holds their logarithms already.
    """
    total = np.zeros(stacked.shape[1:], dtype=np.float64)
    for member, weight in zip(stacked, weights, strict=True):
        if weight:
            total += weight * (member if logged else take_logs(member))
    return apply_softmax(total)


def _quantiles(stacked: Probs) -> NDArray[np.float64]:
    """Returns `np.quantile` over rows, (n_quantiles, n_members, n_classes), to the last bit.

    From sorted rows: NumPy partitions at each of the thousand places, which takes up to 37 s for 40 x 5,000 x 10.
    """
    ordered = np.sort(stacked, axis=1)
    place = _QUANTILES * (stacked.shape[1] - 1)
    below = place.astype(np.int64)
    share = (place - below)[:, None, None]
    low = ordered[:, below].swapaxes(0, 1)
    high = ordered[:, np.minimum(below + 1, stacked.shape[1] - 1)].swapaxes(0, 1)
    between: NDArray[np.float64] = np.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)
    return between


def _rank(values: NDArray[np.float32], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    left = np.searchsorted(quantiles, values, side="left")
    right = np.searchsorted(quantiles, values, side="right")
    middle = (left + right) / 2
    between = np.interp(values, *_steps(quantiles))
    return np.where(right > left, middle / len(quantiles), between)


def _steps(quantiles: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, first = np.unique(quantiles, return_index=True)
    last = np.append(first[1:], len(quantiles))
    return values, (first + last) / 2 / len(quantiles)
