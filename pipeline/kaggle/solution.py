"""True test labels: a table of ids and classes, as rebuilt competitions have it.

The classes are in one column of names, or in one column of 0 and 1 per class. A column ``Usage`` names the part of
the leaderboard a row belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, Submission
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique

_USAGE = "usage"
_PARTS = ("public", "private", "ignored")


@dataclass(frozen=True)
class Solution:
    """True test labels.

    Attributes:
        ids: (n,) text, each once, in the order of the file.
        labels: (n,) class indices.
        usage: (n,) ``public``, ``private`` or ``ignored``; None without such a column.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    usage: NDArray[np.str_] | None

    def mask_parts(self, *parts: str) -> NDArray[np.bool_]:
        """Returns the mask (n,) of the rows of parts of the leaderboard; without ``usage`` of all."""
        if self.usage is None:
            return np.ones(len(self.ids), dtype=np.bool_)
        return np.isin(self.usage, parts)


def read_solution(path: Path, submission: Submission, classes: Sequence[str]) -> Solution:
    """Reads true test labels.

    Args:
        path: the table.
        submission: the format of submissions; the solution has its id column, and its label column if there is
            one.
        classes: class names.

    Raises:
        InputError: the table lacks columns, repeats ids, or holds values that are no class or usage; the message names
            row and column.
    """
    table = read_table(path)
    if submission.id not in table.columns:
        raise InputError(
            f"{path} has no column {submission.id!r}; {near_names(submission.id, map(str, table.columns))}"
        )
    ids = table[submission.id].tolist()
    check_unique(ids, str(path))
    usage = next((str(column) for column in table.columns if str(column).lower() == _USAGE), None)
    others = [str(column) for column in table.columns if column not in (submission.id, usage)]
    parts = None if usage is None else np.array(_parts(table[usage], path, usage))
    return Solution(tuple(ids), _labels(table, others, submission, classes, path), parts)


def _parts(cells: "pd.Series[str]", path: Path, column: str) -> list[str]:
    parts = cells.str.strip().str.lower().tolist()
    for row, part in enumerate(parts):
        if part not in _PARTS:
            got = cells.iloc[row]
            raise InputError(f"{path}, row {row + 1}, column {column}: {got!r}, wanted Public, Private or Ignored")
    return parts


def _labels(
    table: pd.DataFrame, others: Sequence[str], submission: Submission, classes: Sequence[str], path: Path
) -> NDArray[np.int64]:
    if isinstance(submission, ProbabilitySubmission):
        mapping = submission.columns or {}
        columns = {mapping.get(column, column): column for column in others}
        if set(classes) <= set(columns):
            return _one_hot(table[[columns[name] for name in classes]], path)
    label = submission.label if isinstance(submission, LabelSubmission) else "".join(others[:1])
    if label not in table.columns:
        raise InputError(f"{path} has no column {label!r}; {near_names(label, map(str, table.columns))}")
    names = table[label]
    if isinstance(submission, LabelSubmission) and submission.positive is not None and set(names) <= {"0", "1"}:
        negative = next(name for name in classes if name != submission.positive)
        names = names if {"0", "1"} == set(classes) else names.map({"1": submission.positive, "0": negative})
    for row in np.flatnonzero(~names.isin(list(classes)).to_numpy())[:1]:
        unknown = names[~names.isin(list(classes))].unique().tolist()
        raise InputError(
            f"{path}, row {row + 1}, column {label}: labels {some(unknown)} are not classes; "
            f"the classes are {some(classes)}"
        )
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[name] for name in names], dtype=np.int64)


def _one_hot(table: pd.DataFrame, path: Path) -> NDArray[np.int64]:
    """Reads one column of 0 and 1 per class, in class order."""
    cells = table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isin(cells, (0.0, 1.0)).all(axis=1) | (cells.sum(axis=1) != 1)
    for row in np.flatnonzero(wrong)[:1]:
        raise InputError(
            f"{path}, row {row + 1}, columns {some(table.columns, 3)}: wanted exactly one 1, and 0 elsewhere"
        )
    labels: NDArray[np.int64] = cells.argmax(axis=1)
    return labels
