"""Calibration of probabilities: temperature scaling, reliability, expected calibration error.

Reference: Guo et al. 2017, On calibration of modern neural networks, https://arxiv.org/abs/1706.04599
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Weights
from pipeline.ensemble.combiners.contract import apply_softmax, take_logs

BINS = 15
_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS = 20


@dataclass(frozen=True)
class Reliability:
    """Rows by their largest probability, in equally wide bins; empty bins are left out.

    Attributes:
        confidence: mean largest probability of each bin.
        accuracy: share of each bin's rows whose largest probability is that of their class.
        rows: of each bin.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[int, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, weighted by rows."""
        rows = np.asarray(self.rows)
        return float((np.abs(np.subtract(self.confidence, self.accuracy)) * rows).sum() / rows.sum())


def measure_reliability(labels: Labels, probs: Probs) -> Reliability:
    """Compares confidence with accuracy.

    Args:
        labels: (n_samples,) class indices.
        probs: (n_samples, n_classes) probabilities.
    """
    confidence = probs.max(axis=1).astype(np.float64)
    hits = (probs.argmax(axis=1) == labels).astype(np.float64)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    kept = rows > 0
    sums = [np.bincount(bins, weights=values, minlength=BINS)[kept] / rows[kept] for values in (confidence, hits)]
    return Reliability(tuple(sums[0].tolist()), tuple(sums[1].tolist()), tuple(rows[kept].tolist()))


def fit_temperature(labels: Labels, probs: Probs) -> float:
    """Returns the temperature that minimises log loss; above 1 the probabilities are too sure of themselves.

    Newton's method on the inverse temperature, in which the loss is convex.

    Args:
        labels: (n_samples,) class indices.
        probs: (n_samples, n_classes) probabilities.

    Returns:
        0.05 to 20.
    """
    log_probs = take_logs(probs)
    own = log_probs[np.arange(len(labels)), labels].mean(dtype=np.float64)
    low, high = 1 / _HOTTEST, 1 / _COLDEST
    inverse = 1.0
    for _ in range(_STEPS):
        scaled = apply_softmax(log_probs * np.float32(inverse))
        expected = np.einsum("nc,nc->n", scaled, log_probs)
        slope = float(expected.mean(dtype=np.float64) - own)
        # The loss is lowest where its slope is nought: each step narrows where, Newton says where to look.
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        curve = float((np.einsum("nc,nc,nc->n", scaled, log_probs, log_probs) - expected**2).mean(dtype=np.float64))
        proposed = inverse - slope / curve if curve > 0 else low
        following = proposed if low < proposed < high else (low * high) ** 0.5
        if abs(following - inverse) < 1e-5 * inverse:
            break
        inverse = following
    return 1 / inverse


def apply_temperature(probs: Probs, degrees: float) -> Probs:
    """Divides log-probabilities by a temperature."""
    return probs if degrees == 1 else apply_softmax(take_logs(probs) / np.float32(degrees))


def fit_temperatures(labels: Labels, stacked: Probs) -> Weights:
    """Returns the temperature of each member: (n_members,)."""
    return np.array([fit_temperature(labels, member) for member in stacked])


def apply_temperatures(stacked: Probs, degrees: NDArray[np.float64]) -> Probs:
    """Divides each member's log-probabilities by its own temperature."""
    return np.stack([apply_temperature(member, float(each)) for member, each in zip(stacked, degrees, strict=True)])
