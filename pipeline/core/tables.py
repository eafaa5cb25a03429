"""Image index, fold table and class names: tables between stages, checked on their way in and on their way out.

Rows are aligned by id, never by position. Ids and class names are text, exactly as the competition writes them.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.csvs import read_table
from pipeline.core.digests import note_digest, require_made_from, require_unchanged
from pipeline.core.errors import DAMAGE, InputError, some
from pipeline.core.files import atomic_path, read_json, write_json
from pipeline.core.ids import check_unique
from pipeline.core.memory import explain_unread

if TYPE_CHECKING:  # takes half a second to import, and who reads classes alone does without
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

INDEX_COLUMNS = ("id", "source", "label", "group", "width", "height", "hash", "perceptual_hash")
FOLD_COLUMNS = ("id", "label", "group", "fold")
_PREPARE = "run `dvc repro -f prepare`"
_SPLIT_FROM = ("train.csv", "classes.json", "target.json")  # of data/prepared: what a fold's rows and numbers mean
TRAINING_ONLY = -1  # the fold of rows that train in every fold and are never validated


def write_index(path: Path, index: "pd.DataFrame") -> None:
    """Writes an image index: row i describes row i of the image store beside it.

    Of other targets than one class a training index has one column more, named by the kind: see `targets.prepared`.
    """
    _require_columns(index, INDEX_COLUMNS, path)
    check_unique(index["id"].tolist(), str(path))
    with atomic_path(path) as temporary:
        index.to_csv(temporary, index=False, lineterminator="\n")


def copy_table(path: Path, table: "pd.DataFrame", target: Path) -> None:
    """Copies a table of a competition: as it stands where `read_table` reads the same, else as plain UTF-8.

    Args:
        path: the table.
        table: what `read_source_table` reads, or what should stand there instead.
        target: the copy.
    """
    try:
        same = read_table(path).equals(table)
    except InputError:
        same = False
    if same:
        shutil.copyfile(path, target)
    else:
        table.to_csv(target, index=False, lineterminator="\n")


def read_index(path: Path) -> "pd.DataFrame":
    """Reads an image index: text columns, ``label`` (class index, -1 where unknown), ``width`` and ``height`` int64."""
    require_unchanged(path, _PREPARE)
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
    require_unchanged(path, _PREPARE)
    names = read_json(path, _PREPARE)
    if not isinstance(names, list):
        raise InputError(f"{path} is no list of names; {_PREPARE}")
    return tuple(str(name) for name in names)


def write_folds(path: Path, folds: "pd.DataFrame") -> None:
    """Writes a fold table after checking that it leaks nothing."""
    check_folds(folds, str(path))
    with atomic_path(path) as temporary:
        folds.loc[:, list(FOLD_COLUMNS)].to_csv(temporary, index=False, lineterminator="\n")


def note_split(path: Path, prepared: Path) -> None:
    """Notes beside a fold table its digest, and those of the files of ``prepared`` that it was made from."""
    note_digest(path, [prepared / name for name in _SPLIT_FROM if (prepared / name).is_file()])


def read_folds(path: Path, prepared: Path | None = None) -> "pd.DataFrame":
    """Reads a fold table: ``id`` text; ``label``, ``group`` and ``fold`` int64.

    Args:
        path: of the table.
        prepared: data/prepared, where index and classes are read beside it: it must have been made from them.

    Raises:
        InputError: it is damaged, or was made from other files.
    """
    require_unchanged(path, "run `dvc repro -f split`")
    if prepared is not None:
        require_made_from(path, [prepared / name for name in _SPLIT_FROM], "run `dvc repro split`")
    folds = _read_csv(path, FOLD_COLUMNS, ("label", "group", "fold"), "run `dvc repro split`")
    check_folds(folds, str(path))
    return folds


def check_folds(folds: "pd.DataFrame", place: str) -> None:
    """Holds a fold table to its invariants: every class that is validated lies in two folds or more.

    In every fold as far as groups allow it, in two always: so every fold's models train on every class.

    Raises:
        InputError: ids repeat, a group spans folds, a class lies in one fold alone, or fold numbers have gaps.
    """
    _require_columns(folds, FOLD_COLUMNS, Path(place))
    check_unique(folds["id"].tolist(), place)
    labels, groups, held = (folds[name].to_numpy() for name in ("label", "group", "fold"))
    numbers = sorted(set(held.tolist()) - {TRAINING_ONLY})
    if numbers != list(range(len(numbers))) or len(numbers) < 2:
        raise InputError(
            f"{place}: folds must be numbered 0, 1, ... and be two or more, got {numbers}; run `dvc repro -f split`"
        )
    each, _, counts = _count_parts(groups, held)
    leaking = each[counts > 1].tolist()
    if leaking:
        raise InputError(f"{place}: groups {some(leaking)} are in more than one fold; run `dvc repro -f split`")
    validated = (held != TRAINING_ONLY) & (labels >= 0)
    each, first, counts = _count_parts(labels[validated], held[validated])
    alone = [f"class {label} in fold {fold}" for label, fold in zip(each[counts == 1], first[counts == 1], strict=True)]
    if alone:
        raise InputError(
            f"{place}: all images that are validated are in one fold, whose models would train without them: "
            f"{some(alone)}; lower split.n_splits in params.yaml"
        )


def _count_parts(
    values: "NDArray[np.int64]", held: "NDArray[np.int64]"
) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]":
    """Counts the folds of each value; pandas takes milliseconds to group rows, however few they are.

    Returns:
        The distinct values in order, the first fold of each, and in how many folds it lies.
    """
    import numpy as np

    order = np.lexsort((held, values))
    values, held = values[order], held[order]
    new = np.ones(len(values), dtype=bool)
    new[1:] = (values[1:] != values[:-1]) | (held[1:] != held[:-1])
    each, places, counts = np.unique(values[new], return_index=True, return_counts=True)
    return each, held[new][places], counts


def folds_digest(folds: "pd.DataFrame") -> str:
    """Returns the digest of which id lies in which fold; the order of rows plays no part."""
    lines = sorted(f"{name},{fold}" for name, fold in zip(folds["id"], folds["fold"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read_csv(path: Path, columns: Sequence[str], numbers: Sequence[str], fix: str) -> "pd.DataFrame":
    """Reads one of our own tables: text, and int64 in the columns ``numbers``."""
    import pandas as pd

    if not path.is_file():
        raise InputError(f"{path} does not exist; {fix}")
    try:
        # keep_default_na: an id or class called "NA" or "None" is text like any other.
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        _require_columns(frame, columns, path)
        return frame.astype(dict.fromkeys(numbers, "int64"))
    except InputError:
        raise
    except DAMAGE as error:
        raise explain_unread(path, error, "is damaged", f"remove it and {fix}") from error


def _require_columns(frame: "pd.DataFrame", columns: Sequence[str], path: Path) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{path} lacks the columns {some(missing)}; it has {some(frame.columns)}")
