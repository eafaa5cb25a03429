"""Parcels: files of a repository as one tar, verified whole before anything of it counts.

The first member lists every file with its SHA-256; what the other machine has by that digest stays out of the tar.
Folds come back from other machines as parcels: a fold is put in place by one rename, under its lock, and only where its
fingerprint is that of this repository.
"""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.core.errors import InputError, one_line
from pipeline.core.files import atomic_path, locked, sha256
from pipeline.core.paths import work_folder
from pipeline.training.finished import is_finished, move_files_beside
from pipeline.training.state import list_states, read_progress
from pipeline.training.task import FoldTask, find_lock

_LISTING = "parcel.json"


@dataclass(frozen=True)
class PlacedFold:
    """What became of one fold of a parcel.

    Attributes:
        model: its name, with the seed where there are several.
        fold: which fold.
        outcome: ``done``, ``continued`` (unfinished, further than here), or ``kept`` (what is here is as good).
        epoch: whole epochs done, of an unfinished one.
    """

    model: str
    fold: int
    outcome: str
    epoch: int = 0


def write_parcel(
    path: Path,
    contents: Mapping[str, Path | bytes],
    about: dict[str, Any] | None = None,
    held: Mapping[str, str] | None = None,
) -> str:
    """Writes files as a parcel, atomically; returns the digest of what is in it.

    Args:
        path: of the parcel.
        contents: files, or their bytes, by their place in the repository.
        about: what else the listing says.
        held: the digests of files that the other machine has, by their place: they are listed and left out.

    Raises:
        InputError: a file is missing.
    """
    for source in contents.values():
        if isinstance(source, Path) and not source.is_file():
            raise InputError(f"{source} does not exist; run `dvc repro prepare split`")
    listed = {name: _digest(contents[name]) for name in sorted(contents)}
    text = json.dumps({"about": about or {}, "files": listed}, sort_keys=True).encode()
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        _add_bytes(tar, _LISTING, text)
        for name in (each for each in listed if (held or {}).get(each) != listed[each]):
            source = contents[name]
            if isinstance(source, Path):
                tar.add(source.resolve(), arcname=name, recursive=False, filter=_forget_owner)
            else:
                _add_bytes(tar, name, source)
    return hashlib.sha256(text).hexdigest()


def unpack_parcel(path: Path, folder: Path) -> dict[str, Any]:
    """Unpacks a parcel into an empty folder and verifies every byte; returns what its listing says about it.

    Raises:
        InputError: it is cut off, damaged or no parcel; the folder then holds nothing that counts.
    """
    failed = f"{path.name} is damaged or cut off"
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
            content = tar.extractfile(first) if first is not None and first.name == _LISTING else None
            if content is None:
                raise InputError(f"{path.name} is no parcel of folds; see what the notebook printed")
            listing = json.loads(content.read())
            for member in tar:
                if member.name == _LISTING:
                    continue
                if member.name not in listing["files"] or not member.isfile() or not _stays_inside(member.name):
                    raise InputError(f"{failed}: {member.name} is not on its list; fetch it again")
                _extract(tar, member, folder / member.name)
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{failed} ({one_line(error)}); fetch it again") from error
    for name, digest in listing["files"].items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            raise InputError(f"{failed}: {name} is missing or not what was sent; fetch it again")
    about: dict[str, Any] = listing["about"]
    return about


def _stays_inside(name: str) -> bool:
    """Says whether a member's name is a path below the folder that it is unpacked to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Writes a member that is a plain file; Python 3.11.3 and before have no filter that would do so safely."""
    content = tar.extractfile(member)
    assert content is not None  # it is a file
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def read_listing(path: Path) -> dict[str, str]:
    """Reads the digests of the files of a parcel, by their place.

    Args:
        path: of the parcel, or of the listing that lies where it was unpacked.

    Raises:
        InputError: it is neither.
    """
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                content = tar.extractfile(_LISTING)
                text = content.read() if content is not None else b""
        else:
            text = path.read_bytes()
        return {str(name): str(digest) for name, digest in json.loads(text)["files"].items()}
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no parcel, and no {_LISTING} of one ({one_line(error)})") from error


def verify_arrival(root: Path) -> None:
    """Verifies the files of a repository that arrived as a parcel; one that did not has nothing to verify.

    States of folds change while they are trained, and are left to their own checks.

    Raises:
        InputError: a file is missing or not what was sent.
    """
    if not (root / _LISTING).is_file():
        return
    for name, digest in read_listing(root / _LISTING).items():
        if not name.startswith(".work/") and (not (root / name).is_file() or sha256(root / name) != digest):
            raise InputError(
                f"{root / name} is missing or not what was sent; unpack the bundle again, and the one that it was made "
                "to follow before it"
            )


def name_sent(model: str, fold: int, seed: int | None) -> str:
    """Names a fold in what a parcel says about itself; a list of tasks without seeds means those of params.yaml."""
    return f"{model} {fold}" if seed is None else f"{model} {fold} seed {seed}"


def list_problems(about: Mapping[str, Any]) -> list[str]:
    """Lists the folds that ended with an error, and the error, from what a parcel of folds says about itself."""
    outcomes = {str(key): str(value) for key, value in about.get("outcomes", {}).items()}
    return [f"{key}: {value}" for key, value in outcomes.items() if value not in ("done", "unfinished")]


def place_folds(root: Path, parcel: Path, tasks: Sequence[FoldTask]) -> tuple[dict[str, Any], list[PlacedFold]]:
    """Puts the folds of a parcel where `train` finds them.

    Args:
        root: the repository.
        parcel: what came back.
        tasks: those that were sent out, with this repository's fingerprints.

    Returns:
        what the parcel says about itself, and what became of each fold in it.

    Raises:
        InputError: the parcel is not whole: nothing is put in place.
    """
    work = work_folder(root, "parcels")
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        about = unpack_parcel(parcel, folder)
        placed = [_place(folder / task.folder.relative_to(root), task) for task in tasks]
    return about, [fold for fold in placed if fold is not None]


def _place(came: Path, task: FoldTask) -> PlacedFold | None:
    if not came.is_dir():
        return None
    with locked(find_lock(task.folder)):
        if is_finished(task):
            return PlacedFold(task.name, task.fold, "kept")
        if (came / "done.json").is_file():
            old = task.folder.with_name(f".tmp-{task.folder.name}")
            shutil.rmtree(old, ignore_errors=True)
            if not move_files_beside(came, task.folder):
                print(
                    f"{task.name} fold {task.fold}: what came is damaged, or has another backbone than the folds here"
                )
                return None
            if task.folder.exists():
                task.folder.rename(old)
            came.rename(task.folder)
            shutil.rmtree(old, ignore_errors=True)
            return PlacedFold(task.name, task.fold, "done")
        epoch = max((_place_state(state, task.folder / state.name) for state in list_states(came)), default=0)
        return PlacedFold(task.name, task.fold, "continued" if epoch else "kept", epoch)


def _place_state(came: Path, target: Path) -> int:
    """Takes a state over that is further than the one here; returns its epoch, or 0 where it is not."""
    new = read_progress(came)
    old = read_progress(target) if target.is_file() else None
    if new is None or (old is not None and old.epoch >= new.epoch):
        return 0
    with atomic_path(target) as temporary:
        shutil.copyfile(came, temporary)
    return new.epoch


def _digest(source: Path | bytes) -> str:
    return sha256(source) if isinstance(source, Path) else hashlib.sha256(source).hexdigest()


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _forget_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
