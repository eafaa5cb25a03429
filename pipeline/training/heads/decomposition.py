"""Decomposition of a matrix of covariances plus a ridge, which rounding may leave without a root."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

from pipeline.core.errors import InputError

Decomposed = TypeVar("Decomposed")


def decompose_with_ridge(
    matrix: NDArray[np.float32], ridge: float, decompose: Callable[[NDArray[Any]], Decomposed]
) -> Decomposed:
    """Decomposes a matrix plus a multiple of the identity.

    More features than rows leave most of the matrix to the ridge, which may be less than what float32 rounds away: then
    it is decomposed in float64, and with a ridge of ten and a hundred times as much if need be.

    Args:
        matrix: symmetric, float32 (width, width).
        ridge: what is added to its diagonal.
        decompose: a Cholesky decomposition, which may overwrite what it is given.

    Raises:
        InputError: none of them is positive definite.
    """
    for dtype, times in ((np.float32, 1), (np.float64, 1), (np.float64, 10), (np.float64, 100)):
        shifted: NDArray[Any] = matrix.astype(dtype)
        shifted[np.diag_indices(len(shifted))] += dtype(ridge * times)
        with suppress(LinAlgError):
            return decompose(shifted)
    raise InputError("the covariance of the features has no root; set larger head.penalties or head.shrinkages")
