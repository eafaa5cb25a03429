"""Quality of each class: confusion counts, mean probabilities, precision, recall and F1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from pipeline.core.arrays import Labels, Probs

Matrix = NDArray[np.float64]
_FAR = 0.1


@dataclass(frozen=True)
class ClassQuality:
    """Predictions, class by class.

    Attributes:
        counts: (n_classes, n_classes) rows of each true class (rows) by their most probable class (columns).
        mean_probs: (n_classes, n_classes), the mean probability of each class (columns) over the rows of a true class
            (rows): M[i, j] of the Vision Transformer report; NaN for a class without rows.
        precision: (n_classes,); 0 for a class that is never predicted.
        recall: (n_classes,); 0 for a class without rows.
        f1: (n_classes,).
        support: (n_classes,) rows of each true class.
    """

    counts: Labels
    mean_probs: Matrix
    precision: Matrix
    recall: Matrix
    f1: Matrix
    support: Labels

    @property
    def predicted(self) -> Labels:
        """(n_classes,) how often each class is the most probable one."""
        totals: Labels = self.counts.sum(axis=0)
        return totals

    @property
    def worst_first(self) -> list[int]:
        """All classes that have rows, the lowest F1 first."""
        order = np.argsort(self.f1, kind="stable").tolist()
        return [label for label in order if self.support[label]]

    @property
    def never_predicted(self) -> list[int]:
        """Classes that have rows, but are never predicted."""
        return np.flatnonzero((self.predicted == 0) & (self.support > 0)).tolist()

    @property
    def weak(self) -> list[int]:
        """Classes whose recall lies far below the mean, the lowest first.

        Far is ten points and beyond chance: the 95 % Wilson interval of the recall lies below the mean of all classes.
        """
        known = self.support > 0
        mean = self.recall[known].mean() if known.any() else 0.0
        right = np.diag(self.counts)
        far = [
            label
            for label in np.flatnonzero(known & (self.recall <= mean - _FAR)).tolist()
            if binomtest(int(right[label]), int(self.support[label])).proportion_ci(method="wilson").high < mean
        ]
        return sorted(far, key=lambda label: self.recall[label])


@dataclass(frozen=True)
class ConfusedPair:
    """Two confused classes: ``there`` rows of ``one`` are predicted as ``two``, ``back`` rows the other way."""

    one: int
    two: int
    there: int
    back: int


def compute_class_quality(labels: Labels, probs: Probs) -> ClassQuality:
    """Compares labels with predictions.

    Args:
        labels: (n,) class indices.
        probs: (n, n_classes).
    """
    n_classes = probs.shape[1]
    predicted, known = probs.argmax(axis=1), np.arange(n_classes)
    counts = confusion_matrix(labels, predicted, labels=known)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=known, zero_division=0.0)
    sums = np.zeros((n_classes, n_classes))
    np.add.at(sums, labels, probs.astype(np.float64))
    with np.errstate(invalid="ignore"):
        means = sums / support[:, None]
    return ClassQuality(counts.astype(np.int64), means, precision, recall, f1, support.astype(np.int64))


def find_confused_pairs(counts: Labels, limit: int) -> list[ConfusedPair]:
    """Returns the pairs of classes confused most often, in both directions together, the worst first."""
    both = np.triu(counts + counts.T, k=1)
    order = np.argsort(-both, axis=None, kind="stable")[:limit]
    places = [divmod(int(place), len(counts)) for place in order if both.flat[place]]
    return [ConfusedPair(one, two, int(counts[one, two]), int(counts[two, one])) for one, two in places]


def count_wrong_classes(counts: Labels, label: int, limit: int = 3) -> list[tuple[int, int]]:
    """Returns the wrong classes predicted for the rows of a class: (class, rows), the most frequent first."""
    wrong = counts[label].copy()
    wrong[label] = 0
    order = np.argsort(-wrong, kind="stable")[:limit].tolist()
    return [(other, int(wrong[other])) for other in order if wrong[other]]


def find_most_confident(labels: Labels, probs: Probs, true: int, predicted: int, limit: int) -> list[int]:
    """Returns rows of one class predicted as another (or correctly as itself), the most confident first."""
    rows = np.flatnonzero((labels == true) & (probs.argmax(axis=1) == predicted))
    most_confident: list[int] = rows[np.argsort(-probs[rows, predicted], kind="stable")][:limit].tolist()
    return most_confident
