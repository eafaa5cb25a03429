"""Files written out of archives: each whole with its size and CRC-32, and room on the disk before it is begun."""

import json
import shutil
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from pipeline.core.archives.members import PIECE, ArchiveMember, Budget, DamagedArchiveError, Writer
from pipeline.core.archives.piped import Pipe
from pipeline.core.errors import InputError
from pipeline.core.files import require_space, write_text

JOURNAL = ".unpacked"
_AHEAD = 1 << 28  # bytes written before the disk is asked for its room again


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source: its path below the source's folder, its size in bytes, its CRC-32."""

    path: str
    size: int
    crc: int


def compute_crc32(path: Path) -> int:
    """Returns the CRC-32 of a file, reading it in pieces."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            value = zlib.crc32(piece, value)
    return value


@dataclass
class WrittenFiles:
    """The files of a source so far.

    Attributes:
        archive: the outer archive.
        folder: where the files lie.
        budget: the most that may be written.
        files: those that are whole, by path, in the order of writing.
    """

    archive: Path
    folder: Path
    budget: Budget
    files: dict[str, SourceFile] = field(default_factory=dict)
    _open: list["_FileWriter | Pipe"] = field(default_factory=list)
    _made: set[str] = field(default_factory=set)
    _room: int = 0

    def plan(self, members: Mapping[str, ArchiveMember]) -> set[str]:
        """Takes the members that are whole on the disk already as written; returns the paths of the others.

        Raises:
            InputError: a path is taken, or the disk has too little room for the others.
        """
        missing = {}
        for path, member in members.items():
            there = self.files.get(path)
            if there is not None:
                if (there.size, there.crc) != (member.size, member.crc):
                    raise self._taken(path)
            elif _is_whole(self.folder / path, member.size, member.crc):
                self.files[path] = SourceFile(path, member.size or 0, member.crc or 0)
            else:
                missing[path] = member.size or 0
        require_space(self.folder, sum(missing.values()))
        return set(missing)

    def open_file(self, path: str, member: ArchiveMember) -> Writer:
        """Begins a file.

        Raises:
            InputError: the path is taken, or the disk has too little room.
        """
        if path in self.files:
            raise self._taken(path)
        self.reserve(member.size or 0)
        parent = path.rpartition("/")[0]  # text: paths as objects would take a tenth of the time of small files
        if parent not in self._made:
            (self.folder / parent).mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        writer = _FileWriter(self, path, member)
        self._open.append(writer)
        return writer

    def open_pipe(self, read: Callable[[IO[bytes]], None]) -> Pipe:
        """Begins an archive that is read through."""
        pipe = Pipe(read)
        self._open = [pipe]  # whatever came before is closed
        return pipe

    def reserve(self, size: int) -> None:
        """Counts bytes that are about to be written.

        Raises:
            InputError: the disk has no room for them.
        """
        self._room -= size
        if self._room < 0:
            require_space(self.folder, size)
            place = self.folder
            while not place.exists():
                place = place.parent
            self._room = min(_AHEAD, shutil.disk_usage(place).free - size)

    def finish(self, writer: "_FileWriter", file: SourceFile) -> None:
        """Notes a file that is whole."""
        self.files[file.path] = file
        self._open.remove(writer)

    def undo(self, before: int) -> None:
        """Deletes all files but the first ones, those that were not finished, and the folders that are empty then."""
        for writer in [each for each in self._open if isinstance(each, _FileWriter)]:
            writer.abandon()
            target = self.folder / writer.path
            target.unlink(missing_ok=True)
            self._remove_empty(target)
            self._open.remove(writer)
        for path in list(islice(self.files, before, None)):
            self.remove([path])

    def remove(self, paths: list[str]) -> None:
        """Deletes files."""
        for path in paths:
            (self.folder / path).unlink(missing_ok=True)
            self._remove_empty(self.folder / path)
            del self.files[path]

    def _remove_empty(self, place: Path) -> None:
        """Deletes the folders around a place that hold nothing."""
        for folder in place.parents:
            if folder == self.folder:
                return
            try:
                folder.rmdir()
            except OSError:  # it holds other files
                return

    def remember(self, note: Path, before: int) -> None:
        """Notes all files but the first ones, so that `restore` finds them."""
        rows = [(file.path, file.size, file.crc) for file in islice(self.files.values(), before, None)]
        write_text(note, json.dumps(rows))

    def restore(self, note: Path) -> bool:
        """Takes the files of a note as written; says no, and takes none, unless all are there and whole."""
        if not note.is_file():
            return False
        try:
            files = [
                SourceFile(str(path), int(size), int(crc)) for path, size, crc in json.loads(note.read_text("utf-8"))
            ]
        except ValueError:
            return False
        if any(
            file.path in self.files or not _is_whole(self.folder / file.path, file.size, file.crc) for file in files
        ):
            return False
        self.files |= {file.path: file for file in files}
        return True

    def abandon(self) -> None:
        """Closes what an error left open."""
        for writer in self._open:
            with suppress(OSError, InputError):
                writer.abandon()
        self._open = []

    def _taken(self, path: str) -> InputError:
        return InputError(
            f"{self.archive}: archives inside it hold files of the same name ({path}); unpack it by hand and use the "
            "folder"
        )


class _FileWriter:
    """A file on its way; its size and checksum are compared, or computed, when it is closed."""

    def __init__(self, written: WrittenFiles, path: str, member: ArchiveMember) -> None:
        self._written, self.path, self._member = written, path, member
        self._size = self._crc = 0
        self._file = (written.folder / path).open("wb")

    def write(self, data: bytes, /) -> int:
        self._size += len(data)
        if self._member.crc is None:
            self._crc = zlib.crc32(data, self._crc)
        if self._member.size is None:
            self._written.budget.grow(len(data))
            self._written.reserve(len(data))
        try:
            return self._file.write(data)
        except OSError as error:
            raise InputError(f"{self._written.folder / self.path} could not be written: {error}") from error

    def close(self) -> None:
        self._file.close()
        if self._member.size not in (None, self._size):
            raise DamagedArchiveError(
                self._written.archive, f"{self.path} has {self._size:,} bytes instead of {self._member.size:,}"
            )
        crc = self._crc if self._member.crc is None else self._member.crc
        self._written.finish(self, SourceFile(self.path, self._size, crc))

    def abandon(self) -> None:
        self._file.close()


def _is_whole(path: Path, size: int | None, crc: int | None) -> bool:
    if size is None or crc is None or not path.is_file():
        return False
    return path.stat().st_size == size and compute_crc32(path) == crc
