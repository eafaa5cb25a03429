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
    codes, names = pd.factorize(pd.Series(list(units), dtype="str"))
    by_column = dict.fromkeys(target.columns, pooling) if isinstance(pooling, str) else pooling
    pooled = np.empty((len(names), len(target.columns)))
    for each in dict.fromkeys(by_column.values()):
        columns = [place for place, column in enumerate(target.columns) if by_column[column] == each]
        pooled[:, columns] = _pool(values[:, columns], codes, POOLINGS[each])
    return [str(name) for name in names], target.normalise(pooled)


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


def choose_pooling(
    target: Target, metric: Metric, truth: Truth, values: Values, units: Sequence[str], names: Sequence[str]
) -> tuple[str, float]:
    """Chooses the pooling that scores best; of equal ones the first.

    Args:
        target: what is predicted.
        metric: the competition's.
        truth: of units, in the order of their first images.
        values: of images.
        units: of images.
        names: of the poolings to choose from.

    Returns:
        Its name and its score.
    """
    scores = {name: metric.score(truth, pool_values(target, values, units, name)[1]) for name in names}
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


def choose_pooling_by_piece(
    target: Target, metric: Metric, truth: Truth, values: Values, units: Sequence[str], names: Sequence[str]
) -> tuple[dict[str, str], float]:
    """Chooses a pooling for each piece of a target, one after the other, from the best one for all.

    A change must raise the score; arguments and score as in `choose_pooling`.

    Returns:
        The name for each column, and the score.
    """
    common, best = choose_pooling(target, metric, truth, values, units, names)
    chosen = dict.fromkeys(target.columns, common)
    for piece in list_pieces(target):
        for name in names:
            tried = chosen | dict.fromkeys(piece, name)
            score = metric.score(truth, pool_values(target, values, units, tried)[1])
            if metric.better(score, best):
                chosen, best = tried, score
    return chosen, best
