"""Calibration of probabilities: temperature scaling, reliability, expected calibration error.

Reference: Guo et al. 2017, On calibration of modern neural networks, https://arxiv.org/abs/1706.04599
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth, Values, Weights
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target, slice_truth
from pipeline.ensemble.combiners.contract import apply_outputs, apply_softmax, take_outputs

BINS = 15
FEW = 20  # rows: an accuracy of fewer is off by a tenth and more
_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS = 20
# From an inverse temperature to the slope of the mean loss and its curvature there.
Curve = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Reliability:
    """Predictions by their confidence, in equally wide bins; empty bins are left out.

    Of classes the confidence is the largest probability of a row, of labels each probability; numbers have none, and
    no bins.

    Attributes:
        confidence: mean confidence of each bin.
        accuracy: share of each bin that is right: whose class is the most probable one, or that has the label.
        rows: of each bin; of labels, predictions.
    """

    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    rows: tuple[int, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, weighted by rows."""
        rows = np.asarray(self.rows)
        if not len(rows):
            return 0.0
        return float((np.abs(np.subtract(self.confidence, self.accuracy)) * rows).sum() / rows.sum())


def measure_reliability(truth: Truth, values: Values, target: Target | None = None) -> Reliability:
    """Compares confidence with accuracy.

    Args:
        truth: (n_samples,) class indices, or (n_samples, truth_width).
        values: (n_samples, n_columns) predictions.
        target: what is predicted; None for one class per image.
    """
    if target is None:
        confidence, hits = _compare_classes(truth, values)
    else:
        each = [
            _compare(part, slice_truth(part, truth, width), values[:, columns])
            for _, part, columns, width in target.each()
        ]
        confidence, hits = (np.concatenate(parts) for parts in zip(*each, strict=True))
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    kept = rows > 0
    sums = [np.bincount(bins, weights=values, minlength=BINS)[kept] / rows[kept] for values in (confidence, hits)]
    return Reliability(tuple(sums[0].tolist()), tuple(sums[1].tolist()), tuple(rows[kept].tolist()))


def join_small_bins(bins: Reliability, least: int = FEW) -> Reliability:
    """Joins neighbouring bins, from the surest down, until each has a number of rows; the surer say more of a score.

    The error is that of the bins as they came: joined ones are for drawing alone.

    Args:
        bins: in the order of their confidence.
        least: rows that a bin should have.
    """
    groups: list[list[int]] = []
    for place in reversed(range(len(bins.rows))):
        if not groups or sum(bins.rows[each] for each in groups[-1]) >= least:
            groups.append([])
        groups[-1].append(place)
    if len(groups) > 1 and sum(bins.rows[each] for each in groups[-1]) < least:
        rest = groups.pop()
        groups[-1] += rest
    joined = [sorted(group) for group in reversed(groups)]
    rows = [sum(bins.rows[each] for each in group) for group in joined]

    def average(values: tuple[float, ...]) -> tuple[float, ...]:
        sums = (sum(values[each] * bins.rows[each] for each in group) for group in joined)
        return tuple(total / count for total, count in zip(sums, rows, strict=True))

    return Reliability(average(bins.confidence), average(bins.accuracy), tuple(rows))


def _compare(target: Target, truth: Truth, values: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the confidence of predictions, and how right each is."""
    if target.activation == "linear":
        return np.empty(0), np.empty(0)
    if target.activation == "sigmoid":
        return values.ravel().astype(np.float64), truth.ravel().astype(np.float64)
    if isinstance(target, OneClass):
        return _compare_classes(target.index_labels(truth), values)
    chosen = np.arange(len(values)), values.argmax(axis=1)
    return values[chosen].astype(np.float64), truth[chosen].astype(np.float64)


def _compare_classes(labels: Labels, probs: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return probs.max(axis=1).astype(np.float64), (probs.argmax(axis=1) == labels).astype(np.float64)


def fit_temperature(truth: Truth, values: Values, target: Target) -> float:
    """Returns the temperature that minimises the loss; above 1 the probabilities are too sure of themselves.

    Newton's method on the inverse temperature, in which the loss is convex. Numbers have no temperature: 1.

    Args:
        truth: (n_samples,) class indices, or (n_samples, truth_width).
        values: (n_samples, n_columns) predictions.
        target: what is predicted.

    Returns:
        0.05 to 20.
    """
    parts = [(part, columns, slice_truth(part, truth, width)) for _, part, columns, width in target.each()]
    curves = [_make_curve(part, own, values[:, columns]) for part, columns, own in parts if part.activation != "linear"]
    if not curves:
        return 1.0
    low, high = 1 / _HOTTEST, 1 / _COLDEST
    inverse = 1.0
    for _ in range(_STEPS):
        slopes, bends = zip(*(curve(inverse) for curve in curves), strict=True)
        slope, bend = sum(slopes), sum(bends)
        # The loss is lowest where its slope is nought: each step narrows where, Newton says where to look.
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        proposed = inverse - slope / bend if bend > 0 else low
        following = proposed if low < proposed < high else (low * high) ** 0.5
        if abs(following - inverse) < 1e-5 * inverse:
            break
        inverse = following
    return 1 / inverse


def _make_curve(target: Target, truth: Truth, values: Values) -> Curve:
    outputs = take_outputs(target, values)
    rows = len(values)
    if target.activation == "sigmoid":
        true = float(np.einsum("nc,nc->", target.make_targets(truth), outputs, dtype=np.float64))

        def labels(inverse: float) -> tuple[float, float]:
            probs = apply_outputs(target, outputs * np.float32(inverse))
            expected = np.einsum("nc,nc->", probs, outputs, dtype=np.float64)
            spread = np.einsum("nc,nc,nc->", probs * (1 - probs), outputs, outputs, dtype=np.float64)
            return float(expected - true) / values.size, float(spread) / values.size

        return labels
    if isinstance(target, OneClass):
        own = outputs[np.arange(rows), target.index_labels(truth)].mean(dtype=np.float64)
    else:
        own = np.einsum("nc,nc->n", truth, outputs).mean(dtype=np.float64)

    def classes(inverse: float) -> tuple[float, float]:
        scaled = apply_softmax(outputs * np.float32(inverse))
        expected = np.einsum("nc,nc->n", scaled, outputs)
        slope = float(expected.mean(dtype=np.float64) - own)
        curve = np.einsum("nc,nc,nc->n", scaled, outputs, outputs) - expected**2
        return slope, float(curve.mean(dtype=np.float64))

    return classes


def apply_temperature(values: Values, degrees: float, target: Target) -> Values:
    """Divides the outputs by a temperature: log-probabilities of classes, log-odds of labels; numbers stay."""
    if degrees == 1:
        return values
    made = [_cool(part, values[:, columns], degrees) for _, part, columns, _ in target.each()]
    return made[0] if len(made) == 1 else np.concatenate(made, axis=1)


def _cool(target: Target, values: Values, degrees: float) -> Values:
    if target.activation == "linear":
        return values
    return apply_outputs(target, take_outputs(target, values) / np.float32(degrees))


def fit_temperatures(truth: Truth, stacked: Values, target: Target) -> Weights:
    """Returns the temperature of each member: (n_members,)."""
    return np.array([fit_temperature(truth, member, target) for member in stacked])


def apply_temperatures(stacked: Values, degrees: NDArray[np.float64], target: Target) -> Values:
    """Divides each member's outputs by its own temperature."""
    each = zip(stacked, degrees, strict=True)
    return np.stack([apply_temperature(member, float(degree), target) for member, degree in each])
