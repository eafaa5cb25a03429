"""Which column of a training table holds the label, or which columns of 0 and 1 do together."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.data.describe.match import Choices, pick
from pipeline.data.prepared.one_hot import is_flag, read_one_hot

_GROUP = re.compile(r"patient|person|subject|participant|group|location|site|camera|sequence|seq_id", re.IGNORECASE)


@dataclass(frozen=True)
class Labels:
    """The labels of a training table.

    Attributes:
        columns: the label column; several: columns of 0 and 1, one per class.
        values: the label of each row.
        reason: why these columns.
    """

    columns: tuple[str, ...]
    values: pd.Series
    reason: str


def read_labels(
    table: pd.DataFrame, path: str, spoken_for: Sequence[str], asked: Sequence[str], choices: Choices
) -> Labels:
    """Finds the label column, or the columns of 0 and 1 that mark one class per row, and says why these.

    Args:
        table: the training table, or its columns that hold no pixels.
        path: its name, for messages.
        spoken_for: columns that are something else (id, pixels); the first one names rows in messages.
        asked: the columns that the sample submission asks for, ids included.
        choices: ``label`` decides; ``a,b,c`` names columns of 0 and 1.

    Raises:
        InputError: no column, several and no evidence which one, or rows that do not mark exactly one class.
    """
    columns = [str(column) for column in table.columns if column not in spoken_for]
    if choices.label is not None:
        return _chosen(table, path, spoken_for, columns, choices.label)
    possible = [name for name in columns if is_label(table[name])]
    by_classes = [name for name in possible if len(set(asked) & set(table[name])) >= max(2, 0.9 * len(asked) - 1)]
    if len(by_classes) == 1:
        return _one(table, by_classes[0], "its values are columns of the sample submission")
    wanted = [name for name in columns if name in asked]
    if len(wanted) >= max(2, len(asked) - 1) and all(is_flag(table[name]) for name in wanted):
        return _one_hot(table, path, spoken_for, wanted, "0 or 1 for each column of the sample submission")
    by_name = [name for name in possible if name.lower() in {column.lower() for column in asked}]
    if len(by_name) == 1:
        return _one(table, by_name[0], "the sample submission asks for a column of that name")
    if not possible:
        raise InputError(
            f"{path} has no column that looks like a label (2 classes or more, 2 rows or more per class on average); "
            f"besides the id it has {some(columns) or 'none'}; choose with --label COLUMN, or another --train"
        )
    # One column per class is one more way to read columns of 0 and 1, if each row marks one of them.
    flags = [name for name in possible if is_flag(table[name])]
    together = {",".join(flags): flags} if len(flags) > 1 and _marks_one(table, flags) else {}
    options = together | {name: [name] for name in possible}
    name = pick(f"the label column of {path}", options, "--label", None)[0]
    return _one(table, name, "the only column with few distinct values")


def _chosen(table: pd.DataFrame, path: str, spoken_for: Sequence[str], columns: Sequence[str], chosen: str) -> Labels:
    several = [name.strip() for name in chosen.split(",")]
    if len(several) > 1 and chosen not in columns and set(several) <= set(columns):
        return _one_hot(table, path, spoken_for, several, "chosen with --label")
    name = pick(f"the label column of {path}", {name: name for name in columns}, "--label", chosen)
    return _one(table, name, "chosen with --label")


def _one(table: pd.DataFrame, name: str, reason: str) -> Labels:
    return Labels((name,), table[name], reason)


def _one_hot(table: pd.DataFrame, path: str, spoken_for: Sequence[str], columns: Sequence[str], reason: str) -> Labels:
    ids = table[spoken_for[0]].tolist() if spoken_for else [str(row) for row in range(1, len(table) + 1)]
    try:
        values = read_one_hot(table, columns, ids, path)
    except InputError as error:
        raise InputError(
            f"{error}; several labels per image are read by no layout: choose one with --label COLUMN"
        ) from error
    return Labels(tuple(columns), pd.Series(values, dtype="str"), reason)


def _marks_one(table: pd.DataFrame, flags: Sequence[str]) -> bool:
    return bool((table[list(flags)].astype("float64").sum(axis=1) == 1).all())


def group_hints(table: pd.DataFrame, path: str, taken: Sequence[str]) -> tuple[str, ...]:
    """Names columns that may tie images together (a patient, a place): nobody but a person can tell."""
    names = [str(name) for name in table.columns if name not in taken and _GROUP.search(str(name))]
    repeating = [name for name in names if 1 < table[name].nunique() < len(table)]
    return tuple(
        f"{name} of {path} repeats: write train.group: {name} if its images must share a fold" for name in repeating
    )


def is_label(values: pd.Series) -> bool:
    """Says whether a column can be a label: 2 classes or more, 2 rows or more of each on average, no measurements."""
    distinct = set(values) - {""}
    if not 2 <= len(distinct) <= len(values) / 2:
        return False
    numbers = pd.to_numeric(pd.Series(sorted(distinct)), errors="coerce")
    return bool(numbers.isna().any()) or bool((numbers % 1 == 0).all())


def several(values: Iterable[str], classes: Sequence[str]) -> list[str]:
    """Lists the cells that hold more than one class, blanks between them."""
    known = set(classes)
    return [value for value in values if len(parts := value.split()) > 1 and known.issuperset(parts)]


def classes_of(values: pd.Series) -> tuple[str, ...]:
    """Lists the distinct labels in natural order; blanks are no class."""
    return tuple(natural_order(sorted(set(values) - {""})))


def counted(counts: Mapping[str, int], classes: Sequence[str]) -> str:
    """Says how many classes there are, and how many images of each."""
    numbers = [counts[name] for name in classes]
    least, most = min(numbers), max(numbers)
    return (
        f"{len(classes)} classes ({some(classes, 6)}), {least:,}{f' to {most:,}' if most > least else ''} images each"
    )
