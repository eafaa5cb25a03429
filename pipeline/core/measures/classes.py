"""Measures of one class per image: class indices (n,) against probabilities (n, n_classes).

Equal to scikit-learn's where it has the measure; written out where its checks of the input cost ten times the score, as
searches and bootstraps score thousands of times.
Reference: https://scikit-learn.org/stable/modules/model_evaluation.html
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.errors import InputError
from pipeline.core.measures.curves import measure_area

Numbers = NDArray[np.float64]


def _double(probs: Probs) -> Numbers:
    """Probabilities in float64, rows summing to one to the last bit that scikit-learn checks."""
    double = probs.astype(np.float64)
    double /= double.sum(axis=1, keepdims=True)
    return double


def measure_accuracy(labels: Labels, probs: Probs) -> float:
    """Share of rows whose most probable class is theirs."""
    return float((probs.argmax(axis=1) == labels).mean())


def list_hits(labels: Labels, probs: Probs) -> Numbers:
    """1 for each row whose most probable class is its own (n,)."""
    hits: NDArray[np.bool_] = probs.argmax(axis=1) == labels
    return hits.astype(np.float64)


def measure_log_loss(labels: Labels, probs: Probs) -> float:
    """Mean cross-entropy, as scikit-learn's log_loss, whose import costs a small training a second."""
    return float(list_log_losses(labels, probs).mean())


def list_log_losses(labels: Labels, probs: Probs) -> Numbers:
    """Cross-entropy of each row (n,)."""
    chosen = _double(probs)[np.arange(len(labels)), labels]
    return -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))  # clipped as scikit-learn clips


def measure_weighted_log_loss(labels: Labels, probs: Probs, weights: Numbers) -> float:
    """Cross-entropy, each row counting as much as its class weighs: ``weights`` (n_classes,)."""
    return float(np.average(list_log_losses(labels, probs), weights=weights[labels]))


def measure_balanced_log_loss(labels: Labels, probs: Probs, weights: Numbers) -> float:
    """Mean over the classes present of their mean cross-entropy, weighted by ``weights`` (n_classes,)."""
    rows = np.bincount(labels, minlength=len(weights))
    sums = np.bincount(labels, weights=list_log_losses(labels, probs), minlength=len(weights))
    present = rows > 0
    return float(np.average(sums[present] / rows[present], weights=weights[present]))


def _count(labels: Labels, probs: Probs) -> tuple[Numbers, Numbers, Numbers]:
    """Counts by class: true and predicted, true, predicted; (n_classes,) each."""
    n_classes, predicted = probs.shape[1], probs.argmax(axis=1)
    hits, true, chosen = (
        np.bincount(rows, minlength=n_classes).astype(np.float64)
        for rows in (labels[predicted == labels], labels, predicted)
    )
    return hits, true, chosen


def measure_macro_f1(labels: Labels, probs: Probs) -> float:
    """Mean F1 over all classes; a class that no row has and none is given counts 0."""
    return measure_macro_f_beta(labels, probs, 1.0)


def measure_macro_f_beta(labels: Labels, probs: Probs, beta: float) -> float:
    """Mean F-beta over all classes: recall weighs ``beta`` times as much as precision."""
    hits, true, chosen = _count(labels, probs)
    if beta == 1:
        return float((2 * hits / np.maximum(true + chosen, 1)).mean())
    square = beta**2
    return float(((1 + square) * hits / np.maximum(square * true + chosen, np.finfo(float).tiny)).mean())


def measure_weighted_f1(labels: Labels, probs: Probs) -> float:
    """Mean F1 of the classes, each weighing as many rows as it has."""
    hits, true, chosen = _count(labels, probs)
    return float((2 * hits / np.maximum(true + chosen, 1) * true).sum() / true.sum())


def measure_balanced_accuracy(labels: Labels, probs: Probs) -> float:
    """Mean recall of the classes that the rows have: scikit-learn's balanced accuracy, without its warning."""
    hits, true, _ = _count(labels, probs)
    return float((hits[true > 0] / true[true > 0]).mean())


def measure_macro_recall(labels: Labels, probs: Probs, weights: Numbers) -> float:
    """Weighted mean recall of the classes that rows have or are given; of one that none has it is 0."""
    hits, true, chosen = _count(labels, probs)
    there = (true + chosen) > 0
    return float(np.average((hits / np.maximum(true, 1))[there], weights=weights[there]))


