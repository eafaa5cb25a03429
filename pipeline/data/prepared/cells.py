"""Cells of a training table: what each row says of its image, as `core.targets.contract` joins it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.layouts import CsvImages, CsvOneHot, CsvPixels
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.core.targets.spec import OneClassSpec, SeveralLabelsSpec, TargetSpec, VoteSharesSpec
from pipeline.data.containers.tables import read_rows
from pipeline.data.prepared.one_hot import read_marks, read_one_hot
from pipeline.data.prepared.present_rows import blank_absent, refuse_unnamed_marks

_MARKED = OneClassSpec | SeveralLabelsSpec | VoteSharesSpec  # what columns of 0 and 1, or of votes, may say


def read_cells(
    table: pd.DataFrame, layout: CsvImages | CsvOneHot | CsvPixels, target: TargetSpec, ids: Sequence[str], place: str
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
    classes = layout.classes if isinstance(layout, CsvOneHot) else layout.labels
    marks = isinstance(layout, CsvPixels) and len(classes) > 1 and isinstance(target, _MARKED)
    if isinstance(layout, CsvImages | CsvPixels) and not marks:
        columns = [table[name].tolist() for name in layout.labels]
        cells = [CELL_SEPARATOR.join(row) for row in zip(*columns, strict=True)]
        return _split_cells(cells, target) if isinstance(target, SeveralLabelsSpec) else cells
    if isinstance(target, SeveralLabelsSpec):
        names = np.array(classes, dtype=np.object_)
        return [CELL_SEPARATOR.join(names[row]) for row in read_marks(table, classes, ids, place)]
    if isinstance(target, VoteSharesSpec):
        return [CELL_SEPARATOR.join(row) for row in table[list(classes)].to_numpy().tolist()]
    return read_one_hot(table, classes, ids, place)


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

    Labels that ``present`` calls absent are not joined.

    Raises:
        InputError: rows of one image differ in their group, ``present`` says neither, or is left out where every image
            has a row of every label and a column may tell which are there.
    """
    if not isinstance(layout, CsvImages) or target.separator is not None:
        return table
    label = layout.labels[0]
    if layout.present is not None:
        table = blank_absent(table, label, layout.present, layout.table)
    if not table[layout.id].duplicated().any():
        return table
    if layout.present is None:
        paths = layout.files.columns if layout.files else ()
        refuse_unnamed_marks(table, layout.id, label, (layout.group, layout.file, *paths), layout.table)
    by_id = table.groupby(layout.id, sort=False)
    if layout.group is not None:
        torn = by_id[layout.group].nunique()
        for name in torn[torn > 1].index[:1]:
            raise InputError(f"{layout.table}: rows of id {name} differ in {layout.group}; give each image one group")
    named = by_id[label].agg(lambda names: CELL_SEPARATOR.join(dict.fromkeys(name for name in names if name)))
    first = table.drop_duplicates(layout.id).set_index(layout.id)
    first[label] = named
    return first.reset_index()


def join_answers(table: pd.DataFrame, layout: CsvImages, base: Path, encoding: str | None) -> pd.DataFrame:
    """Joins the columns of answers to the rows of images by ``answers.key``; the index stays.

    Args:
        table: of images, as text.
        layout: says where the answers stand.
        base: the source's folder.
        encoding: of the table of answers.

    Raises:
        InputError: a column is missing or stands in both tables, or a key has no row of answers or several.
    """
    answers = layout.answers
    if answers is None:
        return table
    path, images = base / answers.table, base / layout.table
    known = read_rows(path, encoding=encoding)
    require_columns(known.columns.tolist(), [answers.key, *layout.labels], path)
    require_columns(table.columns.tolist(), [answers.key], images)
    both = [name for name in layout.labels if name in table.columns]
    if both:
        raise InputError(f"{images}: {some(both)} is in {answers.table}, too; remove train.answers, or the column")
    twice = known.loc[known[answers.key].duplicated(), answers.key].tolist()
    if twice:
        raise InputError(f"{path}: {len(twice)} rows repeat a {answers.key}: {some(twice)}; keep one row of each")
    unknown = sorted(set(table[answers.key]) - set(known[answers.key]))
    if unknown:
        raise InputError(
            f"{path} has no row of {len(unknown)} values of {answers.key} in {images}: {some(unknown)}; add their "
            "rows, or remove their images from the table"
        )
    labels = known.set_index(answers.key).loc[table[answers.key], list(layout.labels)]
    return pd.concat([table, labels.set_axis(table.index)], axis=1)
