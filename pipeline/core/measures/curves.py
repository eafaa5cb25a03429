"""Areas under curves of one question: rows that are positive against rows that are not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError


def measure_area(positive: NDArray[np.bool_], values: NDArray[np.floating]) -> float:
    """The area under one class's curve, from ranks (Mann and Whitney 1947); equal values share their middle rank.

    float32 probabilities are sorted as whole numbers whose last bit is the mark: 40,000 of them take 0.6 ms, where
    SciPy's ranks take 7 ms (one thread), to the last bit the same.

    Raises:
        InputError: all rows are positive.
    """
    ones = int(positive.sum())
    if ones == len(positive):
        raise InputError("roc_auc needs two classes among the scored rows; there is one")
    return _count_above(positive, values, ones) / (ones * (len(positive) - ones))


def _count_above(positive: NDArray[np.bool_], values: NDArray[np.floating], ones: int) -> float:
    """Counts the pairs of a positive and a negative row whose positive one is higher; equal ones count half."""
    if values.dtype != np.float32 or not (values.min() >= 0 and values.max() < 2):
        from scipy.stats import rankdata

        return float(rankdata(values)[positive].sum() - ones * (ones + 1) / 2)
    # Bits of floating-point numbers that are not negative stand in the order of their values, and below 2 leave one.
    keys = (values + np.float32(0)).view(np.uint32) << np.uint32(1)  # +0: there is a nought with a sign, too
    keys |= positive
    keys.sort()
    above = int((np.flatnonzero(keys & np.uint32(1)) - np.arange(ones)).sum())
    # Of equal values negative rows stand first and were counted as lower.
    last = np.flatnonzero((keys[:-1] + np.uint32(1) == keys[1:]) & (keys[:-1] & np.uint32(1) == 0))
    negatives = last + 1 - np.searchsorted(keys, keys[last], side="left")
    positives = np.searchsorted(keys, keys[last + 1], side="right") - last - 1
    return above - int((negatives * positives).sum()) / 2


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
