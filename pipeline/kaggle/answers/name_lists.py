"""Cells that hold several names: a set of labels, the likeliest classes, a class with its confidence."""

from collections.abc import Sequence

import numpy as np

from pipeline.core.errors import InputError, near_names, some
from pipeline.kaggle.answers.cells import Cell, Cells, Fault, Numbers, is_number, write_numbers

_LEAST = float(np.finfo(np.float32).tiny)  # a confidence of 0 still names its class


class _NameCell(Cell):
    """Names with a separator between them."""

    def __init__(self, names: Sequence[str], separator: str) -> None:
        """Takes the names in the order of predictions.

        Raises:
            InputError: a name that holds the separator.
        """
        self.names, self.separator = tuple(names), separator
        self.width = len(self.names)
        self.place = {name: index for index, name in enumerate(self.names)}

    def require_whole_names(self) -> None:
        """Refuses a separator that stands inside a name.

        Raises:
            InputError: names one.
        """
        torn = [name for name in self.names if self.separator in name]
        if torn:
            raise InputError(
                f"submission.separator {self.separator!r} is inside {len(torn)} names, such as {torn[0]!r}; "
                "no reader could tell them apart: give the separator that the sample has"
            )

    def split(self, cell: str) -> list[str]:
        """Splits a cell into its names."""
        return [name.strip() for name in cell.split(self.separator) if name.strip()]

    def find_strange(self, names: Sequence[str], row: int) -> Fault | None:
        """Finds a name that is unknown or stands twice."""
        for name in names:
            if name not in self.place:
                return Fault(row, f"{name!r} is not a class; {near_names(name, self.names)}")
        twice = [name for name in names if names.count(name) > 1]
        return Fault(row, f"{twice[0]!r} is there twice; keep it once") if twice else None

    def find_unknown_sample(self, cells: Cells) -> str | None:
        """Refuses a sample of which no part is a name."""
        filled = [cell for cell in cells if cell]
        if not filled or any(name in self.place for cell in filled for name in self.split(cell)):
            return None
        return (
            f"no part of {filled[0]!r}, split at {self.separator!r}, is one of {some(self.names, 5)}; "
            "correct submission.separator, or describe another kind"
        )


class LabelSetCell(_NameCell):
    """All labels of an image."""

    def __init__(self, names: Sequence[str], separator: str, none: str, at_least_one: bool) -> None:
        """Takes the labels, the separator, the word for none, and whether none is allowed."""
        super().__init__(names, separator)
        self.require_whole_names()
        self._none, self._at_least_one = none, at_least_one
        if none in self.place:
            raise InputError(f"submission.none is {none!r}, which is a label; give another word, or none")

    def write(self, values: Numbers) -> list[str]:
        """Names the labels at 0.5 and above, in the order of predictions."""
        marks = values >= 0.5
        if self._at_least_one:
            empty = np.flatnonzero(~marks.any(axis=1))
            marks[empty, values[empty].argmax(axis=1)] = True
        return [self.separator.join(self.names[index] for index in np.flatnonzero(row)) or self._none for row in marks]

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses an unknown label, one that stands twice, and an empty cell where there must be one."""
        for row, cell in enumerate(cells):
            names = self.split(cell)
            if cell == self._none or not names:
                if self._at_least_one or cell != self._none:
                    return Fault(row, f"{cell!r} names no label; {self._wanted()}")
                continue
            if fault := self.find_strange(names, row):
                return fault
        return None

    def _wanted(self) -> str:
        return "at least one is wanted" if self._at_least_one else f"wanted {self._none!r} for none"

    def read(self, cells: Cells) -> Numbers:
        """Marks the labels."""
        values = np.zeros((len(cells), self.width))
        for row, cell in enumerate(cells):
            values[row, [self.place[name] for name in self.split(cell) if cell != self._none]] = 1
        return values

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of which no part is a label."""
        return self.find_unknown_sample([cell for cell in cells if cell != self._none])

    def find_truth_fault(self, cells: Cells) -> Fault | None:
        """Refuses unknown labels; an image may have none."""
        for row, cell in enumerate(cells):
            if cell != self._none and (fault := self.find_strange(self.split(cell), row)):
                return fault
        return None


