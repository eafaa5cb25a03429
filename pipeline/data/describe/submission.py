"""The submission: its section, described from the sample submission."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.measures.metric import Metric
from pipeline.data.describe.classes import find_multi_labels
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, Reading, pick_reading

_SAMPLE = re.compile(r"sample|submission", re.IGNORECASE)
_SOLUTION = re.compile(r"solution", re.IGNORECASE)


@dataclass(frozen=True)
class SampleSubmission:
    """The sample submission."""

    path: str
    table: pd.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, the id column included."""
        return tuple(str(column) for column in self.table.columns)


def find_sample(listing: Listing, choices: Choices) -> SampleSubmission:
    """Finds the sample submission by its name.

    Raises:
        InputError: none, or several and none chosen.
    """
    named = {path: path for path in listing.tables if _SAMPLE.search(PurePosixPath(path).name)}
    options = {path: path for path in listing.tables} if choices.sample else named
    if not options:
        raise InputError(
            f"{listing.source} has no sample submission: looked for a CSV whose name holds 'sample' or 'submission', "
            f"found the tables {some(listing.tables) or 'none'}; choose one with --sample TABLE, or add a CSV "
            "with the id of every test image and the columns to predict: it shows the format of a submission"
        )
    path = pick_reading(f"the sample submission of {listing.source}", options, "--sample", choices.sample)
    table = listing.table(path)
    if len(table.columns) < 2 or not len(table):
        raise InputError(
            f"{listing.source}: {path} has {len(table)} rows and the columns {some(table.columns)}; "
            "wanted an id and a value"
        )
    return SampleSubmission(path, table)


def find_solution(listing: Listing, sample: SampleSubmission) -> str | None:
    """Finds a file of true test labels: called a solution, with the sample's ids."""
    for path in listing.tables:
        if _SOLUTION.search(PurePosixPath(path).name) and path != sample.path:
            table = listing.table(path)
            shared = [name for name in sample.columns if name in table.columns]
            if shared and set(table[shared[0]]) == set(sample.table[shared[0]]):
                return path
    return None


def describe_submission(
    sample: SampleSubmission, id_column: str, classes: Sequence[str], metric: Metric | None, choices: Choices
) -> Reading:
    """Describes the submission section.

    Raises:
        InputError: columns that are neither the classes nor one label, or a probability of an unknown class.
    """
    values = [name for name in sample.columns if name != id_column]
    if len(values) == 1:
        return _label(sample, id_column, values[0], classes, metric, choices)
    if choices.positive is not None:
        raise InputError(f"--positive is for a single column, {sample.path} has {len(values)}; leave it out")
    columns = _classes_by_column(values, classes)
    if columns is None:
        missing = [name for name in classes if name not in values]
        extra = [name for name in values if name not in classes]
        raise InputError(
            f"{sample.path} has {len(values)} columns beside {id_column}, the training data {len(classes)} classes, "
            f"and they do not match: columns without a class {some(extra) or 'none'}; "
            f"classes without a column {some(missing) or 'none'}; "
            "choose another --label, or write submission.columns by hand (docs/competitions.md)"
        )
    section: dict[str, Any] = {"kind": "probabilities", "sample": sample.path, "id": id_column}
    renamed = {column: name for column, name in columns.items() if column != name}
    if renamed:
        section["columns"] = renamed
    facts = f"{sample.path}: {len(sample.table):,} rows, one column per class"
    check = (f"{len(renamed)} columns were matched to classes of another spelling",) if renamed else ()
    return Reading(section, (facts,), check)


def _label(
    sample: SampleSubmission,
    id_column: str,
    column: str,
    classes: Sequence[str],
    metric: Metric | None,
    choices: Choices,
) -> Reading:
    section = {"kind": "label", "sample": sample.path, "id": id_column, "label": column}
    values = sorted(set(sample.table[column]))
    facts = (f"{sample.path}: {len(sample.table):,} rows; {column} holds {some(values, 5)}",)
    numbers = pd.to_numeric(pd.Series(values), errors="coerce")
    unknown = [value for value in values if value not in classes]
    if lists := find_multi_labels(unknown, classes):
        raise InputError(
            f"{sample.path}: {column} holds {lists[0]!r}, several classes in one cell; the pipeline submits one "
            "class or probabilities, and neither several labels of an image nor a list of the likeliest ones"
        )
    wants_probability = metric is not None and metric.wants == "probabilities" and len(classes) == 2
    if choices.positive is None and not wants_probability:
        if not unknown:
            binary = len(classes) == 2 and len(values) == 1 and numbers.notna().all()
            doubt = f"{column} was read as labels; if it wants a probability, describe again with --positive CLASS"
            return Reading(section, facts, (doubt,) if binary else ())
        if numbers.isna().all() or _are_whole(values, classes):
            return Reading(
                section,
                facts,
                (f"{column} holds {some(unknown, 5)}, which is not a class: read as a placeholder for class names",),
            )
    if len(classes) != 2 or not (numbers.between(0, 1).all() or not unknown):
        raise InputError(
            f"{sample.path}: {column} holds {some(unknown or values, 5)}, not among the {len(classes)} classes "
            f"({some(classes, 5)}) and no probability of one of two; choose another --label, or write the "
            "competition's file by hand (docs/competitions.md)"
        )
    positive = _positive(sample, column, classes, choices)
    return Reading(section | {"positive": positive}, facts, (f"{column} was read as the probability of {positive}",))


def _are_whole(values: Sequence[str], classes: Sequence[str]) -> bool:
    """Says whether cells are whole numbers as the classes are, more than two: a number of no class stands for one."""
    return len(classes) > 2 and all(re.fullmatch(r"-?\d+", name) for name in (*values, *classes))


def _positive(sample: SampleSubmission, column: str, classes: Sequence[str], choices: Choices) -> str:
    if choices.positive is None:
        if set(classes) == {"0", "1"}:
            return "1"
        words = re.split(r"[\W_]+", column.lower())
        named = [name for name in classes if name.lower() in words]
        if len(named) == 1:
            return named[0]
    what = f"the probability in {column} of {sample.path}"
    return pick_reading(what, {name: name for name in classes}, "--positive", choices.positive)


def _classes_by_column(columns: Sequence[str], classes: Sequence[str]) -> dict[str, str] | None:
    """Column -> class where both sides pair up: as they stand, by spelling, or behind a prefix such as ``class_``."""
    if set(columns) == set(classes):
        return {column: column for column in columns}
    prefix = re.match(r"(.*?)\d*$", _common(columns))
    cut = len(prefix[1]) if prefix else 0
    for simple in (_simple, lambda name: _simple(name[cut:])):
        by_spelling = {_simple(name): name for name in classes}
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
