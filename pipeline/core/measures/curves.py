"""Areas under curves of one question: rows that are positive against rows that are not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError


def measure_area(positive: NDArray[np.bool_], values: NDArray[np.floating]) -> float:
    """The area under one class's curve, from ranks (Mann and Whitney 1947); equal values share their middle rank.

    Raises:
        InputError: all rows are positive.
    """
    from scipy.stats import rankdata

    ones = int(positive.sum())
    if ones == len(positive):
        raise InputError("roc_auc needs two classes among the scored rows; there is one")
    above = rankdata(values)[positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * (len(positive) - ones)))


def measure_partial_area(positive: NDArray[np.bool_], values: NDArray[np.floating], min_tpr: float) -> float:
    """The area between the curve and a true positive rate of ``min_tpr``; 1 - min_tpr for perfect predictions.

    Raises:
        InputError: rows of one kind alone.
    """
    from sklearn import metrics as sk

    _require_both(positive, "partial_roc_auc")
    # Seen from the other side, a high true positive rate is a low false positive rate.
    most = 1 - min_tpr
    scaled = sk.roc_auc_score(~positive, -values.astype(np.float64), max_fpr=most)
    least = 0.5 * most**2
    return float(least + (most - least) / 0.5 * (scaled - 0.5))


def measure_weighted_area(
    positive: NDArray[np.bool_], values: NDArray[np.floating], bands: Sequence[tuple[float, float]]
) -> float:
    """The area under the curve, cut into bands of the true positive rate that weigh differently; 1 is perfect.

    Args:
        positive: (n,) marks.
        values: (n,) the higher, the more likely positive.
        bands: (upper end of the band, its weight), rising; the last ends at 1.

    Raises:
        InputError: rows of one kind alone.
    """
    from sklearn import metrics as sk

    _require_both(positive, "weighted_roc_auc")
    fpr, tpr, _ = sk.roc_curve(positive, values)
    low = total = area = 0.0
    for high, weight in bands:
        across, up = _cut_curve(*_cut_curve(fpr, tpr, low), high)
        # A band holds the curve's height above its lower end, at most its own.
        area += weight * float(np.trapezoid(np.clip(up, low, high) - low, across))
        total += weight * (high - low)
        low = high
    return area / total


def _require_both(positive: NDArray[np.bool_], name: str) -> None:
    if not 0 < positive.sum() < len(positive):
        raise InputError(f"{name} needs positive and negative rows among the scored rows; there is one kind")


def _cut_curve(
    fpr: NDArray[np.float64], tpr: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Adds the point where a rising curve crosses a level between two of its points."""
    before = np.flatnonzero((tpr[:-1] < level) & (level < tpr[1:]))
    share = (level - tpr[before]) / (tpr[before + 1] - tpr[before])
    crossing = fpr[before] + share * (fpr[before + 1] - fpr[before])
    return np.insert(fpr, before + 1, crossing), np.insert(tpr, before + 1, level)
