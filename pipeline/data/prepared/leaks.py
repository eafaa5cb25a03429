"""Columns that are the answer in other words: each is judged by itself, against each class, label or number."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth
from pipeline.core.columns import Columns
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import Target

LEAK = 0.995  # share of rows whose class a column tells by itself
_LEAF = 3  # rows, so that an id of one image each tells nothing
_LEFT = 0.1  # of the mistakes that the commonest class makes: labels are rare where there are several
_EQUAL = 0.9999  # rank correlation of numbers
_ENOUGH = 20  # rows with both numbers
_MOST_VALUES = 50  # of numbers that are judged as classes
_REPEATED = 0.9  # share of the rows whose numbers stand in others, too, so that they are
_MOST_ROWS = 20_000  # of each of several answers, and of numbers that are judged as classes


class Answer(NamedTuple):
    """One answer of each row.

    Attributes:
        name: of the target, label or number; "the class" where there is one alone.
        values: (n,) codes of classes, or numbers.
        measured: whether they are numbers.
        alone: whether it is the only answer.
    """

    name: str
    values: NDArray[np.float64]
    measured: bool = False
    alone: bool = True


def list_answers(target: Target, truth: Truth) -> list[Answer]:
    """Lists the answers of a target: its class, each of its labels, numbers, or shares of votes, or those of its parts.

    Args:
        target: what is predicted.
        truth: what is true of each row, as the target encodes it.
    """
    found: list[tuple[str, NDArray[np.float64], bool]] = []
    for part, each, _, width in target.each():
        values = truth.reshape(len(truth), -1)[:, width].astype(np.float64)
        measured = each.kind in ("numbers", "vote_shares")
        columns = each.columns if values.shape[1] > 1 or measured else (part or "the class",)
        names = [part or str(name) for name in columns] if values.shape[1] == 1 else [str(name) for name in columns]
        found += [(name, values[:, place], measured) for place, name in enumerate(names)]
    return [Answer(*each, alone=len(found) == 1) for each in found]


def refuse_leaks(index: pd.DataFrame, answers: Sequence[Answer], columns: Columns) -> None:
    """Refuses columns that tell an answer by themselves: they are the answer in other words.

    Args:
        index: the training index with its columns.
        answers: of the training images.
        columns: of the competition's file.

    Raises:
        InputError: names the column and the share of rows whose class it tells, or the rank correlation.
    """
    for name, kind in columns.features.items():
        for told in find_leaks(index[f"{kind}:{name}"], kind, answers, "training images"):
            raise InputError(
                f"columns.features: {name} {told} by itself (a small tree, or the ranks, of that column alone): it is "
                "the answer in other words; remove it from the competition's file"
            )


def find_leaks(cells: pd.Series, kind: str, answers: Sequence[Answer], rows: str = "rows") -> Iterator[str]:
    """Yields what a column tells by itself: ``tells the class of 100.0% of the rows``.

    Numbers of few values are judged as classes, too: a column of words may stand for them.

    Args:
        cells: (n,) as text.
        kind: ``number`` or ``category``.
        answers: of the same rows.
        rows: what they are, for messages.
    """
    for answer in answers:
        given, values = cells, answer.values
        if not answer.alone:
            given, values = _draw(given, values)
        if answer.measured and kind == "number" and _ranks_alike(given, values):
            yield f"rises or falls with {answer.name} over all of the {rows}"
            continue
        if answer.measured:
            given, values = _draw(given[np.isfinite(values)], values[np.isfinite(values)])
        labels = np.unique(values, return_inverse=True)[1].astype(np.int64)
        if answer.measured and not _are_few(labels):
            continue
        share = find_told_share(given, kind, labels)
        if share is None or share < LEAK:
            continue
        most = _keep_enough(labels)
        often = float(np.bincount(labels[most]).max() / most.sum())
        if (answer.alone and not answer.measured) or 1 - share <= _LEFT * (1 - often):
            yield f"tells {answer.name} of {share:.1%} of the {rows}"


def _draw(cells: pd.Series, values: NDArray[np.float64]) -> tuple[pd.Series, NDArray[np.float64]]:
    """Draws some of very many rows."""
    if len(cells) <= _MOST_ROWS:
        return cells, values
    drawn = np.random.default_rng(0).choice(len(cells), _MOST_ROWS, replace=False)
    return cells.iloc[drawn], values[drawn]


def find_told_share(cells: pd.Series, kind: str, labels: Labels) -> float | None:
    """Finds the share of rows whose class a column tells by itself: a tree on it alone, in three folds.

    Classes of few rows say nothing: the rows of the others are judged.

    Args:
        cells: (n,) as text.
        kind: ``number`` or ``category``.
        labels: (n,) class indices, none below 0.

    Returns:
        The share; None where fewer than two classes have enough rows, or one nearly all, for it to say anything.
    """
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    enough = _keep_enough(labels)
    rows = np.bincount(labels[enough], minlength=2)
    if (rows > 0).sum() < 2 or rows.max() / rows.sum() >= LEAK:
        return None
    codes = _read_numbers(cells) if kind == "number" else pd.factorize(cells)[0].astype(np.float64)
    codes = np.where(np.abs(codes) <= np.finfo(np.float32).max, codes, np.nan)  # trees compute in float32
    tree = DecisionTreeClassifier(min_samples_leaf=_LEAF, random_state=0)
    return float(cross_val_score(tree, codes[enough, None], labels[enough], cv=3).mean())


def _keep_enough(labels: Labels) -> NDArray[np.bool_]:
    """Marks the rows of the classes that have enough of them to be judged."""
    counts = np.bincount(labels, minlength=1)
    kept: NDArray[np.bool_] = counts[labels] >= 2 * _LEAF
    return kept


def _are_few(labels: Labels) -> bool:
    """Says whether numbers, by their places in order, are so few that a column of words may stand for each."""
    return len(labels) > 0 and labels.max() < _MOST_VALUES and float(_keep_enough(labels).mean()) >= _REPEATED


def _ranks_alike(cells: pd.Series, values: NDArray[np.float64]) -> bool:
    """Says whether a column of numbers rises or falls with an answer, in most of the rows."""
    from scipy.stats import spearmanr

    numbers = _read_numbers(cells)
    both = np.isfinite(numbers) & np.isfinite(values)
    if both.sum() < max(_ENOUGH, len(cells) / 2) or np.ptp(numbers[both]) == 0 or np.ptp(values[both]) == 0:
        return False
    return abs(float(spearmanr(numbers[both], values[both]).statistic)) >= _EQUAL


def _read_numbers(cells: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
