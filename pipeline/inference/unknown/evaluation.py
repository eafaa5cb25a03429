"""Evaluation of the scores for unknown images without a single one: classes are left out in turn.

The network was trained on all classes, so its outputs for one of them do not stand for a new class. Its last layer is
therefore fitted again without the classes left out, to the out-of-fold features of the others; these features are still
optimistic. See docs/decisions/0008.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from pipeline.core.arrays import Labels
from pipeline.core.threads import limit_threads
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.unknown.last_layer import fit_last_layer
from pipeline.inference.unknown.scores import build_bank, compute_score, list_scores

GROUPS = 5
_FEWEST = 5  # images of a class in each half; below, a fit is unreliable


def evaluate_scores(
    folds: Sequence[FoldOutputs], labels: Sequence[Labels], n_classes: int, smoothing: float = 0.0
) -> dict[str, float]:
    """Returns each score's AUROC for classes left out against those kept: the mean over folds and groups.

    Args:
        folds: outputs of each fold's model for its valid rows.
        labels: int64 (n,) of these rows.
        n_classes: number of classes.
        smoothing: of the labels in training; the best score depends much on it.

    Returns:
        By name, the simplest first; empty where classes or images are too few to leave any out.
    """
    # Matrices this small are computed sooner by one thread than shared out, above all on busy cores.
    with limit_threads():
        trials = [
            aurocs
            for fold, (outputs, own) in enumerate(zip(folds, labels, strict=True))
            for group in group_classes(n_classes)
            if (aurocs := _evaluate_group(outputs, own, group, fold, smoothing))
        ]
    names = list_scores(folds[0])
    return {name: float(np.mean([trial[name] for trial in trials])) for name in names} if trials else {}


def group_classes(n_classes: int) -> Iterator[Labels]:
    """Yields the classes that are left out together: a fifth of them, or one by one; none where fewer than 3."""
    count = min(GROUPS, n_classes) if n_classes > 2 else 0
    order = np.random.default_rng(0).permutation(n_classes)
    for number in range(count):
        yield order[number::count]


def _evaluate_group(
    outputs: FoldOutputs, labels: Labels, left_out: Labels, seed: int, smoothing: float
) -> dict[str, float]:
    """Leaves classes out of one fold's rows: a layer is fitted to half of the others, the other half is scored too."""
    is_left_out = np.isin(labels, left_out)
    order = np.random.default_rng([seed, 6]).permutation(np.flatnonzero(~is_left_out))
    order = order[np.argsort(labels[order], kind="stable")]  # alternate rows: both halves hold every class
    fitted, held = order[::2], order[1::2]
    kept = np.setdiff1d(labels, left_out)
    if not is_left_out.any() or len(kept) < 2 or min(np.bincount(labels[fitted])[kept]) < _FEWEST:
        return {}
    scored = np.concatenate([held, np.flatnonzero(is_left_out)])
    is_unknown = is_left_out[scored]
    refitted = (
        _refit(outputs, labels, fitted, scored, smoothing)
        if outputs.features is not None
        else _drop_classes(outputs, kept, scored)
    )
    bank = build_bank(outputs.features[fitted], len(kept)) if outputs.features is not None else None
    return {
        name: float(roc_auc_score(is_unknown, compute_score(name, refitted, bank))) for name in list_scores(refitted)
    }


def _refit(
    outputs: FoldOutputs, labels: Labels, fitted: NDArray[np.int64], scored: NDArray[np.int64], smoothing: float
) -> FoldOutputs:
    """Returns outputs for some rows by a last layer fitted to others, on the same features."""
    assert outputs.features is not None
    kept, own = np.unique(labels[fitted], return_inverse=True)
    layer = fit_last_layer(outputs.features[fitted], own, len(kept), smoothing)
    logits = layer.compute_logits(outputs.features[scored])
    return FoldOutputs(softmax(logits, axis=1), logits, outputs.features[scored])


def _drop_classes(outputs: FoldOutputs, kept: Labels, scored: NDArray[np.int64]) -> FoldOutputs:
    """Renormalises the probabilities of the classes kept, where there is no layer to fit again."""
    probs = outputs.probs[scored][:, kept]
    return FoldOutputs(probs / np.maximum(probs.sum(axis=1, keepdims=True), 1e-12))
