"""Answers that list names in a cell: a class with its confidence, the likeliest classes, a set of labels."""

import re
from collections.abc import Sequence
from typing import Any

from pipeline.core.errors import InputError, some
from pipeline.data.describe.classes import NEW
from pipeline.data.describe.label_sets import SEPARATORS, find_names, split_names
from pipeline.data.describe.match import Choices, Reading
from pipeline.data.describe.metric import parse_metric
from pipeline.data.describe.sample import SampleSubmission

_UNKNOWN = (
    "which no training image has, so that it is never answered: if it is another spelling, write one alone in the "
    "training table and in the sample submission"
)
FRACTION = re.compile(r"\d*\.\d+([eE][-+]?\d+)?")


def find_confidence(
    cells: Sequence[str], known: set[str], column: str, base: dict[str, Any], choices: Choices
) -> Reading | None:
    """Reads cells of a class and its probability; also blank ones, or of other classes, where the metric is gap."""
    section = {"kind": "confidence", **base, "label": column}
    ranked = choices.metric == "gap"
    if ranked and not cells:
        words = (
            f"{column} is blank in the sample and was read as a class and its probability, as gap ranks answers by it"
        )
        return Reading(section, (f"{column} holds a class and its probability",), (words,))
    pairs = [cell.rpartition(" ") for cell in cells]
    if not pairs or not all(name and FRACTION.fullmatch(number) for name, _, number in pairs):
        return None
    told = bool(known.intersection(name for name, _, _ in pairs))
    if not (told or ranked) or known.intersection(cells):
        return None
    check = () if told else (f"{column} shows {some(pairs[0][:1])}, {_UNKNOWN}",)
    return Reading(section, (f"{column} holds a class and its probability, such as {cells[0]!r}",), check)


def find_ranking(
    cells: Sequence[str], train: Reading, column: str, base: dict[str, Any], choices: Choices
) -> Reading | None:
    """Reads cells that list several classes, the likeliest first.

    One class in a cell, or none but the word for what is new, is a list, too, where the metric counts lists.

    Raises:
        InputError: a list longer than there are classes, lists of several lengths, or fractions among the classes.
    """
    known = set(train.classes)
    given = None if choices.metric is None else parse_metric(choices.metric).options.get("k")
    new_alone = given == 1 and bool(cells) and known.isdisjoint(cells)  # one class, or the word for what is new
    if given is not None and (given > 1 or new_alone) and _are_alone(cells, known):
        section: dict[str, Any] = {"kind": "ranked", **base, "label": column, "separator": " ", "k": int(given)}
        section |= {"new": cells[0].split()[0]} if cells and cells[0] not in known else {}
        if new_alone:
            words = f"{cells[0]} was read as the answer for what no training image shows, below a fitted probability"
            return Reading(section, (f"{column} holds the likeliest class, or {cells[0]}",), (words,))
        words = (
            f"{column} was read as a list of {given:g} classes with blanks between them, as {choices.metric} counts "
            f"them, though the sample shows {repr(cells[0]) if cells else 'none'}"
        )
        return Reading(section, (f"{column} lists {given:g} classes",), (words,))
    strange_lists = given is not None and _are_strange_lists(cells, known, int(given))
    if strange_lists and not _are_numbers(cells, known) and set(cells) == {choices.placeholder}:
        raise InputError(
            f"{base['sample']}: {column} holds {cells[0]!r}, as many names as {choices.metric} counts, and none is one "
            f"of the {len(known)} classes ({some(train.classes, 5)}); write classes in their place, and leave "
            "--placeholder out, which stands for one class alone"
        )
    if given is not None and strange_lists and _are_numbers(cells, known):
        section = {"kind": "ranked", **base, "label": column, "separator": " ", "k": int(given)}
        words = (
            f"{column} shows {cells[0]!r}, as many names as {choices.metric} counts and none of a class: it was read "
            "as a list of classes with blanks between them"
        )
        return Reading(section, (f"{column} lists {given:g} classes",), (words,))
    if known.intersection(cells):
        return None
    _refuse_torn(cells, known, f"{base['sample']}: {column}")
    for separator in SEPARATORS:
        lists = [split_names(cell, separator) for cell in cells]
        names = {name for each in lists for name in each}
        lengths = sorted({len(each) for each in lists})
        if not known & names or lengths[-1] < 2:
            continue
        k = max(int(given), lengths[-1]) if len(lengths) > 1 and given is not None else lengths[-1]
        if len(lengths) > 1 and given is None:
            raise InputError(
                f"{base['sample']}: {column} lists {lengths[0]} to {lengths[-1]} classes, but each training image has "
                f"one; if they are the likeliest ones, give their number with --metric map_{k}"
            )
        new = sorted(name for name in names if NEW.search(name))
        if k > len(known | set(new)):
            raise InputError(
                f"{base['sample']}: {column} lists {k} classes, such as {cells[0]!r}, and the training data has "
                f"{len(known)}; choose another --label"
            )
        written = write_separator(cells, separator)
        section = {"kind": "ranked", **base, "label": column, "separator": written, "k": k}
        check = []
        if new:
            section["new"] = new[0]
            check.append(f"{new[0]} was read as the class of what no training image shows")
        strange = sorted(names - known - set(new))
        if fractions := [name for name in strange if FRACTION.fullmatch(name)]:
            raise InputError(
                f"{base['sample']}: {column} holds {cells[0]!r}, where {fractions[0]} is no class and no probability "
                "behind one: such cells are not written; choose another --label, or correct the sample submission"
            )
        if strange:
            check.append(f"{column} names {some(strange, 3)}, {_UNKNOWN}")
        if given is not None and given != k:
            check.append(f"{choices.metric} counts the first {given:g}, but {column} lists {k}")
        return Reading(section, (f"{column} lists {k} classes, such as {cells[0]!r}",), tuple(check))
    return None


