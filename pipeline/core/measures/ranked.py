"""Measures of ranked lists: the k likeliest columns of each row."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Probs, Truth

Rows = Callable[[Truth, Probs], NDArray[np.float64]]


def rank_columns(values: Probs, k: int) -> NDArray[np.int64]:
    """The k largest columns of each row, the largest first: (n, k). Of equal values the later ones, as scikit-learn."""
    best: NDArray[np.int64] = np.argsort(values, axis=1, kind="stable")[:, ::-1][:, :k]
    return best


def _mark_hits(truth: Truth, values: Probs, k: int) -> NDArray[np.bool_]:
    """Marks which of the k likeliest columns are true: (n, k); the truth is indices (n,) or marks (n, n_columns)."""
    best = rank_columns(values, k)
    hits = best == truth[:, None] if truth.ndim == 1 else np.take_along_axis(truth, best, axis=1) == 1
    return np.asarray(hits, dtype=np.bool_)


def make_top_k_hits(k: int) -> Rows:
    """Makes the measure: 1 for each row of which one of the k likeliest columns is true."""

    def rows(truth: Truth, values: Probs) -> NDArray[np.float64]:
        if truth.ndim == 1 and values.shape[1] == 2 and k == 1:
            return np.asarray(values.argmax(axis=1) == truth, dtype=np.float64)
        return np.asarray(_mark_hits(truth, values, k).any(axis=1), dtype=np.float64)

    return rows


def make_recalls(k: int) -> Rows:
    """Makes the measure: the share of each row's true columns that are among its k likeliest, 1 without any."""

    def rows(truth: Truth, values: Probs) -> NDArray[np.float64]:
        hits = _mark_hits(truth, values, k).sum(axis=1)
        many = np.ones(len(values)) if truth.ndim == 1 else (truth == 1).sum(axis=1)
        return np.asarray(np.where(many > 0, hits / np.maximum(many, 1), 1.0), dtype=np.float64)

    return rows


def make_average_precisions(k: int) -> Rows:
    """Makes the measure: the average precision of each row's k likeliest columns, whose mean is MAP@k.

    The precisions at the true ones are summed and divided by the number of true columns, k at most; 0 without any.
    """

    def rows(truth: Truth, values: Probs) -> NDArray[np.float64]:
        hits = _mark_hits(truth, values, k)
        precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
        many = np.ones(len(values)) if truth.ndim == 1 else np.minimum((truth == 1).sum(axis=1), k)
        averages: NDArray[np.float64] = (precision * hits).sum(axis=1) / np.maximum(many, 1)
        return averages

    return rows
