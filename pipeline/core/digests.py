"""Digests that travel with files: bits that flip on a disk, cuts and edits by hand are noticed when a file is read.

`write_digests` notes the digests of a whole folder in one file of it, ``digests.json``; `sign_file` notes one beside a
file; `write_signed_json` writes an object that holds its own.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError
from pipeline.core.files import read_json, sha256, write_json, write_text

_DIGESTS = "digests.json"
_KEY = "digest"


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file as hex; of one that this process has read before only after a change."""
    state = path.stat()
    return _hash(path, state.st_ino, state.st_size, state.st_mtime_ns)


def write_digests(folder: Path) -> None:
    """Notes the digests of all files of a folder (not of its folders) in its ``digests.json``."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != _DIGESTS)
    write_signed_json(folder / _DIGESTS, {"files": {path.name: sha256(path) for path in files}})


def note_digest(path: Path, made_from: Sequence[Path]) -> None:
    """Notes the digest of the one file of a folder in its ``digests.json``, and those of what it was made from."""
    sources = {source.name: hash_file(source) for source in made_from}
    write_signed_json(path.with_name(_DIGESTS), {"files": {path.name: sha256(path)}, "made_from": sources})


def require_made_from(path: Path, sources: Sequence[Path], fix: str) -> None:
    """Refuses a table that was made from other files than those that are there now; without a note nothing is known.

    Raises:
        InputError: a source has changed since, or is gone; ``fix`` says how to make the table again.
    """
    noted = path.with_name(_DIGESTS)
    made_from = read_signed_json(noted, fix).get("made_from", {}) if noted.is_file() else {}
    for source in sources:
        wanted = made_from.get(source.name)
        if wanted is not None and (not source.is_file() or hash_file(source) != wanted):
            raise InputError(f"{path} was made from another {source.name} than {source}; {fix}")


def require_unchanged(path: Path, fix: str) -> None:
    """Refuses a file that is not as its folder's ``digests.json`` has it; without a note there is nothing to compare.

    Raises:
        InputError: it was damaged, cut, removed or edited by hand; ``fix`` says how to get it again.
    """
    noted = path.with_name(_DIGESTS)
    if not noted.is_file():
        return
    wanted = read_signed_json(noted, fix)["files"].get(path.name)
    if wanted is None:
        return
    if not path.is_file():
        raise InputError(f"{path} is gone, though {noted.name} next to it has it; {fix}")
    if hash_file(path) != wanted:
        raise InputError(
            f"{path} is not the file that was written there (damaged, cut or edited by hand: its digest differs); {fix}"
        )


def require_digest(path: Path, wanted: str | None, fix: str) -> None:
    """Refuses a file that is not as its card describes it; a card of an earlier version describes none.

    Raises:
        InputError: it was damaged or replaced; ``fix`` says how to get it again.
    """
    if wanted is not None and hash_file(path) != wanted:
        raise InputError(
            f"{path} is not the file that its card describes (damaged or replaced: its digest differs); {fix}"
        )


def sign_file(path: Path) -> None:
    """Notes a file's digest beside it, in ``<name>.sha256``."""
    write_text(path.with_name(f"{path.name}.sha256"), sha256(path) + "\n")


def is_signed(path: Path) -> bool:
    """Says whether a file is there, and as `sign_file` saw it; a damaged one is removed, which a line says."""
    note = path.with_name(f"{path.name}.sha256")
    if not path.is_file() or not note.is_file():
        return False
    if note.read_bytes().strip() == hash_file(path).encode():
        return True
    print(f"{path} is damaged, and made again", flush=True)
    path.unlink()
    return False


def write_signed_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON object and, as its last entry, its digest."""
    write_json(path, value | {_KEY: hash_value(value)})


def read_signed_json(path: Path, fix: str) -> dict[str, Any]:
    """Reads a JSON object that `write_signed_json` wrote, without its digest.

    Raises:
        InputError: no such file, or it is not as it was written; ``fix`` says how to get it.
    """
    value = read_json(path, fix)
    if not isinstance(value, dict) or value.pop(_KEY, None) != hash_value(value):
        raise InputError(f"{path} is not as it was written (damaged or edited by hand); remove it and {fix}")
    return value


def read_noted_json(path: Path, fix: str) -> dict[str, Any]:
    """Reads a JSON object as `read_signed_json` does; one of an earlier version, without a digest, as it is.

    Raises:
        InputError: as `read_signed_json`.
    """
    value = read_json(path, fix)
    if isinstance(value, dict) and _KEY not in value:
        return value
    return read_signed_json(path, fix)


def hash_value(value: Any) -> str:
    """Returns the SHA-256 of a JSON value as hex; the order of keys plays no part."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=256)
def _hash(path: Path, inode: int, size: int, time: int) -> str:
    return sha256(path)
