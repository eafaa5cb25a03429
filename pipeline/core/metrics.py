"""Competition metrics by name, equal to scikit-learn's; each knows its direction.

Every metric takes true class indices and probabilities, so that a caller never asks which kind it is.
Reference: https://scikit-learn.org/stable/modules/model_evaluation.html
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics as sk

from pipeline.core.arrays import Labels, Probs, Truth, Values
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.targets.contract import Target


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    Attributes:
        name: as in the competition's file; top-k carries its k.
        greater_is_better: the direction.
        score: (truth, values (n, n_columns)) -> float; the truth is class indices (n,), or (n, truth_width).
        wants: what a submission must hold for this metric: ``label`` or ``probabilities``.
        rows: what each row adds to ``score``, where that is a mean over rows: makes a bootstrap cheap.
    """

    name: str
    greater_is_better: bool
    score: Callable[[Truth, Values], float]
    wants: str
    rows: Callable[[Truth, Values], NDArray[np.float64]] | None = None

    def better(self, a: float, b: float) -> bool:
        """Says whether score ``a`` beats score ``b``."""
        return a > b if self.greater_is_better else a < b


def _classes(probs: Probs) -> list[int]:
    return list(range(probs.shape[1]))


def _double(probs: Probs) -> NDArray[np.float64]:
    """Probabilities in float64, rows summing to one to the last bit that scikit-learn checks."""
    double = probs.astype(np.float64)
    double /= double.sum(axis=1, keepdims=True)
    return double


def _accuracy(labels: Labels, probs: Probs) -> float:
    # Not scikit-learn's, whose checks of the input cost ten times the score: searches score thousands of times.
    return float((probs.argmax(axis=1) == labels).mean())


def _log_loss(labels: Labels, probs: Probs) -> float:
    return float(sk.log_loss(labels, _double(probs), labels=_classes(probs)))


def _hits(labels: Labels, probs: Probs) -> NDArray[np.float64]:
    hits: NDArray[np.bool_] = probs.argmax(axis=1) == labels
    return hits.astype(np.float64)


def _losses(labels: Labels, probs: Probs) -> NDArray[np.float64]:
    chosen = _double(probs)[np.arange(len(labels)), labels]
    return -np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0))  # clipped as scikit-learn clips


def _confusion(labels: Labels, probs: Probs) -> NDArray[np.float64]:
    """Counts (true class, predicted class).

    In one pass: scikit-learn's scores check and encode labels at each call, and a bootstrap makes thousands of calls.
    """
    n_classes = probs.shape[1]
    pairs = labels * n_classes + probs.argmax(axis=1)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.float64)


def _macro_f1(labels: Labels, probs: Probs) -> float:
    counts = _confusion(labels, probs)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * counts.diagonal() / np.maximum(both, 1)).mean())


def _balanced_accuracy(labels: Labels, probs: Probs) -> float:
    # The mean recall of the classes present: scikit-learn's balanced accuracy, without its warning about a
    # predicted class that no row has.
    counts = _confusion(labels, probs)
    rows = counts.sum(axis=1)
    return float((counts.diagonal()[rows > 0] / rows[rows > 0]).mean())


def _roc_auc(labels: Labels, probs: Probs) -> float:
    absent = sorted(set(_classes(probs)) - set(labels.tolist()))
    if absent:
        raise InputError(f"roc_auc needs every class among the scored rows; class indices {absent} have none")
    columns = [1] if probs.shape[1] == 2 else _classes(probs)
    return float(np.mean([_area(labels == column, probs[:, column]) for column in columns]))


def _area(positive: NDArray[np.bool_], values: NDArray[np.float32]) -> float:
    """The area under one class's curve, from ranks (Mann and Whitney 1947); equal values share their middle rank."""
    ones = int(positive.sum())
    if ones == len(positive):
        raise InputError("roc_auc needs two classes among the scored rows; there is one")
    above = rankdata(values)[positive].sum() - ones * (ones + 1) / 2
    return float(above / (ones * (len(positive) - ones)))


