"""Targets that stand in several columns: marks of classes or labels, numbers, votes, several targets at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import InputError, some
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.data.describe.match import Choices, pick_reading, plain_stem
from pipeline.data.describe.metric import list_kinds
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_parts import describe_parts, is_number_column, refuse_metric
from pipeline.data.prepared.one_hot import ON, is_flag, mark_ones
from pipeline.data.prepared.rows_left_out import is_blank

_FEW = 0.02  # the share of rows up to which marks of none or several classes may be mistakes
_WORDS = [["no", "yes"], ["n", "y"], ["f", "t"], ["", "x"], ["-", "+"], ["absent", "present"]]
_MOST_BLANK = 0.5  # of the rows: where as many are blank, blanks may mean "no"
_SUMS = 0.02  # rows of shares sum to one number, but for rounding


@dataclass(frozen=True)
class AnswerColumns:
    """Columns of a training table that hold the answers.

    Attributes:
        table: the training table, or its columns that hold no pixels.
        path: its name, for messages.
        names: the columns.
        reason: why these columns.
    """

    table: pd.DataFrame
    path: str
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class TargetReading:
    """What is predicted, and where the training table says it.

    Attributes:
        columns: of the training table.
        cells: of each row, those of several columns joined.
        section: of the target; empty for one class per image.
        classes: what each column of a prediction is about.
        facts: as read from the files.
        check: guesses that a person should check.
        marks: whether the columns mark classes or labels, or hold votes, each for its own.
    """

    columns: tuple[str, ...]
    cells: pd.Series
    section: dict[str, Any]
    classes: tuple[str, ...]
    facts: tuple[str, ...]
    check: tuple[str, ...] = ()
    marks: bool = False

    @property
    def kind(self) -> str:
        """The kind of the target."""
        return str(self.section.get("kind", "one_class"))

    @property
    def row_classes(self) -> "pd.Series[str]":
        """The class or grade of each row; blanks for sets, numbers and votes, which name no group by another name."""
        return self.cells if self.kind in ("one_class", "grades") else pd.Series("", index=self.cells.index)

    @property
    def labelled(self) -> bool:
        """Says whether no row lacks a label, of several labels."""
        if not self.marks:
            return bool((self.cells != "").all())
        known = self.cells[self.cells.str.strip(CELL_SEPARATOR) != ""]  # rows without any answer are left out
        return bool(known.map(lambda cell: any(word in ON for word in cell.split(CELL_SEPARATOR))).all())

    @property
    def train_keys(self) -> dict[str, Any]:
        """The keys of the training section that name the columns."""
        if self.marks:
            return {"classes": self.columns}
        return {"label": self.columns if len(self.columns) > 1 else self.columns[0]}


def describe_several_columns(answer: AnswerColumns, sample: SampleSubmission, choices: Choices) -> TargetReading:
    """Describes the target that several columns hold.

    Args:
        answer: the columns.
        sample: the sample submission: votes sum to one there, too.
        choices: ``target`` decides; the metric is evidence.

    Raises:
        InputError: a kind that the cells contradict, or several kinds that fit.
    """
    names, whole = answer.names, answer.table[list(answer.names)]
    cells = _drop_unanswered(answer, sample)
    fits = _fit_kinds(cells, sample)
    place = f"columns {some(names, 5)} of {answer.path}"
    judged = list_kinds(choices.metric)
    if choices.target is not None:
        if choices.target not in fits:
            raise InputError(
                f"--target {choices.target} contradicts the {place} (first row {some(cells.iloc[0].tolist(), 5)}); "
                f"possible: {some(fits)}"
            )
        kind = choices.target
    else:
        likely = {kind: kind for kind in fits if judged is None or kind in judged}
        if not likely:
            if "several_targets" in fits and not _hint_at_marks(cells):
                refuse_metric(choices.metric, describe_parts(cells, sample.table, answer.path)[0], answer.path)
            raise InputError(
                f"--metric {choices.metric} judges {some(judged or ())}, but the {place} fit {some(fits)}"
                f"{_hint_at_marks(cells)}; choose other columns with --label, or another metric"
            )
        if "several_targets" in likely and (hint := _hint_at_marks(cells)):
            raise InputError(
                f"the {place} may be labels{hint}; if each value is a class, describe again with "
                "--target several_targets"
            )
        kind = pick_reading(f"the {place}", likely, "--target", None)
    joined = whole.agg(CELL_SEPARATOR.join, axis=1)
    words = f"{some(names, 6)}: {answer.reason}; {fits[kind]}"
    if kind in ("one_class", "several_labels", "vote_shares"):
        section = {} if kind == "one_class" else {"kind": kind}
        return TargetReading(names, joined, section, names, (words,), (), marks=True)
    if kind == "numbers":
        return TargetReading(names, joined, {"kind": kind}, names, (words,))
    parts, columns = describe_parts(cells, sample.table, answer.path)
    refuse_metric(choices.metric, parts, answer.path)
    return TargetReading(names, joined, {"kind": kind, "targets": parts}, columns, (words,))


def _drop_unanswered(answer: AnswerColumns, sample: SampleSubmission) -> pd.DataFrame:
    """Leaves rows out that lack all answers: test images, or images without a label.

    Where half of the others are blank, or more, a row of blanks may mean none of all labels.
    """
    cells = answer.table[list(answer.names)]
    none = cells.apply(is_blank).all(axis=1)
    if not none.any():
        return cells
    asked, others = {plain_stem(name) for name in sample.table.iloc[:, 0]}, answer.table[none].drop(columns=cells)
    tests = others.apply(lambda column: column.map(plain_stem).isin(asked)).any(axis=1).sum()
    return cells[~none] if none.sum() - tests < _MOST_BLANK * (len(cells) - tests) else cells


def _fit_kinds(cells: pd.DataFrame, sample: SampleSubmission) -> dict[str, str]:
    """The kinds that cells of several columns fit, each with what speaks for it."""
    if all(is_flag(cells[name]) for name in cells.columns):
        return _fit_marks(cells)
    if not all(is_number_column(cells[name]) for name in cells.columns):
        return {"several_targets": "each column is a target of its own"}
    values = cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    shares = _fit_votes(values, sample)
    if shares == "certain":
        return {"vote_shares": "votes for each class, which the sample submission asks for as shares"}
    fits = {"vote_shares": "numbers of each row sum to one"} if shares == "likely" else {}
    fits["numbers"] = f"numbers from {np.nanmin(values):g} to {np.nanmax(values):g}"
    few = all(cells[name].nunique() <= len(cells) / 2 for name in cells.columns)
    if not shares and few and bool((values % 1 == 0)[np.isfinite(values)].all()):  # whole numbers, beside blanks
        fits["several_targets"] = "each column is a target of its own"
    return fits


def _hint_at_marks(cells: pd.DataFrame) -> str:
    """Says what keeps columns from being marks of labels where they hold 0, 1 and -1, or blanks; else an empty text.

    Also where two words stand for 0 and 1: yes and no, x and a blank.
    """
    found = {cell for name in cells.columns for cell in cells[name]}
    if len(found) == 2 and sorted(map(str.lower, found)) in _WORDS:
        words = " and ".join(word or "a blank" for word in sorted(found))
        return f", but they hold {words} instead of 0 and 1: write those, or False and True"
    values = pd.to_numeric(pd.Series(sorted(found - {""}), dtype="str"), errors="coerce")
    if not set(values) <= {-1.0, 0.0, 1.0} or 1.0 not in set(values):
        return ""
    odd = ["-1"] * (-1.0 in set(values)) + ["blanks"] * ("" in found)
    return (
        f", but they hold {' and '.join(odd)} in addition to 0 and 1: for several labels write 0 or 1 there"
        if odd
        else ""
    )


def _fit_marks(cells: pd.DataFrame) -> dict[str, str]:
    sums = cells.apply(mark_ones).to_numpy().sum(axis=1)
    unlike = int((sums != 1).sum())
    if not unlike:
        return {"one_class": "each row marks one of them"}
    words = f"{int((sums > 1).sum()):,} rows mark several of them, {int((sums == 0).sum()):,} none"
    fits = {"several_labels": words}
    if unlike <= _FEW * len(sums):
        fits["one_class"] = f"each row marks one of them, except for {unlike:,} that prepare refuses"
    return fits


def _fit_votes(values: NDArray[np.float64], sample: SampleSubmission) -> str:
    """Says whether rows are votes: ``certain``, ``likely`` or an empty text."""
    if not np.isfinite(values).all() or (values < 0).any():
        return ""
    shown = sample.table.iloc[:, 1:].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    shares_shown = shown.shape[1] == values.shape[1] and _sum_to(shown.sum(axis=1), 1.0)
    sums = values.sum(axis=1)
    alike = bool(sums[0] > 0) and _sum_to(sums, float(sums[0]))
    counted = bool((values % 1 == 0).all()) and bool((sums > 0).all())
    if shares_shown and (alike or counted):
        return "certain"
    return "likely" if alike and not counted else ""


def _sum_to(sums: NDArray[np.float64], total: float) -> bool:
    return bool((np.abs(sums - total) <= _SUMS * total).all())
