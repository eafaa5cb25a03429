"""Parts of an answer: the columns of predictions that a column, or a row, is written from, and the form of its cell."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.answers import (
    DecisionSubmission,
    LabelConfidenceSubmission,
    LabelSetSubmission,
    LabelSubmission,
    NumberSubmission,
    ProbabilitySubmission,
    RankedSubmission,
    RowSubmission,
    Submission,
)
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.kaggle.answers.cells import Cell, ExpectedCell, MarkCell, NumberCell, ProbabilityCell
from pipeline.kaggle.answers.class_cells import ClassCell, PositiveCell
from pipeline.kaggle.answers.name_lists import ConfidenceCell, LabelSetCell, RankedCell

FIX = "in the competition's file"


class AnswerPart(NamedTuple):
    """A part of predictions and the cells that it is written in.

    Attributes:
        columns: of predictions.
        cell: the form of a cell.
    """

    columns: slice
    cell: Cell


def list_column_parts(
    section: Submission, target: Target, columns: Sequence[str], lists: Sequence[str], threshold: float
) -> dict[str, AnswerPart]:
    """Lists the part that each column of answers is written from.

    Args:
        section: the form.
        target: what is predicted.
        columns: of the sample beside its id.
        lists: the sample's cells in the answer column, which show how long a ranked list is.
        threshold: below which a class stands behind the one for what is new.

    Raises:
        InputError: the form does not fit the target, or the columns do not fit the form.
    """
    place = f"sample submission ({section.sample})"
    whole = slice(0, len(target.columns))
    if isinstance(section, LabelSubmission | LabelSetSubmission | RankedSubmission | LabelConfidenceSubmission):
        if list(columns) != [section.label]:
            raise InputError(
                f"{place} has the columns {some((section.id, *columns))}, wanted {section.id} and {section.label}; "
                f"correct submission {FIX}"
            )
        return {section.label: AnswerPart(whole, _single_cell(section, target, lists, threshold))}
    if isinstance(section, NumberSubmission) and isinstance(target, Grades):
        if len(columns) != 1:
            raise InputError(f"{place} has {len(columns)} columns in addition to {section.id}, a grade's number is one")
        return {columns[0]: AnswerPart(whole, ExpectedCell(target))}
    if isinstance(section, RowSubmission):
        raise TypeError("rows have parts of their own")
    parts = list_named_parts(section, target)
    names = _name_columns(section.columns or {}, columns, parts, place)
    return {column: parts[name] for column, name in names.items()}


def list_named_parts(
    section: ProbabilitySubmission | NumberSubmission | DecisionSubmission | RowSubmission, target: Target
) -> dict[str, AnswerPart]:
    """Lists the parts of a target that stand in columns or rows of their own, by name.

    Raises:
        InputError: the form does not fit the target.
    """
    decided = isinstance(section, DecisionSubmission) or (
        isinstance(section, RowSubmission) and section.holds == "decisions"
    )
    if isinstance(target, SeveralTargets):
        if isinstance(section, ProbabilitySubmission | NumberSubmission):
            refuse_form(section, target, "decisions, or rows")
        return {name: AnswerPart(columns, _decided_cell(part)) for name, part, columns, _ in target.each()}
    numeric = target.activation == "linear"
    if isinstance(section, ProbabilitySubmission) and numeric:
        refuse_form(section, target, "numbers")
    if isinstance(section, NumberSubmission) and not numeric:
        refuse_form(section, target, "probabilities")
    cell: Cell = NumberCell() if numeric else ProbabilityCell()
    if decided and not numeric:
        cell = MarkCell(section.marks if isinstance(section, DecisionSubmission) else ("0", "1"))
    return {name: AnswerPart(slice(place, place + 1), cell) for place, name in enumerate(target.columns)}


def mark_likeliest(section: Submission, target: Target, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what decisions are written from: of classes that exclude each other 1 for the likeliest, else 0."""
    decided = getattr(section, "holds", section.kind) == "decisions"
    if not decided or target.activation != "softmax":
        return values
    marked: NDArray[np.float64] = np.eye(values.shape[1])[values.argmax(axis=1)]
    return marked


