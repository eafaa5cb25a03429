"""Simulated members of an ensemble: a class as a direction in noise that all members share in part."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.core.arrays import Probs
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import OneClass
from pipeline.ensemble.combiners.contract import OofRows


def simulate(strengths: Sequence[float], rows: int, n_classes: int, seed: int) -> tuple[Probs, NDArray[np.int64]]:
    """Returns probabilities (n_members, rows, n_classes) and labels (rows,).

    Args:
        strengths: of each member; 0 knows nothing.
        rows: how many.
        n_classes: of the competition.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, n_classes, rows)
    shared = random.normal(size=(rows, n_classes))
    members = []
    for strength in strengths:
        logits = 0.7 * shared + 0.7 * random.normal(size=(rows, n_classes))
        logits[np.arange(rows), labels] += strength
        members.append(softmax(logits, axis=1))
    return np.stack(members).astype(np.float32), labels


def sample(
    strengths: Sequence[float], rows: int = 300, n_classes: int = 4, seed: int = 0, metric: str = "accuracy"
) -> OofRows:
    """Returns simulated members on five folds."""
    stacked, labels = simulate(strengths, rows, n_classes, seed)
    return OofRows(stacked, labels, np.arange(rows) % 5, get_metric(metric), number_classes(n_classes))


def number_classes(many: int) -> OneClass:
    """Returns the target of one of so many classes."""
    return OneClass(columns=tuple(str(number) for number in range(many)))
