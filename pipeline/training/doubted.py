"""Doubted labels: rows of a list that train in no fold, or as another class, and are validated as they are labelled.

A label that a model doubts was not learnt by that model. But a list from out-of-fold predictions is no clean one for
all that: those who doubt the training rows of fold k have learnt the labels of fold k, so the rows left are those that
agree with fold k's, and its score rises where nothing was gained. A list whose lines name the fold in whose training
they count, by models that saw no row of that fold, is free of it. The card says so of the other under ``peeked``.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.active import active_name
from pipeline.core.arrays import Labels, Rows
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.ids import check_unique
from pipeline.core.paths import doubted_path
from pipeline.core.tables import folds_digest, read_folds
from pipeline.training.context import TrainingContext
from pipeline.training.data import Data, Doubts
from pipeline.training.recipes.standalone import DoubtedRows

if TYPE_CHECKING:
    import pandas as pd

DOUBTED_MARK = "training labels doubted by models that trained on the validation fold"
FOLD, SPLIT = "fold", "split"  # columns: in whose training a line counts, and the digest of the fold table
SPLIT_LETTERS = 16


def apply_doubts(context: TrainingContext, doubted: DoubtedRows) -> TrainingContext:
    """Returns the context with the doubts of the competition's list; as it is where labels are kept.

    Raises:
        InputError: no such list, one that does not fit the images, the classes or the folds, targets of another kind
            than one class, or a class without rows to train on.
    """
    data = context.data
    if doubted == "keep" or data.doubts is not None:
        return context
    path = doubted_path(context.root, active_name(context.root))
    if data.target.kind != "one_class":
        raise InputError(f"doubted: {doubted} is for one class per image, not {data.target.kind}; leave doubted out")
    table = _read_list(path, doubted)
    by_row = _find_rows(path, table, data)
    split = folds_digest(read_folds(context.folds)) if SPLIT in table else ""
    n_folds = int(data.fold_of.max()) + 1
    of_fold = _find_folds(path, table, n_folds, split)
    likely = _find_classes(path, table, "predicted", data) if doubted == "relabel" else None
    places = [_select(of_fold, data.fold_of[by_row], fold) for fold in range(n_folds)]
    doubts = Doubts(
        tuple(by_row[each] for each in places), None if likely is None else tuple(likely[each] for each in places)
    )
    changed = replace(data, doubts=doubts)
    _require_all_classes(path, changed)
    return replace(context, data=changed)


def list_doubt_marks(root: Path, competition: str, doubted: DoubtedRows) -> tuple[str, ...]:
    """Returns why OOF predictions of a model score too well that trained without doubted labels."""
    if doubted == "keep":
        return ()
    return () if FOLD in _read_list(doubted_path(root, competition), doubted) else (DOUBTED_MARK,)


def _read_list(path: Path, doubted: DoubtedRows) -> "pd.DataFrame":
    if not path.is_file():
        raise InputError(
            f"doubted: {doubted} needs {path}; `python -m pipeline doubt MODEL` writes it, or save the report's list "
            "there, or leave doubted out"
        )
    table = read_table(path)
    for column in ("id", *(("predicted",) if doubted == "relabel" else ()), *((SPLIT,) if FOLD in table else ())):
        if column not in table:
            raise InputError(f"{path} has no column {column}; its columns are {some(table.columns)}")
    keys = table["id"] if FOLD not in table else "fold " + table[FOLD] + ": " + table["id"]
    check_unique(keys.tolist(), str(path))
    return table


def _find_rows(path: Path, table: "pd.DataFrame", data: Data) -> Rows:
    row_of = {name: row for row, name in enumerate(data.ids)}
    unknown = [name for name in table["id"] if name not in row_of]
    if unknown:
        raise InputError(
            f"{path}: {len(unknown)} ids are no training images: {some(unknown)}; ids are such as {data.ids[0]}, take "
            "the others off the list"
        )
    rows = np.array([row_of[name] for name in table["id"]], dtype=np.int64)
    if "label" in table:
        stated = _find_classes(path, table, "label", data)
        other = np.flatnonzero(stated != data.labels[rows])
        if len(other):
            first = int(other[0])
            raise InputError(
                f"{path}: {table['id'].iloc[first]} is labelled {data.classes[data.labels[rows[first]]]}, not "
                f"{table['label'].iloc[first]}: the list is of other labels; make it again"
            )
    return rows


def _find_classes(path: Path, table: "pd.DataFrame", column: str, data: Data) -> Labels:
    index_of = {name: index for index, name in enumerate(data.classes)}
    for name, cell in zip(table["id"], table[column], strict=True):
        if cell not in index_of:
            raise InputError(f"{path}: {column} of {name} is {cell!r}, no class; {near_names(cell, data.classes)}")
    return np.array([index_of[cell] for cell in table[column]], dtype=np.int64)


def _find_folds(path: Path, table: "pd.DataFrame", n_folds: int, split: str) -> Rows | None:
    """Reads in which fold's training each line counts; None where the list does not say."""
    if FOLD not in table:
        return None
    if set(table[SPLIT]) - {split[:SPLIT_LETTERS]}:
        raise InputError(f"{path} was made on other folds than folds/folds.csv; `python -m pipeline doubt MODEL` again")
    known = {str(fold) for fold in range(n_folds)}
    for name, cell in zip(table["id"], table[FOLD], strict=True):
        if cell not in known:
            raise InputError(f"{path}: fold of {name} is {cell!r}; there are the folds 0 to {n_folds - 1}")
    return np.array([int(cell) for cell in table[FOLD]], dtype=np.int64)


def _select(of_fold: Rows | None, own: Rows, fold: int) -> Rows:
    """Returns the lines that count in a fold's training: never those of rows that are validated in it."""
    counted = own != fold
    return np.flatnonzero(counted if of_fold is None else counted & (of_fold == fold))


def _require_all_classes(path: Path, data: Data) -> None:
    for fold in range(int(data.fold_of.max()) + 1):
        taught = data.as_taught(fold)
        left = np.bincount(taught.labels[taught.rows(fold)[0]], minlength=len(data.classes))
        before = np.bincount(data.labels[data.rows(fold)[0]], minlength=len(data.classes))
        lost = [name for name, count, had in zip(data.classes, left, before, strict=True) if had and not count]
        if lost:
            raise InputError(
                f"{path} leaves no image of {some(lost)} to train fold {fold} on; take some of that class off the list"
            )
