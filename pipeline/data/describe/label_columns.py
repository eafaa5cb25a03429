"""The columns of answers of a training table: chosen by the user, or by what the sample submission asks for."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.data.containers.coco_rows import CATEGORY_KEYS
from pipeline.data.describe.answer_evidence import shows_classes, split_words
from pipeline.data.describe.class_answers import pair_columns
from pipeline.data.describe.classes import decide_label, is_label
from pipeline.data.describe.folders import find_class_folders, list_class_folders
from pipeline.data.describe.label_sets import find_label_sets, refuse_masks
from pipeline.data.describe.match import Choices, ImageFiles, is_id, pick_reading
from pipeline.data.describe.questions import refuse_commas
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_columns import AnswerColumns, TargetReading
from pipeline.data.describe.target_parts import format_unfit, is_number_column
from pipeline.data.describe.targets import describe_target
from pipeline.data.prepared.one_hot import is_flag, mark_ones

_CATEGORY = "COCO's category of each image"
_SPREADS = {"sd", "std", "stdev", "var", "variance", "se", "sem", "err", "error", "min", "max", "count", "n"}
_ENOUGH_ROWS = 10  # of fewer any column tells the rows apart, such as those of one of many files of records


def read_labels(
    table: pd.DataFrame, path: str, taken: Sequence[str], sample: SampleSubmission, choices: Choices
) -> TargetReading:
    """Finds the columns of answers, and describes what they hold.

    Args:
        table: the training table, or its columns that hold no pixels.
        path: its name, for messages.
        taken: columns that are something else (id, pixels).
        sample: the sample submission.
        choices: ``label`` decides; ``a,b,c`` names several columns.

    Raises:
        InputError: no column, several and no evidence which one, or cells that fit no kind of target.
    """
    columns = [str(column) for column in table.columns if column not in taken]
    if choices.label is not None:
        names, reason = _choose(path, columns, choices.label), "chosen with --label"
    else:
        names, reason = _find(table, path, columns, sample, taken[0] if taken else None)
    reading = describe_target(AnswerColumns(table, path, tuple(names), reason), sample, choices)
    check = _check_ending(names, path, sample) if choices.label is None else ()
    single = reading.marks and reading.kind == "one_class"
    if blank := [name for name in names if single and not mark_ones(table[name]).any()]:
        raise InputError(
            f"{path}: no row marks {some(blank, 5)}, so that nothing can be learnt of it; add images of it, or remove "
            f"the column from {path} and {sample.path}, and put a 0 for it into the answers by hand"
        )
    return replace(reading, check=(*reading.check, *check))


def _check_ending(names: Sequence[str], path: str, sample: SampleSubmission) -> tuple[str, ...]:
    """Says that columns were taken which are called as those of the sample, but for their ending."""
    asked = sample.columns[1:]
    ending = names[0].removeprefix(asked[0])
    if len(asked) < 2 or not ending or list(names) != [name + ending for name in asked]:
        return ()
    words = f"{some(names, 4)} of {path} were taken for {some(asked, 4)} of {sample.path}, as all end in {ending!r}"
    return (f"{words}; --label takes other columns",)


def _choose(path: str, columns: Sequence[str], chosen: str) -> list[str]:
    names = [name.strip() for name in chosen.split(",")]
    if len(names) > 1 and chosen not in columns and set(names) <= set(columns):
        return names
    return [pick_reading(f"the label column of {path}", {name: name for name in columns}, "--label", chosen)]


def _find(
    table: pd.DataFrame, path: str, columns: Sequence[str], sample: SampleSubmission, id_column: str | None
) -> tuple[list[str], str]:
    columns = [name for name in columns if not _names_subjects(sample, name, table[name])]
    possible = {name: _list_names(table[name]) for name in columns if _may_answer(table[name])}
    least = max(2, 0.9 * len(sample.columns) - 1)
    by_classes = [name for name, known in possible.items() if len(set(sample.columns) & known) >= least]
    if len(by_classes) == 1:
        return by_classes, "its values are columns of the sample submission"
    wanted = [name for name in columns if name in sample.columns]
    if len(wanted) >= max(2, len(sample.columns) - 1):
        return wanted, "the sample submission asks for columns of these names"
    parts = [name for name in columns if name in sample.parts]
    _refuse_unknown(columns, _list_ends(sample), path, sample.path)
    if len(parts) > 1:
        return parts, "the rows of the sample submission ask for them"
    lower = {column.lower() for column in sample.columns}
    asked = {column.lower() for column in sample.columns[1:]}
    by_name = [
        name
        for name in columns
        if (name.lower() in lower and (name in possible or _is_measured(table[name])))
        or (name.lower() in asked and is_number_column(table[name]))  # numbers of each row its own, too, if asked for
    ]
    if len(by_name) == 1:
        return by_name, "the sample submission asks for a column of that name"
    refuse_commas(table[[name for name in columns if name.lower() in asked]], path)
    unlike = [name for name in columns if name.lower() in asked and name not in possible and not by_name]
    for name in unlike:
        refuse_masks(table[name], name, f"column {name} of {path}")
    for unfit in filter(None, [format_unfit(table[name], path) for name in unlike]):
        raise InputError(f"{unfit}; or choose another column with --label")
    coco = [name for name in CATEGORY_KEYS if name in columns]
    if CATEGORY_KEYS[0] in coco:
        return coco[:1], _CATEGORY
    decided = decide_label(table, [name for name in columns if is_label(table[name])], sample.table, id_column)
    if decided is not None:
        return [decided[0]], decided[1]
    about = [name for name in columns if name.startswith("category_") and path.lower().endswith(".json")]
    if coco and about:
        shown = split_words(sample.examples)
        named = [name for name in about if shown <= possible.get(name, set())]
        return named if shown and len(named) == 1 and not shown <= possible.get(coco[0], set()) else coco[:1], _CATEGORY
    spelled = any(pair_columns(sample.columns[1:], natural_order(sorted(known))) for known in possible.values())
    ended = {} if spelled else _find_endings(table[columns], sample)
    values = {ending: ended[ending] for ending in drop_spreads(ended)}
    if len(values) == 1 and all(_tells_tests(sample, name) for name in possible):
        ending, names = next(iter(values.items()))
        return names, f"the sample submission asks for columns of these names without {ending!r}"
    if not possible and not values:
        possible = {name: set() for name in columns if _is_measured(table[name])}
    if not possible and not values:
        raise InputError(
            f"{path} has no column that looks like a label (2 classes or more, 2 rows or more per class on average); "
            f"in addition to the id it has {some(columns) or 'none'}; choose with --label COLUMN, or another --train"
        )
    _refuse_unknown(columns, sample.columns[1:], path, sample.path)
    # Columns of 0 and 1 can also be read together: one class, or one label, each.
    flags = [name for name in possible if is_flag(table[name])]
    options = {",".join(names): names for names in (*ended.values(), flags) if len(names) > 1}
    options |= {name: [name] for name in possible}
    return pick_reading(
        f"the label column of {path}", options, "--label", None
    ), "the only column with few distinct values"


def _refuse_unknown(columns: Sequence[str], asked: Sequence[str], path: str, place: str) -> None:
    """Refuses training columns of which one or more are asked for, while others that are asked for are missing.

    Raises:
        InputError: names those that no training column holds.
    """
    there, missing = [name for name in asked if name in columns], [name for name in asked if name not in columns]
    if not missing or 2 * len(there) < len(asked):
        return
    others = [name for name in columns if name not in asked]
    beside = f" and, not asked for, {some(others)}" if others else ""
    raise InputError(
        f"{place} asks for {some(asked)}, and no column of {path} is called {some(missing)}: it has {some(there)}"
        f"{beside}; rename the column that is meant, or add one of that name; if nothing is known of {some(missing)}, "
        f"take it out of {place}, and write its answers into the submission by hand"
    )


def _list_ends(sample: SampleSubmission) -> list[str]:
    """Lists what the sample's ids have behind their last ``_``, if each image has each of them; else none."""
    pairs = [name.rpartition("_")[::2] for name in sample.table.iloc[:, 0]]
    heads, ends = {head for head, _ in pairs}, dict.fromkeys(end for _, end in pairs)
    whole = len(pairs) == len(set(pairs)) == len(heads) * len(ends) and "" not in heads
    return list(ends) if whole and len(ends) > 1 and len(heads) > 1 else []


