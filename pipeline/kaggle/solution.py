"""True test labels: a table of ids and answers, as rebuilt competitions have it.

Its columns are those of submissions. Where these are probabilities of classes, the classes may also stand in one column
of names, or in one column of 0 and 1 per class. A column ``Usage`` names the part of the leaderboard a row belongs to.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Truth
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.kaggle.answers.contract import AnswerForm

_USAGE = "usage"
_PARTS = ("public", "private", "ignored")


@dataclass(frozen=True)
class Solution:
    """True test labels.

    Attributes:
        ids: (n,) of images or units, each once, in the order of the file.
        truth: (n,) class indices, -1 for none, or (n, truth_width) of other targets.
        usage: (n,) ``public``, ``private`` or ``ignored``; None without such a column.
    """

    ids: tuple[str, ...]
    truth: Truth
    usage: NDArray[np.str_] | None

    def mask_parts(self, *parts: str) -> NDArray[np.bool_]:
        """Returns the mask (n,) of the rows of parts of the leaderboard; without ``usage`` of all."""
        if self.usage is None:
            return np.ones(len(self.ids), dtype=np.bool_)
        return np.isin(self.usage, parts)


def read_solution(path: Path, form: AnswerForm) -> Solution:
    """Reads true test labels.

    Args:
        path: the table.
        form: of submissions; the solution has its id column, and its other columns or what stands for them.

    Raises:
        InputError: the table lacks columns, repeats ids, or holds values that are no answer or usage; the message names
            row and column.
    """
    table = read_table(path)
    column = form.sheet.section.id
    if column not in table.columns:
        raise InputError(f"{path} has no column {column!r}; {near_names(column, map(str, table.columns))}")
    usage = next((str(name) for name in table.columns if str(name).lower() == _USAGE), None)
    if usage is None:
        ids, truth = form.read_truth(table, str(path))
        return Solution(tuple(ids), truth, None)
    ids, truth = form.read_truth(table.drop(columns=usage), str(path))
    subjects = form.list_subjects(table[column].tolist(), str(path))
    parts = dict(zip(subjects, _parts(table[usage], path, usage), strict=True))
    torn = [name for name, part in zip(subjects, _parts(table[usage], path, usage), strict=True) if parts[name] != part]
    if torn:
        raise InputError(f"{path}: rows of {some(torn)} differ in {usage}; all rows of an image are in one part")
    return Solution(tuple(ids), truth, np.array([parts[name] for name in ids]))


def _parts(cells: "pd.Series[str]", path: Path, column: str) -> list[str]:
    parts = cells.str.strip().str.lower().tolist()
    for row, part in enumerate(parts):
        if part not in _PARTS:
            got = cells.iloc[row]
            raise InputError(f"{path}, row {row + 1}, column {column}: {got!r}, wanted Public, Private or Ignored")
    return parts
