"""Switching between competitions: the results of each are kept by DVC's cache, and are back within seconds.

DVC keeps every result by its content; what ties results to stages is ``dvc.lock``. So each competition's own lock, fold
table and parameters are kept aside, and going back to it checks its results out again.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.active import active_name
from pipeline.core.config import read_params, read_yaml
from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.params_file import write_active
from pipeline.core.paths import folds_path, models_folder, params_path, work_folder
from pipeline.workspace.running import prepare_dvc

_KEPT = "competitions"


@dataclass(frozen=True)
class Standpoint:
    """The competition that is left: its name, and the text of ``params.yaml``."""

    name: str
    params: str


def read_standpoint(root: Path) -> Standpoint | None:
    """Reads which competition is active; None where ``params.yaml`` names none."""
    try:
        return Standpoint(active_name(root), params_path(root).read_text(encoding="utf-8-sig"))
    except InputError:
        return None


def keep_aside(root: Path, left: Standpoint) -> bool:
    """Keeps what ties the results of a competition to its stages, and clears results that DVC has in its cache.

    Returns:
        Whether there was anything to keep.
    """
    lock = lock_path(root)
    if not lock.is_file():
        return False
    outs = _list_outs(root)
    folder = work_folder(root, _KEPT) / left.name
    for source in (lock, *_list_fold_files(root)):
        if source.is_file():
            _copy(source, folder / source.name)
    with atomic_path(params_path(folder)) as temporary:
        temporary.write_text(left.params, encoding="utf-8")
    for path in outs:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        _remove_empty(path.parent, root)
    lock.unlink()
    return True


def bring_back(root: Path, name: str) -> float | None:
    """Brings the results of the active competition back; returns the seconds, None where there are none.

    Args:
        root: the repository, whose ``params.yaml`` names the competition by now.
        name: the competition.
    """
    folder = work_folder(root, _KEPT) / name
    if not (folder / "dvc.lock").is_file():
        return None
    began = time.monotonic()
    _copy(folder / "dvc.lock", lock_path(root))
    for path in _list_fold_files(root) if (folder / "folds.csv").is_file() else ():
        if (folder / path.name).is_file():
            _copy(folder / path.name, path)
        else:  # kept by an earlier version: the digests here are those of another table
            path.unlink(missing_ok=True)
    kept = read_yaml(params_path(folder)).get("models") or []
    models = tuple(each for each in kept if (models_folder(root) / f"{each}.yaml").is_file())
    if models and list(models) != read_params(root).get("models"):
        write_active(root, models)
    # What the cache no longer has is made again by the next run.
    prepare_dvc(root)
    command = [sys.executable, "-m", "dvc", "checkout", "-q", "--force"]
    subprocess.run(command, cwd=root, capture_output=True, check=False)
    return time.monotonic() - began


def _list_fold_files(root: Path) -> tuple[Path, Path]:
    """Lists what DVC does not cache: the fold table and its digests."""
    return folds_path(root), folds_path(root).with_name("digests.json")


def lock_path(root: Path) -> Path:
    """What ties results to stages: DVC's lock."""
    return root / "dvc.lock"


def _list_outs(root: Path) -> list[Path]:
    """Lists the results of ``dvc.lock`` whose content the cache holds; the fold table is no such result."""
    cache = root / ".dvc" / "cache" / "files" / "md5"
    found = []
    stages: dict[str, dict[str, Any]] = read_yaml(lock_path(root)).get("stages") or {}
    for stage in stages.values():
        for out in stage.get("outs") or []:
            digest, path = str(out.get("md5", "")), (root / str(out["path"])).resolve()
            if digest and (cache / digest[:2] / digest[2:]).is_file() and path.is_relative_to(root.resolve()):
                found.append(path)
    return found


def _remove_empty(folder: Path, root: Path) -> None:
    """Removes a folder below the repository that holds nothing any more, and those that held it alone."""
    while folder != root.resolve() and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
