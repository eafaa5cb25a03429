"""The form of answers: the submission section of any target, told by the sample's columns and cells."""

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.class_answers import describe_class_answers, pair_columns
from pipeline.data.describe.label_sets import SEPARATORS, split_names
from pipeline.data.describe.match import Choices, Reading
from pipeline.data.describe.metric import find_wants, parse_metric
from pipeline.data.describe.sample import SampleSubmission

_NEW = re.compile(r"(^|[_ -])(new|unknown|unseen)([_ -]|$)", re.IGNORECASE)
_FRACTION = re.compile(r"\d*\.\d+([eE][-+]?\d+)?")


def describe_answer(
    sample: SampleSubmission, id_column: str, train: Reading, test: Reading, choices: Choices
) -> Reading:
    """Describes the submission section.

    Args:
        sample: the sample submission.
        id_column: its column of ids.
        train: the training section with its target.
        test: the test section: it knows whether a row is an image, a part of one, or several together.
        choices: ``positive`` decides; the metric is evidence.

    Raises:
        InputError: columns or cells that no form explains.
    """
    values = [name for name in sample.columns if name != id_column]
    if choices.positive is not None and len(values) > 1:
        raise InputError(f"--positive is for a single column, {sample.path} has {len(values)}; leave it out")
    if choices.positive is not None and train.kind != "one_class":
        raise InputError(f"--positive is for one of two classes, but the target is {train.kind}; leave it out")
    base = {"sample": sample.path, "id": id_column}
    if "rows" in test.answers:
        reading = _describe_rows(sample, values, train, test, choices, base)
    elif train.kind in ("one_class", "grades"):
        reading = _describe_classes(sample, id_column, values, train, choices)
    elif train.kind == "several_labels" and len(values) == 1:
        reading = _describe_sets(sample, values[0], train, choices, base)
    else:
        reading = _describe_columns(sample, values, train, choices, base)
    unit = test.answers.get("unit")
    if unit is None:
        return reading
    facts = (*reading.facts, "one answer is for several images")
    return Reading(reading.section | {"unit": unit}, facts, reading.check)


def _describe_classes(
    sample: SampleSubmission, id_column: str, values: Sequence[str], train: Reading, choices: Choices
) -> Reading:
    base = {"sample": sample.path, "id": id_column}
    if len(values) == 1:
        cells = [cell for cell in sample.table[values[0]] if cell]
        known = set(train.classes)
        reading = _find_confidence(cells, known, values[0], base) or _find_ranking(
            cells, train, values[0], base, choices
        )
        if reading is not None:
            return reading
        if train.kind == "grades" and cells and all(_FRACTION.fullmatch(cell) for cell in cells):
            words = f"{sample.path}: {values[0]} holds {some(sorted(set(cells)), 3)}: the expected grade"
            return Reading({"kind": "numbers", **base}, (words,))
    return describe_class_answers(sample, id_column, train.classes, find_wants(choices.metric, train.kind), choices)


def _find_confidence(cells: Sequence[str], known: set[str], column: str, base: dict[str, Any]) -> Reading | None:
    """Reads cells of a class and its probability."""
    pairs = [cell.rpartition(" ") for cell in cells]
    if not pairs or not all(name and _FRACTION.fullmatch(number) for name, _, number in pairs):
        return None
    if not known.intersection(name for name, _, _ in pairs) or known.intersection(cells):
        return None
    section = {"kind": "confidence", **base, "label": column}
    return Reading(section, (f"{column} holds a class and its probability, such as {cells[0]!r}",))


def _find_ranking(
    cells: Sequence[str], train: Reading, column: str, base: dict[str, Any], choices: Choices
) -> Reading | None:
    """Reads cells that list several classes, the likeliest first.

    Raises:
        InputError: a list longer than there are classes, or lists of several lengths.
    """
    known = set(train.classes)
    if known.intersection(cells):
        return None
    for separator in SEPARATORS:
        lists = [split_names(cell, separator) for cell in cells]
        names = {name for each in lists for name in each}
        lengths = sorted({len(each) for each in lists})
        if not known & names or lengths[-1] < 2:
            continue
        given = None if choices.metric is None else parse_metric(choices.metric).options.get("k")
        k = int(given) if len(lengths) > 1 and given is not None else lengths[-1]
        if len(lengths) > 1 and given is None:
            raise InputError(
                f"{base['sample']}: {column} lists {lengths[0]} to {lengths[-1]} classes, but each training image has "
                f"one; if they are the likeliest ones, give their number with --metric map_{k}"
            )
        new = sorted(name for name in names if _NEW.search(name))
        if k > len(known | set(new)):
            raise InputError(
                f"{base['sample']}: {column} lists {k} classes, such as {cells[0]!r}, and the training data has "
                f"{len(known)}; choose another --label"
            )
        section: dict[str, Any] = {"kind": "ranked", **base, "label": column, "separator": separator, "k": k}
        check = []
        if new:
            section["new"] = new[0]
            check.append(f"{new[0]} was read as the class of what no training image shows")
        strange = sorted(names - known - set(new))
        if strange:
            check.append(f"{column} names {some(strange, 3)}, which no training image has")
        if given is not None and given != k:
            check.append(f"{choices.metric} counts the first {given:g}, but {column} lists {k}")
        return Reading(section, (f"{column} lists {k} classes, such as {cells[0]!r}",), tuple(check))
    return None


