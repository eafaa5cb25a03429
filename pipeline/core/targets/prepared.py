"""The target and the truth of prepared training images, as files beside their index.

``target.json`` holds the target; without it images have one class each, and ``label`` of the index is the truth.
``truth.parquet`` holds the ids and the encoded truth of targets that one number per image does not hold.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.arrays import Truth
from pipeline.core.config import parse
from pipeline.core.errors import InputError, near_names, one_line, some
from pipeline.core.files import atomic_path, read_json, write_json
from pipeline.core.tables import read_classes, read_index, write_classes
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.spec import KINDS

_AGAIN = "run `dvc repro prepare`"


def write_target(folder: Path, target: Target, ids: Sequence[str], truth: Truth) -> None:
    """Writes ``classes.json``, and for other kinds than one class ``target.json`` and the truth.

    Args:
        folder: data/prepared, or where it is being built.
        target: what is predicted.
        ids: of the training images.
        truth: of them, as ``target.encode`` returns it.
    """
    write_classes(folder / "classes.json", target.columns)
    if isinstance(target, OneClass) and target.kind == "one_class":
        return
    write_json(folder / "target.json", target.model_dump(mode="json"))
    if truth.ndim == 1:
        return
    frame = pd.DataFrame(truth, columns=[str(column) for column in range(truth.shape[1])])
    frame.insert(0, "id", pd.Series(list(ids), dtype="str"))
    with atomic_path(folder / "truth.parquet") as temporary:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), temporary)


def read_target(folder: Path) -> Target:
    """Reads the target of a prepared folder.

    Raises:
        InputError: nothing is prepared there, or its files are damaged.
    """
    path = folder / "target.json"
    if not path.is_file():
        return OneClass(columns=read_classes(folder / "classes.json"))
    data = read_json(path, _AGAIN)
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise InputError(f"{path}: kind is {kind!r}; {near_names(str(kind), KINDS)}; {_AGAIN}")
    return parse(data, KINDS[kind], str(path))


def read_truth(folder: Path, target: Target, ids: Sequence[str]) -> Truth:
    """Reads the truth of training images: int64 (n,) class indices or float32 (n, truth_width), in the order of ids.

    Raises:
        InputError: the files are damaged or lack an id.
    """
    path = folder / "truth.parquet"
    if isinstance(target, OneClass):
        index = read_index(folder / "train.csv")
        rows = _positions(index["id"].tolist(), ids, folder / "train.csv")
        labels = index["label"].to_numpy(dtype=np.int64)
        return labels[rows]
    if not path.is_file():
        raise InputError(f"{path} does not exist; {_AGAIN}")
    try:
        frame = pq.read_table(path).to_pandas()
    except ValueError as error:  # pyarrow's own errors are of this kind
        raise InputError(f"{path} is not whole ({one_line(error)}); {_AGAIN}") from error
    rows = _positions(frame["id"].astype(str).tolist(), ids, path)
    truth: Truth = frame.drop(columns="id").to_numpy(dtype=np.float32)[rows]
    return truth


def _positions(known: Sequence[str], ids: Sequence[str], path: Path) -> list[int]:
    place = {name: row for row, name in enumerate(known)}
    missing = [name for name in ids if name not in place]
    if missing:
        raise InputError(f"{path} lacks {len(missing)} ids: {some(missing)}; {_AGAIN}")
    return [place[name] for name in ids]
