"""Learned weights of views: which views deserve more say, found on rows that are not scored with them.

The OOF rows of a fold are averaged with weights fitted on the OOF rows of the other folds; test images, in the mean of
all folds, with weights fitted on all OOF rows. What the model of one fold alone says of the test images carries that
fold's weights, as a student may learn from it who is scored on that fold (see `pseudo`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.core.arrays import Logits, Probs, Weights
from pipeline.core.files import atomic_path, require_space
from pipeline.core.simplex import fit_log_loss_weights
from pipeline.images.views import Views, average_views, make_view_transforms


@dataclass(frozen=True)
class ViewWeights:
    """Weights of views: float64 (n_views,) each, >= 0, sum 1.

    Attributes:
        nested: for each fold, fitted on the others.
        whole: fitted on all folds.
    """

    nested: tuple[Weights, ...]
    whole: Weights


def collect_views(made: Iterable[Logits], shape: tuple[int, int], views: Views, path: Path) -> Logits:
    """Averages the views of some rows and keeps the probabilities of each view where weights are learned.

    Args:
        made: logits (n_views, rows of the batch, n_classes), batch by batch.
        shape: of what is returned: rows and classes.
        views: how views are averaged.
        path: where a float32 array (n_views, n_rows, n_classes) is kept, for `weigh_views`.

    Returns:
        Logits float32 (n_rows, n_classes), all views counting the same.
    """
    found = np.empty(shape, dtype=np.float32)
    if views.weights == "equal":
        _fill(found, made, views, None)
        return found
    whole = len(make_view_transforms(views)), *shape
    require_space(path.parent, 4 * int(np.prod(whole)))
    with atomic_path(path) as temporary:
        if not shape[0]:  # nothing that could be mapped into memory
            np.save(temporary, np.empty(whole, dtype=np.float32), allow_pickle=False)
            return found
        kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=whole)
        _fill(found, made, views, kept)
        kept.flush()
    return found


def fit_view_weights(paths: Sequence[Path], labels: Sequence[NDArray[np.int64]]) -> ViewWeights:
    """Fits the weights of views by log loss.

    Args:
        paths: of what `collect_views` kept of the valid rows of each fold.
        labels: the true class indices of these rows, by fold.

    Returns:
        The weights; all the same where there is one fold alone.
    """
    true = [_load(path)[:, np.arange(len(of)), of] for path, of in zip(paths, labels, strict=True)]
    if len(true) == 1:
        equal = np.full(len(true[0]), 1 / len(true[0]))
        return ViewWeights((equal,), equal)
    nested = [fit_log_loss_weights(np.concatenate(true[:fold] + true[fold + 1 :], axis=1)) for fold in range(len(true))]
    return ViewWeights(tuple(nested), fit_log_loss_weights(np.concatenate(true, axis=1)))


def weigh_views(path: Path, weights: Weights) -> Probs:
    """Returns the weighted mean of the views that `collect_views` kept: float32 (n_rows, n_classes), rows sum to 1."""
    kept = _load(path)
    mixed = np.zeros(kept.shape[1:], dtype=np.float64)
    for weight, probs in zip(weights, kept, strict=True):
        if weight:
            mixed += weight * probs
    return mixed.astype(np.float32)


def _fill(found: Logits, made: Iterable[Logits], views: Views, kept: Probs | None) -> None:
    begin = 0
    for logits in made:
        end = begin + logits.shape[1]
        found[begin:end] = average_views(logits, views)
        if kept is not None:
            kept[:, begin:end] = softmax(logits.astype(np.float64), axis=-1)
        begin = end


def _load(path: Path) -> Probs:
    kept: Probs = np.load(path, mmap_mode="r")
    return kept
