"""A class for what is new, where no training image shows it: its threshold, fitted on out-of-fold predictions.

An image of a class that training lacks is imitated by one whose own class is left out of its prediction. Below the
threshold a class stands behind the new one. Chosen is the threshold that gives the best mean reciprocal rank among the
first k (MAP@k of one true class), with images of known and of new classes weighted by their share in the test.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs

_CANDIDATES = 200


def fit_new_threshold(probs: Probs, labels: Labels, k: int, share: float) -> tuple[float, float]:
    """Fits the threshold.

    Args:
        probs: (n, n_classes) out-of-fold.
        labels: (n,) class indices.
        k: length of the list.
        share: of images of new classes in the test.

    Returns:
        The threshold, and the mean reciprocal rank that it gives.
    """
    rows = np.arange(len(labels))
    own = probs[rows, labels].astype(np.float64)
    rank = (probs > own[:, None]).sum(axis=1)
    without = probs.astype(np.float64)
    without[rows, labels] = 0
    total = without.sum(axis=1, keepdims=True)
    strange = -np.sort(-np.divide(without, total, out=np.zeros_like(without), where=total > 0), axis=1)[:, :k]
    tried = np.unique(np.quantile(np.concatenate([own, strange[:, 0]]), np.linspace(0, 1, _CANDIDATES)))
    scores = [
        (1 - share) * _mean_reciprocal(rank + (own < threshold), k)
        + share * _mean_reciprocal((strange >= threshold).sum(axis=1), k)
        for threshold in tried
    ]
    best = int(np.argmax(scores))
    return float(tried[best]), float(scores[best])


def _mean_reciprocal(rank: NDArray[np.int64], k: int) -> float:
    return float(np.where(rank < k, 1 / (rank + 1), 0).mean())
