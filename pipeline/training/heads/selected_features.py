"""Selected features: those of many layers and backbones that a group lasso weighs most, and heads fitted to them alone.

A group is a feature with its weights for all outputs. The lasso is that of least squares on marks of the classes, which
needs the moments of the rows alone, and is solved by accelerated proximal gradients (Beck and Teboulle 2009, FISTA,
https://doi.org/10.1137/080716542).
"""

from dataclasses import replace

import numpy as np
from scipy.sparse.linalg import eigsh

from pipeline.core.arrays import Rows
from pipeline.training.heads.linear_heads import (
    Coefficients,
    LinearHead,
    LinearRows,
    fit_linear_head,
    measure_slopes,
)
from pipeline.training.heads.moments import Matrix
from pipeline.training.heads.recipe import SelectedHead

_MOST_STEPS, _TOLERANCE = 200, 1e-4  # of the weights, relative: their order is what counts


class HeadFitter:
    """Fits a linear head to the same rows with one strength after another; what it selects is selected once."""

    def __init__(self, head: LinearHead, rows: LinearRows) -> None:
        """Selects features where the head does so."""
        self._head, self._rows, self._width = head, rows, len(rows.moments.mean)
        self._kept: Rows | None = None
        if isinstance(head, SelectedHead) and head.keep < 1 and self._width > 2:
            self._kept = select_features(rows, head)
            moments = rows.moments
            covariance = moments.covariance[np.ix_(self._kept, self._kept)]
            own = replace(
                moments, mean=moments.mean[self._kept], scale=moments.scale[self._kept], covariance=covariance
            )
            self._rows = replace(rows, features=rows.features[:, self._kept], moments=own)

    def fit(self, strength: float, start: Coefficients | None) -> Coefficients:
        """Fits with one strength, from where L-BFGS begins; features that were not selected have weights of nought."""
        if self._kept is None:
            return fit_linear_head(self._head, self._rows, strength, start)
        begin = None if start is None else replace(start, weights=start.weights[self._kept])
        fitted = fit_linear_head(self._head, self._rows, strength, begin)
        weights = np.zeros((self._width, fitted.weights.shape[1]), dtype=np.float32)
        weights[self._kept] = fitted.weights
        return replace(fitted, weights=weights)


def select_features(rows: LinearRows, head: SelectedHead) -> Rows:
    """Returns the features (n_kept,) whose weights are largest under the group lasso, in ascending order."""
    slopes = measure_slopes(rows)[1]
    related = np.linalg.norm(slopes, axis=1)
    weights = fit_group_lasso(rows.moments.covariance, slopes, head.lasso * float(related.max()))
    # Of features that the lasso leaves out, those that vary most with the truth come first.
    order = np.lexsort((-related, -np.linalg.norm(weights, axis=1)))
    return np.sort(order[: max(1, round(head.keep * len(order)))])


def fit_group_lasso(covariance: Matrix, slopes: Matrix, penalty: float) -> Matrix:
    """Minimises half the squared distance plus the penalty times the sum of the lengths of all features' weights.

    Args:
        covariance: of standardised features: float32 (width, width).
        slopes: their covariances with what is fitted: float32 (width, n_outputs).
        penalty: of a feature's length.

    Returns:
        float32 (width, n_outputs).
    """
    if not slopes.any():
        return np.zeros_like(slopes)
    largest = eigsh(covariance, k=1, v0=np.ones(len(covariance), np.float32), tol=1e-3, return_eigenvectors=False)[0]
    step = np.float32(1 / (1.01 * float(largest)))
    weights = ahead = np.zeros_like(slopes)
    pace = 1.0
    for _ in range(_MOST_STEPS):
        moved = ahead - step * (covariance @ ahead - slopes)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        following = moved * np.maximum(0, 1 - step * np.float32(penalty) / np.maximum(length, np.float32(1e-12)))
        change = np.linalg.norm(following - weights)
        later = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = following + np.float32((pace - 1) / later) * (following - weights)
        weights, pace = following, later
        if change <= _TOLERANCE * np.linalg.norm(weights):
            break
    return np.asarray(weights, dtype=np.float32)
