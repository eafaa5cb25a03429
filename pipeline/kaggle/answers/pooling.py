"""Pooling: one prediction for a unit (a patient, a product, a place) from those of its images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, some
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.contract import Target

# Exponents of the mean of powers: 1 is the mean, and the larger it is the more the largest prediction counts.
POOLINGS = {"mean": 1.0, "power_2": 2.0, "power_4": 4.0, "power_8": 8.0, "max": np.inf}
Pooled = Mapping[str, NDArray[np.float64]]  # by the name of a pooling: (n_units, n_columns)
Pooling = str | Mapping[str, str]  # a name of `POOLINGS`, or one for each column of predictions
_MOST_PIECES = 100  # with more labels than that, one pooling for all


def pool_values(target: Target, values: Values, units: Sequence[str], pooling: Pooling) -> tuple[list[str], Values]:
    """Pools predictions by unit.

    Args:
        target: what is predicted.
        values: (n, n_columns) of images.
        units: (n,) of images.
        pooling: a name of `POOLINGS`, or one for each column.

    Returns:
        The units in the order of their first images, and their predictions (n_units, n_columns).
    """
    by_column = dict.fromkeys(target.columns, pooling) if isinstance(pooling, str) else pooling
    pooled = pool_each(values, units, list(dict.fromkeys(by_column.values())))
    return list(dict.fromkeys(units)), join_pooled(target, pooled, pooling)


def pool_each(values: Values, units: Sequence[str], names: Sequence[str]) -> Pooled:
    """Pools predictions by unit in several ways.

    Args:
        values: (n, n_columns) of images.
        units: (n,) of images.
        names: of `POOLINGS`.

    Returns:
        For each name (n_units, n_columns), in the order of the units' first images, not normalised yet.
    """
    codes, _ = pd.factorize(pd.Series(list(units), dtype="str"))
    return {name: _pool(values, codes, POOLINGS[name]) for name in names}


def join_pooled(target: Target, pooled: Pooled, pooling: Pooling) -> Values:
    """Takes each column from the predictions that are pooled in its way: float32 (n_units, n_columns)."""
    if isinstance(pooling, str):
        return target.normalise(pooled[pooling])
    columns = [pooled[pooling[column]][:, place] for place, column in enumerate(target.columns)]
    return target.normalise(np.stack(columns, axis=1))


def _pool(values: Values, codes: NDArray[np.intp], exponent: float) -> NDArray[np.float64]:
    frame = pd.DataFrame(values.astype(np.float64))
    pooled: NDArray[np.float64]
    if np.isinf(exponent):
        pooled = frame.groupby(codes).max().to_numpy()
    else:
        pooled = (frame**exponent).groupby(codes).mean().to_numpy() ** (1 / exponent)
    return pooled


def pool_truth(target: Target, truth: Truth, units: Sequence[str]) -> Truth:
    """Returns the truth of each unit, in the order of their first images.

    Raises:
        InputError: images of a unit differ.
    """
    codes, names = pd.factorize(pd.Series(list(units), dtype="str"))
    _, first = np.unique(codes, return_index=True)
    differs = (truth != truth[first][codes]).reshape(len(truth), -1).any(axis=1)
    if differs.any():
        torn = [str(names[code]) for code in sorted(set(codes[differs].tolist()))]
        raise InputError(
            f"{len(torn)} training units have images with different answers: {some(torn)}; a unit has one answer: "
            "leave submission.unit.train out of the competition's file, or correct it"
        )
    return truth[first]


def list_poolings(target: Target, wanted: str | None) -> list[str]:
    """Lists the poolings that may be chosen: numbers have no powers, as they may be negative."""
    able = [name for name in POOLINGS if target.activation != "linear" or not name.startswith("power")]
    if wanted is None:
        return able
    return [name for name in able if name.startswith(wanted)] or ["mean"]


def choose_pooling(target: Target, metric: Metric, truth: Truth, pooled: Pooled) -> tuple[str, float]:
    """Chooses the pooling that scores best; of equal ones the first.

    Args:
        target: what is predicted.
        metric: the competition's.
        truth: of units, in the order of their first images.
        pooled: of units, by each pooling to choose from.

    Returns:
        Its name and its score.
    """
    names = list(pooled)
    scores = {name: metric.score(truth, join_pooled(target, pooled, name)) for name in names}
    best = names[0]
    for name in names[1:]:
        if metric.better(scores[name], scores[best]):
            best = name
    return best, scores[best]


def list_pieces(target: Target) -> list[tuple[str, ...]]:
    """Lists the columns that may be pooled each in its own way: labels, numbers, and each of several targets.

    Classes and shares that sum to one are pooled together; so is everything where there are very many labels.
    """
    pieces: list[tuple[str, ...]] = []
    for _, part, columns, _ in target.each():
        names = target.columns[columns]
        pieces += [names] if part.activation == "softmax" else [(name,) for name in names]
    return pieces if len(pieces) <= _MOST_PIECES else [target.columns]


def choose_pooling_by_piece(target: Target, metric: Metric, truth: Truth, pooled: Pooled) -> dict[str, str]:
    """Chooses a pooling for each piece of a target, one after the other, from the best one for all.

    A change must raise the score; arguments as in `choose_pooling`.

    Returns:
        The name for each column.
    """
    common, best = choose_pooling(target, metric, truth, pooled)
    chosen = dict.fromkeys(target.columns, common)
    for piece in list_pieces(target):
        for name in pooled:
            if chosen[piece[0]] == name:
                continue
            tried = chosen | dict.fromkeys(piece, name)
            score = metric.score(truth, join_pooled(target, pooled, tried))
            if metric.better(score, best):
                chosen, best = tried, score
    return chosen
