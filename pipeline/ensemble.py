"""Combines the predictions of several models: one function per method."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import InputError, some
from pipeline.tables import Predictions

Probs = NDArray[np.float32]
Combiner = Callable[[Probs], NDArray[np.float64]]


def mean(stacked: Probs) -> NDArray[np.float64]:
    """Weighs all members alike.

    Args:
        stacked: (n_members, n_samples, n_classes) out-of-fold probabilities.

    Returns:
        (n_members,) weights, >= 0, sum 1.
    """
    return np.full(len(stacked), 1 / len(stacked))


COMBINERS: dict[str, Combiner] = {"mean": mean}


def combine(stacked: Probs, weights: NDArray[np.float64]) -> Probs:
    """Returns the weighted mean of the members.

    Args:
        stacked: (n_members, n_samples, n_classes) probabilities.
        weights: (n_members,) >= 0, sum 1.

    Returns:
        (n_samples, n_classes) probabilities; rows sum to 1.
    """
    blended: NDArray[np.float64] = np.einsum("m,mnc->nc", weights, stacked, dtype=np.float64, casting="safe")
    blended /= blended.sum(axis=1, keepdims=True)
    return blended.astype(np.float32)


def scored_rows(folds: pd.DataFrame, members: Mapping[str, Predictions]) -> pd.DataFrame:
    """Returns the rows of the fold table that every member scored, in its order.

    Args:
        folds: the fold table.
        members: out-of-fold predictions by the place they came from.

    Raises:
        InputError: a member scored ids that the fold table lacks, a part of a fold, or other rows than the rest.
    """
    known = set(folds["id"])
    seen = {place: set(predictions.ids) for place, predictions in members.items()}
    for place, ids in seen.items():
        unknown = [name for name in members[place].ids if name not in known]
        if unknown:
            raise InputError(
                f"{place} has {len(unknown)} ids that folds/folds.csv lacks: {some(unknown)}; train it again"
            )
        touched = folds["fold"].isin(folds.loc[folds["id"].isin(ids), "fold"].unique())
        missing = folds.loc[touched & ~folds["id"].isin(ids), "id"].tolist()
        if missing:
            raise InputError(
                f"{place} lacks {len(missing)} ids of the folds it scored: {some(missing)}; train it again"
            )
    first = next(iter(seen))
    for place, ids in seen.items():
        if ids != seen[first]:
            here, there = _fold_numbers(folds, ids), _fold_numbers(folds, seen[first])
            raise InputError(
                f"{place} scored the folds {some(here)}, {first} the folds {some(there)}; "
                "train all models on the same train.folds of params.yaml"
            )
    return folds[folds["id"].isin(seen[first])].reset_index(drop=True)


def _fold_numbers(folds: pd.DataFrame, ids: set[str]) -> list[int]:
    return sorted(folds.loc[folds["id"].isin(ids), "fold"].unique().tolist())
