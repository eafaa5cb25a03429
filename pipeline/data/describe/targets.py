"""The target: its kind and its section, read off the columns of answers, the sample submission and the metric."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.targets.spec import KINDS
from pipeline.data.describe.classes import format_counts, list_classes
from pipeline.data.describe.label_sets import LabelSets, find_label_sets, find_word_for_none, refuse_lists, refuse_masks
from pipeline.data.describe.match import Choices, is_id, pick_reading
from pipeline.data.describe.metric import list_kinds
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_columns import (
    AnswerColumns,
    TargetReading,
    describe_several_columns,
)
from pipeline.data.describe.target_parts import is_number_column

_ORDER_FILES = (".txt", ".csv")
_ORDERED = {"quadratic_kappa"}  # metrics that nothing but grades are scored by


def describe_target(answer: AnswerColumns, sample: SampleSubmission, choices: Choices) -> TargetReading:
    """Describes the target that columns of answers hold.

    Args:
        answer: the columns.
        sample: the sample submission.
        choices: ``target`` and ``order`` decide; the metric is evidence.

    Raises:
        InputError: a kind that the cells contradict, several kinds that fit, or grades without an order.
    """
    if choices.target is not None and choices.target not in KINDS:
        raise InputError(f"--target {choices.target} is no kind of target; possible: {some(KINDS)}")
    if len(answer.names) > 1:
        return describe_several_columns(answer, sample, choices)
    return _describe_column(answer, sample, choices)


def _describe_column(answer: AnswerColumns, sample: SampleSubmission, choices: Choices) -> TargetReading:
    name = answer.names[0]
    cells = answer.table[name]
    place = f"column {name} of {answer.path}"
    refuse_lists(cells, place)
    if choices.target is None:
        refuse_masks(cells, name, place)
    wanted = choices.target == "several_labels"
    sets = find_label_sets(cells, sample.examples, sample.columns[1:], wanted)
    kind = _choose_kind(cells, sets, place, sample, choices)
    blank = int((cells == "").sum())
    if kind == "several_labels" and sets is not None:
        return _describe_sets(answer, sets, sample)
    words = (
        f"{blank:,} rows of {answer.path} have no {name}: leave_out: {{no_label: true}} in this file leaves them out"
    )
    check = (words,) if blank else ()
    if kind == "numbers":
        values = pd.to_numeric(cells[cells != ""])
        words = f"{name}: {answer.reason}; numbers from {values.min():g} to {values.max():g}"
        return TargetReading(answer.names, cells, {"kind": kind}, (name,), (words,), check)
    classes = list_classes(cells)
    if len(classes) < 2:
        raise InputError(
            f"{answer.path}, column {name} holds {len(classes)} class ({some(classes)}); a classification needs two or "
            "more"
        )
    section: dict[str, Any] = {}
    if kind == "grades":
        classes, section = describe_grades(classes, place, choices)
    words = f"{name}: {answer.reason}; {format_counts(Counter(cells), classes)}"
    return TargetReading(answer.names, cells, section, classes, (words,), check)


def _describe_sets(answer: AnswerColumns, sets: LabelSets, sample: SampleSubmission) -> TargetReading:
    name, path = answer.names[0], answer.path
    cells = answer.table[name]
    section: dict[str, Any] = {"kind": "several_labels", "separator": sets.separator}
    labels, check = sets.labels, []
    none = find_word_for_none(cells, sets, sample.columns[1:])
    if none is not None:
        section["none"] = none
        labels = tuple(label for label in labels if label != none)
        check.append(f"{none!r} in {name} was read as the word for an image without a label, as {sample.path} lacks it")
    blank = int((answer.table[name] == "").sum())
    check += [f"{blank:,} rows of {path} have no label in {name}: none was read"] if blank else []
    counts = Counter(label for cell in cells for label in sets.split(cell))
    words = (
        f"{name}: {answer.reason}; labels between {sets.separator!r} such as {sets.example!r}; "
        f"{format_counts(counts, labels, 'labels')}"
    )
    return TargetReading(answer.names, cells, section, labels, (words,), tuple(check))


def describe_single_class(
    classes: tuple[str, ...], folder: str, choices: Choices
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Describes a target whose classes are folders, or parts of file names: the classes in order, and the section.

    Raises:
        InputError: a kind or a metric of other targets, or grades without an order.
    """
    place = f"{folder}, where each image has one class,"
    possible = ("one_class", "grades")
    if choices.target not in (None, *possible):
        raise InputError(f"--target {choices.target} contradicts {place.strip(',')}; possible: {some(possible)}")
    judged = list_kinds(choices.metric)
    if judged is not None and not set(judged) & set(possible):
        raise InputError(
            f"--metric {choices.metric} judges {some(judged)}, but in {folder} each image has one class; choose "
            "another metric, or a table of labels with --train"
        )
    ordered = choices.target == "grades" or choices.order is not None or choices.metric in _ORDERED
    ordered = ordered or (judged is not None and "one_class" not in judged)
    if choices.target == "one_class" or not ordered:
        return classes, {}
    return describe_grades(classes, place, choices)


