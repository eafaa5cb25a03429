"""Mistakes: misclassified rows, and labels that are probably wrong.

Reference: Northcutt, Jiang and Chuang 2021, Confident learning: estimating uncertainty in dataset labels,
https://arxiv.org/abs/1911.00068 (cleanlab, its authors' library).
"""

from dataclasses import dataclass

import numpy as np
from cleanlab.filter import find_label_issues

from pipeline.core.arrays import Labels, Probs


@dataclass(frozen=True)
class Mistake:
    """A row whose most probable class is not its label; ``guesses`` are the three best as (class, probability)."""

    row: int
    label: int
    guesses: tuple[tuple[int, float], ...]


def find_mistakes(labels: Labels, probs: Probs) -> list[Mistake]:
    """Returns the misclassified rows, the most confident first."""
    wrong = np.flatnonzero(probs.argmax(axis=1) != labels)
    order = wrong[np.argsort(-probs[wrong].max(axis=1), kind="stable")].tolist()
    return [describe_mistake(labels, probs, row) for row in order]


def describe_mistake(labels: Labels, probs: Probs, row: int) -> Mistake:
    """Returns the three most probable classes of a row."""
    best = np.argsort(-probs[row], kind="stable")[:3].tolist()
    return Mistake(row, int(labels[row]), tuple((label, float(probs[row, label])) for label in best))


def find_label_errors(labels: Labels, probs: Probs) -> Labels:
    """Returns the rows whose label is probably wrong, the label with the lowest probability first.

    The confident joint says how many rows of each class belong to which other; so many of those whose own label has
    the lowest probability are taken, where pruning by class and by noise rate agree. Classes without rows play no part.

    Args:
        labels: (n,) class indices as given.
        probs: (n, n_classes), out-of-fold: each row by a model that did not learn its label.
    """
    present, renumbered = np.unique(labels, return_inverse=True)
    among = probs[:, present].astype(np.float64)
    total = among.sum(axis=1, keepdims=True)
    if len(present) < 2:
        return np.zeros(0, dtype=np.int64)
    among = np.divide(among, total, out=np.full_like(among, 1 / len(present)), where=total > 0)
    rows = find_label_issues(
        renumbered,
        among,
        return_indices_ranked_by="self_confidence",
        filter_by="both",
        min_examples_per_class=0,
        n_jobs=1,
    )
    return np.asarray(rows, dtype=np.int64)
