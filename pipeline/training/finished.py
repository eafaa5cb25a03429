"""Finished folds: ``done.json``, the last file of a fold, with what it cost and the digests of all that is kept."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from pipeline.core.digests import hash_file, read_signed_json, write_signed_json
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.networks.checkpoint_files import BACKBONE_FILES
from pipeline.training.task import FoldTask

_KEPT = (".csv", ".h5", ".npy", ".npz", ".parquet")
_STATE = "state"
_DONE = "done.json"
_AGAIN = "run `dvc repro`"
_BESIDE = "../"


def write_done(task: FoldTask, costs: dict[str, Any], beside: Sequence[Path] = ()) -> None:
    """Writes ``done.json`` when all other files of a fold are written.

    Args:
        task: the fold.
        costs: of its training.
        beside: files beside its folder that it shares with other folds.
    """
    kept = sorted(path for path in task.folder.iterdir() if path.suffix in _KEPT and not path.name.startswith(_STATE))
    digests = {path.name: sha256(path) for path in kept if not path.name.startswith(".")}
    digests |= {f"{_BESIDE}{path.name}": hash_file(path) for path in beside}
    write_signed_json(_path(task), costs | {"digests": digests})


def read_done(task: FoldTask) -> dict[str, Any]:
    """Reads what a finished fold cost, and its digests.

    Raises:
        InputError: it is not finished, or the file is damaged.
    """
    return read_signed_json(_path(task), _AGAIN)


def is_finished(task: FoldTask) -> bool:
    """Says whether a fold is finished and all its files are as they were written; a damaged one is trained again."""
    if not _path(task).is_file():
        return False
    damaged = list_damaged(task.folder)
    if damaged:
        print(f"{task.name} fold {task.fold}: {', '.join(damaged)} damaged; this fold is trained again", flush=True)
        _path(task).unlink()
    return not damaged


def list_damaged(folder: Path) -> list[str]:
    """Lists the files of a finished fold's folder that are not as they were written; removes nothing."""
    done = folder / _DONE
    try:
        kept = read_signed_json(done, _AGAIN)["digests"]
    except InputError:
        return [done.name]
    return [name.removeprefix(_BESIDE) for name, digest in kept.items() if not _is(folder / name, digest)]


def list_files_beside(folder: Path) -> list[Path]:
    """Lists the files beside a finished fold's folder that it shares with other folds; none of a damaged one.

    A fold may come from elsewhere: names that lead to any other place are left out.
    """
    try:
        kept = read_signed_json(folder / _DONE, _AGAIN)["digests"]
    except InputError:
        return []
    names = [PurePath(name.removeprefix(_BESIDE)) for name in kept if name.startswith(_BESIDE)]
    return [folder.parent / name for name in names if len(name.parts) == 1 and name.match(BACKBONE_FILES)]


def move_files_beside(came: Path, folder: Path) -> None:
    """Moves what a finished fold shares with others beside another folder; the first of these folds brings it."""
    for shared in list_files_beside(came):
        if shared.is_file():
            shared.replace(folder.with_name(shared.name))


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and hash_file(path) == digest


def _path(task: FoldTask) -> Path:
    return task.folder / _DONE