def _names_subjects(sample: SampleSubmission, name: str, cells: pd.Series) -> bool:
    """Says whether a column is what the sample's rows are about, and no answer: a number of images, a patient."""
    first, amount = sample.columns[0], is_id(cells) and _is_measured(cells)
    return name.lower() == first.lower() and is_id(sample.table[first]) and not amount


def _find_endings(table: pd.DataFrame, sample: SampleSubmission) -> dict[str, list[str]]:
    """Finds columns of numbers called as those of the sample, all with one ending: ``X4_mean`` and ``X11_mean``.

    What the list of test images tells, too, is no answer, nor is a mark of 0 or 1, such as that of a missing value.
    """
    asked = sample.columns[1:]
    if len(asked) < 2:
        return {}
    known = {str(name) for each in sample.lists for name in each.table.columns}
    there = [str(name) for name in table.columns if name not in known]
    endings = list_endings(table[there], asked)
    found = {ending: [name + ending for name in asked] for ending in endings}
    return {
        ending: names
        for ending, names in found.items()
        if set(names) <= set(there)
        and all(is_number_column(table[name]) and not is_flag(table[name]) for name in names)
    }


def list_endings(table: pd.DataFrame, asked: Sequence[str]) -> list[str]:
    """Lists what columns that begin with the name of the first one asked for have behind it: ``_mean``."""
    pattern = re.compile(re.escape(asked[0]) + r"[-_. ]\w+")
    return [str(name).removeprefix(asked[0]) for name in table.columns if pattern.fullmatch(str(name))]