def describe_grades(classes: tuple[str, ...], place: str, choices: Choices) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Describes ordered grades: the grades, the lowest first, and the section.

    Raises:
        InputError: grades in words without an order, or an order of other names.
    """
    if choices.order is None:
        if not is_number_column(pd.Series(classes)):
            raise InputError(
                f"{place} holds grades in words, {some(classes)}, whose order only a person knows; give "
                f"--order LOWEST,...,HIGHEST with all {len(classes)} of them (or a file, one on each line), or "
                "--target one_class if they have none"
            )
        return tuple(sorted(classes, key=float)), {"kind": "grades"}
    order = _list_order(choices.order)
    if twice := [name for name in dict.fromkeys(order) if order.count(name) > 1]:
        raise InputError(
            f"--order {choices.order} names {some(twice)} more than once; name each once, the lowest first"
        )
    if sorted(order) != sorted(classes):
        missing, strange = [name for name in classes if name not in order], [n for n in order if n not in classes]
        raise InputError(
            f"--order {choices.order}: it lacks {some(missing) or 'none'} and names {some(strange) or 'none'} in "
            f"addition to the classes of {place} ({some(classes)}); name each once, the lowest first"
        )
    return order, {"kind": "grades", "order": list(order)}


def _list_order(given: str) -> tuple[str, ...]:
    """Lists grades, the lowest first: between commas, or each on a line of a file.

    Raises:
        InputError: a file that is missing or no text.
    """
    path = Path(given)
    if path.suffix.lower() not in _ORDER_FILES:
        return tuple(name.strip() for name in given.split(","))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--order {given} is no file of UTF-8 text ({type(error).__name__}); write one grade on each line, the "
            "lowest first, or the grades themselves with commas between them"
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def _choose_kind(
    cells: pd.Series, sets: LabelSets | None, place: str, sample: SampleSubmission, choices: Choices
) -> str:
    fitting = _list_fitting(cells, sets)
    if not fitting:
        raise InputError(
            f"{place} holds {some(sorted(set(cells) - {''})) or 'nothing'} in all rows, which leaves nothing to "
            "predict; choose another column with --label"
        )
    if choices.target is not None:
        if choices.target not in fitting:
            raise InputError(
                f"--target {choices.target} contradicts {place}, which holds {some(sorted(set(cells)), 4)}; "
                f"possible: {some(fitting)}"
            )
        return choices.target
    if choices.order is not None:
        return "grades"
    judged = list_kinds(choices.metric)
    likely = [kind for kind in fitting if judged is None or kind in judged]
    if not likely:
        raise InputError(
            f"--metric {choices.metric} judges {some(judged or ())}, but {place} holds {some(sorted(set(cells)), 4)}, "
            f"which fits {some(fitting)}; choose another column with --label, or another metric"
        )
    if "several_labels" in likely and sets is not None:
        if not sets.certain and "one_class" in likely:
            options = {kind: kind for kind in ("one_class", "several_labels")}
            words = f"one class of that name, or the labels {' and '.join(sets.split(sets.example))}"
            return pick_reading(f"{place} with cells such as {sets.example!r} ({words})", options, "--target", None)
        return "several_labels"
    if choices.metric in _ORDERED:
        return "grades"
    numbers = pd.to_numeric(cells[cells != ""], errors="coerce")
    fractions = bool((numbers % 1 != 0).any()) or is_id(cells)
    if "numbers" in likely and ("one_class" not in likely or fractions or _shows_fractions(cells, sample)):
        return "numbers"
    return "one_class" if "one_class" in likely else likely[0]


def _list_fitting(cells: pd.Series, sets: LabelSets | None) -> list[str]:
    distinct = set(cells.unique()) - {""}
    fitting = ["several_labels"] if sets is not None else []
    fitting += ["one_class"] if len(distinct) > 1 else []
    numbers = len(distinct) > 1 and is_number_column(cells)
    measured = numbers and is_id(cells) and bool((pd.to_numeric(cells[cells != ""]) % 1 != 0).any())
    fitting += ["grades"] if len(distinct) > 1 and not measured else []
    return [*fitting, "numbers"] if numbers else fitting


def _shows_fractions(cells: pd.Series, sample: SampleSubmission) -> bool:
    """Says whether the sample shows fractions where more than two whole numbers are the answer."""
    shown = pd.to_numeric(pd.Series(sorted(sample.examples), dtype="str"), errors="coerce")
    alone = len(sample.columns) == 2 and cells[cells != ""].nunique() > 2
    return alone and len(shown) > 0 and bool(shown.notna().all()) and bool((np.mod(shown, 1) != 0).any())
