"""Learned weights of views: which views deserve more say, found on rows that are not scored with them.

The OOF rows of a fold are averaged with weights fitted on the OOF rows of the other folds; test images, in the mean of
all folds, with weights fitted on all OOF rows. What the model of one fold alone says of the test images carries that
fold's weights, as a student may learn from it who is scored on that fold (see `pseudo`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.arrays import Logits, Truth, Values, Weights
from pipeline.core.files import atomic_path, require_space
from pipeline.core.simplex import fit_log_loss_weights
from pipeline.core.targets.contract import Target
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


@dataclass(frozen=True)
class ViewedRows:
    """What is collected of rows that are predicted in several views.

    Attributes:
        count: of the rows.
        target: what is predicted.
        views: how views are averaged.
    """

    count: int
    target: Target
    views: Views


def collect_views(made: Iterable[Logits], rows: ViewedRows, path: Path) -> Logits:
    """Averages the views of some rows and keeps the predictions of each view where weights are learned.

    Args:
        made: logits (n_views, rows of the batch, n_outputs), batch by batch.
        rows: their number, what is predicted of them, and how views are averaged.
        path: where a float32 array (n_views, n_rows, n_columns) is kept, for `weigh_views`.

    Returns:
        Logits float32 (n_rows, n_outputs), all views counting the same.
    """
    found = np.empty((rows.count, rows.target.n_outputs), dtype=np.float32)
    if rows.views.weights == "equal":
        _fill(found, made, rows, None)
        return found
    whole = len(make_view_transforms(rows.views)), rows.count, len(rows.target.columns)
    require_space(path.parent, 4 * int(np.prod(whole)))
    with atomic_path(path) as temporary:
        if not rows.count:  # nothing that could be mapped into memory
            np.save(temporary, np.empty(whole, dtype=np.float32), allow_pickle=False)
            return found
        kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=whole)
        _fill(found, made, rows, kept)
        kept.flush()
    return found


def fit_view_weights(paths: Sequence[Sequence[Path]], truth: Sequence[Truth], target: Target) -> ViewWeights:
    """Fits the weights of views by the target's loss: log loss, for classes.

    Args:
        paths: of what `collect_views` kept of the valid rows of each fold, by each of its seeds.
        truth: of these rows, by fold.
        target: what is predicted.

    Returns:
        The weights; all the same where there is one fold alone.
    """
    kept, folds = [_load(of_seeds) for of_seeds in paths], range(len(paths))
    if len(kept) == 1:
        equal = np.full(len(kept[0]), 1 / len(kept[0]))
        return ViewWeights((equal,), equal)
    nested = [_fit([fold for fold in folds if fold != own], kept, truth, target) for own in folds]
    return ViewWeights(tuple(nested), _fit(list(folds), kept, truth, target))


def _fit(folds: Sequence[int], kept: Sequence[Values], truth: Sequence[Truth], target: Target) -> Weights:
    listed = [[target.list_true_probs(truth[fold], view) for view in kept[fold]] for fold in folds]
    probs = [np.stack([one for one in views if one is not None]) for views in listed if views[0] is not None]
    if len(probs) == len(folds):
        return fit_log_loss_weights(np.concatenate(probs, axis=1))
    from scipy.optimize import Bounds, LinearConstraint, minimize  # takes a second to start

    views, true = (
        np.concatenate([kept[fold] for fold in folds], axis=1),
        np.concatenate([truth[fold] for fold in folds]),
    )

    def loss(weights: Weights) -> float:
        mixed = target.normalise(np.tensordot(weights, views, axes=1))
        return float(target.measure_losses(true, mixed).mean())

    one = LinearConstraint(np.ones((1, len(views))), 1.0, 1.0)
    start = np.full(len(views), 1 / len(views))
    fitted = minimize(loss, start, method="SLSQP", bounds=Bounds(0.0, 1.0), constraints=one, options={"eps": 1e-4})
    clipped = np.clip(fitted.x, 0.0, 1.0)
    weights: Weights = clipped / clipped.sum()
    return weights


def weigh_views(path: Path, weights: Weights) -> Values:
    """Returns the weighted mean of the views that `collect_views` kept: float32 (n_rows, n_columns)."""
    kept = _load([path])
    mixed = np.zeros(kept.shape[1:], dtype=np.float64)
    for weight, probs in zip(weights, kept, strict=True):
        if weight:
            mixed += weight * probs
    return mixed.astype(np.float32)


def _fill(found: Logits, made: Iterable[Logits], rows: ViewedRows, kept: Values | None) -> None:
    begin = 0
    for logits in made:
        end = begin + logits.shape[1]
        found[begin:end] = average_views(logits, rows.views, rows.target)
        if kept is not None:
            kept[:, begin:end] = rows.target.from_outputs(logits.astype(np.float64))
        begin = end


def _load(paths: Sequence[Path]) -> Values:
    """Returns the mean over seeds, or the map of one seed's file."""
    kept: list[Values] = [np.load(path, mmap_mode="r") for path in paths]
    return kept[0] if len(kept) == 1 else np.mean(kept, axis=0)
