"""The contract of combiners: out-of-fold rows of all members in, a rule for any other rows out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Truth, Values, Weights
from pipeline.core.measures.metric import Metric
from pipeline.core.simplex import MixtureLoss, compress_residuals
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import FLOOR, Target, slice_truth


@dataclass(frozen=True)
class OofRows:
    """Out-of-fold predictions of all members, with the truth.

    Attributes:
        stacked: float32 (n_members, n_samples, n_columns), predictions of the target.
        truth: (n_samples,) class indices, or (n_samples, truth_width).
        folds: (n_samples,) the fold that predicted each row: what is chosen inside a combiner respects them.
        metric: the competition's.
        target: what is predicted.
        seed: of all that is random.
    """

    stacked: Values
    truth: Truth
    folds: Labels
    metric: Metric
    target: Target
    seed: int = 0

    def where(self, rows: NDArray[np.bool_]) -> "OofRows":
        """Returns some of the rows."""
        return replace(self, stacked=self.stacked[:, rows], truth=self.truth[rows], folds=self.folds[rows])

    def draw_rows(self, cells: int) -> "OofRows":
        """Returns as many rows, drawn by the seed, as ``cells`` predictions of one member have; all where fewer."""
        n_rows, n_columns = self.stacked.shape[1:]
        many = max(1, cells // n_columns)
        if n_rows <= many:
            return self
        drawn = np.zeros(n_rows, dtype=np.bool_)
        drawn[np.random.default_rng(self.seed).permutation(n_rows)[:many]] = True
        return self.where(drawn)

    @property
    def classes(self) -> Labels | None:
        """The class indices (n_samples,) of a target of one class or grade per image; None of others."""
        return self.target.index_labels(self.truth) if isinstance(self.target, OneClass) else None

    @property
    def loss(self) -> MixtureLoss:
        """The loss of a weighted mean of the members."""
        labels = self.classes
        if labels is not None:
            return MixtureLoss(self.stacked[:, np.arange(len(labels)), labels])
        each = [self.target.split_losses(self.truth, member) for member in self.stacked]
        likelihoods = np.stack([terms.likelihoods.ravel() for terms in each])
        weights, n_rows = each[0].weights, self.stacked.shape[1]
        residuals = np.stack([terms.residuals.ravel() for terms in each])
        if not residuals.shape[1] and len(weights) == 1:
            return MixtureLoss(likelihoods)
        shares = np.broadcast_to(weights, each[0].likelihoods.shape).ravel() / max(n_rows, 1)
        cells = np.flatnonzero(shares)
        if not residuals.shape[1]:
            return MixtureLoss(likelihoods[:, cells], shares[cells])
        return MixtureLoss(likelihoods[:, cells], shares[cells], compress_residuals(residuals / max(n_rows, 1) ** 0.5))

    def split(self, whole: bool = False) -> Iterator[tuple["OofRows", slice]]:
        """Yields what can be fitted apart, with its columns: each label, number or part, or with ``whole`` each part.

        Their metric is that of the whole, which does not judge them.
        """
        parts = [each[1:] for each in self.target.each()] if whole else list(self.target.split_columns())
        for part, columns, width in parts:
            truth = slice_truth(part, self.truth, width)
            yield replace(self, stacked=self.stacked[:, :, columns], truth=truth, target=part), columns


class Fitted(Protocol):
    """A combiner after fitting."""

    @property
    def weights(self) -> Weights | None:
        """(n_members,) or (n_members, n_columns), >= 0, columns sum to 1; None where there is no such thing."""

    def __call__(self, stacked: Values) -> Values:
        """Combines (n_members, n_samples, n_columns) into float32 (n_samples, n_columns), predictions of the target."""


Combiner = Callable[[OofRows], Fitted]


@dataclass(frozen=True)
class Rule:
    """A fitted combiner made of a function and what it was fitted to."""

    combine: Callable[[Values], Values]
    weights: Weights | None = None

    def __call__(self, stacked: Values) -> Values:
        """Combines the members."""
        return self.combine(stacked)


def normalise_rows(values: NDArray[np.floating]) -> Probs:
    """Divides rows by their sums; a row of zeros becomes uniform."""
    total = values.sum(axis=1, keepdims=True, dtype=np.float64)
    if (total > 0).all():  # as nearly always: without arrays in float64 on the way
        made = np.empty(values.shape, dtype=np.float32)
        np.divide(values, total, out=made, casting="same_kind")
        return made
    even = 1 / values.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        divided: NDArray[np.float64] = np.where(total > 0, values / total, even)
    return divided.astype(np.float32)


def apply_softmax(logits: NDArray[np.floating]) -> Probs:
    """Softmax over classes, in place where it can be."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    return normalise_rows(shifted)


def take_logs(probs: Probs) -> Probs:
    """Logarithms of probabilities, finite."""
    return np.log(np.maximum(probs, np.float32(FLOOR)))


def take_outputs(target: Target, values: Values) -> NDArray[np.float32]:
    """Returns what `Target.to_outputs` does, in float32: logarithms, log-odds, standardised numbers."""
    if target.activation == "softmax":
        return take_logs(values)
    return target.to_outputs(values).astype(np.float32)


def apply_outputs(target: Target, outputs: NDArray[np.floating]) -> Values:
    """Returns what `Target.from_outputs` does."""
    return apply_softmax(outputs) if target.activation == "softmax" else target.from_outputs(outputs)


def blend_members(stacked: Values, weights: Weights, target: Target | None = None) -> Values:
    """Returns the weighted mean of the members.

    Args:
        stacked: (n_members, n_samples, n_columns) predictions.
        weights: (n_members,) or (n_members, n_columns), >= 0.
        target: what is predicted; None for one class per image.

    Returns:
        (n_samples, n_columns) predictions.
    """
    total = np.zeros(stacked.shape[1:], dtype=np.float64)
    for member, weight in zip(stacked, weights, strict=True):
        if np.any(weight):
            total += member * weight
    return normalise_rows(total) if target is None else target.normalise(total)


def make_blend(weights: Weights, target: Target) -> Rule:
    """Returns the weighted mean as a fitted combiner."""
    return Rule(lambda stacked: blend_members(stacked, weights, target), weights)
