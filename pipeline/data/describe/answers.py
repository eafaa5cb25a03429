"""The form of answers: the submission section of any target, told by the sample's columns and cells."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.class_answers import WHOLE, describe_class_answers, find_marks, pair_columns
from pipeline.data.describe.list_answers import FRACTION, check_lone, describe_sets, find_confidence, find_ranking
from pipeline.data.describe.match import Choices, Reading
from pipeline.data.describe.metric import find_wants
from pipeline.data.describe.sample import SampleSubmission


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
    elif train.kind == "several_labels" and len(values) == 1 and values[0] not in train.classes:
        reading = describe_sets(sample, values[0], train, choices, base)
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
    cells = [cell for cell in sample.table[values[0]] if cell] if values else []
    if len(values) == 1:
        known = set(train.classes)
        reading = find_confidence(cells, known, values[0], base, choices)
        reading = reading or find_ranking(cells, train, values[0], base, choices)
        if reading is not None:
            return reading
        if train.kind == "grades" and cells and all(FRACTION.fullmatch(cell) for cell in cells):
            words = f"{sample.path}: {values[0]} holds {some(sorted(set(cells)), 3)}: the expected grade"
            return Reading({"kind": "numbers", **base}, (words,))
    wants = find_wants(choices.metric, train.kind)
    reading = describe_class_answers(sample, id_column, train.classes, wants, choices)
    lone = check_lone(cells, train, values[0], choices) if len(values) == 1 else ()
    return replace(reading, check=(*reading.check, *lone))


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
    wants = find_wants(choices.metric, train.kind)
    marks = find_marks(sample, values) if train.kind == "several_labels" and wants != "probabilities" else None
    marks = None if marks == ["0", "1"] else marks
    if marks is None:
        _require_numbers(sample, values, train)
    renamed = {column: name for column, name in paired.items() if column != name}
    whole = not any(FRACTION.fullmatch(cell) for column in values for cell in sample.table[column])
    kind = {"numbers": "numbers", "several_targets": "decisions"}.get(train.kind, "probabilities")
    check = [f"{len(renamed)} columns were matched to names of another spelling"] if renamed else []
    if marks is not None:
        kind, check = "decisions", [*check, f"columns of {marks[0]} and {marks[1]} were read as decisions"]
    elif train.kind == "several_labels" and whole:
        kind = "decisions" if wants == "label" else kind
        if wants is None:
            check.append(WHOLE)
    section = {"kind": kind, **base, **({"columns": renamed} if renamed else {})}
    section |= {"marks": marks} if marks is not None else {}
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
