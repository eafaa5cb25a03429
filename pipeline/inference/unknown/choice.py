"""Which score of "none of these classes" to trust, told without a single unknown picture: classes are left out in turn.

The network has seen all classes, so what it says of one of them tells nothing of a class it never saw. Its last layer
is therefore fitted again without the classes left out, to the out-of-fold features of the others; these features are
the part that is still too good. See docs/decisions/0008.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from pipeline.core.arrays import Labels
from pipeline.inference.outputs import Said
from pipeline.inference.unknown.last_layer import fit_last_layer
from pipeline.inference.unknown.scores import bank_of, names_for, scores

GROUPS = 5
_FEWEST = 5  # pictures of a class in each half; below, a fit says nothing


def choose(folds: Sequence[Said], labels: Sequence[Labels], n_classes: int, smoothing: float = 0.0) -> dict[str, float]:
    """Returns each score's AUROC in telling classes left out from those kept: the mean over folds and groups.

    Args:
        folds: what each fold's model says of its valid rows.
        labels: int64 (n,) of these rows.
        n_classes: number of classes.
        smoothing: of the labels in training; it says much about which score is best.

    Returns:
        By name, the simplest first; empty where classes or pictures are too few to leave any out.
    """
    # Matrices this small are computed sooner by one thread than shared out, above all on busy cores.
    with threadpool_limits(1):
        trials = [
            found
            for fold, (said, own) in enumerate(zip(folds, labels, strict=True))
            for group in groups(n_classes)
            if (found := _trial(said, own, group, fold, smoothing))
        ]
    names = names_for(folds[0])
    return {name: float(np.mean([trial[name] for trial in trials])) for name in names} if trials else {}


def groups(n_classes: int) -> Iterator[Labels]:
    """Yields the classes that are left out together: a fifth of them, or one by one; none where fewer than 3."""
    count = min(GROUPS, n_classes) if n_classes > 2 else 0
    order = np.random.default_rng(0).permutation(n_classes)
    for number in range(count):
        yield order[number::count]


def _trial(said: Said, labels: Labels, left_out: Labels, seed: int, smoothing: float) -> dict[str, float]:
    """Leaves classes out of one fold's rows: half of the others are fitted to, half are scored beside them."""
    unknown = np.isin(labels, left_out)
    order = np.random.default_rng([seed, 6]).permutation(np.flatnonzero(~unknown))
    order = order[np.argsort(labels[order], kind="stable")]  # alternate rows: both halves hold every class
    fitted, held = order[::2], order[1::2]
    kept = np.setdiff1d(labels, left_out)
    if not unknown.any() or len(kept) < 2 or min(np.bincount(labels[fitted])[kept]) < _FEWEST:
        return {}
    tried = np.concatenate([held, np.flatnonzero(unknown)])
    strange = unknown[tried]
    again = (
        _refitted(said, labels, fitted, tried, smoothing) if said.features is not None else _dropped(said, kept, tried)
    )
    bank = bank_of(said.features[fitted], len(kept)) if said.features is not None else None
    return {name: float(roc_auc_score(strange, scores(name, again, bank))) for name in names_for(again)}


def _refitted(
    said: Said, labels: Labels, fitted: NDArray[np.int64], tried: NDArray[np.int64], smoothing: float
) -> Said:
    """Says what a last layer says of rows that was fitted to others, on the features as they are."""
    assert said.features is not None
    kept, own = np.unique(labels[fitted], return_inverse=True)
    layer = fit_last_layer(said.features[fitted], own, len(kept), smoothing)
    logits = layer.logits(said.features[tried])
    return Said(softmax(logits, axis=1), logits, said.features[tried])


def _dropped(said: Said, kept: Labels, tried: NDArray[np.int64]) -> Said:
    """Takes the probabilities of the classes kept for all there are, where there is no layer to fit again."""
    probs = said.probs[tried][:, kept]
    return Said(probs / np.maximum(probs.sum(axis=1, keepdims=True), 1e-12))
