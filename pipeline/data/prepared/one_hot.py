"""Labels spread over columns of 0 and 1 (or False and True), one column per class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import InputError, some

_OFF, ON = ("0", "0.0", "False", "false", "FALSE"), ("1", "1.0", "True", "true", "TRUE")


def is_flag(values: pd.Series) -> bool:
    """Says whether a column of text holds 0 and 1, or False and True, alone."""
    return set(values) <= {*_OFF, *ON} and len(values) > 0


def mark_ones(values: pd.Series) -> pd.Series:
    """Returns where a column of 0 and 1, or False and True, marks its class: (rows,) bool."""
    return values.isin(list(ON))


def read_one_hot(table: pd.DataFrame, classes: Sequence[str], ids: Sequence[str], place: str) -> list[str]:
    """Reads the class that each row marks.

    Args:
        table: text.
        classes: the columns, each a class.
        ids: of the rows, for messages.
        place: the table's name, for messages.

    Returns:
        the name of the marked column, row by row.

    Raises:
        InputError: a cell is neither 0 nor 1, a row marks no class or several, or a class is marked by no row.
    """
    on = read_marks(table, classes, ids, place)
    unlike = np.flatnonzero(on.sum(axis=1) != 1)
    for row in unlike[:1]:
        marked = [classes[column] for column in np.flatnonzero(on[row]).tolist()]
        raise InputError(
            f"{place}, row {row + 1} (id {ids[row]}) marks {some(marked) or 'no class'} with 1, wanted exactly one of "
            f"{some(classes)} ({len(unlike)} of {len(on)} rows mark none or several); correct or remove them"
        )
    unmarked = [classes[column] for column in np.flatnonzero(~on.any(axis=0)).tolist()]
    if unmarked:
        raise InputError(f"{place}: no row marks {some(unmarked)}; add images of it, or leave it out of the classes")
    return [classes[column] for column in on.argmax(axis=1)]


def read_marks(table: pd.DataFrame, classes: Sequence[str], ids: Sequence[str], place: str) -> NDArray[np.bool_]:
    """Reads which columns each row marks with 1: (n, n_classes).

    Args:
        table: text.
        classes: the columns, each a class or label.
        ids: of the rows, for messages.
        place: the table's name, for messages.

    Raises:
        InputError: a cell is neither 0 nor 1.
    """
    marks = table[list(classes)]
    wrong = ~marks.isin([*_OFF, *ON]).to_numpy()
    for row, column in np.argwhere(wrong)[:1]:
        raise InputError(
            f"{place}, row {row + 1} (id {ids[row]}), column {classes[column]}: {marks.iat[row, column]!r} is neither "
            f"0 nor 1 ({wrong.any(axis=1).sum()} of {len(marks)} rows have such a cell); correct or remove them"
        )
    on: NDArray[np.bool_] = marks.apply(mark_ones).to_numpy()
    return on
