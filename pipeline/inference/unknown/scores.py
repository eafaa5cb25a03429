"""Scores for unknown images: larger for images that are less like those of the known classes.

References: Hendrycks and Gimpel 2017, A baseline for detecting misclassified and out-of-distribution examples,
https://arxiv.org/abs/1610.02136; Liu et al. 2020, Energy-based out-of-distribution detection,
https://arxiv.org/abs/2010.03759; Sun et al. 2022, Out-of-distribution detection with deep nearest neighbors,
https://arxiv.org/abs/2204.06507
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, logsumexp

from pipeline.core.arrays import Features
from pipeline.inference.outputs import FoldOutputs

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureBank:
    """Unit-length features (n, width) of known images, and which nearest neighbour counts."""

    features: Features
    neighbours: int


def build_bank(features: Features, n_classes: int) -> FeatureBank:
    """Keeps features of known images; k is the square root of the number of images per class."""
    return FeatureBank(_normalise(features), max(1, round((len(features) / n_classes) ** 0.5)))


def compute_max_softmax(outputs: FoldOutputs) -> Scores:
    """Returns one minus the largest probability."""
    scores: Scores = 1.0 - outputs.probs.max(axis=1).astype(np.float64)
    return scores


def compute_entropy(outputs: FoldOutputs) -> Scores:
    """Returns the entropy of the probabilities, in nats."""
    scores: Scores = entr(outputs.probs.astype(np.float64)).sum(axis=1)
    return scores


def compute_energy(outputs: FoldOutputs) -> Scores:
    """Returns minus the logarithm of the sum of the logits' exponentials."""
    assert outputs.logits is not None
    scores: Scores = -np.asarray(logsumexp(outputs.logits.astype(np.float64), axis=1))
    return scores


def compute_neighbour_distance(outputs: FoldOutputs, bank: FeatureBank, own: bool = False) -> Scores:
    """Returns the distance of unit-length features to the k-th nearest of the known images.

    Args:
        outputs: for the images.
        bank: of the known images.
        own: whether the images are those of the bank; none is its own neighbour.
    """
    assert outputs.features is not None
    unit, distances = _normalise(outputs.features), []
    skipped = bank.neighbours if own else bank.neighbours - 1
    for start in range(0, len(unit), 1024):
        similarity = unit[start : start + 1024] @ bank.features.T
        kth = min(skipped, similarity.shape[1] - 1)
        nearest = -np.partition(-similarity, kth, axis=1)[:, kth]
        distances.append(np.sqrt(np.maximum(2 - 2 * nearest.astype(np.float64), 0)))
    return np.concatenate([np.zeros(0), *distances])


_SIMPLE: dict[str, Callable[[FoldOutputs], Scores]] = {
    "max_softmax": compute_max_softmax,
    "entropy": compute_entropy,
    "energy": compute_energy,
}
NEIGHBOURS = "neighbours"


def compute_score(name: str, outputs: FoldOutputs, bank: FeatureBank | None) -> Scores:
    """Scores new images; the bank is for ``neighbours`` alone."""
    if name != NEIGHBOURS:
        return _SIMPLE[name](outputs)
    assert bank is not None
    return compute_neighbour_distance(outputs, bank)


def list_scores(outputs: FoldOutputs) -> tuple[str, ...]:
    """Lists the scores that a model's outputs allow, the simplest first."""
    names = ["max_softmax", "entropy"]
    names += ["energy"] if outputs.logits is not None else []
    names += [NEIGHBOURS] if outputs.features is not None else []
    return tuple(names)


def _normalise(features: Features) -> Features:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), dtype=np.float32)
