"""The contracts between stages: every table is checked on its way in and on its way out.

Rows are aligned by id, never by position. Ids and class names are text, exactly as the competition writes them.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from natsort import natsorted, ns
from numpy.typing import NDArray

from pipeline.core.errors import InputError, one_line, some
from pipeline.core.files import atomic_path, write_text

INDEX_COLUMNS = ("id", "source", "label", "group", "width", "height", "hash", "perceptual_hash")
FOLD_COLUMNS = ("id", "label", "group", "fold")
_SUM_TOLERANCE = 1e-2  # what rounding to three digits does to the sum of some classes
_ABOUT = b"pipeline"  # key of the metadata of predictions


@dataclass(frozen=True)
class Predictions:
    """Probabilities by id.

    Attributes:
        ids: (n,) text, in the order of the file.
        probs: float32 (n, n_classes), >= 0, rows sum to 1; columns in class order.
        classes: class names.
        folds: digest of the fold table that the models behind them were trained on; None where nothing shows it.
        peeked: what looked at the rows that these predictions are scored on; empty for honest ones.
    """

    ids: tuple[str, ...]
    probs: NDArray[np.float32]
    classes: tuple[str, ...]
    folds: str | None = None
    peeked: tuple[str, ...] = ()

    def aligned(self, ids: Sequence[str], place: str) -> NDArray[np.float32]:
        """Returns the rows of ``ids``, in that order; every id on both sides must match.

        Raises:
            InputError: ids missing here, or ids here that nobody asked for.
        """
        position = {name: row for row, name in enumerate(self.ids)}
        missing = [name for name in ids if name not in position]
        if missing:
            raise InputError(f"{place} lacks {len(missing)} ids: {some(missing)}; train that model again")
        extra = len(self.ids) - len(set(ids))
        if extra:
            unasked = sorted(set(self.ids) - set(ids))
            raise InputError(f"{place} has {extra} ids too many: {some(unasked)}; train that model again")
        return self.probs[[position[name] for name in ids]]


def natural_order(ids: Sequence[str]) -> list[str]:
    """Sorts ids as people count: 1, 2, 10; equal numbers (1, 01) by their text."""
    return natsorted(sorted(ids), alg=ns.INT)


def check_unique(ids: Sequence[str], place: str) -> None:
    """Refuses repeated ids.

    Raises:
        InputError: lists the ids that stand there more than once.
    """
    series = pd.Series(list(ids), dtype="str")
    twice = series[series.duplicated()].unique().tolist()
    if twice:
        raise InputError(f"{place}: {len(twice)} ids stand there more than once: {some(twice)}; keep one row of each")


_UNSAFE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:|[\x00-\x1f]")


def check_ids(ids: Sequence[str], place: str) -> None:
    """Refuses ids that are empty or would leave their folder (``../../x``, ``/etc/x``).

    Raises:
        InputError: lists such ids.
    """
    unsafe = [name for name in ids if not name or _UNSAFE.search(name)]
    if unsafe:
        raise InputError(
            f"{place}: {len(unsafe)} ids are empty or leave their folder: {some(map(repr, unsafe))}; rename them"
        )


def write_index(path: Path, index: pd.DataFrame) -> None:
    """Writes an image index: row i describes row i of the image store beside it."""
    _require_columns(index, INDEX_COLUMNS, path)
    check_unique(index["id"].tolist(), str(path))
    with atomic_path(path) as temporary:
        index.loc[:, list(INDEX_COLUMNS)].to_csv(temporary, index=False, lineterminator="\n")


def read_index(path: Path) -> pd.DataFrame:
    """Reads an image index: text columns, ``label`` (class index, -1 where unknown), ``width`` and ``height`` int64."""
    index = _read_csv(path, INDEX_COLUMNS, ("label", "width", "height"), "run `dvc repro prepare`")
    check_unique(index["id"].tolist(), str(path))
    return index


def write_classes(path: Path, classes: Sequence[str]) -> None:
    """Writes the class names, in the order of their indices.

    Raises:
        InputError: a class is called as the id column of predictions.
    """
    if "id" in classes:
        raise InputError(f"{path}: no class may be called 'id', as predictions have a column of ids; rename that class")
    write_json(path, list(classes))


def read_classes(path: Path) -> tuple[str, ...]:
    """Reads the class names: the inverse of the label encoding."""
    return tuple(str(name) for name in read_json(path, "run `dvc repro prepare`"))


def write_folds(path: Path, folds: pd.DataFrame) -> None:
    """Writes a fold table after checking that it leaks nothing."""
    check_folds(folds, str(path))
    with atomic_path(path) as temporary:
        folds.loc[:, list(FOLD_COLUMNS)].to_csv(temporary, index=False, lineterminator="\n")


def read_folds(path: Path) -> pd.DataFrame:
    """Reads a fold table: ``id`` text; ``label``, ``group`` and ``fold`` int64."""
    folds = _read_csv(path, FOLD_COLUMNS, ("label", "group", "fold"), "run `dvc repro split`")
    check_folds(folds, str(path))
    return folds


def check_folds(folds: pd.DataFrame, place: str) -> None:
    """Holds a fold table to its invariants.

    Raises:
        InputError: ids repeat, a group spans folds, a class is missing from a fold, or fold numbers have gaps.
    """
    _require_columns(folds, FOLD_COLUMNS, Path(place))
    check_unique(folds["id"].tolist(), place)
    numbers = sorted(folds["fold"].unique().tolist())
    if numbers != list(range(len(numbers))) or len(numbers) < 2:
        raise InputError(
            f"{place}: folds must be numbered 0, 1, ... and be two or more, got {numbers}; run `dvc repro -f split`"
        )
    spread = folds.groupby("group")["fold"].nunique()
    leaking = spread[spread > 1].index.tolist()
    if leaking:
        raise InputError(f"{place}: groups {some(leaking)} lie in more than one fold; run `dvc repro -f split`")
    counts = pd.crosstab(folds["fold"], folds["label"])
    if (counts == 0).to_numpy().any():
        lacking = [
            f"fold {fold} lacks class {label}" for fold, row in counts.iterrows() for label in row.index[row == 0]
        ]
        raise InputError(f"{place}: {some(lacking)}; lower split.n_splits in params.yaml")


def folds_digest(folds: pd.DataFrame) -> str:
    """Returns the digest of which id lies in which fold; the order of rows plays no part."""
    lines = sorted(f"{name},{fold}" for name, fold in zip(folds["id"], folds["fold"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes predictions as parquet after checking them; what they were made on travels in the file's metadata."""
    check_predictions(predictions, str(path))
    frame = pd.DataFrame(predictions.probs.astype(np.float32), columns=list(predictions.classes))
    frame.insert(0, "id", pd.Series(list(predictions.ids), dtype="str"))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    about = {"folds": predictions.folds, "peeked": list(predictions.peeked)}
    table = table.replace_schema_metadata((table.schema.metadata or {}) | {_ABOUT: json.dumps(about).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_predictions(path: Path, classes: Sequence[str]) -> Predictions:
    """Reads predictions and checks them against the classes, by name: columns may stand in any order.

    Raises:
        InputError: no such file, other classes, or rows that are no probabilities.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro` to train that model")
    try:
        table = pq.read_table(path)
        frame = table.to_pandas()
        about = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
    except ValueError as error:  # pyarrow's own errors are of this kind
        raise InputError(f"{path} is not whole ({one_line(error)}); train that model again") from error
    columns = [str(column) for column in frame.columns]
    if sorted(columns) != sorted(["id", *classes]):
        raise InputError(
            f"{path} has the columns {some(columns)}, wanted id and the classes {some(classes)}; train that model again"
        )
    probs = frame[list(classes)].to_numpy(dtype=np.float32)
    ids = tuple(frame["id"].astype(str))
    predictions = Predictions(ids, probs, tuple(classes), about.get("folds"), tuple(about.get("peeked", ())))
    check_predictions(predictions, str(path))
    return predictions


def check_predictions(predictions: Predictions, place: str) -> None:
    """Holds predictions to their invariants.

    Raises:
        InputError: ids repeat, a value is not finite or negative, or a row does not sum to 1.
    """
    check_unique(predictions.ids, place)
    shape = (len(predictions.ids), len(predictions.classes))
    if predictions.probs.shape != shape:
        raise InputError(f"{place}: probabilities of shape {predictions.probs.shape}, wanted {shape}")
    sums = predictions.probs.sum(axis=1, dtype=np.float64)
    wrong = ~np.isfinite(sums) | (predictions.probs < 0).any(axis=1) | (np.abs(sums - 1) > _SUM_TOLERANCE)
    if wrong.any():
        rows = np.flatnonzero(wrong)
        first = predictions.probs[rows[0]]
        cells = [float(value) for value in first if not np.isfinite(value) or value < 0]
        shown = f"holds {cells[0]:g}" if cells else f"sums to {sums[rows[0]]:.6g}"
        raise InputError(
            f"{place}: {len(rows)} rows are no probabilities (finite, >= 0, sum 1), ids "
            f"{some(predictions.ids[row] for row in rows)}; the first {shown}: write probabilities after softmax, "
            "with all their digits"
        )


def write_json(path: Path, value: Any) -> None:
    """Writes any JSON value, indented, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, fix: str) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: no such file, or not JSON; ``fix`` says how to get it.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; {fix}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({one_line(error)}); remove it and {fix}") from error


def _read_csv(path: Path, columns: Sequence[str], numbers: Sequence[str], fix: str) -> pd.DataFrame:
    """Reads one of our own tables: text, and int64 in the columns ``numbers``."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; {fix}")
    try:
        # keep_default_na: an id or class called "NA" or "None" is text like any other.
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        _require_columns(frame, columns, path)
        return frame.astype(dict.fromkeys(numbers, "int64"))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is damaged ({one_line(error)}); remove it and {fix}") from error


def _require_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{path} lacks the columns {some(missing)}; it has {some(frame.columns)}")


ENSEMBLE = "ensemble"
_RESERVED = (ENSEMBLE, "predictions", "log")  # folds/predictions, submissions/log.csv
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def check_model_name(name: str) -> None:
    """Refuses a model whose folder would be another's.

    Raises:
        InputError: the name is reserved or has letters other than A-Z, a-z, 0-9, ``_`` and ``-``.
    """
    if name in _RESERVED or not _NAME.fullmatch(name):
        raise InputError(
            f"params.yaml: models: {name!r} cannot name a model: letters, digits, _ and - only, "
            f"and not {' or '.join(_RESERVED)}; rename configs/models/{name}.yaml"
        )


def folds_path(root: Path) -> Path:
    """Where the fold table lies."""
    return root / "folds" / "folds.csv"


def oof_path(root: Path, name: str) -> Path:
    """Where the OOF predictions of a model, or of the ensemble, lie."""
    return _predictions_folder(root, name) / "oof.parquet"


def test_path(root: Path, name: str) -> Path:
    """Where the test predictions of a model, or of the ensemble, lie."""
    return _predictions_folder(root, name) / "test.parquet"


def test_fold_path(root: Path, model: str, fold: int) -> Path:
    """Where the test predictions lie that a model made on one fold alone, before the mean of all folds is taken."""
    return root / "folds" / model / "test_by_fold" / f"fold{fold}.parquet"


def card_path(root: Path, name: str) -> Path:
    """Where the card of a model, or of the ensemble, lies."""
    return root / "reports" / "ensemble.json" if name == ENSEMBLE else root / "folds" / name / "card.json"


def _predictions_folder(root: Path, name: str) -> Path:
    # One folder holds the models' predictions and nothing else, so that DVC can take it as the ensemble's dependency:
    # its templates cannot list one dependency per model. The ensemble's own lie outside, or it would depend on itself.
    return root / "folds" / ENSEMBLE if name == ENSEMBLE else root / "folds" / "predictions" / name
