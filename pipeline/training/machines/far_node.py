"""A Ray node that sees nothing of the repository: what it lacks comes through the object store, and a fold goes back.

Pickled by value, so that a node needs nothing of this project: until the code has arrived only Python's library is
imported. Files are kept by their digest, so nothing comes twice to a node, whatever competition or model it serves.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_UNUSED = 7 * 24 * 3600.0  # seconds after which what no task asked for is removed

Pieces = Mapping[str, Sequence[Any]]  # references to the parts of a file, by its digest


def train_far_fold(cargo: dict[str, Any], fold: dict[str, Any]) -> dict[str, Any]:
    """Fetches what is missing here, trains a fold, and returns it.

    Args:
        cargo: ``files`` (digests by place in the repository) and ``pieces`` (references in the object store by digest).
        fold: what `RemoteFold` takes, but for its root.

    Returns:
        ``machine``, ``seconds``, ``error`` (empty for none), ``parcel`` (the fold's files as bytes, None where it
        failed), ``received`` (bytes that came for it) and ``memory`` (bytes that its process held at most so far).
    """
    import ray

    began, machine, received = time.perf_counter(), os.uname().nodename, 0
    parcel, error, memory = None, "", 0
    try:
        base = open_base(Path(tempfile.gettempdir()))
        root, received = arrive(base, cargo["files"], cargo["pieces"], ray.get)
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        from pipeline.training.machines.ray_worker import RemoteFold, pack_remote_fold, train_remote_fold

        wanted = RemoteFold(root=str(root), **fold)
        result = train_remote_fold(wanted)
        error, memory = result.error, result.memory
        parcel = None if error else pack_remote_fold(wanted)
    except OSError as failed:
        error = str(failed)
        if failed.errno in (errno.ENOSPC, errno.EDQUOT):
            error += f"; make room for the files of the competition in {tempfile.gettempdir()} on {machine}"
    seconds = time.perf_counter() - began
    about = {"machine": machine, "seconds": seconds, "error": error, "received": received, "memory": memory}
    return about | {"parcel": parcel}


def open_base(folder: Path) -> Path:
    """Opens the place of all files on this node, which belongs to this user alone.

    Raises:
        OSError: another user made it.
    """
    base = folder / f"pipeline-node-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise OSError(f"{base} belongs to another user")
    return base


def arrive(base: Path, files: Mapping[str, str], pieces: Pieces, fetch: Callable[[Any], bytes]) -> tuple[Path, int]:
    """Completes a repository from what is here and what must be fetched.

    Args:
        base: the place of all files on this node.
        files: digests by place in the repository.
        pieces: references to the parts of each file, by its digest.
        fetch: what turns a reference into bytes.

    Returns:
        The repository's folder, and the bytes that were fetched.

    Raises:
        OSError: a file arrived damaged, or the disk is full.
    """
    listing = "\n".join(f"{files[place]} {place}" for place in sorted(files))
    root = base / "roots" / hashlib.sha256(listing.encode()).hexdigest()[:32]
    received = 0
    with _locked(base / "arriving.lock"):
        if root.is_dir():
            os.utime(root)
            return root, 0
        _sweep(base)
        for digest in sorted(set(files.values())):
            kept = base / "objects" / digest
            if kept.is_file():
                os.utime(kept)
            else:
                received += _fetch_file(kept, pieces[digest], fetch)
        half = root.with_name(f".tmp-{root.name}")
        shutil.rmtree(half, ignore_errors=True)
        for place, digest in files.items():
            target = half / place
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(base / "objects" / digest, target)
        half.rename(root)
    return root, received


def _fetch_file(kept: Path, references: Sequence[Any], fetch: Callable[[Any], bytes]) -> int:
    """Writes a file of its parts, whole or not at all; returns its bytes."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    half, digest, count = kept.with_name(f".tmp-{kept.name}"), hashlib.sha256(), 0
    half.unlink(missing_ok=True)  # of a killed process, which may be read-only already
    with half.open("wb") as file:
        for reference in references:
            part = fetch(reference)
            digest.update(part)
            count += file.write(part)
    if digest.hexdigest() != kept.name:
        half.unlink()
        raise OSError(f"a file of {count} bytes arrived damaged: its SHA-256 is not {kept.name[:16]}...")
    half.chmod(0o400)  # what is linked into repositories must not change
    half.rename(kept)
    return count


def _sweep(base: Path) -> None:
    """Removes repositories that no task asked for in a week, then files that none of the others holds."""
    now = time.time()
    for root in (base / "roots").glob("*"):
        if now - root.stat().st_mtime > _UNUSED:
            shutil.rmtree(root, ignore_errors=True)
    for kept in (base / "objects").glob("*"):
        status = kept.stat()
        if status.st_nlink == 1 and now - status.st_mtime > _UNUSED:
            kept.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
