"""Scorers of sums of members, by the loss or the metric: what ensemble selection asks hundreds of times."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.measures.metric import Metric
from pipeline.core.simplex import MixtureLoss
from pipeline.core.targets.contract import FLOOR
from pipeline.ensemble.combiners.contract import OofRows, normalise_rows

_FACTORS = 4
# Sum of the members taken so far, a further member, how many both are together -> score, greater is better.
Scorer = Callable[[NDArray[np.float32], NDArray[np.float32], int], float]


def make_log_loss_scorer(n_rows: int) -> Scorer:
    """Returns the scorer of sums of true-class probabilities (n_rows,): minus the log loss of their mean.

    Rows of all members sum to 1, so the mean's do, and nothing but the true class counts.
    """
    buffer = np.empty(n_rows, dtype=np.float32)

    def score(total: NDArray[np.float32], member: NDArray[np.float32], many: int) -> float:
        np.add(total, member, out=buffer)
        np.maximum(buffer, np.float32(FLOOR * many), out=buffer)
        np.log(buffer, out=buffer)
        return float(buffer.mean(dtype=np.float64)) - float(np.log(many))

    return score


def make_product_scorer(likelihoods: NDArray[np.floating]) -> tuple[NDArray[np.float32], Scorer]:
    """Returns what is summed over members, and the scorer of such sums: minus the log loss of their mean.

    The logarithm of products of four, which float32 still holds: a row of twenty labels has twenty factors.
    """
    members, cells = likelihoods.shape
    values = np.ones((members, -(-cells // _FACTORS) * _FACTORS), dtype=np.float32)
    values[:, :cells] = likelihoods
    buffer = np.empty((_FACTORS, values.shape[1] // _FACTORS), dtype=np.float32)
    flat = buffer.reshape(-1)

    def score(total: NDArray[np.float32], member: NDArray[np.float32], many: int) -> float:
        np.add(total, member, out=flat)
        np.maximum(flat, np.float32(FLOOR * many), out=flat)
        product: NDArray[np.float32] = buffer[0]
        for factor in buffer[1:]:
            np.multiply(product, factor, out=product)
        np.log(product, out=product)
        mean = (product.sum(dtype=np.float64) - len(flat) * np.log(many)) / cells
        return float(mean)

    return values, score


def make_loss_scorer(loss: MixtureLoss) -> tuple[NDArray[np.float32], Scorer]:
    """Returns what is summed over members, and the scorer of such sums: minus the loss of their mean."""
    members, cells = loss.likelihoods.shape
    residuals = np.empty((members, 0)) if loss.residuals is None else loss.residuals
    weights = np.empty(0) if loss.weights is None else loss.weights
    values = np.concatenate([loss.likelihoods, residuals], axis=1).astype(np.float32)

    def score(total: NDArray[np.float32], member: NDArray[np.float32], many: int) -> float:
        mean = (total + member) / np.float32(many)
        logs: NDArray[np.float32] = np.log(np.maximum(mean[:cells], np.float32(FLOOR)))
        squares: NDArray[np.float64] = np.square(mean[cells:], dtype=np.float64)
        return float(logs @ weights) - float(squares.sum())

    return values, score


def make_accuracy_scorer(stacked: Probs, labels: Labels) -> tuple[NDArray[np.float32], Scorer]:
    """Returns what is summed over members, and the scorer of such sums: the share of rows whose own class is largest.

    A class is a row of its own there, which changed places with the first class where it is the true one: the largest
    of all other classes is then that of whole rows, a third of the work of `numpy.argmax` along columns.

    Args:
        stacked: (n_members, n_rows, n_classes) probabilities.
        labels: (n_rows,) class indices.
    """
    rows = np.arange(len(labels))
    values = stacked.transpose(0, 2, 1).copy()
    values[:, labels, rows] = stacked[:, :, 0]
    values[:, 0] = stacked[:, rows, labels]
    buffer, largest = np.empty(values.shape[1:], dtype=np.float32), np.empty(len(labels), dtype=np.float32)

    def score(total: NDArray[np.float32], member: NDArray[np.float32], many: int) -> float:
        np.add(total, member, out=buffer)
        np.max(buffer[1:], axis=0, out=largest, initial=-np.inf)
        hits = np.count_nonzero(buffer[0] > largest)
        # Of classes that are equally likely the first one is predicted.
        tied = np.flatnonzero(buffer[0] == largest)
        if len(tied):
            sums = buffer[:, tied]
            places, own = np.arange(len(tied)), sums[0].copy()
            sums[0] = sums[labels[tied], places]
            sums[labels[tied], places] = own
            hits += np.count_nonzero(sums.argmax(axis=0) == labels[tied])
        return float(hits / len(labels))

    return values, score


def make_metric_scorer(labels: Labels, metric: Metric) -> Scorer:
    """Returns the scorer of sums of probabilities (n_rows, n_classes) by any metric."""
    sign = 1 if metric.greater_is_better else -1

    def score(total: Probs, member: Probs, many: int) -> float:
        return sign * metric.score(labels, normalise_rows(total + member))

    return score


def make_value_scorer(sample: OofRows) -> Scorer:
    """Returns the scorer of sums of predictions (n_rows, n_columns) of any target by its metric."""
    sign = 1 if sample.metric.greater_is_better else -1

    def score(total: NDArray[np.float32], member: NDArray[np.float32], many: int) -> float:
        mean = (total + member) / np.float32(many)
        return sign * sample.metric.score(sample.truth, sample.target.normalise(mean))

    return score
