"""A last layer: linear logits fitted to features at once, by cross-entropy with smoothed labels and an L2 penalty."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from pipeline.core.arrays import Features, Labels, Logits

_L2 = 1e-3
_STEPS = 60


@dataclass(frozen=True)
class LastLayer:
    """Weights (width, n_classes), biases (n_classes,), and the standardisation of its features."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: np.float32

    def compute_logits(self, features: Features) -> Logits:
        """Returns float32 (n, n_classes)."""
        logits = ((features - self.centre) / self.scale) @ self.weights + self.biases
        return np.asarray(logits, dtype=np.float32)


def fit_last_layer(features: Features, labels: Labels, n_classes: int, smoothing: float) -> LastLayer:
    """Fits a layer.

    Args:
        features: float32 (n, width).
        labels: int64 (n,), in 0..n_classes - 1.
        n_classes: number of logits.
        smoothing: share of each label that is spread over all classes, as in training.
    """
    centre, scale = features.mean(axis=0), np.float32(features.std() + 1e-12)
    inputs = (features - centre) / scale
    n, width = inputs.shape
    targets = np.full((n, n_classes), smoothing / n_classes, dtype=np.float32)
    targets[np.arange(n), labels] += np.float32(1 - smoothing)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = flat.reshape(width + 1, n_classes).astype(np.float32)
        logits = inputs @ both[:-1] + both[-1]
        total = logsumexp(logits, axis=1, keepdims=True)
        wrong = (np.exp(logits - total) - targets) / n
        slopes = np.concatenate([inputs.T @ wrong + _L2 * both[:-1], wrong.sum(axis=0, keepdims=True)])
        value = np.mean(total[:, 0] - (targets * logits).sum(axis=1)) + _L2 / 2 * np.square(both[:-1]).sum()
        return float(value), slopes.ravel().astype(np.float64)

    start = np.zeros((width + 1) * n_classes)
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    both = fitted.x.reshape(width + 1, n_classes).astype(np.float32)
    return LastLayer(both[:-1], both[-1], centre, scale)
