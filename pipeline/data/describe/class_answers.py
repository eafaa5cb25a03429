"""Answers about one class per image: its name, another name, the probability of one of two, a column per class."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.class_codes import find_codes
from pipeline.data.describe.classes import NEW
from pipeline.data.describe.label_sets import refuse_lists
from pipeline.data.describe.match import Choices, Reading, pick_reading
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.spellings import find_spelling

WHOLE = "columns of whole numbers were read as probabilities; --metric decides whether 0 and 1 are wanted"
_MARKS = (["0", "1"], ["False", "True"], ["false", "true"], ["FALSE", "TRUE"])  # words for 0 and 1 in columns
_NO_YES = {("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("negative", "positive"), ("absent", "present")}


def describe_class_answers(
    sample: SampleSubmission, id_column: str, classes: Sequence[str], wants: str | None, choices: Choices
) -> Reading:
    """Describes the submission section of one class per image: a class, or probabilities.

    Args:
        sample: the sample submission.
        id_column: its column of ids.
        classes: of the training data.
        wants: ``label`` or ``probabilities``, as the metric does; None without one.
        choices: ``positive`` decides.

    Raises:
        InputError: columns that are neither the classes nor one label, or a probability of an unknown class.
    """
    values = [name for name in sample.columns if name != id_column]
    if choices.placeholder is not None:
        _require_placeholder(sample, values, choices.placeholder)
    if len(values) == 1:
        return _label(sample, id_column, values[0], classes, wants, choices)
    columns = pair_columns(values, classes)
    coded = next((each for each in sample.codes if columns is None and set(each.names.values()) == set(values)), None)
    if coded is not None:
        columns = {column: name for name, column in coded.names.items()}
    if columns is None:
        missing = [name for name in classes if name not in values]
        extra = [name for name in values if name not in classes]
        raise InputError(
            f"{sample.path} has {len(values)} columns in addition to {id_column}, the training data {len(classes)} "
            f"classes, and they do not match: columns without a class {some(extra) or 'none'}; "
            f"classes without a column {some(missing) or 'none'}; "
            "choose another --label, or write submission.columns by hand (docs/competitions.md)"
        )
    section: dict[str, Any] = {"kind": "probabilities", "sample": sample.path, "id": id_column}
    renamed = {column: name for column, name in columns.items() if column != name}
    if renamed:
        section["columns"] = renamed
    facts = f"{sample.path}: {len(sample.table):,} rows, one column per class"
    check = [f"{len(renamed)} columns were matched to classes of another spelling"] if renamed else []
    if coded is not None:
        words = some([f"{name} is {column}" for name, column in coded.names.items()], 5)
        check = [f"columns of {sample.path} were paired with the classes by {coded.place}: {words}"]
    marks = find_marks(sample, values)
    if marks is not None and wants == "label":
        section |= {"kind": "decisions"} | ({} if marks == ["0", "1"] else {"marks": marks})
        facts += f", {marks[1]} for the class of a row and {marks[0]} for all others, as the metric needs decisions"
    elif marks == ["0", "1"] and wants is None:
        check.append(WHOLE)
    return Reading(section, (facts,), tuple(check))


def _label(
    sample: SampleSubmission, id_column: str, column: str, classes: Sequence[str], wants: str | None, choices: Choices
) -> Reading:
    section = {"kind": "label", "sample": sample.path, "id": id_column, "label": column}
    values = sorted(set(sample.table[column]))
    facts = (f"{sample.path}: {len(sample.table):,} rows; {column} holds {some(values, 5)}",)
    numbers = pd.to_numeric(pd.Series(values, dtype="str"), errors="coerce")
    unknown = [value for value in values if value and value not in classes]
    marks = len(classes) == 2 and bool(unknown) and set(values) <= {"0", "1"}
    if marks and wants == "label":
        # 0 and 1 stand for the classes: whose is 1?
        one = _positive(sample, column, classes, choices)
        zero = next(name for name in classes if name != one)
        words = f"{column} holds 0 and 1, as the metric needs decisions: 1 was read as {one}, 0 as {zero}"
        return Reading(section | {"names": {zero: "0", one: "1"}}, facts, (words,))
    if choices.positive is None and not (wants == "probabilities" and len(classes) == 2):
        if not unknown:
            binary = len(classes) == 2 and len(values) == 1 and numbers.notna().all()
            doubt = f"{column} was read as labels; if it asks for a probability, describe again with --positive CLASS"
            return Reading(section, facts, (doubt,) if binary else ())
        if choices.placeholder is not None and unknown == [choices.placeholder]:
            words = f"{column}: {unknown[0]} shows where the name of a class belongs (--placeholder)"
            return Reading(section | {"names": {}}, (*facts, words))
        coded = None if marks else find_codes(sample.codes, values)
        other = _is_other_number(values, unknown, classes)  # of one number no table says that it is a code
        if coded is not None and not other:
            words = f"{column} calls classes as {coded.place} does: {coded.names[classes[0]]!r} is {classes[0]}"
            return Reading(section | {"names": coded.names}, facts, (words,))
        spelling = None if marks else find_spelling(classes, values)
        if spelling is not None:
            words = f"{column} writes classes in another way, {spelling[0]}: answers are written so"
            return Reading(section | {"names": spelling[1]}, facts, (words,))
        if other:
            words = (
                f"{column} holds {unknown[0]}, which is no class, but a whole number as all classes are: read as one"
            )
            words += "" if coded is None else f"; if it is a code, as in {coded.place}, write submission.names by hand"
            return Reading(section, facts, (words,))
    hint = f", --placeholder {unknown[0]!r} if it only shows where a name belongs" if len(unknown) == 1 else ""
    hint = "" if wants == "probabilities" and numbers.notna().any() else hint  # 0 is a probability there, no name
    shares = bool(unknown) and bool(numbers.between(0, 1).all())
    if len(classes) > 2 and shares and (wants == "probabilities" or bool((numbers % 1 != 0).any())):
        raise InputError(
            f"{sample.path}: {column} holds one probability for each row ({some(unknown, 3)}), which goes with two "
            f"classes, and the training data has {len(classes)} ({some(classes, 5)}); write a table of the training "
            "images with a column that is 1 for the class, or the classes, whose probability is wanted and 0 for the "
            "others, and give it with --train TABLE"
        )
    refuse_lists(unknown, f"{sample.path}: {column}")
    if len(classes) != 2 or not (numbers.between(0, 1).all() or not unknown):
        new = sorted(name for name in unknown if NEW.search(name)) if len(unknown) == 1 else []
        hint += f", --metric map_1 if {new[0]!r} is the answer for what no class explains" if new else ""
        raise InputError(
            f"{sample.path}: {column} holds {some(unknown or values, 5)}, not among the {len(classes)} classes "
            f"({some(classes, 5)}), no list of them and no probability of one of two; choose another --label{hint}, or "
            "write the competition's file by hand (docs/competitions.md)"
        )
    positive = _positive(sample, column, classes, choices)
    return Reading(section | {"positive": positive}, facts, (f"{column} was read as the probability of {positive}",))


def _is_other_number(values: Sequence[str], unknown: Sequence[str], classes: Sequence[str]) -> bool:
    """Says whether all cells hold one whole number, and all classes are whole numbers, too."""
    return len(values) == len(unknown) == 1 and all(re.fullmatch(r"-?\d+", name) for name in (*unknown, *classes))


def find_marks(sample: SampleSubmission, values: Sequence[str]) -> list[str] | None:
    """Finds the words for 0 and 1 in columns of classes or labels; None where the cells are others."""
    shown = {cell for column in values for cell in sample.table[column] if cell}
    return next((words for words in _MARKS if shown and shown <= set(words)), None)


def _require_placeholder(sample: SampleSubmission, values: Sequence[str], given: str) -> None:
    """Refuses a placeholder that the sample does not show.

    Raises:
        InputError: names what it shows.
    """
    shown = sorted({cell for column in values for cell in sample.table[column]})
    if given not in shown:
        raise InputError(f"--placeholder {given}: {sample.path} holds {some(shown, 5)} instead; leave it out")


def _positive(sample: SampleSubmission, column: str, classes: Sequence[str], choices: Choices) -> str:
    if choices.positive is None:
        if set(classes) == {"0", "1"}:
            return "1"
        if yes := next((one for one in classes if (min(set(classes) - {one}).lower(), one.lower()) in _NO_YES), None):
            return yes
        if (coded := find_codes(sample.codes, ("0", "1"))) is not None:
            return next(name for name, code in coded.names.items() if code == "1")
        words = re.split(r"[\W_]+", column.lower())
        named = [name for name in classes if name.lower() in words]
        if len(named) == 1:
            return named[0]
    what = f"the class that {column} of {sample.path} asks for (its probability, or 1 where it is)"
    return pick_reading(what, {name: name for name in classes}, "--positive", choices.positive)


def pair_columns(columns: Sequence[str], classes: Sequence[str]) -> dict[str, str] | None:
    """Pairs columns with classes: as they stand, by spelling, behind a prefix, or before what all classes end in."""
    if set(columns) == set(classes):
        return {column: column for column in columns}
    prefix = re.match(r"(.*?)\d*$", _common(columns))
    cut = len(prefix[1]) if prefix else 0
    ending = len(_common([name[::-1] for name in classes])) if len(classes) > 1 else 0
    ways: tuple[tuple[Callable[[str], str], int], ...] = (
        (_simple, 0),
        (lambda name: _simple(name[cut:]), 0),
        (_simple, ending),  # the training table's columns end alike: X4_mean, X11_mean
    )
    for simple, end in ways:
        by_spelling = {_simple(name[: len(name) - end]): name for name in classes}
        paired = {column: by_spelling.get(simple(column)) for column in columns}
        if len(by_spelling) == len(classes) and set(paired.values()) == set(classes) and len(columns) == len(classes):
            return {column: str(name) for column, name in paired.items()}
    return None


def _simple(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _common(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    size = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:size]
