"""Joined features of several backbones, and their means and covariances by fold: all that linear heads are made from.

The moments of all rows but some folds are sums over the other folds, so that each is computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import KeptFeatures, Rows
from pipeline.core.errors import InputError
from pipeline.training.data import UNUSED

Matrix = NDArray[np.float32]
_LEAST_DEVIATION = 1e-6  # a constant feature carries no information
_LEAST_SHARE = 0.01  # of a feature's deviation over all rows: with less in some of them it is constant but for rounding


@dataclass(frozen=True)
class Moments:
    """What some rows say of the features; each training view of a row counts as a row.

    Attributes:
        count: rows times training views, each by its weight.
        mean: float32 (width,).
        scale: deviation of each feature, 1 where it is constant or next to it: float32 (width,).
        covariance: of the standardised features: float32 (width, width).
    """

    count: float
    mean: Matrix
    scale: Matrix
    covariance: Matrix


@dataclass(frozen=True)
class JoinedFeatures:
    """Features of the training images, the backbones' side by side.

    Attributes:
        views: float32 (n, width) each, the images themselves first; brought to about mean 0 and deviation 1, for the
            sake of sums alone.
        trained: how many of the views are rows of the training, the first ones.
        fold_of: int64 (n,).
        shift: what was subtracted: float32 (width,).
        unit: what it was divided by: float32 (width,).
        weights: what each row counts: float32 (n,); None where all count the same.
    """

    views: tuple[Matrix, ...]
    trained: int
    fold_of: Rows
    shift: Matrix
    unit: Matrix
    weights: Matrix | None = None
    _sums: dict[int, tuple[float, NDArray[np.float64], Matrix]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Features of a row."""
        return int(self.views[0].shape[1])

    def gather(self, rows: Rows) -> Matrix:
        """Returns the training views of rows, one view after the other: float32 (trained * n_rows, width)."""
        return np.concatenate([view[rows] for view in self.views[: self.trained]])

    def measure_moments(self, left_out: frozenset[int]) -> Moments:
        """Returns the moments of all rows but those of some folds."""
        folds = [fold for fold in np.unique(self.fold_of).tolist() if fold not in (UNUSED, *left_out)]
        sums = [self._sum_fold(fold) for fold in folds]
        count = sum(each[0] for each in sums)
        mean = np.sum([each[1] for each in sums], axis=0) / count
        products = sums[0][2].copy()
        for each in sums[1:]:
            products += each[2]
        products /= np.float32(count)
        products -= np.outer(mean, mean).astype(np.float32)
        deviation = np.sqrt(np.maximum(np.diagonal(products), 0.0))
        scale = np.where(deviation > _LEAST_SHARE, deviation, np.float32(1)).astype(np.float32)
        products /= scale[:, None]
        products /= scale
        return Moments(count, mean.astype(np.float32), scale, products)

    def _sum_fold(self, fold: int) -> tuple[float, NDArray[np.float64], Matrix]:
        if fold not in self._sums:
            rows = np.flatnonzero(self.fold_of == fold)
            own = self.gather(rows)
            if self.weights is None:
                self._sums[fold] = len(own), own.sum(axis=0, dtype=np.float64), own.T @ own
            else:
                weights = np.tile(self.weights[rows], self.trained)[:, None]
                weighted = own * weights
                total = float(weights.sum(dtype=np.float64))
                self._sums[fold] = total, weighted.sum(axis=0, dtype=np.float64), own.T @ weighted
        return self._sums[fold]


def join_features(
    parts: Sequence[Sequence[KeptFeatures]], trained: int, fold_of: Rows, weights: Matrix | None = None
) -> JoinedFeatures:
    """Joins the features of training images.

    Args:
        parts: of each backbone, of each view: float16 or float32 (n, width).
        trained: how many of the views are rows of the training.
        fold_of: int64 (n,), the fold of each row.
        weights: what each row counts: float32 (n,); None where all count the same.

    Raises:
        InputError: memory has too little room.
    """
    count, width = len(fold_of), sum(views[0].shape[1] for views in parts)
    _require_memory(count, width, len(parts[0]), len(np.unique(fold_of)))
    first = np.concatenate([views[0] for views in parts], axis=1, dtype=np.float32)
    shift, unit = first.mean(axis=0, dtype=np.float64).astype(np.float32), first.std(axis=0)
    unit = np.where(unit > _LEAST_DEVIATION, unit, np.float32(1)).astype(np.float32)
    made = [_bring_to_unit(joined, shift, unit) for joined in (first, *_join_views(parts, 1))]
    return JoinedFeatures(tuple(made), trained, fold_of, shift, unit, weights)


def _bring_to_unit(features: Matrix, shift: Matrix, unit: Matrix) -> Matrix:
    """Subtracts and divides in place."""
    features -= shift
    features /= unit
    return features


def _join_views(parts: Sequence[Sequence[KeptFeatures]], first: int) -> list[Matrix]:
    views = range(first, len(parts[0]))
    return [np.concatenate([each[view] for each in parts], axis=1, dtype=np.float32) for view in views]


def _require_memory(count: int, width: int, views: int, folds: int) -> None:
    """Refuses what memory has no room for: all views, the training rows of a fold once more, sums of each fold."""
    needed = 4 * width * (2 * views * count + (folds + 3) * width)
    path = Path("/proc/meminfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)
    if free is not None and needed > free:
        raise InputError(
            f"{count:,} images x {width:,} features need {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are "
            "free; name fewer backbones, or set mirror_training and views.mirror to false"
        )
