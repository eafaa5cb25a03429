"""Which column of a training table holds the label."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pipeline.errors import InputError, some
from pipeline.infer_match import Choices, pick
from pipeline.tables import natural_order


def label_column(
    table: pd.DataFrame, path: str, spoken_for: Sequence[str], asked: Sequence[str], choices: Choices
) -> tuple[str, str]:
    """Finds the label column and says why it is that one.

    Args:
        table: the training table, or its columns that hold no pixels.
        path: its name, for messages.
        spoken_for: columns that are something else (id, pixels).
        asked: the columns that the sample submission asks for, ids included.
        choices: ``label`` decides.

    Raises:
        InputError: no column, one-hot columns, or several and no evidence which one.
    """
    columns = [str(column) for column in table.columns if column not in spoken_for]
    if choices.label is not None:
        return pick(
            f"the label column of {path}", {name: name for name in columns}, "--label", choices.label
        ), "chosen with --label"
    possible = [name for name in columns if is_label(table[name])]
    by_classes = [name for name in possible if len(set(asked) & set(table[name])) >= max(2, 0.9 * len(asked) - 1)]
    if len(by_classes) == 1:
        return by_classes[0], "its values are columns of the sample submission"
    by_name = [name for name in possible if name.lower() in {column.lower() for column in asked}]
    refuse_one_hot(table, path, by_name if len(by_name) > 1 else possible)
    if len(by_name) == 1:
        return by_name[0], "the sample submission asks for a column of that name"
    if not possible:
        raise InputError(
            f"{path} has no column that looks like a label (2 classes or more, 2 rows or more per class on average); "
            f"besides the id it has {some(columns) or 'none'}; choose with --label COLUMN, or another --train"
        )
    reason = "the only column with few distinct values"
    return pick(f"the label column of {path}", {name: name for name in possible}, "--label", None), reason


def refuse_one_hot(table: pd.DataFrame, path: str, columns: Sequence[str]) -> None:
    """Stops at labels spread over columns of 0 and 1, which no layout reads.

    Raises:
        InputError: two columns or more of 0 and 1 that mark one class per row, or several.
    """
    flags = [name for name in columns if set(table[name]) == {"0", "1"} or set(table[name]) == {"0.0", "1.0"}]
    if len(flags) < 2:
        return
    marks = table[flags].astype("float64").sum(axis=1)
    if (marks == 1).all():
        raise InputError(
            f"{path} spreads the label over {len(flags)} columns of 0 and 1 ({some(flags)}), which is not read; "
            f"write the class into one column (pandas: table['label'] = table[{flags!r}].astype(float).idxmax(axis=1)) "
            "and choose it with --label label"
        )
    if len(flags) == len(columns):
        raise InputError(
            f"{path} marks {marks.min():.0f} to {marks.max():.0f} of the columns {some(flags)} per row: several labels "
            "per image, which no layout reads; choose one of them with --label COLUMN"
        )


def is_label(values: pd.Series) -> bool:
    """Says whether a column can be a label: 2 classes or more, 2 rows or more of each on average, no measurements."""
    distinct = set(values) - {""}
    if not 2 <= len(distinct) <= len(values) / 2:
        return False
    numbers = pd.to_numeric(pd.Series(sorted(distinct)), errors="coerce")
    return bool(numbers.isna().any()) or bool((numbers % 1 == 0).all())


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