class RankedCell(_NameCell):
    """The likeliest classes, the best first.

    ``new`` adds a class that is none of the predicted ones: it stands before all whose value is below ``threshold``.
    """

    def __init__(
        self, classes: Sequence[str], separator: str, k: int, new: str | None = None, threshold: float = 0.0
    ) -> None:
        """Takes the predicted classes, the separator, how many are named, and the class for what is new.

        Raises:
            InputError: the list is longer than there are classes.
        """
        super().__init__((*classes, new) if new is not None else classes, separator)
        self.require_whole_names()
        if k > len(self.names):
            raise InputError(
                f"submission.k is {k}, and there are {len(self.names)} classes; a list is no longer than these"
            )
        self._k, self._new, self._threshold = k, new, threshold

    def write(self, values: Numbers) -> list[str]:
        """Names the k likeliest; of equal ones the first in the order of predictions."""
        if self._new is not None:
            values = np.hstack([values, np.full((len(values), 1), self._threshold)])
        order = np.argsort(-values, axis=1, kind="stable")[:, : self._k]
        return [self.separator.join(self.names[index] for index in row) for row in order.tolist()]

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses lists that are shorter or longer, unknown classes and repeated ones."""
        for row, cell in enumerate(cells):
            names = self.split(cell)
            if len(names) != self._k:
                return Fault(row, f"{cell!r} names {len(names)} classes, wanted {self._k}")
            if fault := self.find_strange(names, row):
                return fault
        return None

    def read(self, cells: Cells) -> Numbers:
        """Gives the classes of each list values that fall from 1, sum to 1, and keep their order."""
        falling = np.arange(self._k, 0, -1) / (self._k * (self._k + 1) / 2)
        values = np.zeros((len(cells), self.width))
        for row, cell in enumerate(cells):
            values[row, [self.place[name] for name in self.split(cell)]] = falling
        return values

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of which no part is a class, or whose lists are longer than k."""
        longest = max((len(self.split(cell)) for cell in cells), default=0)
        if longest > self._k:
            return f"its cells hold up to {longest} classes, submission.k is {self._k}; correct submission.k"
        lists = [self.split(cell) for cell in cells if cell]
        numbers = all(map(str.isdigit, (*self.names, *(name for names in lists for name in names))))
        if numbers and self._k > 1 and all(len(names) == self._k for names in lists):
            return None  # numbers of no class where all classes are numbers: those of other images, or of none
        return self.find_unknown_sample(cells)

    def find_truth_fault(self, cells: Cells) -> Fault | None:
        """Refuses unknown classes, and images without one."""
        for row, cell in enumerate(cells):
            names = self.split(cell)
            if not names:
                return Fault(row, f"{cell!r} names no class")
            if fault := self.find_strange(names, row):
                return fault
        return None

    def read_truth(self, cells: Cells) -> Numbers:
        """Gives each class of a cell, mostly one, a probability of 1."""
        values = np.zeros((len(cells), self.width))
        for row, cell in enumerate(cells):
            values[row, [self.place[name] for name in self.split(cell)]] = 1
        return values


class ConfidenceCell(_NameCell):
    """The most probable class and its probability."""

    def write(self, values: Numbers) -> list[str]:
        """Names the class, then its probability."""
        best = values.argmax(axis=1)
        texts = write_numbers(values[np.arange(len(values)), best])
        return [f"{self.names[index]}{self.separator}{text}" for index, text in zip(best.tolist(), texts, strict=True)]

    def find_fault(self, cells: Cells) -> Fault | None:
        """Refuses an unknown class, and a confidence that is no number from 0 up."""
        for row, cell in enumerate(cells):
            name, _, number = cell.rpartition(self.separator)
            if not is_number(number) or float(number) < 0:
                return Fault(row, f"{cell!r} ends in no confidence, wanted a class, {self.separator!r} and a number")
            if name.strip() not in self.place:
                return Fault(row, f"{name.strip()!r} is not a class; {near_names(name.strip(), self.names)}")
        return None

    def read(self, cells: Cells) -> Numbers:
        """Gives the class its confidence, and the others nothing."""
        values = np.zeros((len(cells), self.width))
        for row, cell in enumerate(cells):
            name, _, number = cell.rpartition(self.separator)
            values[row, self.place[name.strip()]] = max(float(number), _LEAST)
        return values

    def find_misfit(self, cells: Cells) -> str | None:
        """Refuses a sample of cells that do not end in a number."""
        bare = [cell for cell in cells if cell and not is_number(cell.rpartition(self.separator)[2])]
        single = [cell for cell in cells if cell and self.separator not in cell.strip()]
        wrong = bare or single
        return f"{wrong[0]!r} is no class with a confidence behind {self.separator!r}; correct it" if wrong else None

    def find_truth_fault(self, cells: Cells) -> Fault | None:
        """Refuses unknown classes; an image may show none."""
        for row, cell in enumerate(cells):
            if cell.strip() and cell.strip() not in self.place:
                return Fault(row, f"{cell!r} is not a class; {near_names(cell, self.names)}")
        return None

    def read_truth(self, cells: Cells) -> Numbers:
        """Gives the class a probability of 1; an empty cell has none."""
        values = np.zeros((len(cells), self.width))
        for row, cell in enumerate(cells):
            if cell.strip():
                values[row, self.place[cell.strip()]] = 1
        return values
