"""Decomposition of covariances plus a ridge where rounding leaves no root."""

import numpy as np
import pytest
from scipy.linalg import LinAlgError, cholesky

from pipeline.core.errors import InputError
from pipeline.training.heads.decomposition import decompose_with_ridge


def test_a_ridge_below_what_float32_rounds_away_is_kept_in_float64() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 600)).astype(np.float32) * 100
    matrix, ridge = rows.T @ rows, 0.01
    with pytest.raises(LinAlgError):
        cholesky(matrix + ridge * np.eye(600, dtype=np.float32), lower=True)
    root = decompose_with_ridge(matrix, ridge, lambda shifted: cholesky(shifted, lower=True))
    np.testing.assert_allclose(root @ root.T, matrix, atol=50)


def test_what_has_a_root_is_decomposed_as_it_is() -> None:
    matrix = np.diag(np.arange(1, 4)).astype(np.float32)
    root = decompose_with_ridge(matrix, 1.0, lambda shifted: cholesky(shifted, lower=True))
    assert root.dtype == np.float32
    np.testing.assert_array_equal(root, np.sqrt(matrix + np.eye(3, dtype=np.float32)))


def test_a_matrix_that_no_ridge_mends_is_refused() -> None:
    matrix = -np.eye(3, dtype=np.float32) * 1e6
    with pytest.raises(InputError, match="set larger head"):
        decompose_with_ridge(matrix, 1.0, lambda shifted: cholesky(shifted, lower=True))
