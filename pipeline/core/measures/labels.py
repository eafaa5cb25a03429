"""Measures of several labels per image: marks (n, n_labels) of 0 and 1 against probabilities (n, n_labels).

A label is given at 0.5 and above; fitted thresholds are already in the probabilities. Labels that every scored row has,
or none, have no curve: means over labels leave them out.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.classes import measure_correlation
from pipeline.core.measures.curves import measure_area

Numbers = NDArray[np.float64]
_FLOOR = float(np.finfo(np.float32).eps)


def _count(marks: Truth, probs: Values, axis: int | None) -> tuple[Numbers, Numbers, Numbers]:
    """Counts true and given, true, given: by row (axis 1), by label (axis 0), or in all (None)."""
    chosen = probs >= 0.5
    hits, true, given = (np.asarray(each.sum(axis=axis), dtype=np.float64) for each in (marks * chosen, marks, chosen))
    return hits, true, given


def _f_beta(counts: tuple[Numbers, Numbers, Numbers], beta: float, nothing: float) -> Numbers:
    hits, true, given = counts
    whole = beta**2 * true + given
    values: Numbers = np.where(whole > 0, (1 + beta**2) * hits / np.where(whole > 0, whole, 1), nothing)
    return values


def list_row_f_betas(marks: Truth, probs: Values, beta: float) -> Numbers:
    """F-beta of each row (n,); a row without labels that is given none has 1."""
    return _f_beta(_count(marks, probs, 1), beta, 1.0)


def measure_label_macro_f_beta(marks: Truth, probs: Values, beta: float, weights: Numbers) -> float:
    """Weighted mean over the labels of their F-beta; a label that no row has and none is given counts 0."""
    return float(np.average(_f_beta(_count(marks, probs, 0), beta, 0.0), weights=weights))


def measure_micro_f_beta(marks: Truth, probs: Values, beta: float) -> float:
    """F-beta of all marks together."""
    return float(_f_beta(_count(marks, probs, None), beta, 0.0))


def list_exact_matches(marks: Truth, probs: Values) -> Numbers:
    """1 for each row whose labels are all right (n,)."""
    return np.asarray(((probs >= 0.5) == (marks == 1)).all(axis=1), dtype=np.float64)


def list_hamming_shares(marks: Truth, probs: Values) -> Numbers:
    """Share of each row's labels that are right (n,)."""
    return np.asarray(((probs >= 0.5) == (marks == 1)).mean(axis=1), dtype=np.float64)


def list_label_log_losses(marks: Truth, probs: Values, weights: Numbers) -> Numbers:
    """Binary cross-entropy of each row (n,), its mean over the labels by ``weights`` (n_labels,)."""
    values = np.clip(probs.astype(np.float64), _FLOOR, 1 - _FLOOR)
    losses = -(marks * np.log(values) + (1 - marks) * np.log1p(-values))
    return np.asarray(np.average(losses, axis=1, weights=weights), dtype=np.float64)


def list_label_briers(marks: Truth, probs: Values) -> Numbers:
    """Mean squared distance of each row's probabilities to its marks (n,)."""
    return np.asarray(((marks - probs.astype(np.float64)) ** 2).mean(axis=1), dtype=np.float64)


def _two_sided(marks: Truth, name: str) -> list[int]:
    sums = marks.sum(axis=0)
    columns: list[int] = np.flatnonzero((sums > 0) & (sums < len(marks))).tolist()
    if not columns:
        raise InputError(f"{name} needs a label that some scored rows have and others have not; there is none")
    return columns


def measure_label_roc_auc(marks: Truth, probs: Values, weights: Numbers) -> float:
    """Weighted mean over the labels of the area under their curves.

    Raises:
        InputError: no label that some rows have and others have not.
    """
    columns = _two_sided(marks, "roc_auc")
    true, by_label = np.ascontiguousarray(marks.T == 1), np.ascontiguousarray(probs.T)
    areas = [measure_area(true[column], by_label[column]) for column in columns]
    return float(np.average(areas, weights=weights[columns]))


def measure_micro_roc_auc(marks: Truth, probs: Values) -> float:
    """The area under the curve of all marks together.

    Raises:
        InputError: all marks are equal.
    """
    if not 0 < marks.sum() < marks.size:
        raise InputError("micro_roc_auc needs marks of 0 and of 1 among the scored rows; all are equal")
    return measure_area(np.ravel(marks == 1), np.ravel(probs))


def measure_label_average_precision(marks: Truth, probs: Values, weights: Numbers) -> float:
    """Weighted mean over the labels that rows have of their average precision (mAP).

    Raises:
        InputError: no row has a label.
    """
    from sklearn import metrics as sk

    columns = np.flatnonzero(marks.sum(axis=0) > 0)
    if not len(columns):
        raise InputError("average_precision needs a label among the scored rows; no row has one")
    values = [sk.average_precision_score(marks[:, column], probs[:, column]) for column in columns.tolist()]
    return float(np.average(values, weights=weights[columns]))


def measure_micro_average_precision(marks: Truth, probs: Values) -> float:
    """Average precision of all marks together.

    Raises:
        InputError: no row has a label.
    """
    from sklearn import metrics as sk

    if not marks.any():
        raise InputError("micro_average_precision needs a label among the scored rows; no row has one")
    return float(sk.average_precision_score(np.ravel(marks), np.ravel(probs)))


def measure_ranking_precision(marks: Truth, probs: Values) -> float:
    """Label-weighted label-ranking average precision: every mark counts the same.

    Raises:
        InputError: no row has a label.
    """
    from sklearn import metrics as sk

    many = marks.sum(axis=1)
    if not many.any():
        raise InputError("label_ranking_average_precision needs a label among the scored rows; no row has one")
    return float(sk.label_ranking_average_precision_score(marks.astype(np.int64), probs, sample_weight=many))


def measure_label_matthews(marks: Truth, probs: Values) -> float:
    """Mean over the labels of Matthews' correlation; 0 for a label with one value on either side."""
    hits, true, given = _count(marks, probs, 0)
    rows = len(marks)
    neither = rows - true - given + hits
    columns = [
        (np.array([hit, no]), np.array([yes, rows - yes]), np.array([gave, rows - gave]))
        for hit, no, yes, gave in zip(hits, neither, true, given, strict=True)
    ]
    return float(np.mean([measure_correlation(*counts, rows=rows) for counts in columns]))
