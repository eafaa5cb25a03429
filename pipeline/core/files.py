"""Files that are whole or absent: atomic writes, JSON, locks, digests, free space, what lies below a folder."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from pipeline.core.errors import InputError, one_line

# Of operating systems, of disks in the network, of programs that show pictures, of notebooks and of Git.
_JUNK = {
    *("__macosx", ".ds_store", ".appledouble", ".spotlight-v100", ".fseventsd", ".trashes", "icon\r"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found"),
    *("@eadir", "#recycle", "@recycle", "@__thumb", ".@__thumb", "#snapshot", "@tmp"),
    *("picasa.ini", ".picasa.ini", ".picasaoriginals", ".thumbnails", ".thumb"),
    *(".ipynb_checkpoints", "__pycache__", ".git", ".svn"),
}


_WRITER = re.sub("[^A-Za-z0-9]", "", socket.gethostname()) + "@"
_OLD = 86_400.0  # seconds after which a temporary file is nobody's


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; renames it into place when the block succeeds.

    The file is flushed to disk before the rename, so a crash leaves the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in list_stale(path):
        if not stale.is_dir():
            stale.unlink(missing_ok=True)
    # The suffix stays last: some writers (Keras) decide on a format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=name_temporary(), suffix="-" + path.name)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def list_stale(path: Path) -> list[Path]:
    """Lists what killed processes left of a file or folder: temporary ones of its name whose writer is gone."""
    return [each for each in list_temporary(path.parent) if each.name.endswith(f"-{path.name}") and has_no_writer(each)]


def list_temporary(folder: Path) -> list[Path]:
    """Lists the temporary files and folders in a folder."""
    return [folder / entry.name for entry in os.scandir(folder) if entry.name.startswith(".tmp-")]


def has_no_writer(path: Path) -> bool:
    """Says whether the process that wrote a temporary file is gone; machine and number stand in the name."""
    number = path.name.removeprefix(f".tmp-{_WRITER}").partition(".")[0]
    if not number.isdigit():  # of another machine: old enough is dead
        return _is_old(path)
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return int(number) == os.getpid() and _is_old(path)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= _OLD
    except FileNotFoundError:  # written to its end a moment ago
        return False


def name_temporary() -> str:
    """Returns how the names of this process's temporary files begin."""
    return f".tmp-{_WRITER}{os.getpid()}."


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[int]:
    """Holds a file's lock; the system lets go of it when the process dies, however it dies.

    Yields:
        the file descriptor; a process that inherits it holds the lock, too.

    Raises:
        BlockingIOError: somebody else holds it, and we do not wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file.fileno()


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file as hex, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_free_bytes(folder: Path) -> int:
    """Returns the bytes that are free where a folder is, or will be: its nearest existing parent is asked."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int, fix: str = "free some space") -> None:
    """Refuses to start what cannot be finished.

    Args:
        folder: where the bytes will go.
        needed: bytes.
        fix: what a person can do about it.

    Raises:
        InputError: the disk has less room than that.
    """
    free = count_free_bytes(folder)
    if free < needed:
        raise InputError(f"{folder} needs {needed / 1e6:,.1f} MB, the disk has {free / 1e6:,.1f} MB free; {fix}")


def is_junk(path: PurePath) -> bool:
    """Says whether a file is what another program leaves behind (previews, caches, desktops), and no data."""
    return any(is_junk_name(part) for part in path.parts)


def is_junk_name(name: str) -> bool:
    """Says the same of a single name of a file or folder."""
    return name.lower() in _JUNK or name.startswith("._")


def is_hidden(path: PurePath) -> bool:
    """Says whether a file, or a folder on its way, is hidden: its name begins with a dot."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yields the files below a folder without junk; links are followed, but never in circles.

    Args:
        folder: where to look.
        above: the real folders on the way here.

    Raises:
        InputError: something is neither file nor folder (a link to nothing, a pipe), or its name is no UTF-8.
    """
    real = folder.resolve()
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_junk(PurePath(entry.name)):
                continue
            if not _is_utf8(entry.name):
                raise InputError(f"{entry.path!a} has a name that is not UTF-8; rename it")
            astray = entry.is_symlink() and not Path(entry.path).exists()  # `is_dir` fails where links lead in a circle
            if not astray and entry.is_dir():
                yield from files_below(folder / entry.name, (*above, real))
            elif not astray and entry.is_file():
                yield folder / entry.name
            else:
                raise InputError(f"{entry.path} is a link to nothing, or no plain file; remove it")


def _is_utf8(name: str) -> bool:
    """Says whether a file's name is text; Python keeps the bytes that are none as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def require_file_place(path: Path, option: str) -> None:
    """Refuses a file that cannot be written.

    Args:
        path: of the file; it may be there already.
        option: by which it was given.

    Raises:
        InputError: a folder is there, or something on the way is no folder.
    """
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it")
    require_folder_place(path.parent, option)


def require_folder_place(folder: Path, option: str) -> None:
    """Refuses a folder that cannot be made.

    Args:
        folder: it may be there already.
        option: by which it was given.

    Raises:
        InputError: it, or something on the way, is no folder.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists() or place.is_symlink():
            raise InputError(f"{option}: {place} is no folder; give another place")
