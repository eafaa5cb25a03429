"""Cells of answers: how one is written from predictions, checked, and read again.

A cell speaks of ``width`` columns of predictions. Numbers are written with nine digits, which float32 survives.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.targets.classes import Grades

Cells = Sequence[str]
Numbers = NDArray[np.float64]  # (n, width)

SUM_TOLERANCE = 1e-6
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Fault(NamedTuple):
    """The first cell that does not fit: its row, from 0, and what is wrong with it."""

    row: int
    problem: str


class Cell(ABC):
    """The answer for one row in one column."""

    width: int = 1

    @abstractmethod
    def write(self, values: Numbers) -> list[str]:
        """Writes predictions (n, width) as n texts."""

    @abstractmethod
    def find_fault(self, cells: Cells) -> Fault | None:
        """Finds the first cell that is no answer of this form."""

    @abstractmethod
    def read(self, cells: Cells) -> Numbers:
        """Reads cells without a fault as predictions (n, width)."""

    @abstractmethod
    def find_misfit(self, cells: Cells) -> str | None:
        """Says why cells of a sample cannot be of this form; None where they may be, as placeholders."""

    def find_truth_fault(self, cells: Cells) -> Fault | None:
        """Finds the first cell of a solution that is no true answer."""
        return self.find_fault(cells)

    def read_truth(self, cells: Cells) -> Numbers:
        """Reads a solution's cells as predictions that are certain (n, width)."""
        return self.read(cells)


def is_number(text: str) -> bool:
    """Says whether a cell is a plain number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def write_numbers(values: NDArray[np.float64]) -> list[str]:
    """Writes numbers (n,) with nine digits."""
    return [f"{value:.9g}" for value in values]


def parse_numbers(cells: Cells) -> NDArray[np.float64]:
    """Reads (n,) numbers; NaN where a cell is none."""
    numbers: NDArray[np.float64] = pd.to_numeric(pd.Series(list(cells), dtype="str"), errors="coerce").to_numpy(
        dtype=np.float64
    )
    return numbers


class NumberCell(Cell):
    """A finite number."""

    def write(self, values: Numbers) -> list[str]:
        """Writes nine digits."""
        return write_numbers(values[:, 0])

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses what is no finite number."""
        for row in np.flatnonzero(~np.isfinite(parse_numbers(cells)))[:1]:
            return Fault(int(row), f"{cells[row]!r} is not a finite number")
        return None

    def read(self, cells: Cells) -> Numbers:
        """Reads the numbers."""
        return parse_numbers(cells)[:, None]

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of words."""
        return _find_words(cells, "numbers")


class ProbabilityCell(NumberCell):
    """A probability."""

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses what is not from 0 to 1."""
        numbers = parse_numbers(cells)
        for row in np.flatnonzero(~((numbers >= 0) & (numbers <= 1 + SUM_TOLERANCE)))[:1]:
            return Fault(int(row), f"{cells[row]!r} is not a probability, wanted 0 to 1")
        return None

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of words."""
        return _find_words(cells, "probabilities")


class MarkCell(Cell):
    """Whether an image has a label: one of two words."""

    def __init__(self, marks: tuple[str, str]) -> None:
        """Takes the words for "has it not" and "has it"."""
        self._marks = marks

    def write(self, values: Numbers) -> list[str]:
        """Marks what is 0.5 and above."""
        return [self._marks[int(value >= 0.5)] for value in values[:, 0]]

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses other words."""
        for row, cell in enumerate(cells):
            if cell not in self._marks:
                return Fault(row, f"{cell!r} is no decision, wanted {self._marks[0]} or {self._marks[1]}")
        return None

    def read(self, cells: Cells) -> Numbers:
        """Reads 0 and 1."""
        return np.array([[float(cell == self._marks[1])] for cell in cells]).reshape(-1, 1)

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of other words or of fractions."""
        other = [cell for cell in cells if cell and cell not in self._marks]
        if not other:
            return None
        return f"{other[0]!r} is none of {self._marks[0]} and {self._marks[1]}; give submission.marks, or another kind"


class ExpectedCell(NumberCell):
    """The expected number of a grade."""

    def __init__(self, grades: Grades) -> None:
        """Takes the grades."""
        self._grades = grades
        self.width = len(grades.columns)

    def write(self, values: Numbers) -> list[str]:
        """Writes the expectation."""
        return write_numbers(self._grades.expect(values.astype(np.float32)))

    def read(self, cells: Cells) -> Numbers:
        """Shares each number between the two grades around it."""
        return self._grades.share_numbers(parse_numbers(cells)).astype(np.float64)


def _find_words(cells: Cells, wanted: str) -> str | None:
    words = [cell for cell in cells if cell and not is_number(cell)]
    return f"{words[0]!r} is no number, and the form needs {wanted}; describe another kind" if words else None
