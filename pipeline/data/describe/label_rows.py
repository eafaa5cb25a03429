"""Rows of labels: a table with one row for each image and label, whose rows of one image make a set of labels."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.data.describe.classes import format_counts
from pipeline.data.describe.label_sets import refuse_masks
from pipeline.data.describe.match import Choices, is_id
from pipeline.data.describe.metric import list_kinds
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_columns import TargetReading
from pipeline.data.describe.target_parts import is_number_column
from pipeline.data.prepared.present_rows import are_present_marks, blank_absent, list_varying

_IDS = re.compile(r"(?i:(^|[^a-z])(id|index|unnamed: \d+)$)|[a-z]I[Dd]$")


@dataclass(frozen=True)
class LabelRows:
    """A table of one row per image and label.

    Attributes:
        path: of the table.
        id: the column of images, which repeats.
        label: the column of labels.
        present: the column that says whether the label of a row is there.
        aside: other columns that differ between the rows of an image.
        amounts: those of them that may hold what is asked for, and cannot be read so.
    """

    path: str
    id: str
    label: str
    present: str | None = None
    aside: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()

    @property
    def section(self) -> dict[str, Any]:
        """The keys of the training section that say so: ``present``; else none, the target's kind does."""
        return {} if self.present is None else {"present": self.present}

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """Joins the rows of each image: one row is left, of the columns that all rows of an image agree on."""
        if self.present is not None:
            table = blank_absent(table, self.label, self.present, self.path)
        by_id = table.groupby(self.id, sort=False)
        alike = (by_id.nunique() <= 1).all()
        kept = [name for name in table.columns if name == self.id or (name != self.label and alike[name])]
        joined = by_id[self.label].agg(lambda names: CELL_SEPARATOR.join(name for name in names if name))
        first = table.drop_duplicates(self.id)[kept].set_index(self.id)
        return first.assign(**{self.label: joined}).reset_index()

    def describe(self, joined: pd.DataFrame, sample: SampleSubmission, choices: Choices) -> TargetReading:
        """Describes the target of the joined rows, which are several labels whatever the sample shows.

        Raises:
            InputError: another column may hold the answers, or labels are masks.
        """
        if choices.target is None:
            whole = [name for cell in joined[self.label] for name in cell.split(CELL_SEPARATOR)]
            refuse_masks(whole, self.label, f"column {self.label} of {self.path}")
        if self.amounts:
            raise InputError(
                f"{self.path} has one row for each {self.id} and {self.label}, whose {some(self.amounts)} may say how "
                f"much of it there is: such rows are not read; write a table with one row for each {self.id} and a "
                f"column for each {self.label}, or, if rows say which labels are there, leave out those of absent "
                f"labels and {some(self.amounts)}"
            )
        cells = joined[self.label]
        counts = Counter(name for cell in cells for name in cell.split(CELL_SEPARATOR) if name)
        labels = tuple(natural_order(sorted(counts)))
        several = sum(CELL_SEPARATOR in cell for cell in cells)
        words = f"{self.label}: one label in each row; {format_counts(counts, labels, 'labels')}"
        check = [f"rows of {self.path} were read as one label of an image each: {several:,} images have several"]
        if self.present is not None:
            none = int((cells == "").sum())
            check.append(
                f"rows whose {self.present} is 0, false or no were read as labels that are absent, and {none:,} images "
                "have no label; remove present from train if it means something else"
            )
        if self.aside:
            check.append(f"{some(self.aside)} differ between rows of one image, and were taken for no answers")
        return TargetReading((self.label,), cells, {"kind": "several_labels"}, labels, (words,), tuple(check))


def find_label_rows(table: pd.DataFrame, path: str, sample: SampleSubmission, choices: Choices) -> list[LabelRows]:
    """Finds columns of a table that repeat and may name images, with the column of labels that the sample asks for.

    The sample tells a column of labels by its name, or by labels among its columns, its cells or the ends of its ids.
    A table that repeats a pair of both is none: several persons may have judged an image, or each row is a thing in it.

    Args:
        table: as text.
        path: of the table.
        sample: the sample submission.
        choices: ``id``, ``label``, ``target`` and the metric exclude what they contradict.
    """
    judged = list_kinds(choices.metric)
    if choices.target not in (None, "several_labels") or (judged is not None and "several_labels" not in judged):
        return []
    words = {word for cell in sample.examples for word in cell.split()} | sample.parts | set(sample.columns[1:])
    columns = [str(name) for name in table.columns]
    labels = [name for name in columns if name == choices.label]
    if choices.label is None:
        labels = [name for name in columns if name in sample.columns[1:] and not are_present_marks(table[name])]
        labels = labels or [name for name in columns if len(words & set(table[name])) > 1]
    if len(labels) != 1 or is_id(table[labels[0]]):
        return []
    found = [LabelRows(path, name, labels[0]) for name in columns if name != labels[0] and choices.id in (None, name)]
    return [_tell_apart(table, each) for each in found if _has_sets(table, each)]


def _tell_apart(table: pd.DataFrame, rows: LabelRows) -> LabelRows:
    """Tells the column that says whether a label is there, or how much of it, from others that differ in an image.

    What follows from the label alone is none; nor are numbers of rows, and several columns of numbers, such as boxes,
    unless every image has a row of every label: then the rows alone say nothing.
    """
    differ = list_varying(table, rows.id, rows.label)
    marks = [name for name in differ if are_present_marks(table[name][table[rows.label] != ""])]
    counted = table.groupby(rows.id).cumcount()
    numbers = [name for name in differ if name not in marks and is_number_column(table[name])]
    numbers = [name for name in numbers if not _counts_rows(table[name], counted)]
    whole = len(table) == table[rows.id].nunique() * table[rows.label].nunique()
    if len(marks) == 1 and (len(numbers) < 2 or whole):
        return replace(rows, present=marks[0], aside=tuple(name for name in differ if name != marks[0]))
    doubt = whole or (len(numbers) < 2 and len(marks + numbers) > 0)
    return replace(rows, aside=tuple(differ), amounts=tuple((marks + numbers) or differ) if doubt else ())


def _counts_rows(cells: pd.Series, counted: pd.Series) -> bool:
    """Says whether numbers count the rows, those of the table or those of each image, or are called after ids."""
    numbers = pd.to_numeric(cells, errors="coerce")
    whole = bool((numbers % 1 == 0).all())
    rising = numbers.is_monotonic_increasing and numbers.is_unique
    return whole and (bool(_IDS.search(str(cells.name))) or rising or bool((numbers - numbers.min() == counted).all()))


def _has_sets(table: pd.DataFrame, rows: LabelRows) -> bool:
    """Says whether values of the id repeat, each time with another label."""
    ids = table[rows.id]
    return bool(ids.duplicated().any()) and not table[[rows.id, rows.label]].duplicated().any()