def measure_matthews(labels: Labels, probs: Probs) -> float:
    """Matthews' correlation of true and most probable classes; 0 where one side has one class only.

    Reference: Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006, for more than two classes
    """
    return measure_correlation(*_count(labels, probs), rows=len(labels))


def measure_correlation(hits: Numbers, true: Numbers, chosen: Numbers, rows: int) -> float:
    """Matthews' correlation from counts by class (n_classes,); 0 where one side has one class only."""
    spread = (rows**2 - (true**2).sum()) * (rows**2 - (chosen**2).sum())
    return float((hits.sum() * rows - (true * chosen).sum()) / spread**0.5) if spread > 0 else 0.0


def measure_brier(labels: Labels, probs: Probs) -> float:
    """Mean squared distance to the one-hot class; of two classes that of the second alone, as is the custom."""
    return float(list_briers(labels, probs).mean())


def list_briers(labels: Labels, probs: Probs) -> Numbers:
    """Brier score of each row (n,)."""
    if probs.shape[1] == 2:
        return (probs[:, 1].astype(np.float64) - labels) ** 2
    apart = probs.astype(np.float64)
    apart[np.arange(len(labels)), labels] -= 1
    squares: Numbers = (apart**2).sum(axis=1)
    return squares


def measure_roc_auc(labels: Labels, probs: Probs) -> float:
    """Area under the curve of each class against the others, their mean; of two classes that of the second.

    Raises:
        InputError: a class without a row.
    """
    columns = range(probs.shape[1])
    absent = np.flatnonzero(np.bincount(labels, minlength=len(columns)) == 0).tolist()
    if absent:
        raise InputError(f"roc_auc needs every class among the scored rows; class indices {absent} have none")
    wanted = [1] if probs.shape[1] == 2 else columns
    by_class = np.ascontiguousarray(probs.T)
    return float(np.mean([measure_area(labels == column, by_class[column]) for column in wanted]))


def measure_average_precision(labels: Labels, probs: Probs) -> float:
    """Mean over the classes that rows have of their average precision; of two classes that of the second."""
    from sklearn import metrics as sk

    wanted = [column for column in np.unique(labels).tolist() if column == 1 or probs.shape[1] > 2]
    if not wanted:
        raise InputError("average_precision needs rows of the second class among the scored rows; there is none")
    return float(np.mean([sk.average_precision_score(labels == column, probs[:, column]) for column in wanted]))


def measure_quadratic_kappa(labels: Labels, probs: Probs, numbers: Numbers) -> float:
    """Cohen's kappa with quadratic weights, by the classes' values ``numbers`` (n_classes,).

    Raises:
        InputError: all rows have and are given one class.
    """
    n_classes = probs.shape[1]
    pairs = labels * n_classes + probs.argmax(axis=1)
    counts = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.float64)
    if len(np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))) < 2:
        raise InputError(f"quadratic_kappa needs two classes among the scored rows; all are class index {labels[0]}")
    cost = (numbers[:, None] - numbers[None]) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return float(1 - (cost * counts).sum() / (cost * expected).sum())


def measure_gap(labels: Labels, probs: Probs) -> float:
    """Global average precision: rows by confidence, the precision at each right one, divided by all rows.

    Reference: Perronnin et al. 2009, A family of contextual measures of similarity, https://doi.org/10.1109/CVPR.2009.5206505
    """
    order = np.argsort(-probs.max(axis=1), kind="stable")
    right = (probs.argmax(axis=1) == labels)[order]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((precision * right).sum() / len(right))


def measure_probabilistic_f1(labels: Labels, probs: Probs) -> float:
    """F1 of the second of two classes, its probabilities counted instead of decisions; 0 without a true one.

    Reference: Yacouby and Axman 2020, Probabilistic extension of precision, recall and F1,
    https://aclanthology.org/2020.eval4nlp-1.9
    """
    positive = labels == 1
    chosen = probs[:, 1].astype(np.float64)
    hits, true = chosen[positive].sum(), positive.sum()
    return float(2 * hits / (true + chosen.sum())) if true else 0.0
