"""Rows of labels that say whether their label is there: 0 and 1, false and true, no and yes."""

from collections.abc import Sequence

import pandas as pd

from pipeline.core.errors import InputError, some

_ABSENT, _PRESENT = {"0", "0.0", "false", "no"}, {"1", "1.0", "true", "yes"}


def are_present_marks(cells: pd.Series) -> bool:
    """Says whether all cells of a column say that something is there, or that it is not."""
    return {str(cell).lower() for cell in cells.unique()} <= _ABSENT | _PRESENT


def blank_absent(table: pd.DataFrame, label: str, present: str, place: str) -> pd.DataFrame:
    """Blanks the labels that a column calls absent: their images keep their rows, and may have no label at all.

    Args:
        table: as text, with one row for each image and label.
        label: the column of labels.
        present: the column that says whether the label of a row is there.
        place: the table's name, for messages.

    Raises:
        InputError: a cell says neither.
    """
    told = table[present].str.lower()
    wrong = table[present][~told.isin(list(_ABSENT | _PRESENT)) & (table[label] != "")]
    if len(wrong):
        raise InputError(
            f"{place}: {present} holds {wrong.iloc[0]!r} in {len(wrong):,} rows such as row {int(wrong.index[0]) + 1}, "
            "which is none of 0 and 1, false and true, no and yes; correct these cells, or train.present"
        )
    return table.assign(**{label: table[label].mask(told.isin(list(_ABSENT)), "")})


def list_varying(table: pd.DataFrame, key: str, label: str) -> list[str]:
    """Lists the columns that differ between the rows of an image, and between those of a label.

    Args:
        table: as text, with one row for each image and label.
        key: the column of images.
        label: the column of labels.
    """
    others = [str(name) for name in table.columns if name not in (key, label)]
    by = [table.groupby(name) for name in (key, label)]
    return [name for name in others if all((rows[name].nunique() > 1).any() for rows in by)]


def refuse_unnamed_marks(table: pd.DataFrame, key: str, label: str, named: Sequence[str | None], place: str) -> None:
    """Refuses rows of labels that another column may call absent, where the rows themselves tell nothing.

    They tell nothing where every image has a row of every label. Where images list some labels alone, a line names the
    column.

    Args:
        table: as text, with one row for each image and label.
        key: the column of images.
        label: the column of labels.
        named: columns that the competition's file uses otherwise.
        place: the table's name, for messages.

    Raises:
        InputError: names the column, and the key that makes use of it.
    """
    filled = table[table[label] != ""]
    varying = [name for name in list_varying(filled, key, label) if name not in named]
    marks = [name for name in varying if are_present_marks(filled[name])]
    if not marks:
        return
    each = filled.groupby(key)[label].nunique()
    what = f"{some(marks, 3)}, whose {' and '.join(sorted(set(filled[marks[0]])))} differ between the rows of an image"
    if each.nunique() == 1 and each.iloc[0] == filled[label].nunique() > 1:
        raise InputError(
            f"{place}: every {key} has a row of every {label}, so that each image would have all labels; write "
            f"present: {marks[0]} under train into the competition's file, if {what}, says which are there, or remove "
            "the rows of labels that are not"
        )
    numbers = [
        name for name in varying if name not in marks and pd.to_numeric(filled[name], errors="coerce").notna().all()
    ]
    if len(marks) == 1 and len(numbers) < 2:  # with several, rows are boxes and the like
        print(
            f"note: {place}: each row was read as a label that is there, without a look at {what}; if it says which "
            f"are, write present: {marks[0]} under train into the competition's file"
        )