def _quadratic_kappa(labels: Labels, probs: Probs) -> float:
    counts = _confusion(labels, probs)
    if len(np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))) < 2:
        raise InputError(f"quadratic_kappa needs two classes among the scored rows; all are class index {labels[0]}")
    numbers = np.arange(len(counts))
    cost = (numbers[:, None] - numbers[None]) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return float(1 - (cost * counts).sum() / (cost * expected).sum())


def top_k(k: int) -> Callable[[Labels, Probs], float]:
    """Makes the share of rows whose class is among the ``k`` most probable ones; 1.0 when ``k`` covers all classes."""

    def score(labels: Labels, probs: Probs) -> float:
        if k >= probs.shape[1]:
            return 1.0
        if probs.shape[1] == 2:
            return _accuracy(labels, probs)
        return float(sk.top_k_accuracy_score(labels, probs, k=k, labels=_classes(probs)))

    return score


def _top_k_hits(k: int) -> Callable[[Labels, Probs], NDArray[np.float64]]:
    def rows(labels: Labels, probs: Probs) -> NDArray[np.float64]:
        if probs.shape[1] == 2 and k == 1:
            return _hits(labels, probs)
        # Of equal probabilities scikit-learn takes the later classes.
        best = np.argsort(probs, axis=1, kind="stable")[:, ::-1][:, :k]
        hits: NDArray[np.bool_] = (best == labels[:, None]).any(axis=1)
        return hits.astype(np.float64)

    return rows


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, _accuracy, "label", _hits),
        Metric("log_loss", False, _log_loss, "probabilities", _losses),
        Metric("macro_f1", True, _macro_f1, "label"),
        Metric("balanced_accuracy", True, _balanced_accuracy, "label"),
        Metric("roc_auc", True, _roc_auc, "probabilities"),
        Metric("quadratic_kappa", True, _quadratic_kappa, "label"),
    )
}


def _column_roc_auc(marks: Truth, probs: Values) -> float:
    one_sided = [column for column in range(probs.shape[1]) if not 0 < marks[:, column].sum() < len(marks)]
    if one_sided:
        raise InputError(f"roc_auc needs rows with and without each label; label indices {one_sided} lack one of both")
    return float(np.mean([_area(marks[:, column] == 1, probs[:, column]) for column in range(probs.shape[1])]))


def _label_macro_f1(marks: Truth, probs: Values) -> float:
    chosen = probs >= 0.5
    hits = (marks * chosen).sum(axis=0)
    return float((2 * hits / np.maximum(marks.sum(axis=0) + chosen.sum(axis=0), 1)).mean())


def _square(truth: Truth, values: Values) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = ((truth.astype(np.float64) - values) ** 2).mean(axis=1)
    return squares


# Metrics of targets other than one class per image: by kind, then by name.
OTHER_METRICS: dict[str, dict[str, Metric]] = {
    "several_labels": {
        "roc_auc": Metric("roc_auc", True, _column_roc_auc, "probabilities"),
        "macro_f1": Metric("macro_f1", True, _label_macro_f1, "label"),
    },
    "numbers": {
        "rmse": Metric("rmse", False, lambda truth, values: float(_square(truth, values).mean() ** 0.5), "numbers"),
    },
}


METRIC_NAMES = (*METRICS, "top_k_accuracy", *(name for kind in OTHER_METRICS.values() for name in kind))


def get_metric(name: str, k: int | None = None, target: Target | None = None) -> Metric:
    """Returns a metric by name; ``k`` is that of ``top_k_accuracy``.

    Args:
        name: as in a competition's file.
        k: of ``top_k_accuracy``.
        target: what is predicted; None for one class per image.

    Raises:
        InputError: no metric has that name, the near ones are listed; or it does not judge targets of this kind.
    """
    if target is not None and target.kind not in ("one_class", "grades"):
        judging = OTHER_METRICS.get(target.kind, {})
        if name not in judging:
            raise InputError(
                f"metric {name!r} does not judge a target of kind {target.kind}; {some(judging) or 'no metric'} would"
            )
        return judging[name]
    if name == "top_k_accuracy":
        return Metric(f"top_{k or 1}_accuracy", True, top_k(k or 1), "probabilities", _top_k_hits(k or 1))
    if name not in METRICS:
        raise InputError(f"metric {name!r} is unknown; {near_names(name, METRIC_NAMES)}")
    return METRICS[name]