def describe_sets(
    sample: SampleSubmission, column: str, train: Reading, choices: Choices, base: dict[str, Any]
) -> Reading:
    """Describes a column of sets of labels.

    Where each training image has a label, each answer is to have one: an empty cell would surely be wrong, and most
    graders refuse it.

    Raises:
        InputError: cells of which no part is a label, or a separator that is inside labels.
    """
    cells = [cell for cell in sample.table[column] if cell]
    known = set(train.classes)
    own = str(train.target.get("separator") or " ")
    names = {separator: {name for cell in cells for name in split_names(cell, separator)} for separator in SEPARATORS}
    fitting = [
        separator for separator in (own, *SEPARATORS) if 2 * len(names[separator] & known) >= len(names[separator])
    ]
    fitting += [own] if not fitting and names[own] & known else []  # a sample may name labels that training lacks
    strange = sorted(set(cells) - known)
    k = None if choices.metric is None else parse_metric(choices.metric).options.get("k")
    if k is not None and fitting:
        section = {"kind": "ranked", **base, "label": column, "separator": write_separator(cells, fitting[0])}
        longest = max((len(split_names(cell, fitting[0])) for cell in cells), default=int(k))
        unlike = f"{choices.metric} counts the first {k:g}, but the sample's longest cell lists {longest}"
        section |= {"k": max(int(k), longest)}
        fact = f"{column} lists the likeliest labels, as {choices.metric} counts them"
        return Reading(section, (fact,), (unlike,) if longest != k else ())
    separator = write_separator(cells, fitting[0] if fitting else own)
    section = {"kind": "label_set", **base, "label": column, "separator": separator}
    if torn := [name for name in train.classes if separator in name]:
        raise InputError(
            f"{sample.path}: {column} lists labels between {separator!r}, which is inside {len(torn)} labels, such as "
            f"{torn[0]!r}: no reader could tell them apart; rename them in the training table, or write the "
            "competition's file by hand (docs/competitions.md)"
        )
    if fitting:
        section |= {"at_least_one": True} if train.labelled else {}
        unknown = sorted(names[fitting[0]] - known)
        check = (f"{column} names {some(unknown, 3)}, {_UNKNOWN}",) if unknown else ()
        shown = f"such as {min(cells)!r}" if cells else "and is empty in the sample"
        return Reading(section, (f"{column} holds labels between {separator!r}, {shown}",), check)
    if choices.placeholder is not None and strange == [choices.placeholder]:
        fact = f"{column} holds labels; {strange[0]!r} shows where they belong (--placeholder)"
        return Reading(section | {"none": strange[0], "at_least_one": True}, (fact,))
    if len(strange) == 1 and not train.labelled and re.fullmatch(r"[^\W\d]+", strange[0]):
        word = f"{strange[0]!r} in {column} was read as the word for an image without a label"
        return Reading(section | {"none": strange[0]}, (f"{column} holds labels",), (word,))
    _refuse_two_kinds(sample, train)
    raise InputError(
        f"{sample.path}: {column} holds {some(strange, 3)}, and no part of it is one of the {len(known)} labels "
        f"({some(train.classes, 5)}); choose other columns with --label, --placeholder if the cell only shows where "
        "labels belong, or write the competition's file by hand (docs/competitions.md)"
    )


