"""The contract of combiners: out-of-fold rows of all members in, a rule for any other rows out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Weights
from pipeline.core.measures.metric import Metric

# What a probability is taken for before its logarithm: float32 rounds smaller ones away in sums.
FLOOR = 1e-7


@dataclass(frozen=True)
class OofRows:
    """Out-of-fold predictions of all members, with the truth.

    Attributes:
        stacked: float32 (n_members, n_samples, n_classes), rows sum to 1.
        labels: (n_samples,) class indices.
        folds: (n_samples,) the fold that predicted each row: what is chosen inside a combiner respects them.
        metric: the competition's.
        seed: of all that is random.
    """

    stacked: Probs
    labels: Labels
    folds: Labels
    metric: Metric
    seed: int = 0

    def where(self, rows: NDArray[np.bool_]) -> "OofRows":
        """Returns some of the rows."""
        return replace(self, stacked=self.stacked[:, rows], labels=self.labels[rows], folds=self.folds[rows])

    @property
    def true_probs(self) -> NDArray[np.float32]:
        """(n_members, n_samples): what each member says of each row's own class."""
        return self.stacked[:, np.arange(len(self.labels)), self.labels]


class Fitted(Protocol):
    """A combiner after fitting."""

    @property
    def weights(self) -> Weights | None:
        """(n_members,) or (n_members, n_classes), >= 0, columns sum to 1; None where there is no such thing."""

    def __call__(self, stacked: Probs) -> Probs:
        """Combines (n_members, n_samples, n_classes) into float32 (n_samples, n_classes), rows sum to 1."""


Combiner = Callable[[OofRows], Fitted]


@dataclass(frozen=True)
class Rule:
    """A fitted combiner made of a function and what it was fitted to."""

    combine: Callable[[Probs], Probs]
    weights: Weights | None = None

    def __call__(self, stacked: Probs) -> Probs:
        """Combines the members."""
        return self.combine(stacked)


def normalise_rows(values: NDArray[np.floating]) -> Probs:
    """Divides rows by their sums; a row of zeros becomes uniform."""
    total = values.sum(axis=1, keepdims=True, dtype=np.float64)
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


def blend_members(stacked: Probs, weights: Weights) -> Probs:
    """Returns the weighted mean of the members.

    Args:
        stacked: (n_members, n_samples, n_classes) probabilities.
        weights: (n_members,) or (n_members, n_classes), >= 0.

    Returns:
        (n_samples, n_classes) probabilities; rows sum to 1.
    """
    total = np.zeros(stacked.shape[1:], dtype=np.float64)
    for member, weight in zip(stacked, weights, strict=True):
        if np.any(weight):
            total += member * weight
    return normalise_rows(total)


def make_blend(weights: Weights) -> Rule:
    """Returns the weighted mean as a fitted combiner."""
    return Rule(lambda stacked: blend_members(stacked, weights), weights)
