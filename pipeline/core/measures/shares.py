"""Measures of shares of votes: true shares (n, n_classes) against probabilities of the same shape."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Probs, Truth

Floats = NDArray[np.float64]
_FLOOR = 1e-15


def list_cross_entropies(shares: Truth, probs: Probs) -> Floats:
    """Cross-entropy of each row (n,)."""
    losses: Floats = -(shares * np.log(np.maximum(probs.astype(np.float64), _FLOOR))).sum(axis=1)
    return losses


def list_divergences(shares: Truth, probs: Probs) -> Floats:
    """Kullback-Leibler divergence of each row (n,): cross-entropy less that of the shares themselves."""
    true = shares.astype(np.float64)
    own = np.where(true > 0, true * np.log(np.where(true > 0, true, 1)), 0.0).sum(axis=1)
    divergences: Floats = own + list_cross_entropies(shares, probs)
    return divergences


def list_majority_hits(shares: Truth, probs: Probs) -> Floats:
    """1 for each row whose most probable class has the most votes (n,)."""
    return np.asarray(shares.argmax(axis=1) == probs.argmax(axis=1), dtype=np.float64)


def list_share_briers(shares: Truth, probs: Probs) -> Floats:
    """Squared distance of each row's probabilities to its shares (n,)."""
    return np.asarray(((shares - probs.astype(np.float64)) ** 2).sum(axis=1), dtype=np.float64)
