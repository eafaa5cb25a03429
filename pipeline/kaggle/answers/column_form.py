"""Answers in columns: one row per image or unit; one column, or one for each class, label, target or number."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.answers import DecisionSubmission, ProbabilitySubmission, RankedSubmission
from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique
from pipeline.core.targets.classes import OneClass
from pipeline.kaggle.answers.cells import SUM_TOLERANCE, Cells, parse_numbers
from pipeline.kaggle.answers.class_cells import ClassCell
from pipeline.kaggle.answers.contract import AnswerForm, AnswerSheet, name_row
from pipeline.kaggle.answers.parts import FIX, AnswerPart, list_column_parts, mark_likeliest


class ColumnForm(AnswerForm):
    """One row per image or unit; one column, or one for each class, label, target or number."""

    def __init__(self, sheet: AnswerSheet) -> None:
        """Lists the columns and their cells."""
        super().__init__(sheet)
        section = sheet.section
        lists: Cells = sheet.sample[self.others[0]].tolist() if isinstance(section, RankedSubmission) else ()
        self.parts = list_column_parts(section, sheet.target, self.others, lists, sheet.rule.new_threshold)
        one_each = isinstance(section, ProbabilitySubmission | DecisionSubmission)
        self._sums = one_each and sheet.target.activation == "softmax"
        if isinstance(section, RankedSubmission) and section.new is not None and section.new not in self.target.columns:
            # Read again, answers speak of one class more than predictions do.
            self.target = OneClass(columns=(*sheet.target.columns, section.new))
            self.parts = {
                column: AnswerPart(slice(0, len(self.target.columns)), cell) for column, (_, cell) in self.parts.items()
            }

    def extend(self, values: Values) -> Values:
        """Adds the threshold as the value of what is new."""
        wider = len(self.target.columns) - values.shape[1]
        return np.pad(values, ((0, 0), (0, wider)), constant_values=self.sheet.rule.new_threshold)

    def write(self, values: NDArray[np.float64]) -> dict[str, list[str]]:
        """Writes each column."""
        if self.sheet.target.activation == "softmax":
            # float64 and divided by the sum: nine digits of each still sum to 1 within the tolerance
            values = values / values.sum(axis=1, keepdims=True)
        values = mark_likeliest(self.sheet.section, self.sheet.target, values)
        return {column: cell.write(values[:, columns]) for column, (columns, cell) in self.parts.items()}

    def check(self, frame: pd.DataFrame) -> None:
        """Checks each column, and the sum of each row of probabilities or marks."""
        for column, (_, cell) in self.parts.items():
            if fault := cell.find_fault(frame[column].astype("str").tolist()):
                raise InputError(f"{name_row(fault.row, self.ids)}, column {column}: {fault.problem}")
        if self._sums:
            cells = [cell.read(frame[column].astype("str").tolist()) for column, (_, cell) in self.parts.items()]
            sums = np.hstack(cells).sum(axis=1)
            for row in np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)[:1]:
                where = f"{name_row(int(row), self.ids)}, columns {some(self.parts, 3)}"
                if isinstance(self.sheet.section, DecisionSubmission):
                    raise InputError(f"{where}: {sums[row]:.0f} classes are marked, wanted one")
                raise InputError(f"{where}: the probabilities sum to {sums[row]:.9g}, wanted 1")

    def read(self, frame: pd.DataFrame) -> Values:
        """Reads each column."""
        values = np.zeros((len(frame), len(self.target.columns)), dtype=np.float32)
        for column, (columns, cell) in self.parts.items():
            values[:, columns] = cell.read(frame[column].astype("str").tolist())
        return values

    def check_sample(self) -> None:
        """Looks at each column's cells."""
        for column, (_, cell) in self.parts.items():
            if problem := cell.find_misfit(self.sheet.sample[column].tolist()):
                raise InputError(
                    f"{self.sheet.place}, column {column}: submission.kind {self.sheet.section.kind} does not explain "
                    f"it: {problem} ({FIX})"
                )

    def read_truth(self, table: pd.DataFrame, place: str) -> tuple[list[str], Truth]:
        """Reads each column; of one class per image also one column of 0 and 1 per class, or one of names."""
        ids: list[str] = table[self.sheet.section.id].tolist()
        check_unique(ids, place)
        others = [str(column) for column in table.columns if column != self.sheet.section.id]
        own = set(self.parts) <= set(others)
        if own and self._sums and isinstance(self.target, OneClass):
            return ids, self._read_one_hot(table, place)
        values = np.zeros((len(table), len(self.target.columns)), dtype=np.float32)
        for column, (columns, cell) in (self.parts if own else self._name_column(others, place)).items():
            cells = table[column].tolist()
            if fault := cell.find_truth_fault(cells):
                raise InputError(f"{place}, row {fault.row + 1}, column {column}: {fault.problem}")
            values[:, columns] = cell.read_truth(cells)
        decided = self.target.decide(values)
        # -1: an image of no class, which a solution of labels with confidence may have
        return ids, np.where(values.any(axis=1), decided, -1) if isinstance(self.target, OneClass) else decided

    def _name_column(self, others: Sequence[str], place: str) -> dict[str, AnswerPart]:
        """Probabilities are graded against one column of names too, whatever it is called."""
        if isinstance(self.target, OneClass) and self._sums and others:
            classes = self.target.columns
            return {others[0]: AnswerPart(slice(0, len(classes)), ClassCell(classes, classes))}
        missing = next(column for column in self.parts if column not in others)
        raise InputError(f"{place} has no column {missing!r}; {near_names(missing, others)}")

    def _read_one_hot(self, table: pd.DataFrame, place: str) -> Truth:
        """Reads 0 and 1, or the words that decisions are written in."""
        ordered = sorted(self.parts, key=lambda column: int(self.parts[column].columns.start))
        texts = [table[column].tolist() for column in ordered]
        pairs = [(self.parts[column].cell, mine) for column, mine in zip(ordered, texts, strict=True)]
        section = self.sheet.section
        no, yes = section.marks if isinstance(section, DecisionSubmission) else ("0", "1")
        if isinstance(section, DecisionSubmission) and not any(cell.find_truth_fault(mine) for cell, mine in pairs):
            cells = np.hstack([cell.read_truth(mine) for cell, mine in pairs])
        else:
            cells = np.stack([parse_numbers(mine) for mine in texts], axis=1)
        wrong = ~np.isin(cells, (0.0, 1.0)).all(axis=1) | (cells.sum(axis=1) != 1)
        for row in np.flatnonzero(wrong)[:1]:
            where = f"{place}, row {row + 1}, columns {some(ordered, 3)}"
            raise InputError(f"{where}: wanted exactly one {yes}, and {no} elsewhere")
        labels: Truth = cells.argmax(axis=1)
        return labels
