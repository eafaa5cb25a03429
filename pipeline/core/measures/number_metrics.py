"""Metrics of numbers: regression of one or several numbers per image."""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.measures import numbers
from pipeline.core.measures.metric import Metric, MetricOptions, mean_metric

Floats = NDArray[np.float64]


def make_number_metrics(options: MetricOptions, columns: tuple[str, ...]) -> dict[str, Metric]:
    """Makes the metrics of numbers.

    Args:
        options: of the competition's file.
        columns: names of the numbers, which weights go by.
    """
    weights = options.weigh(columns)

    def squares(truth: Truth, values: Values) -> Floats:
        return numbers.list_squares(truth, values, weights)

    def distances(truth: Truth, values: Values) -> Floats:
        return numbers.list_distances(truth, values, weights)

    def rmse(truth: Truth, values: Values) -> float:
        return numbers.measure_rmse(truth, values, weights)

    def column_rmse(truth: Truth, values: Values) -> float:
        return numbers.measure_column_rmse(truth, values, weights)

    def r2(truth: Truth, values: Values) -> float:
        return numbers.measure_r2(truth, values, weights)

    def pooled_r2(truth: Truth, values: Values) -> float:
        return numbers.measure_pooled_r2(truth, values, weights)

    return {
        "rmse": Metric("rmse", False, rmse, "numbers"),
        "column_rmse": Metric("column_rmse", False, column_rmse, "numbers"),
        "mse": mean_metric("mse", False, squares, "numbers"),
        "mae": mean_metric("mae", False, distances, "numbers"),
        "r2": Metric("r2", True, r2, "numbers"),
        "pooled_r2": Metric("pooled_r2", True, pooled_r2, "numbers"),
        "rmsle": Metric("rmsle", False, numbers.measure_rmsle, "numbers"),
        "mape": Metric("mape", False, numbers.measure_mape, "numbers"),
        "pearson": Metric("pearson", True, numbers.measure_pearson, "numbers"),
        "spearman": Metric("spearman", True, numbers.measure_spearman, "numbers"),
    }
