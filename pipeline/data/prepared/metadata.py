"""Columns beside the picture, joined to the image indices by id and held to their types."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.arrays import Labels
from pipeline.core.columns import Columns, name_columns
from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.data.containers.tables import read_rows

LEAK = 0.995  # share of rows whose class a column tells by itself
_LEAF = 3  # rows, so that an id of one image each tells nothing


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


def _take_numbers(cells: pd.Series, ids: Sequence[str], place: str) -> pd.Series:
    """Returns the cells of a column of numbers, blank where they are infinite or beyond float32."""
    texts = cells.str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & ~texts.str.lower().isin(["", "nan", "na"])).to_numpy())
    for row in wrong[:1].tolist():
        raise InputError(
            f"{place}: {cells.iloc[row]!r} of id {ids[row]} is no number ({len(wrong)} rows have none); write "
            "category for it under columns.features"
        )
    with np.errstate(over="ignore"):
        beyond = np.isinf(numbers.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32))
    if beyond.any():
        odd = [f"{cells.iloc[row]} of id {ids[row]}" for row in np.flatnonzero(beyond).tolist()]
        print(f"note: {place}: {len(odd)} numbers are infinite or beyond 3.4e38 and count as missing: {some(odd, 3)}")
    return cells.mask(beyond, "")


def refuse_leaks(index: pd.DataFrame, labels: Labels, columns: Columns) -> None:
    """Refuses columns that tell the class by themselves: they are the answer in other words.

    Args:
        index: the training index with its columns.
        labels: (n,) class indices; -1 where rows have none, and then nothing can be judged.
        columns: of the competition's file.

    Raises:
        InputError: names the column and the share of rows whose class it tells.
    """
    if (labels < 0).any():
        return
    for name, kind in columns.features.items():
        share = find_told_share(index[f"{kind}:{name}"], kind, labels)
        if share is not None and share >= LEAK:
            raise InputError(
                f"columns.features: {name} tells the class of {share:.1%} of the training images by itself (3-fold "
                "tree on that column alone): it is the answer in other words; remove it from the competition's file"
            )


def find_told_share(cells: pd.Series, kind: str, labels: Labels) -> float | None:
    """Finds the share of rows whose class a column tells by itself: a tree on it alone, in three folds.

    Args:
        cells: (n,) as text.
        kind: ``number`` or ``category``.
        labels: (n,) class indices, none below 0.

    Returns:
        The share; None where there are no rows, or a class has too few, or nearly all, for it to say anything.
    """
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    rows = np.bincount(labels, minlength=2)
    if not rows.any() or rows[rows > 0].min() < 2 * _LEAF or rows.max() / rows.sum() >= LEAK:
        return None
    codes = pd.to_numeric(cells, errors="coerce") if kind == "number" else pd.Series(pd.factorize(cells)[0])
    numbers = codes.to_numpy(dtype=np.float64)
    numbers = np.where(np.abs(numbers) <= np.finfo(np.float32).max, numbers, np.nan)  # trees compute in float32
    tree = DecisionTreeClassifier(min_samples_leaf=_LEAF, random_state=0)
    return float(cross_val_score(tree, numbers[:, None], labels, cv=3).mean())
