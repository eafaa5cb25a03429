"""Unpacks zips: nothing leaves the folder, what is whole is kept, what does not fit the disk is not begun."""

import shutil
import stat
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pipeline.core.errors import InputError, some
from pipeline.core.files import is_junk, require_space

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # the last: encrypted
_PIECE = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: its path below the source's folder, its size in bytes, its CRC-32."""

    path: str
    size: int
    crc: int


class DamagedArchiveError(InputError):
    """A zip that is not whole; ``reason`` says in what."""

    def __init__(self, archive: Path, reason: Exception) -> None:
        """Takes the zip and what the library said of it."""
        super().__init__(f"{archive} is not a whole, readable zip ({reason}); delete it and get it again")
        self.reason = str(reason)


def unpack_archive(archive: Path, folder: Path) -> list[SourceFile]:
    """Unpacks a zip, and the zips inside it (as ``train.zip`` in older Kaggle downloads) where they lie.

    A file that is there with the right size and CRC is kept, so an interrupted call goes on where it stopped.
    The inner zips are deleted once they are unpacked. One that cannot be unpacked (encrypted, compressed in an unusual
    way, no zip at all) stays as it is and is named: its own checksum has held, so another download brings the same.

    Raises:
        DamagedArchiveError: not a zip, damaged, or encrypted.
        InputError: members that leave the folder, or too little room on the disk.
    """
    files = _unpack_one(archive, folder)
    inner = []
    for file in [file for file in files if file.path.lower().endswith(".zip")]:
        below = PurePosixPath(file.path).parent
        try:
            found = _unpack_one(folder / file.path, folder / below)
        except DamagedArchiveError as error:
            print(f"note: {file.path} in {archive.name} stays a zip: {error.reason}", file=sys.stderr)
            continue
        inner.append(file)
        files += [SourceFile(str(below / member.path), member.size, member.crc) for member in found]
    kept = {file.path: file for file in files if file not in inner}
    if len(kept) < len(files) - len(inner):
        raise InputError(f"{archive}: zips inside it hold files of the same name; unpack it by hand and use the folder")
    for file in inner:
        (folder / file.path).unlink()
    return [kept[path] for path in sorted(kept)]


def list_archive(zipped: zipfile.ZipFile, archive: Path | str) -> dict[str, zipfile.ZipInfo]:
    """Lists the files of a zip by the path where they will lie, without junk.

    Raises:
        InputError: no files, two of one path, or members that leave the folder or are links.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    refused = []
    for info in zipped.infolist():
        name = info.filename.replace("\\", "/")
        path = PurePosixPath(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        leaves = path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive
        if leaves or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refused.append(repr(info.filename))
        elif not name.endswith("/") and not is_junk(path):
            if str(path) in members:
                raise InputError(f"{archive} holds {str(path)!r} twice; pack it again")
            members[str(path)] = info
    if refused:
        raise InputError(
            f"{archive}: {len(refused)} members leave the folder or are links: {some(refused)}; do not trust this zip"
        )
    if not members:
        raise InputError(f"{archive} holds no files; download it again")
    return members


def compute_crc32(path: Path) -> int:
    """Returns the CRC-32 of a file, reading it in pieces."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = zlib.crc32(piece, value)
    return value


def _unpack_one(archive: Path, folder: Path) -> list[SourceFile]:
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = list_archive(zipped, archive)
            missing = {path: info for path, info in members.items() if not _is_whole(folder / path, info)}
            require_space(folder, sum(info.file_size for info in missing.values()))
            for path, info in missing.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(info) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, _PIECE)
    except UNREADABLE as error:
        raise DamagedArchiveError(archive, error) from error
    except OSError as error:
        raise InputError(f"{archive} could not be unpacked into {folder}: {error}") from error
    return [SourceFile(path, info.file_size, info.CRC) for path, info in members.items()]


def _is_whole(path: Path, info: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == info.file_size and compute_crc32(path) == info.CRC
