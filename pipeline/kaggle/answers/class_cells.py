"""Cells that hold a class: by its own name, by another one, or the probability of one of two."""

import re
from collections.abc import Sequence

import numpy as np

from pipeline.core.errors import near_names, some
from pipeline.kaggle.answers.cells import (
    Cell,
    Cells,
    Fault,
    Numbers,
    ProbabilityCell,
    is_number,
    parse_numbers,
    write_numbers,
)

_WORDS = re.compile(r"[\s,;|]+")
_WHOLE = re.compile(r"[-+]?\d+")


class ClassCell(Cell):
    """The most probable class, by its own name or by another one."""

    def __init__(self, classes: Sequence[str], names: Sequence[str], checked: bool = False) -> None:
        """Takes the classes in the order of predictions, what answers call them, and whether the user says so."""
        self._classes, self._names, self._checked = tuple(classes), tuple(names), checked
        self._place = {name: index for index, name in enumerate(self._names)}
        self.width = len(self._names)

    def write(self, values: Numbers) -> list[str]:
        """Names the most probable class."""
        return [self._names[index] for index in values.argmax(axis=1).tolist()]

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses what is no class."""
        for row, cell in enumerate(cells):
            if cell not in self._place:
                return Fault(row, f"{cell!r} is not a class; {near_names(cell, self._names)}")
        return None

    def read(self, cells: Cells) -> Numbers:
        """Reads each class as a probability of 1."""
        values = np.zeros((len(cells), self.width))
        values[np.arange(len(cells)), [self._place[cell] for cell in cells]] = 1
        return values

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of several classes in a cell, of a class with a number, and of nothing that is a class."""
        unknown = sorted({cell for cell in cells if cell and cell not in self._place})
        for cell in unknown:
            words = [word for word in _WORDS.split(cell) if word]
            known = [word for word in words if word in self._place]
            if len(words) == 2 and is_number(words[1]) and not _WHOLE.fullmatch(words[1]):
                return f"{cell!r} is a class and a number; describe it with kind: confidence"
            if len(words) > 1 and known:
                return f"{cell!r} is several classes; describe it with kind: ranked, or label_set"
        if self._checked or not unknown or len(unknown) < len(set(cells)):
            return None
        numbers = all(is_number(cell) for cell in unknown)
        if numbers and any(is_number(name) for name in self._names):
            return None
        if numbers:
            return (
                f"its cells hold {some(unknown, 3)}, and no class is a number ({some(self._names, 5)}); give the "
                "number of each class with submission.names, or submission.names: {} where the numbers are "
                f"placeholders{', or submission.positive for a probability' if self.width == 2 else ''}"
            )
        return (
            f"its cells hold {some(unknown, 3)}, which is no class ({some(self._names, 5)}); write submission.names: "
            "{} where such a cell only shows where a class's name belongs, else what answers call each class"
        )


class PositiveCell(ProbabilityCell):
    """The probability of one of two classes."""

    width = 2

    def __init__(self, classes: Sequence[str], positive: str) -> None:
        """Takes both classes, in the order of predictions, and the one whose probability is written."""
        self._classes = ClassCell(classes, classes)
        self._place = list(classes).index(positive)
        negative = classes[1 - self._place]
        self._marks = {"0": "0", "1": "1"} if {"0", "1"} == set(classes) else {"0": negative, "1": positive}

    def write(self, values: Numbers) -> list[str]:
        """Writes the probability of that class."""
        return write_numbers(values[:, self._place])

    def read(self, cells: Cells) -> Numbers:
        """Reads both: the other class has the rest."""
        values = np.empty((len(cells), 2))
        values[:, self._place] = np.asarray(parse_numbers(cells), dtype=np.float32)
        values[:, 1 - self._place] = 1 - values[:, self._place]
        return values

    def find_truth_fault(self, cells: Cells) -> Fault | None:
        """Refuses what is neither a class nor, over all cells, 0 or 1."""
        return self._classes.find_fault(self._name_marks(cells))

    def read_truth(self, cells: Cells) -> Numbers:
        """Reads names of classes, or 0 and 1 for the positive class."""
        return self._classes.read(self._name_marks(cells))

    def _name_marks(self, cells: Cells) -> Cells:
        return [self._marks[cell] for cell in cells] if set(cells) <= {"0", "1"} else cells
