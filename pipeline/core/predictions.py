"""Predictions: values of each target column by id, as parquet files, checked on their way in and on their way out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core.errors import DAMAGE, InputError, some
from pipeline.core.files import atomic_path
from pipeline.core.ids import check_unique
from pipeline.core.memory import explain_unread
from pipeline.core.room import require_room_of_arrow
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target

_ABOUT = b"pipeline"  # key of the metadata of predictions


@dataclass(frozen=True)
class Predictions:
    """What is predicted for each id.

    Attributes:
        ids: (n,) text, in the order of the file.
        probs: float32 (n, n_columns): probabilities of classes, whose rows sum to 1, or of labels; numbers of a target
            of numbers.
        classes: names of the columns.
        folds: digest of the fold table that the models behind them were trained on; None where nothing shows it.
        peeked: what looked at the rows that these predictions are scored on; empty for honest ones.
        target: what the columns are about; None for one class per image.
    """

    ids: tuple[str, ...]
    probs: NDArray[np.float32]
    classes: tuple[str, ...]
    folds: str | None = None
    peeked: tuple[str, ...] = ()
    target: Target | None = None

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


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes predictions as parquet after checking them; what they were made on travels in the file's metadata."""
    check_predictions(predictions, str(path))
    require_room_of_arrow(path)
    frame = pd.DataFrame(predictions.probs.astype(np.float32), columns=list(predictions.classes))
    frame.insert(0, "id", pd.Series(list(predictions.ids), dtype="str"))
    table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    about: dict[str, Any] = {"folds": predictions.folds, "peeked": list(predictions.peeked)}
    about["digest"] = _hash(predictions, about)
    table = table.replace_schema_metadata((table.schema.metadata or {}) | {_ABOUT: json.dumps(about).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_predictions(path: Path, target: Target | Sequence[str]) -> Predictions:
    """Reads predictions and checks them against the target, by name: columns may stand in any order.

    Args:
        path: of the parquet file.
        target: what is predicted; names of classes stand for one class per image.

    Raises:
        InputError: no such file, other columns, or rows that are no predictions of the target.
    """
    classes = target.columns if isinstance(target, Target) else tuple(target)
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro` to train that model")
    try:
        require_room_of_arrow(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:  # pq.read_table starts threads
            table = file.read(use_threads=False)
        frame = table.to_pandas(use_threads=False)
        about = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
        noted = about.pop("digest", None)
    except DAMAGE as error:
        raise explain_unread(path, error, "is not whole", "train that model again") from error
    columns = [str(column) for column in frame.columns]
    if sorted(columns) != sorted(["id", *classes]):
        raise InputError(
            f"{path} has the columns {some(columns)}, wanted id and the classes {some(classes)}; train that model again"
        )
    ids = tuple(frame["id"].astype(str))
    written = Predictions(ids, _to_floats(frame, columns[1:], path), tuple(columns[1:]))
    if columns[0] != "id" or noted != _hash(written, about):
        raise InputError(
            f"{path} is not as it was written (damaged, or by an earlier version: its digest differs); train that "
            "model again"
        )
    probs = written.probs[:, [columns.index(name) - 1 for name in classes]]
    kind = target if isinstance(target, Target) else None
    predictions = Predictions(ids, probs, classes, about.get("folds"), tuple(about.get("peeked", ())), kind)
    check_predictions(predictions, str(path))
    return predictions


def _to_floats(frame: pd.DataFrame, columns: list[str], path: Path) -> NDArray[np.float32]:
    try:
        return frame[columns].to_numpy(dtype=np.float32)
    except DAMAGE as error:
        raise explain_unread(path, error, "holds no numbers", "train that model again") from error


def _hash(predictions: Predictions, about: dict[str, Any]) -> str:
    """Returns the SHA-256 of ids, names of columns, values to the bit, and what they were made on."""
    texts = [list(predictions.ids), list(predictions.classes), sorted(about.items())]
    digest = hashlib.sha256(json.dumps(texts).encode())
    digest.update(np.ascontiguousarray(predictions.probs, dtype="<f4").data)
    return digest.hexdigest()


def check_predictions(predictions: Predictions, place: str) -> None:
    """Holds predictions to their invariants.

    Raises:
        InputError: ids repeat, or a row is no prediction of the target: not finite, no probabilities.
    """
    check_unique(predictions.ids, place)
    shape = (len(predictions.ids), len(predictions.classes))
    if predictions.probs.shape != shape:
        raise InputError(f"{place}: probabilities of shape {predictions.probs.shape}, wanted {shape}")
    target = predictions.target or OneClass(columns=predictions.classes)
    target.check_values(predictions.probs, predictions.ids, place)