def _refuse_two_kinds(sample: SampleSubmission, train: Reading) -> None:
    """Refuses a sample in which some rows end in a label and others do not: of exams, and of their images."""
    ids = sample.table.iloc[:, 0].tolist()
    ends = tuple(f"_{label}" for label in train.classes)
    joined = [name for name in ids if name.endswith(ends)]
    others = [name for name in ids if not name.endswith(ends)]
    if joined and others:
        raise InputError(
            f"{sample.path} has rows of two kinds: {len(joined):,} end in a label, such as {joined[0]!r}, and "
            f"{len(others):,} do not, such as {others[0]!r}; answers of two kinds in one file are not written: leave "
            "those of one kind in the sample submission, and put the files of answers together by hand"
        )


def write_separator(cells: Sequence[str], separator: str) -> str:
    """Returns the separator as the cells have it: with a blank behind it where it always has one."""
    behind = separator + " "
    shown = [cell for cell in cells if separator in cell]
    whole = separator != " " and bool(shown) and all(cell.count(behind) == cell.count(separator) for cell in shown)
    return behind if whole else separator


def check_lone(cells: Sequence[str], train: Reading, column: str, choices: Choices) -> tuple[str, ...]:
    """Says that one class was read where the metric counts lists: names hold blanks, which cannot part them."""
    given = None if choices.metric is None else parse_metric(choices.metric).options.get("k")
    torn = [name for name in train.classes if " " in name]
    if given is None or given < 2 or not torn or not set(train.classes).issuperset(cells):
        return ()
    words = (
        f"{column} was read as one class, as the sample shows no list and names such as {torn[0]!r} hold blanks, but "
        f"{choices.metric} counts {given:g} of them: if lists are wanted, write kind: ranked, k: {given:g} and their "
        "separator into submission"
    )
    return (words,)


def _refuse_torn(cells: Sequence[str], known: set[str], place: str) -> None:
    """Refuses lists with blanks between classes of which some hold blanks.

    Raises:
        InputError: names the class.
    """
    lists = [find_names(cell, " ", known) for cell in cells]
    torn = [name for names in lists if len(names) > 1 for name in names if " " in name]
    if torn and all(lists):
        raise InputError(
            f"{place} lists classes with blanks between them, such as {cells[0]!r}, and a blank is inside {torn[0]!r}: "
            "no reader could tell them apart; rename such classes in the training table and in the sample submission "
            "(ant_red), or correct the sample submission, if it is to have another separator"
        )


def _are_strange_lists(cells: Sequence[str], known: set[str], k: int) -> bool:
    """Says whether each cell lists k names with blanks between them, of which none is a class."""
    lists = [cell.split() for cell in cells]
    words = {word for each in lists for word in each}
    return k > 1 and bool(cells) and all(len(each) == k for each in lists) and known.isdisjoint({*words, *cells})


def _are_numbers(cells: Sequence[str], known: set[str]) -> bool:
    """Says whether all names in cells are whole numbers, and all classes, too."""
    return all(re.fullmatch(r"\d+", name) for name in (*known, *" ".join(cells).split()))


def _are_alone(cells: Sequence[str], known: set[str]) -> bool:
    """Says whether each cell is one class, or repeats the word for what is new."""
    if known.issuperset(cells):
        return not any(" " in name for name in known)
    words = {word for cell in cells for word in cell.split()}
    return len(words) == 1 and not words & known and NEW.search(min(words)) is not None
