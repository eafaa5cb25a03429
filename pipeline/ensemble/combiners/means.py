"""Combiners without fitted weights, and the best single model."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Values
from pipeline.core.targets.contract import Target
from pipeline.ensemble.combiners.contract import (
    Fitted,
    OofRows,
    Rule,
    apply_outputs,
    make_blend,
    take_logs,
    take_outputs,
)

_QUANTILES = np.linspace(0, 1, 1001)


def fit_mean(sample: OofRows) -> Fitted:
    """Weighs all members alike."""
    return make_blend(np.full(len(sample.stacked), 1 / len(sample.stacked)), sample.target)


def fit_geometric_mean(sample: OofRows) -> Fitted:
    """Averages log-probabilities, or log-odds of labels: a member that all but excludes a class is heard.

    Reference: Genest and Zidek 1986, Combining probability distributions, https://doi.org/10.1214/ss/1177013825
    """
    even = np.full(len(sample.stacked), 1 / len(sample.stacked))
    return Rule(lambda stacked: pool_outputs(sample.target, stacked, even), even)


def fit_rank_mean(sample: OofRows) -> Fitted:
    """Averages percentile ranks, for metrics that see only the order of rows (AUC).

    A probability's rank is its place among the same member's out-of-fold probabilities of the same class, equal ones
    sharing their middle rank, so that a test row's does not depend on the other test rows.
    """
    quantiles, target = _quantiles(sample.stacked), sample.target

    def combine(stacked: Values) -> Values:
        total = np.zeros(stacked.shape[1:], dtype=np.float64)
        for member, probs in enumerate(stacked):
            for column in range(probs.shape[1]):
                total[:, column] += _rank(probs[:, column], quantiles[:, member, column])
        return target.normalise(total if sample.classes is not None else total / len(stacked))

    return Rule(combine, np.full(len(sample.stacked), 1 / len(sample.stacked)))


def fit_best_single(sample: OofRows) -> Fitted:
    """Takes the member that scores best; of equals, the one with the smaller loss."""
    return make_blend(np.eye(len(sample.stacked))[find_best_member(sample)], sample.target)


def find_best_member(sample: OofRows) -> int:
    """Returns the index of the member that scores best; of equals, the one with the smaller loss."""
    sign = 1 if sample.metric.greater_is_better else -1
    scores = [sign * sample.metric.score(sample.truth, member) for member in sample.stacked]
    likelihoods = [_measure_likelihood(sample, member) for member in sample.stacked]
    return max(range(len(scores)), key=lambda member: (scores[member], likelihoods[member]))


def _measure_likelihood(sample: OofRows, member: Values) -> float:
    terms = sample.target.split_losses(sample.truth, member)
    if not terms.residuals.shape[1] and len(terms.weights) == 1:
        return float(take_logs(terms.likelihoods).mean(dtype=np.float64))
    return -float(sample.target.measure_losses(sample.truth, member).mean())


def pool_outputs(target: Target, stacked: Values, weights: NDArray[np.float64], taken: bool = False) -> Values:
    """Returns the weighted mean in the space of outputs: of probabilities the geometric one.

    The weights need not sum to 1.

    Args:
        target: what is predicted.
        stacked: (n_members, n_samples, n_columns) predictions.
        weights: (n_members,).
        taken: whether ``stacked`` holds outputs already.
    """
    pooled = []
    for _, part, columns, _ in target.each():
        own = stacked[:, :, columns]
        total = np.zeros(own.shape[1:], dtype=np.float64)
        for member, weight in zip(own, weights, strict=True):
            if weight:
                total += weight * (member if taken else take_outputs(part, member))
        pooled.append(apply_outputs(part, total))
    return pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)


def _quantiles(stacked: Values) -> NDArray[np.float64]:
    """Returns `np.quantile` over rows, (n_quantiles, n_members, n_columns), to the last bit.

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
