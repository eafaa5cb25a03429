"""Answers in rows: one row per image and class, label, target or number."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.answers import RowPattern, RowSubmission
from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique
from pipeline.kaggle.answers.cells import Cells, Fault
from pipeline.kaggle.answers.contract import AnswerForm, AnswerSheet, name_row
from pipeline.kaggle.answers.parts import FIX, AnswerPart, list_named_parts, mark_likeliest


class RowForm(AnswerForm):
    """One row per image and part."""

    def __init__(self, sheet: AnswerSheet) -> None:
        """Takes apart the sample's ids.

        Raises:
            InputError: an id that is no row, or a part that is nothing predicted.
        """
        super().__init__(sheet)
        section = sheet.section
        assert isinstance(section, RowSubmission)
        if self.others != [section.value]:
            raise InputError(
                f"{sheet.place} has the columns {some((section.id, *self.others))}, wanted {section.id} and "
                f"{section.value}; correct submission {FIX}"
            )
        self._value = section.value
        self.parts = list_named_parts(section, sheet.target)
        self._images, self._names = self._split(self.ids, sheet.place)
        self.subjects = list(dict.fromkeys(self._images))
        self._one_each = section.holds == "decisions" and sheet.target.activation == "softmax"

    def _split(self, ids: Sequence[str], place: str) -> tuple[list[str], list[str]]:
        """Returns image and part of each row."""
        section, rows = self.sheet.section, self.sheet.rows
        assert isinstance(section, RowSubmission)
        if isinstance(section.rows, RowPattern):
            rows = split_ids(ids, section.rows, place)
        assert rows is not None
        known = dict(zip(rows["row"], zip(rows["image"], rows["part"], strict=True), strict=True))
        missing = [name for name in ids if name not in known]
        if missing:
            raise InputError(f"{place}: {len(missing)} ids are no rows of submission.rows: {some(missing)}; correct it")
        images = [known[name][0] for name in ids]
        names = [(section.parts or {}).get(known[name][1], known[name][1]) for name in ids]
        strange = [name for name in dict.fromkeys(names) if name not in self.parts]
        if strange:
            raise InputError(
                f"{place}: rows speak of {some(strange)}, which is nothing predicted; "
                f"{near_names(strange[0], self.parts)}; map it with submission.parts {FIX}"
            )
        if len(set(zip(images, names, strict=True))) < len(ids):
            raise InputError(f"{place}: two rows speak of the same part of one image; correct submission.rows {FIX}")
        return images, names

    def list_subjects(self, ids: Sequence[str], place: str) -> list[str]:
        """Returns the image of each row."""
        return self._split(ids, place)[0]

    def _each(self, names: Sequence[str]) -> list[tuple[NDArray[np.int64], AnswerPart]]:
        """Returns the rows of each part."""
        given = np.array(names, dtype=np.object_)
        return [(np.flatnonzero(given == name), part) for name, part in self.parts.items()]

    def write(self, values: NDArray[np.float64]) -> dict[str, list[str]]:
        """Writes the rows of each part."""
        values = mark_likeliest(self.sheet.section, self.sheet.target, values)
        place = {name: row for row, name in enumerate(self.subjects)}
        at = np.array([place[name] for name in self._images], dtype=np.int64)
        cells = np.empty(len(self.ids), dtype=np.object_)
        for rows, (columns, cell) in self._each(self._names):
            cells[rows] = np.array(cell.write(values[at[rows], columns]), dtype=np.object_)
        return {self._value: cells.tolist()}

    def _find_fault(self, cells: Cells, names: Sequence[str], truth: bool) -> Fault | None:
        faults = []
        for rows, (_, cell) in self._each(names):
            mine = [cells[row] for row in rows]
            fault = cell.find_truth_fault(mine) if truth else cell.find_fault(mine)
            if fault is not None:
                faults.append(Fault(int(rows[fault.row]), fault.problem))
        return min(faults, default=None)

    def _find_other_count(self, cells: Cells, images: Sequence[str]) -> Fault | None:
        """Finds the first image with more than one class marked, or with none where all its rows are there."""
        if not self._one_each:
            return None
        marked = pd.Series([cell == "1" for cell in cells])
        counts = marked.groupby(pd.Series(list(images), dtype="str")).transform("sum")
        sizes = marked.groupby(pd.Series(list(images), dtype="str")).transform("size")
        wrong = (counts > 1) | ((counts == 0) & (sizes == len(self.parts)))
        for row in np.flatnonzero(wrong)[:1].tolist():
            return Fault(row, f"{counts[row]} classes of image {images[row]} are marked, wanted one")
        return None

    def check(self, frame: pd.DataFrame) -> None:
        """Checks the rows of each part, and that each image has one class where classes exclude each other."""
        cells: list[str] = frame[self._value].astype("str").tolist()
        fault = self._find_fault(cells, self._names, truth=False) or self._find_other_count(cells, self._images)
        if fault:
            raise InputError(f"{name_row(fault.row, self.ids)}, column {self._value}: {fault.problem}")

    def read(self, frame: pd.DataFrame) -> Values:
        """Reads the rows of each part."""
        cells = frame[self._value].astype("str").tolist()
        return self._gather(cells, self._images, self._names, self.sheet.place)[1]

    def _gather(
        self, cells: Cells, images: Sequence[str], names: Sequence[str], place: str
    ) -> tuple[list[str], Values]:
        subjects = list(dict.fromkeys(images))
        at = {name: row for row, name in enumerate(subjects)}
        if len(cells) != len(subjects) * len(self.parts):
            raise InputError(
                f"{place}: {len(cells)} rows for {len(subjects)} images and {len(self.parts)} parts; only a table that "
                "has each part of each image can be graded here"
            )
        values = np.zeros((len(subjects), len(self.target.columns)), dtype=np.float32)
        for rows, (columns, cell) in self._each(names):
            values[[at[images[row]] for row in rows], columns] = cell.read([cells[row] for row in rows])
        return subjects, values

    def check_sample(self) -> None:
        """Looks at the rows of each part."""
        cells = self.sheet.sample[self._value].tolist()
        for rows, (_, cell) in self._each(self._names):
            if problem := cell.find_misfit([cells[row] for row in rows]):
                raise InputError(f"{self.sheet.place}, column {self._value}: {problem} ({FIX})")

    def read_truth(self, table: pd.DataFrame, place: str) -> tuple[list[str], Truth]:
        """Reads the rows of each part."""
        ids: list[str] = table[self.sheet.section.id].tolist()
        check_unique(ids, place)
        if self._value not in table.columns:
            raise InputError(
                f"{place} has no column {self._value!r}; {near_names(self._value, map(str, table.columns))}"
            )
        images, names = self._split(ids, place)
        cells = table[self._value].tolist()
        if fault := self._find_fault(cells, names, truth=True) or self._find_other_count(cells, images):
            raise InputError(f"{place}, row {fault.row + 1}, column {self._value}: {fault.problem}")
        subjects, values = self._gather(cells, images, names, place)
        return subjects, self.target.decide(values)


def split_ids(ids: Sequence[str], rows: RowPattern, place: str) -> pd.DataFrame:
    """Splits ids of rows by a pattern: the columns row, image and part.

    Raises:
        InputError: ids that it does not match.
    """
    found = {name: re.fullmatch(rows.pattern, name) for name in ids}
    unlike = [name for name, match in found.items() if match is None]
    if unlike:
        raise InputError(
            f"{place}: {len(unlike)} ids do not match submission.rows.pattern {rows.pattern!r}: {some(unlike)}; "
            "correct the pattern in the competition's file"
        )
    cells = [(name, match["image"], match["part"]) for name, match in found.items() if match is not None]
    return pd.DataFrame(cells, columns=["row", "image", "part"], dtype="str")