def _decided_cell(part: Target) -> Cell:
    return ClassCell(part.columns, part.columns) if isinstance(part, OneClass) else NumberCell()


def refuse_form(section: Submission, target: Target, fitting: str) -> None:
    """Refuses a form that does not fit the target.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"submission.kind {section.kind} does not fit a target of kind {target.kind}; describe {fitting} {FIX}"
    )


def _single_cell(
    section: LabelSubmission | LabelSetSubmission | RankedSubmission | LabelConfidenceSubmission,
    target: Target,
    lists: Sequence[str],
    threshold: float,
) -> Cell:
    classes = target.columns
    if isinstance(section, LabelSetSubmission):
        if target.activation != "sigmoid":
            refuse_form(section, target, "label" if target.activation == "softmax" else "numbers")
        return LabelSetCell(classes, section.separator, section.none, section.at_least_one)
    if isinstance(section, RankedSubmission):
        if target.activation == "linear":
            refuse_form(section, target, "numbers, or decisions")
        new = None if section.new in classes else section.new
        return RankedCell(classes, section.separator, find_length(section, lists), new, threshold)
    if target.activation != "softmax":
        refuse_form(section, target, "label_set" if target.activation == "sigmoid" else "numbers, or decisions")
    if isinstance(section, LabelConfidenceSubmission):
        return ConfidenceCell(classes, section.separator)
    if section.positive is not None:
        if len(classes) != 2 or section.positive not in classes:
            raise InputError(
                f"submission.positive is {section.positive!r}, wanted one of exactly two classes; the classes are "
                f"{some(classes)}"
            )
        return PositiveCell(classes, section.positive)
    return ClassCell(classes, _name_classes(section, classes), section.names is not None)


def _name_classes(section: LabelSubmission, classes: Sequence[str]) -> list[str]:
    names = section.names or {}
    for name in names:
        if name not in classes:
            raise InputError(f"submission.names names {name!r}, which is no class; {near_names(name, classes)}")
    written = [names.get(name, name) for name in classes]
    twice = [name for name in written if written.count(name) > 1] if len(set(written)) < len(written) else []
    if twice:
        raise InputError(f"submission.names gives two classes the name {twice[0]!r}; each needs its own")
    return written


def find_length(section: RankedSubmission, cells: Sequence[str]) -> int:
    """Finds how many classes a list names: ``submission.k``, or the number in every cell of the sample.

    Raises:
        InputError: the cells differ, or hold one class alone.
    """
    if section.k is not None:
        return section.k
    lengths = sorted({len([name for name in cell.split(section.separator) if name.strip()]) for cell in cells})
    if len(lengths) != 1 or lengths[0] < 2:
        raise InputError(
            f"sample submission ({section.sample}) has lists of {some(lengths) or 'no'} classes in {section.label}, "
            f"so it does not show how many are wanted; set submission.k {FIX}"
        )
    return lengths[0]


def _name_columns(
    mapping: Mapping[str, str], columns: Sequence[str], parts: Mapping[str, AnswerPart], place: str
) -> dict[str, str]:
    for column in mapping:
        if column not in columns:
            raise InputError(f"submission.columns names {column!r}, which {place} lacks; {near_names(column, columns)}")
    named = {column: mapping.get(column, column) for column in columns}
    for column, name in named.items():
        if name not in parts:
            raise InputError(
                f"{place} has the column {column!r}, which is not a class; {near_names(name, parts)}; "
                f"map it with submission.columns {FIX}"
            )
    missing = [name for name in parts if name not in named.values()]
    if missing:
        raise InputError(
            f"{place} has no column for {len(missing)} classes: {some(missing)}; map them with submission.columns"
        )
    check_unique(list(named.values()), f"{place}: classes of the columns")
    return named