def _describe_sets(
    sample: SampleSubmission, column: str, train: Reading, choices: Choices, base: dict[str, Any]
) -> Reading:
    cells = [cell for cell in sample.table[column] if cell]
    known = set(train.classes)
    if column in known:  # one label alone
        return _describe_columns(sample, [column], train, choices, base)
    own = str(train.target.get("separator") or " ")
    names = {separator: {name for cell in cells for name in split_names(cell, separator)} for separator in SEPARATORS}
    fitting = [
        separator for separator in (own, *SEPARATORS) if 2 * len(names[separator] & known) >= len(names[separator])
    ]
    fitting += [own] if not fitting and names[own] & known else []  # a sample may name labels that training lacks
    strange = sorted(set(cells) - known)
    k = None if choices.metric is None else parse_metric(choices.metric).options.get("k")
    if k is not None and fitting:
        section = {"kind": "ranked", **base, "label": column, "separator": fitting[0], "k": int(k)}
        return Reading(section, (f"{column} lists the likeliest labels, as {choices.metric} counts them",))
    section = {"kind": "label_set", **base, "label": column, "separator": fitting[0] if fitting else own}
    if fitting:
        unknown = sorted(names[fitting[0]] - known)
        check = (f"{column} names {some(unknown, 3)}, which no training image has",) if unknown else ()
        shown = f"such as {min(cells)!r}" if cells else "and is empty in the sample"
        return Reading(section, (f"{column} holds labels between {fitting[0]!r}, {shown}",), check)
    if len(strange) == 1 and re.fullmatch(r"[^\W\d]+", strange[0]):
        word = f"{strange[0]!r} in {column} was read as the word for an image without a label"
        return Reading(section | {"none": strange[0]}, (f"{column} holds labels",), (word,))
    raise InputError(
        f"{sample.path}: {column} holds {some(strange, 3)}, and no part of it is one of the {len(known)} labels "
        f"({some(train.classes, 5)}); choose other columns with --label, or write the competition's file by hand "
        "(docs/competitions.md)"
    )


def _describe_columns(
    sample: SampleSubmission, values: Sequence[str], train: Reading, choices: Choices, base: dict[str, Any]
) -> Reading:
    """Describes one column per label, number, class or target."""
    names = list(train.target["targets"]) if train.kind == "several_targets" else list(train.classes)
    paired = pair_columns(values, names)
    if paired is None and len(values) == len(names) == 1:
        paired = {values[0]: names[0]}
    if paired is None:
        missing, extra = [name for name in names if name not in values], [name for name in values if name not in names]
        raise InputError(
            f"{sample.path} has the columns {some(values)} in addition to {base['id']}, and the target {train.kind} "
            f"{len(names)} columns; they do not match: columns without a meaning {some(extra) or 'none'}; "
            f"{some(missing) or 'none'} without a column; choose other columns with --label, or write "
            "submission.columns by hand (docs/competitions.md)"
        )
    _require_numbers(sample, values, train)
    renamed = {column: name for column, name in paired.items() if column != name}
    whole = not any(_FRACTION.fullmatch(cell) for column in values for cell in sample.table[column])
    wants = find_wants(choices.metric, train.kind)
    kind = {"numbers": "numbers", "several_targets": "decisions"}.get(train.kind, "probabilities")
    check = [f"{len(renamed)} columns were matched to names of another spelling"] if renamed else []
    if train.kind == "several_labels" and whole:
        kind = "decisions" if wants == "label" else kind
        if wants is None:
            check.append(
                "columns of whole numbers were read as probabilities; --metric decides whether 0 and 1 are wanted"
            )
    section = {"kind": kind, **base, **({"columns": renamed} if renamed else {})}
    facts = f"{sample.path}: {len(sample.table):,} rows, {len(values)} columns of {kind}"
    return Reading(section, (facts,), tuple(check))


def _require_numbers(sample: SampleSubmission, values: Sequence[str], train: Reading) -> None:
    """Refuses words where numbers or probabilities are the answer.

    Raises:
        InputError: names the first such cell.
    """
    if train.kind == "several_targets":
        return
    for column in values:
        cells = sample.table[column]
        words = cells[(cells != "") & pd.to_numeric(cells, errors="coerce").isna()]
        for cell in words[:1]:
            raise InputError(
                f"{sample.path}: {column} holds {cell!r}, which is no number, but the target is {train.kind}; choose "
                "other columns with --label, or another --target"
            )


def _describe_rows(
    sample: SampleSubmission,
    values: Sequence[str],
    train: Reading,
    test: Reading,
    choices: Choices,
    base: dict[str, Any],
) -> Reading:
    """Describes one row per image and part."""
    if len(values) != 1:
        raise InputError(
            f"{sample.path} has one row per image and part, but {len(values)} columns of answers ({some(values)}); "
            "wanted one"
        )
    decided = train.kind == "several_targets" or (
        train.kind == "several_labels" and find_wants(choices.metric, train.kind) == "label"
    )
    section: dict[str, Any] = {"kind": "rows", **base, "value": values[0], "rows": test.answers["rows"]}
    section |= {"parts": test.answers["parts"]} if test.answers.get("parts") else {}
    section |= {"holds": "decisions" if decided else "values"}
    facts = f"{sample.path}: {len(sample.table):,} rows, one per image and part"
    return Reading(section, (facts,))
