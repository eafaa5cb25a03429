"""Cells of a training table: what each row says of its image, as `core.targets.contract` joins it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.core.errors import InputError
from pipeline.core.layouts import CsvImages, CsvOneHot
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.core.targets.spec import SeveralLabelsSpec, TargetSpec, VoteSharesSpec
from pipeline.data.prepared.one_hot import read_marks, read_one_hot


def read_cells(
    table: pd.DataFrame, layout: CsvImages | CsvOneHot, target: TargetSpec, ids: Sequence[str], place: str
) -> list[str]:
    """Reads what each row of a table says of its image.

    Args:
        table: text.
        layout: its columns.
        target: what is predicted.
        ids: of the rows, for messages.
        place: the table's name, for messages.

    Returns:
        a class name; names of labels or texts of several columns, joined.

    Raises:
        InputError: a cell that does not fit the target.
    """
    if isinstance(layout, CsvImages):
        columns = [table[name].tolist() for name in layout.labels]
        cells = [CELL_SEPARATOR.join(row) for row in zip(*columns, strict=True)]
        return _split_cells(cells, target) if isinstance(target, SeveralLabelsSpec) else cells
    if isinstance(target, SeveralLabelsSpec):
        marks = read_marks(table, layout.classes, ids, place)
        names = np.array(layout.classes, dtype=np.object_)
        return [CELL_SEPARATOR.join(names[row]) for row in marks]
    if isinstance(target, VoteSharesSpec):
        return [CELL_SEPARATOR.join(row) for row in table[list(layout.classes)].to_numpy().tolist()]
    return read_one_hot(table, layout.classes, ids, place)


def _split_cells(cells: Sequence[str], target: SeveralLabelsSpec) -> list[str]:
    """Splits cells at the separator; the word for no label becomes an empty cell."""
    if target.separator is None:
        return list(cells)
    joined = []
    for cell in cells:
        names = [name.strip() for name in cell.split(target.separator)]
        joined.append(CELL_SEPARATOR.join(name for name in names if name and name != target.none))
    return joined


def join_rows_of_ids(table: pd.DataFrame, layout: CsvImages | CsvOneHot, target: SeveralLabelsSpec) -> pd.DataFrame:
    """Joins rows that name one label of an image each: one row per id is left, in the order of their first rows.

    Raises:
        InputError: rows of one image differ in their group.
    """
    if not isinstance(layout, CsvImages) or target.separator is not None or not table[layout.id].duplicated().any():
        return table
    label = layout.labels[0]
    by_id = table.groupby(layout.id, sort=False)
    if layout.group is not None:
        torn = by_id[layout.group].nunique()
        for name in torn[torn > 1].index[:1]:
            raise InputError(f"{layout.table}: rows of id {name} differ in {layout.group}; give each image one group")
    named = by_id[label].agg(lambda names: CELL_SEPARATOR.join(dict.fromkeys(name for name in names if name)))
    first = table.drop_duplicates(layout.id).set_index(layout.id)
    first[label] = named
    return first.reset_index()
