"""Members made elsewhere: out-of-fold and test predictions of a notebook or another framework, checked like our own.

A file is a CSV or parquet with one column of ids and one per class, label or number, or an .npy array (n_rows,
n_columns) beside a file of ids. Which folds they were made on is believed only where a table of folds shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, near_names, one_line, some
from pipeline.core.ids import check_unique
from pipeline.core.predictions import Predictions, check_predictions
from pipeline.core.tables import folds_digest
from pipeline.core.targets.contract import Target


@dataclass(frozen=True)
class PredictionFiles:
    """Where predictions lie.

    Attributes:
        path: CSV, parquet or .npy.
        ids: for .npy, a CSV or text file whose first column names the rows, in order.
        columns: for .npy, the classes of its columns, in order.
    """

    path: Path
    ids: Path | None = None
    columns: tuple[str, ...] | None = None


def read_external(given: PredictionFiles, target: Target, ids: Sequence[str]) -> Predictions:
    """Reads predictions made elsewhere, in the order of the target's columns.

    Args:
        given: where they lie.
        target: what is predicted.
        ids: that they must cover, no more and no fewer.

    Returns:
        predictions of exactly ``ids``, in their order.

    Raises:
        InputError: no such file or not of these kinds, other classes or ids, cells that are no numbers, or rows that
            are no predictions of the target.
    """
    classes = target.columns
    if not given.path.is_file():
        raise InputError(f"{given.path} does not exist; give a .csv, .parquet or .npy file")
    kind = given.path.suffix.lower()
    if kind == ".npy":
        names, columns, values = _array(given)
    elif kind in (".csv", ".parquet"):
        names, columns, values = _table(given.path, kind, classes)
    else:
        raise InputError(f"{given.path} is no .csv, .parquet or .npy file; convert it to one of them")
    if sorted(columns) != sorted(classes):
        lacking = [name for name in classes if name not in columns]
        extra = [name for name in columns if name not in classes]
        hint = near_names(lacking[0], extra) if lacking else "remove the columns"
        raise InputError(f"{given.path} lacks the classes {some(lacking)} and has {some(extra)} too many; {hint}")
    check_unique(names, str(given.path))
    known, asked = set(names), set(ids)
    missing, extra = [name for name in ids if name not in known], [name for name in names if name not in asked]
    if missing or extra:
        raise InputError(
            f"{given.path} lacks {len(missing)} ids ({some(missing)}) and has {len(extra)} too many ({some(extra)}); "
            "it must hold each image once"
        )
    probs = values[:, [columns.index(name) for name in classes]].astype(np.float32)
    whole = Predictions(tuple(names), probs, classes, target=target)
    aligned = Predictions(tuple(ids), whole.aligned(ids, str(given.path)), classes, target=target)
    check_predictions(aligned, str(given.path))
    return aligned


def check_same_folds(path: Path, folds: pd.DataFrame) -> str:
    """Returns the digest of our fold table, if a table of folds made elsewhere divides the images in the same way.

    Folds may be numbered otherwise there. The table has a column ``id`` and a column ``fold``.

    Raises:
        InputError: it lacks columns or ids, or divides them otherwise.
    """
    theirs = read_table(path)
    for column in ("id", "fold"):
        if column not in theirs.columns:
            raise InputError(f"{path} has no column {column!r}; {near_names(column, map(str, theirs.columns))}")
    both = folds[["id", "fold"]].merge(theirs[["id", "fold"]], on="id", how="outer", suffixes=("", "_there"))
    alone = both.loc[both.isna().any(axis=1), "id"].tolist()
    if alone or len(both) != len(folds):
        raise InputError(f"{path} and folds/folds.csv hold different ids: {some(alone)}; give the table of all images")
    pairs = both[["fold", "fold_there"]].drop_duplicates()
    if pairs["fold"].duplicated().any() or pairs["fold_there"].duplicated().any():
        raise InputError(
            f"{path} divides the images otherwise than folds/folds.csv, so these predictions know rows that ours are "
            "scored on; train that member on folds/folds.csv"
        )
    return folds_digest(folds)


def _table(path: Path, kind: str, classes: Sequence[str]) -> tuple[list[str], list[str], NDArray[np.float64]]:
    if kind == ".csv":
        frame = read_table(path)
    else:
        try:
            with pq.ParquetFile(path) as file:
                frame = file.read().to_pandas()
        except ValueError as error:  # pyarrow's own errors are of this kind
            raise InputError(f"{path} is no parquet file ({one_line(error)})") from error
    frame.columns = [str(column) for column in frame.columns]
    others = [column for column in frame.columns if column not in classes]
    if len(others) != 1 and "id" not in others:
        raise InputError(
            f"{path} must have one column of ids and one per class; in addition to the classes it has {some(others)}; "
            f"the classes are {some(classes)}"
        )
    name = "id" if "id" in others else others[0]
    columns = [column for column in frame.columns if column != name]
    _require_numbers(frame, name, columns, path)
    try:
        values = frame[columns].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{path} has cells that are no numbers ({one_line(error)}); correct them") from error
    return frame[name].astype(str).tolist(), columns, values


def _require_numbers(frame: pd.DataFrame, ids: str, columns: Sequence[str], path: Path) -> None:
    """Refuses cells that are empty or no numbers.

    Raises:
        InputError: names the id and the column of the first one.
    """
    wrong = frame[columns].apply(pd.to_numeric, errors="coerce").isna().to_numpy()
    for row, place in np.argwhere(wrong)[:1].tolist():
        cell = frame[columns[place]].iloc[row]
        raise InputError(
            f"{path} has {int(wrong.sum()):,} cells that are no numbers, such as {cell!r} in row {row + 1:,} "
            f"(id {frame[ids].iloc[row]}), column {columns[place]}; correct them"
        )


def _array(given: PredictionFiles) -> tuple[list[str], list[str], NDArray[np.float64]]:
    if given.ids is None or given.columns is None:
        raise InputError(
            f"{given.path} names neither rows nor columns: give --oof-ids or --test-ids FILE, and --classes A,B,C"
        )
    try:
        values = np.load(given.path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{given.path} is no array of numbers ({one_line(error)}); save it with numpy.save") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.ndim != 2:
        raise InputError(f"{given.path} is no table of real numbers, rows by classes; save one with numpy.save")
    names = _ids(given.ids, len(values))
    if values.shape != (len(names), len(given.columns)):
        raise InputError(
            f"{given.path} has the shape {values.shape}; {given.ids} names {len(names)} rows and --classes "
            f"{len(given.columns)} columns"
        )
    return names, list(given.columns), values.astype(np.float64)


def _ids(path: Path, rows: int) -> list[str]:
    """Reads the first column of a file, with or without a header, whichever fits the number of rows."""
    table = read_table(path)
    names = table.iloc[:, 0].astype(str).tolist()
    return [str(table.columns[0]), *names] if len(names) + 1 == rows else names
