"""Folders that are whole or as they were before, and the sweep of what killed processes left of files and folders."""

import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.core.files import has_no_writer, list_stale, list_temporary, name_temporary

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
_TRIES = 100  # of taking a place that others take at the same time


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside ``target``; it takes the place of ``target`` when the block succeeds.

    Two processes may do so at once: the last one's folder stays, whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in list_stale(target):
        _remove(stale)
    building = _make_beside(target)
    try:
        yield building
        _put(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def sweep_temporary(folder: Path, unswept: Collection[str] = ()) -> list[tuple[Path, int]]:
    """Removes what killed processes left below a folder; returns the files and folders, and their sizes in bytes.

    Args:
        folder: where to look.
        unswept: names of folders in it that are left alone.
    """
    swept = []
    for place, folders, _ in os.walk(folder):
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in unswept]
        for each in list_temporary(Path(place)):
            if has_no_writer(each):
                swept.append((each, _measure(each)))
                _remove(each)
        folders[:] = [name for name in folders if not name.startswith(".tmp-")]
    return swept


def _make_beside(target: Path) -> Path:
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix=name_temporary(), suffix="-" + target.name))
    made.chmod(0o755)
    return made


def _put(building: Path, target: Path) -> None:
    """Renames what is there out of the way, and the new folder to its place."""
    for tries_left in reversed(range(_TRIES)):
        if target.exists():
            earlier = _make_beside(target)
            with suppress(FileNotFoundError):  # somebody was faster
                target.replace(earlier)
            shutil.rmtree(earlier)
        try:
            building.replace(target)
            return
        except OSError as error:  # it was there, whether it still is or another process has moved it away since
            if not tries_left or error.errno not in _TAKEN:
                raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _measure(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
