"""Rows of labels: a table with one row for each image and label, whose rows of one image make a set of labels."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.core.ids import natural_order
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.data.describe.classes import format_counts
from pipeline.data.describe.match import Choices, is_id
from pipeline.data.describe.metric import list_kinds
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_columns import TargetReading


@dataclass(frozen=True)
class LabelRows:
    """A table of one row per image and label.

    Attributes:
        path: of the table.
        id: the column of images, which repeats.
        label: the column of labels.
    """

    path: str
    id: str
    label: str

    @property
    def section(self) -> dict[str, Any]:
        """The keys of the training section that say so: none, the target's kind does."""
        return {}

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """Joins the rows of each image: one row is left, of the columns that all rows of an image agree on."""
        by_id = table.groupby(self.id, sort=False)
        alike = (by_id.nunique() <= 1).all()
        kept = [name for name in table.columns if name == self.id or (name != self.label and alike[name])]
        joined = by_id[self.label].agg(lambda names: CELL_SEPARATOR.join(name for name in names if name))
        first = table.drop_duplicates(self.id)[kept].set_index(self.id)
        return first.assign(**{self.label: joined}).reset_index()

    def describe(self, joined: pd.DataFrame, sample: SampleSubmission, choices: Choices) -> TargetReading:
        """Describes the target of the joined rows, which are several labels whatever the sample shows."""
        cells = joined[self.label]
        counts = Counter(name for cell in cells for name in cell.split(CELL_SEPARATOR) if name)
        labels = tuple(natural_order(sorted(counts)))
        several = sum(CELL_SEPARATOR in cell for cell in cells)
        words = f"{self.label}: one label in each row; {format_counts(counts, labels, 'labels')}"
        check = f"rows of {self.path} were read as one label of an image each: {several:,} images have several"
        return TargetReading((self.label,), cells, {"kind": "several_labels"}, labels, (words,), (check,))


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
        labels = [name for name in columns if name in sample.columns[1:]]
        labels = labels or [name for name in columns if len(words & set(table[name])) > 1]
    if len(labels) != 1 or is_id(table[labels[0]]):
        return []
    found = [LabelRows(path, name, labels[0]) for name in columns if name != labels[0] and choices.id in (None, name)]
    return [each for each in found if _has_sets(table, each)]


def _has_sets(table: pd.DataFrame, rows: LabelRows) -> bool:
    """Says whether values of the id repeat, each time with another label."""
    ids = table[rows.id]
    return bool(ids.duplicated().any()) and not table[[rows.id, rows.label]].duplicated().any()
