"""The contract of forms of answers: rows and columns that a sample wants, filled from predictions, checked, read again.

Two forms stand behind all kinds of `core.answers`: one row per image, and one row per image and part.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.answers import RankedSubmission, Submission
from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names
from pipeline.core.ids import check_unique
from pipeline.core.targets.contract import Target
from pipeline.kaggle.answers.pooling import Pooling, pool_values


@dataclass(frozen=True)
class AnswerRule:
    """What was fitted out-of-fold for answers.

    Attributes:
        pooling: of a unit's images, a name of `pooling.POOLINGS`, or one for each column.
        new_threshold: below it a class stands behind the one for what is new.
    """

    pooling: Pooling = "mean"
    new_threshold: float = 0.0


@dataclass(frozen=True)
class AnswerSheet:
    """All that answers are made by.

    Attributes:
        section: the form.
        target: what is predicted.
        sample: the competition's sample submission, as text.
        units: the unit of each test image, where one answer is for several.
        rows: the columns row, image and part, where a table says what a row is about.
        rule: what was fitted out-of-fold.
    """

    section: Submission
    target: Target
    sample: pd.DataFrame
    units: dict[str, str] = field(default_factory=dict)
    rows: pd.DataFrame | None = None
    rule: AnswerRule = field(default_factory=AnswerRule)

    @property
    def place(self) -> str:
        """The sample's name in messages."""
        return f"sample submission ({self.section.sample})"

    def list_fitted(self) -> dict[str, Pooling | float]:
        """Lists, for the submission's card, what the form needs of the rule."""
        fitted: dict[str, Pooling | float] = {"pooling": self.rule.pooling} if self.section.unit is not None else {}
        if isinstance(self.section, RankedSubmission) and self.section.new not in (None, *self.target.columns):
            fitted["new_threshold"] = self.rule.new_threshold
        return fitted


class AnswerForm(ABC):
    """Answers of one form.

    Attributes:
        sheet: what they are made by.
        target: of values read from answers: what is predicted, and a class for what is new where answers have one.
        subjects: the images, or units, that the sample asks for, in its order.
    """

    def __init__(self, sheet: AnswerSheet) -> None:
        """Holds the sample's columns to the form.

        Raises:
            InputError: they, or the target, do not fit.
        """
        self.sheet = sheet
        self.target = sheet.target
        present = [str(column) for column in sheet.sample.columns]
        if sheet.section.id not in present:
            raise InputError(
                f"{sheet.place} has no id column {sheet.section.id!r}; {near_names(sheet.section.id, present)}"
            )
        self.others = [column for column in present if column != sheet.section.id]
        self.ids: list[str] = sheet.sample[sheet.section.id].tolist()
        check_unique(self.ids, "sample submission")
        self.subjects: list[str] = self.ids

    @abstractmethod
    def write(self, values: NDArray[np.float64]) -> dict[str, list[str]]:
        """Writes the cells of each column from values (n_subjects, n_columns)."""

    @abstractmethod
    def check(self, frame: pd.DataFrame) -> None:
        """Holds the cells of a submission, whose header and ids fit, to the form.

        Raises:
            InputError: the first cell that does not fit, with row and column.
        """

    @abstractmethod
    def read(self, frame: pd.DataFrame) -> Values:
        """Reads a checked submission: values (n_subjects, n_columns) of ``target``."""

    @abstractmethod
    def check_sample(self) -> None:
        """Refuses a sample whose cells this form does not explain.

        Raises:
            InputError: with such a cell.
        """

    @abstractmethod
    def read_truth(self, table: pd.DataFrame, place: str) -> tuple[list[str], Truth]:
        """Reads a solution: its subjects, each once, and what is true of each.

        Raises:
            InputError: it lacks columns, or has cells that are no true answers.
        """

    def extend(self, values: Values) -> Values:
        """Returns predictions as values of ``target``: those of a class for what is new included."""
        return values

    def list_subjects(self, ids: Sequence[str], place: str) -> list[str]:
        """Returns the image, or unit, that each row of a table is about.

        Raises:
            InputError: an id that is about none.
        """
        return list(ids)

    def pool(self, ids: Sequence[str], values: Values) -> tuple[list[str], Values]:
        """Pools the predictions of images (n, n_columns) by unit, where answers are for units."""
        if not self.sheet.units:
            return list(ids), values
        units = [self.sheet.units[name] for name in ids]
        return pool_values(self.sheet.target, values, units, self.sheet.rule.pooling)


def name_row(row: int, ids: Sequence[str]) -> str:
    """Names a row of a submission, counted from 1 without the header."""
    return f"submission row {row + 1} (id {ids[row]})"
