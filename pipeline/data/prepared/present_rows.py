"""Rows of labels that say whether their label is there: 0 and 1, false and true, no and yes."""

import pandas as pd

from pipeline.core.errors import InputError

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
