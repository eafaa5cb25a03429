"""Finished folds: ``done.json``, the last file of a fold, with what it cost and the digests of all that is kept."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from pipeline.core.digests import hash_file, read_signed_json, write_signed_json
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.networks.checkpoint_files import BACKBONE_FILES
from pipeline.training.state import list_states
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
    kept = _read_kept(folder)
    if kept is None:
        return [_DONE]
    return [name.removeprefix(_BESIDE) for name, digest in kept.items() if not _is(folder / name, digest)]


def list_files_beside(folder: Path) -> list[Path]:
    """Lists the files beside a finished fold's folder that it shares with other folds; none of a damaged one.

    A fold may come from elsewhere: names that lead to any other place are left out.
    """
    return [folder.parent / name for name in _list_shared(_read_kept(folder) or {})]


def list_fold_files(folder: Path) -> list[Path]:
    """Lists the files of a fold: all of a finished one and what it shares with others, the states of another one."""
    if (folder / _DONE).is_file():
        own = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".tmp-")]
        return own + list_files_beside(folder)
    return list_states(folder)


def move_files_beside(came: Path, folder: Path) -> bool:
    """Moves what a finished fold shares with others beside another folder, where it is not there yet.

    Args:
        came: the fold's folder where it arrived.
        folder: where it will lie.

    Returns:
        Whether the fold is whole there; nothing is moved where a file of its own is damaged, and what is there stays.
    """
    kept = _read_kept(came)
    if kept is None or not all(_is(came / name, digest) for name, digest in kept.items() if "/" not in name):
        return False
    shared = _list_shared(kept)
    for name, digest in shared.items():
        if not folder.with_name(name).exists() and _is(came.parent / name, digest):
            (came.parent / name).replace(folder.with_name(name))
    return all(_is(folder.with_name(name), digest) for name, digest in shared.items())


def _read_kept(folder: Path) -> dict[str, str] | None:
    """Reads the digests of a finished fold's files; None where they are damaged, or no digests of names."""
    try:
        kept = read_signed_json(folder / _DONE, _AGAIN).get("digests")
    except InputError:
        return None
    if not isinstance(kept, dict) or not all(isinstance(each, str) for each in kept.values()):
        return None
    return kept


def _list_shared(kept: dict[str, str]) -> dict[str, str]:
    names = {name.removeprefix(_BESIDE): digest for name, digest in kept.items() if name.startswith(_BESIDE)}
    plain = {name for name in names if len(PurePath(name).parts) == 1 and PurePath(name).match(BACKBONE_FILES)}
    return {name: digest for name, digest in names.items() if name in plain}


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and hash_file(path) == digest


def _path(task: FoldTask) -> Path:
    return task.folder / _DONE
