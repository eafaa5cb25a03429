"""The target and the truth of prepared training images.

``target.json`` beside the index holds the target; without it images have one class each, and ``label`` of the index is
the truth. Of other kinds the index has one more column, named by the kind: what the training table says of each image,
as JSON. So whatever depends on the index and the classes depends on the whole target.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.arrays import Truth
from pipeline.core.config import parse
from pipeline.core.digests import require_unchanged
from pipeline.core.errors import InputError, near_names, one_line, some
from pipeline.core.files import read_json, write_json
from pipeline.core.tables import read_classes, read_index, write_classes
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.spec import KINDS

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "run `dvc repro prepare`"


def write_target(folder: Path, target: Target) -> None:
    """Writes ``classes.json``, and for other kinds than one class ``target.json``.

    Args:
        folder: data/prepared, or where it is being built.
        target: what is predicted.
    """
    write_classes(folder / "classes.json", target.columns)
    if target.kind != "one_class":
        write_json(folder / "target.json", target.model_dump(mode="json"))


def format_cells(cells: Sequence[str]) -> list[str]:
    """Formats cells for the index: a JSON list of the names or numbers of each."""
    return [json.dumps(cell.split(CELL_SEPARATOR) if cell else [], ensure_ascii=False) for cell in cells]


def read_target(folder: Path) -> Target:
    """Reads the target of a prepared folder.

    Raises:
        InputError: nothing is prepared there, or its files are damaged.
    """
    path = folder / "target.json"
    require_unchanged(path, _AGAIN)
    if not path.is_file():
        return OneClass(columns=read_classes(folder / "classes.json"))
    data = read_json(path, _AGAIN)
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in KINDS:
        raise InputError(f"{path}: kind is {kind!r}; {near_names(str(kind), KINDS)}; {_AGAIN}")
    return parse(data, KINDS[kind], str(path))


def read_fold_truth(folder: Path, target: Target, rows: "pd.DataFrame") -> Truth:
    """Reads the truth of rows of the fold table, as `read_truth` does; class indices stand in the table itself.

    Raises:
        InputError: the files are damaged or lack an id.
    """
    if isinstance(target, OneClass):
        return rows["label"].to_numpy(dtype=np.int64)
    return read_truth(folder, target, rows["id"].tolist())


def read_truth(folder: Path, target: Target, ids: Sequence[str]) -> Truth:
    """Reads the truth of training images: int64 (n,) class indices or float32 (n, truth_width), in the order of ids.

    Raises:
        InputError: the files are damaged or lack an id.
    """
    path = folder / "train.csv"
    index = read_index(path)
    place = {name: row for row, name in enumerate(index["id"])}
    missing = [name for name in ids if name not in place]
    if missing:
        raise InputError(f"{path} lacks {len(missing)} ids: {some(missing)}; {_AGAIN}")
    rows = [place[name] for name in ids]
    if isinstance(target, OneClass):
        labels = index["label"].to_numpy(dtype=np.int64)
        return labels[rows]
    if target.kind not in index.columns:
        raise InputError(f"{path} has no column {target.kind}, the kind of its target; {_AGAIN}")
    texts = index[target.kind].tolist()
    try:
        cells = [CELL_SEPARATOR.join(json.loads(texts[row])) for row in rows]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({one_line(error)}); remove it and {_AGAIN}") from error
    return target.encode(cells)
