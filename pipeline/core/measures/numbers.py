"""Measures of numbers: truth (n, n_columns) against predicted numbers of the same shape."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError

Floats = NDArray[np.float64]


def _apart(truth: Truth, values: Values) -> Floats:
    return truth.astype(np.float64) - values.astype(np.float64)


def list_squares(truth: Truth, values: Values, weights: Floats) -> Floats:
    """Squared error of each row (n,), its mean over the columns by ``weights`` (n_columns,)."""
    return np.asarray(np.average(_apart(truth, values) ** 2, axis=1, weights=weights), dtype=np.float64)


def list_distances(truth: Truth, values: Values, weights: Floats) -> Floats:
    """Absolute error of each row (n,), its weighted mean over the columns."""
    return np.asarray(np.average(np.abs(_apart(truth, values)), axis=1, weights=weights), dtype=np.float64)


def measure_rmse(truth: Truth, values: Values, weights: Floats) -> float:
    """Root of the mean squared error of all columns together."""
    return float(list_squares(truth, values, weights).mean() ** 0.5)


def measure_column_rmse(truth: Truth, values: Values, weights: Floats) -> float:
    """Weighted mean over the columns of their root mean squared errors."""
    return float(np.average((_apart(truth, values) ** 2).mean(axis=0) ** 0.5, weights=weights))


def measure_rmsle(truth: Truth, values: Values) -> float:
    """Root mean squared error of log(1 + x); numbers below 0 are predicted as 0.

    Raises:
        InputError: a true number below 0.
    """
    if (truth < 0).any():
        raise InputError(f"rmsle needs numbers of 0 and above; the smallest among the scored rows is {truth.min():g}")
    logs = np.log1p(truth.astype(np.float64)) - np.log1p(np.maximum(values.astype(np.float64), 0))
    return float((logs**2).mean() ** 0.5)


def measure_mape(truth: Truth, values: Values) -> float:
    """Mean absolute error relative to the true number.

    Raises:
        InputError: a true number of 0.
    """
    if (truth == 0).any():
        raise InputError("mape divides by the true numbers, and one of the scored rows is 0; choose another metric")
    return float(np.abs(_apart(truth, values) / truth).mean())


def measure_r2(truth: Truth, values: Values, weights: Floats) -> float:
    """Weighted mean over the columns of their coefficient of determination.

    Raises:
        InputError: fewer than two rows, or a column of one value.
    """
    from sklearn import metrics as sk

    if len(truth) < 2 or (truth.std(axis=0) == 0).any():
        raise InputError("r2 needs two different numbers in every column of the scored rows")
    by_column = sk.r2_score(truth.astype(np.float64), values.astype(np.float64), multioutput="raw_values")
    return float(np.average(by_column, weights=weights))


def measure_pooled_r2(truth: Truth, values: Values, weights: Floats) -> float:
    """Coefficient of determination of all cells together, each weighing as its column does, around their one mean.

    Raises:
        InputError: all cells are equal.
    """
    numbers = truth.astype(np.float64)
    cells = np.broadcast_to(weights, numbers.shape)
    spread = (cells * (numbers - np.average(numbers, weights=cells)) ** 2).sum()
    if spread == 0:
        raise InputError("pooled_r2 needs two different numbers among the scored rows; all are equal")
    return float(1 - (cells * _apart(truth, values) ** 2).sum() / spread)


def measure_pearson(truth: Truth, values: Values) -> float:
    """Mean over the columns of Pearson's correlation; 0 for a column predicted constant."""
    from scipy.stats import pearsonr

    return float(np.mean([_correlate(pearsonr, truth[:, i], values[:, i]) for i in range(truth.shape[1])]))


def measure_spearman(truth: Truth, values: Values) -> float:
    """Mean over the columns of Spearman's rank correlation; 0 for a column predicted constant."""
    from scipy.stats import spearmanr

    return float(np.mean([_correlate(spearmanr, truth[:, i], values[:, i]) for i in range(truth.shape[1])]))


def _correlate(measure: object, one: Truth, other: Values) -> float:
    if len(one) < 2 or one.std() == 0 or other.std() == 0:
        return 0.0
    assert callable(measure)
    return float(measure(one, other)[0])