def drop_spreads(endings: Iterable[str]) -> list[str]:
    """Leaves endings out that name spreads of values, not the values."""
    return [ending for ending in endings if _SPREADS.isdisjoint(re.findall(r"[a-z]+", ending))]


def _tells_tests(sample: SampleSubmission, name: str) -> bool:
    """Says whether a list of test images tells a column of each of them, not one value for all: it is no answer."""
    cells = [each.table[name] for each in sample.lists if name in each.table.columns]
    return any(bool((each != "").all()) and each.nunique() > 1 for each in cells)


def holds_answers(others: pd.DataFrame, images: ImageFiles, sample: SampleSubmission, choices: Choices) -> bool:
    """Says whether some column beside the ids may hold answers: measurements only where the sample asks for them.

    What is asked for but for an ending is none where folders of classes are called as the sample's columns.
    """
    asked = {*sample.columns, *sample.parts}
    chosen = {name.strip() for name in (choices.label or "").split(",")} | {choices.label}
    return any(
        _may_answer(others[name])
        or name in chosen
        or (name in asked and _is_measured(others[name]))
        or (name in sample.columns[1:] and len(others) >= _ENOUGH_ROWS and is_number_column(others[name]))
        for name in others.columns
    ) or (
        bool(drop_spreads(_find_endings(others, sample)))
        and not any(shows_classes(list_class_folders(images, each), sample) for each in find_class_folders(images))
    )


def _may_answer(cells: pd.Series) -> bool:
    """Says whether a column may hold classes, or sets of labels."""
    return is_label(cells) or (not is_number_column(cells) and find_label_sets(cells) is not None)


def _is_measured(cells: pd.Series) -> bool:
    """Says whether a column may hold measurements: numbers that do not count the rows."""
    return is_number_column(cells) and not (is_id(cells) and bool((pd.to_numeric(cells) % 1 == 0).all()))


def _list_names(cells: pd.Series) -> set[str]:
    sets = None if is_number_column(cells) else find_label_sets(cells)
    return set(cells.unique()) | (set(sets.labels) if sets is not None else set())
