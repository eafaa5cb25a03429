"""Decision rules for metrics of labels that argmax does not maximise: the probabilities are weighed by class first.

With two classes a weight is a threshold. The rule turns probabilities into others whose argmax is the decision, so that
whoever takes probabilities needs to know nothing of it.
Reference: Lipton et al. 2014, Optimal thresholding of classifiers to maximize F1 measure, https://arxiv.org/abs/1402.1892
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.measures.metric import Metric
from pipeline.ensemble.combiners.contract import normalise_rows

# Argmax of true probabilities is the best label for accuracy; for these it is not.
METRICS = ("macro_f1", "balanced_accuracy", "quadratic_kappa")
_FACTORS = np.exp(np.linspace(-1.5, 1.5, 13))
_PASSES = 4


def fit_class_factors(labels: Labels, probs: Probs, metric: Metric) -> NDArray[np.float64]:
    """Returns factors of the classes that raise a metric: (n_classes,), their geometric mean 1.

    Starts from equal factors or from one over the class frequencies, whichever scores better, and tries a grid of
    factors for one class after the other; a change must raise the score.

    Args:
        labels: (n_samples,) class indices.
        probs: (n_samples, n_classes) probabilities.
        metric: what is raised.
    """
    sign = 1 if metric.greater_is_better else -1
    n_classes = probs.shape[1]
    counts = np.maximum(np.bincount(labels, minlength=n_classes), 1)
    starts = [np.ones(n_classes), len(labels) / (n_classes * counts)]

    def score(factors: NDArray[np.float64]) -> float:
        return sign * metric.score(labels, apply_class_factors(probs, factors))

    best, factors = max(((score(start), start) for start in starts), key=lambda pair: pair[0])
    for _ in range(_PASSES):
        before = best
        for column in range(n_classes):
            for factor in _FACTORS:
                tried = factors.copy()
                tried[column] *= factor
                reached = score(tried)
                if reached > best + 1e-12:
                    best, factors = reached, tried
        if best == before:
            break
    result: NDArray[np.float64] = factors / np.exp(np.log(factors).mean())
    return result


def apply_class_factors(probs: Probs, factors: NDArray[np.float64]) -> Probs:
    """Multiplies each class by its factor and divides rows by their sums."""
    return normalise_rows(probs * factors)
