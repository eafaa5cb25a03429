"""Columns beside the picture, joined to the image indices by id and held to their types."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.columns import Columns, name_columns
from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.data.containers.tables import read_rows


def read_metadata(
    base: Path, columns: Columns, part: str, ids: Sequence[str], encoding: str | None = None
) -> pd.DataFrame:
    """Reads the columns of some images, as text, under the names that they have in an index.

    Infinite numbers, and those beyond float32, say as little as blanks: they become blanks, and a line says so.

    Args:
        base: the source's folder.
        columns: of the competition's file.
        part: ``train`` or ``test``.
        ids: of the images.
        encoding: of tables that are not UTF-8.

    Raises:
        InputError: a column or an id is missing, ids repeat with other values, or a number is none.
    """
    path = base / (columns.train if part == "train" else columns.test)
    table = read_rows(path, encoding)
    require_columns(table.columns.tolist(), [columns.id, *columns.read], path)
    table = table[[columns.id, *columns.read]].drop_duplicates()
    twice = table[columns.id][table[columns.id].duplicated()].unique().tolist()
    if twice:
        raise InputError(f"{path}: {len(twice)} ids have rows that differ: {some(twice)}; keep one row of each")
    table = table.set_index(columns.id)
    missing = [name for name in ids if name not in table.index]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} ids of {part} images: {some(missing)}; correct columns.{part} and columns.id "
            "in the competition's file"
        )
    chosen = table.loc[list(ids)].reset_index(drop=True)
    for name, kind in columns.features.items():
        if kind == "number":
            chosen[name] = _take_numbers(chosen[name], ids, f"{path}, column {name}")
    return name_columns(chosen, columns)


def refuse_other_words(train: pd.DataFrame, test: pd.DataFrame, columns: Columns) -> None:
    """Refuses categories that the test images call by other words alone than the training images: nothing is learnt.

    Args:
        train: the training index with its columns.
        test: the test index with its columns.
        columns: of the competition's file.

    Raises:
        InputError: names the column, and words of both.
    """
    for name in [name for name, kind in columns.features.items() if kind == "category"]:
        known, asked = ({cell.strip() for cell in index[f"category:{name}"]} - {""} for index in (train, test))
        if known and asked and known.isdisjoint(asked):
            raise InputError(
                f"columns.features: {name} is {some(sorted(asked), 3)} in {columns.test}, and {some(sorted(known), 3)} "
                f"in {columns.train}: no word is in both; write them alike, or remove it from the competition's file"
            )


def _take_numbers(cells: pd.Series, ids: Sequence[str], place: str) -> pd.Series:
    """Returns the cells of a column of numbers, blank where they are infinite or beyond float32."""
    texts = cells.str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & ~texts.str.lower().isin(["", "nan", "na"])).to_numpy())
    for row in wrong[:1].tolist():
        raise InputError(
            f"{place}: {cells.iloc[row]!r} of id {ids[row]} is no number ({len(wrong)} rows have none); correct "
            "or empty these cells, or write category for it under columns.features"
        )
    with np.errstate(over="ignore"):
        beyond = np.isinf(numbers.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32))
    if beyond.any():
        odd = [f"{cells.iloc[row]} of id {ids[row]}" for row in np.flatnonzero(beyond).tolist()]
        print(f"note: {place}: {len(odd)} numbers are infinite or beyond 3.4e38 and count as missing: {some(odd, 3)}")
    return cells.mask(beyond, "")
