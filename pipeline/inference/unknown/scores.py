"""Scores of "none of these classes": the larger, the less a picture is like what the classes are made of.

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

from pipeline.inference.outputs import Floats, Said

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Bank:
    """Features of known pictures: (n, width), of length 1, and how many neighbours are looked for."""

    features: Floats
    neighbours: int


def bank_of(features: Floats, n_classes: int) -> Bank:
    """Keeps features of known pictures; the neighbours are the square root of the pictures of a class."""
    return Bank(_unit(features), max(1, round((len(features) / n_classes) ** 0.5)))


def max_softmax(said: Said) -> Scores:
    """One minus the largest probability."""
    found: Scores = 1.0 - said.probs.max(axis=1).astype(np.float64)
    return found


def entropy(said: Said) -> Scores:
    """The entropy of the probabilities, in nats."""
    found: Scores = entr(said.probs.astype(np.float64)).sum(axis=1)
    return found


def energy(said: Said) -> Scores:
    """Minus the logarithm of the sum of the logits' exponentials."""
    assert said.logits is not None
    found: Scores = -np.asarray(logsumexp(said.logits.astype(np.float64), axis=1))
    return found


def neighbours(said: Said, bank: Bank, own: bool = False) -> Scores:
    """The distance to the k-th nearest known picture in the features' directions.

    Args:
        said: of the pictures.
        bank: of the known pictures.
        own: whether the pictures are those of the bank, each of which is no neighbour of itself.
    """
    assert said.features is not None
    unit, found = _unit(said.features), []
    skipped = bank.neighbours if own else bank.neighbours - 1
    for start in range(0, len(unit), 1024):
        alike = unit[start : start + 1024] @ bank.features.T
        kth = min(skipped, alike.shape[1] - 1)
        nearest = -np.partition(-alike, kth, axis=1)[:, kth]
        found.append(np.sqrt(np.maximum(2 - 2 * nearest.astype(np.float64), 0)))
    return np.concatenate([np.zeros(0), *found])


PLAIN: dict[str, Callable[[Said], Scores]] = {"max_softmax": max_softmax, "entropy": entropy, "energy": energy}
NEIGHBOURS = "neighbours"


def scores(name: str, said: Said, bank: Bank | None) -> Scores:
    """Scores new pictures; the bank is for ``neighbours`` alone."""
    if name != NEIGHBOURS:
        return PLAIN[name](said)
    assert bank is not None
    return neighbours(said, bank)


def names_for(said: Said) -> tuple[str, ...]:
    """Names the scores that can be had of a model, the simplest first."""
    found = ["max_softmax", "entropy"]
    found += ["energy"] if said.logits is not None else []
    found += [NEIGHBOURS] if said.features is not None else []
    return tuple(found)


def _unit(features: Floats) -> Floats:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), dtype=np.float32)
