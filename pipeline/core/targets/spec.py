"""The ``target`` section of a competition's file, and the target that it and the training cells make."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from pipeline.core.config import Section
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import natural_order
from pipeline.core.targets.classes import Grades, OneClass, encode_labels, order_by_value
from pipeline.core.targets.contract import CELL_SEPARATOR, Target, read_numbers
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import Part, SeveralTargets, list_part_columns
from pipeline.core.targets.vote_shares import VoteShares


class OneClassSpec(Section):
    """One class per image."""

    kind: Literal["one_class"] = "one_class"

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> OneClass:
        """Takes the classes from the cells: whole numbers by value, names as text."""
        return OneClass(columns=tuple(encode_labels(cells)[0]))


class GradesSpec(Section):
    """Classes with an order.

    Attributes:
        order: all grades, the lowest first; None where they are numbers, which have an order of their own.
    """

    kind: Literal["grades"]
    order: tuple[str, ...] | None = None

    @field_validator("order", mode="before")
    @classmethod
    def _as_text(cls, order: object) -> object:
        if isinstance(order, str):
            raise ValueError(f"a list is wanted, the lowest first, such as [low, high]; got {order!r}")
        numbers = isinstance(order, list | tuple) and all(type(name) in (int, float, str) for name in order)
        return tuple(str(name) for name in order) if numbers and isinstance(order, list | tuple) else order

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> Grades:
        """Takes the order as it is given, or from the numbers.

        Raises:
            InputError: grades in words without an order, or an order that names other classes than the cells.
        """
        present = sorted(set(cells))
        if self.order is None:
            try:
                values = sorted({float(name): name for name in present}.items())
            except ValueError as error:
                raise InputError(
                    f"target.order is missing: the grades {some(natural_order(present))} are words, whose order only a "
                    "person knows; list them under target.order, the lowest first"
                ) from error
            if len(values) < len(present):
                raise InputError(f"the grades {some(present)} are not all different numbers; write each in one way")
            return Grades(columns=tuple(name for _, name in values), numbers=tuple(number for number, _ in values))
        faults = {
            "does not name": [name for name in present if name not in self.order],
            "names, though no training row has it,": [
                name for name in dict.fromkeys(self.order) if name not in present
            ],
            "names more than once": [name for name in dict.fromkeys(self.order) if self.order.count(name) > 1],
        }
        if any(faults.values()):
            words = " and ".join(f"{fault} {some(names)}" for fault, names in faults.items() if names)
            raise InputError(
                f"target.order {words}: list {some(natural_order(present))}, the lowest first, in the competition's "
                "file"
            )
        by_place = tuple(float(place) for place in range(len(self.order)))
        return order_by_value(self.order) or Grades(columns=self.order, numbers=by_place)


class SeveralLabelsSpec(Section):
    """Several labels per image, or none.

    Attributes:
        separator: between the names in a cell; None where columns of 0 and 1 mark them, or one row names one label.
        none: the word of a cell that has no label; an empty cell has none either.
    """

    kind: Literal["several_labels"]
    separator: str | None = Field(default=None, min_length=1)
    none: str | None = None

    @model_validator(mode="after")
    def _word_that_no_separator_tears(self) -> "SeveralLabelsSpec":
        if self.none is not None and self.separator is not None and self.separator in self.none.strip():
            raise ValueError(
                f"none is {self.none!r}, which target.separator {self.separator!r} would tear apart: give the word "
                "of a cell without a label"
            )
        return self

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> SeveralLabels:
        """Takes the labels from the columns of 0 and 1 or, where there are none, from the cells."""
        names = {name for cell in cells if cell for name in cell.split(CELL_SEPARATOR)}
        labels = tuple(columns) if len(columns) > 1 else tuple(natural_order(sorted(names)))
        if not labels:
            raise InputError("no training row has a label; correct train.label in the competition's file")
        return SeveralLabels(columns=labels)


class NumbersSpec(Section):
    """One number per image, or several."""

    kind: Literal["numbers"]

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> Numbers:
        """Takes mean and deviation of each column.

        Raises:
            InputError: a cell that is no number, or a column that never changes.
        """
        values = read_numbers(cells, columns).astype(np.float64)
        scales = values.std(axis=0)
        for column in np.flatnonzero(scales == 0)[:1]:
            raise InputError(f"column {columns[column]} is {values[0, column]:g} in every row; leave it out")
        return Numbers(columns=tuple(columns), means=tuple(values.mean(axis=0).tolist()), scales=tuple(scales.tolist()))


class VoteSharesSpec(Section):
    """Shares or counts of votes, one column per class."""

    kind: Literal["vote_shares"]

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> VoteShares:
        """Takes the classes from the columns."""
        return VoteShares(columns=tuple(columns))


PartSpec = Annotated[OneClassSpec | GradesSpec | NumbersSpec, Field(discriminator="kind")]


class SeveralTargetsSpec(Section):
    """Several targets at once.

    Attributes:
        targets: by column of the training table, what kind each is.
    """

    kind: Literal["several_targets"]
    targets: dict[str, PartSpec] = Field(min_length=2)

    def fit(self, cells: Sequence[str], columns: Sequence[str]) -> SeveralTargets:
        """Fits each target to its own column."""
        rows = [cell.split(CELL_SEPARATOR) for cell in cells]
        parts: dict[str, Part] = {}
        for name, spec in self.targets.items():
            if name not in columns:
                raise InputError(f"target.targets names {name!r}, train.label does not; {near_names(name, columns)}")
            place = list(columns).index(name)
            parts[name] = spec.fit([row[place] for row in rows], (name,))
        missing = [name for name in columns if name not in self.targets]
        if missing or list(parts) != list(columns):
            raise InputError(f"target.targets must name the columns of train.label in their order: {some(columns)}")
        return SeveralTargets(columns=list_part_columns(parts), parts=parts)


TargetSpec = Annotated[
    OneClassSpec | GradesSpec | SeveralLabelsSpec | NumbersSpec | VoteSharesSpec | SeveralTargetsSpec,
    Field(discriminator="kind"),
]

KINDS: dict[str, type[Target]] = {
    "one_class": OneClass,
    "grades": Grades,
    "several_labels": SeveralLabels,
    "numbers": Numbers,
    "vote_shares": VoteShares,
    "several_targets": SeveralTargets,
}
