"""Rules of a competition's file about training rows: those left out, those together, those from elsewhere."""

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.confined import search_pattern
from pipeline.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class Condition(Section):
    """Rows by their cell in a column: one of ``equals``, or a number ``below`` or ``above`` a bound.

    Attributes:
        column: the column.
        equals: texts; a row whose cell is one of them meets the condition.
        below: a bound; a row whose number is less meets the condition.
        above: a bound; a row whose number is greater meets the condition.
    """

    column: str
    equals: tuple[str, ...] | None = None
    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "Condition":
        if [self.equals, self.below, self.above].count(None) != 2:
            raise ValueError("a condition has one of equals, below and above")
        return self

    def select(self, cells: "pd.Series[str]", place: str) -> "pd.Series[bool]":
        """Returns which cells meet the condition; an empty one meets no bound.

        Args:
            cells: text.
            place: the table's name, for messages.

        Raises:
            InputError: a bound, and a cell that is neither empty nor a number.
        """
        import pandas as pd

        if self.equals is not None:
            return cells.isin(list(self.equals))
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells[numbers.isna() & ~cells.str.lower().isin(["", "nan"])]
        if len(wrong):
            raise InputError(
                f"{place}: {self.column} holds {wrong.iloc[0]!r} in row {int(wrong.index[0]) + 1}, which is no number; "
                "correct leave_out.rows in the competition's file: equals takes text"
            )
        return numbers < self.below if self.below is not None else numbers > self.above

    def __str__(self) -> str:
        """Returns the condition in words."""
        if self.equals is not None:
            return f"{self.column} is {' or '.join(self.equals)}"
        return (
            f"{self.column} below {self.below:g}" if self.below is not None else f"{self.column} above {self.above:g}"
        )


class LeaveOut(Section):
    """Training rows that are left out; ``prepare`` lists them in its report.

    Attributes:
        ids: of the images.
        no_label: rows of a table without a label.
        no_image: rows of a table without an image; of test images they stay, and are predicted from a black picture.
        not_in_table: images that no row names, of training and test folders alike.
        rows: those that meet a condition.
        classes_rarer_than: images of classes with fewer than so many.
    """

    ids: tuple[str, ...] = ()
    no_label: bool = False
    no_image: bool = False
    not_in_table: bool = False
    rows: tuple[Condition, ...] = ()
    classes_rarer_than: int = Field(default=0, ge=0)


class Groups(Section):
    """Training images that share a fold, where no column says so: by a pattern, a table, or the headers of DICOM files.

    Attributes:
        pattern: a regular expression that is searched for in each id; its group ``group``, else its first one, names
            the image's group.
        table: a table next to folders of images.
        id: its column that names the images.
        column: its column of the group.
        dicom: what the headers of the images' DICOM files name: ``patient``, ``study`` or ``series``; they are
            numbered in the order of the files.
    """

    pattern: str | None = None
    table: str | None = None
    id: str | None = None
    column: str | None = None
    dicom: Literal["patient", "study", "series"] | None = None

    @field_validator("pattern")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        try:
            groups = 1 if pattern is None else re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"pattern is not a regular expression ({error})") from error
        if not groups:
            raise ValueError(r"pattern needs brackets around what a group has in common, such as ^(\d+)_")
        return pattern

    @model_validator(mode="after")
    def _one_way(self) -> "Groups":
        by_table = [self.table, self.id, self.column]
        alone = [self.pattern, self.dicom].count(None)
        if alone == 0 or by_table.count(None) != (0 if alone == 2 else 3):
            raise ValueError("groups takes pattern alone, dicom alone, or table, id and column together")
        return self

    def match(self, name: str) -> str:
        """Returns the group that the pattern finds in an id; empty where it finds none."""
        found = search_pattern(self.pattern or "()", name)
        if found is None:
            return ""
        named = found.groupdict()
        return str((named["group"] if "group" in named else found[1]) or "")


class MoreRows(Section):
    """Labelled images from elsewhere that join the training rows of every fold and are never validated.

    Attributes:
        name: what their ids begin with, and what messages call them.
        folder: class folders, relative to the repository, absolute, or through ``${VARIABLE}``; or
        competition: another competition under configs/competitions, whose training images they are.
        weight: what such an image counts in the loss, where one of the competition's own counts 1.
        classes: what a class there is called here; null leaves its images out.
    """

    name: str = Field(pattern=r"^[\w-]+$")
    folder: str | None = None
    competition: str | None = None
    weight: float = Field(default=1.0, gt=0.0, le=100.0)
    classes: dict[str, str | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> "MoreRows":
        if (self.folder is None) == (self.competition is None):
            raise ValueError("rows from elsewhere come from a folder or from a competition: give one of them")
        return self
