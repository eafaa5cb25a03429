"""Archives looked into: their files and those of inner archives by path, unpacking as little as the formats allow.

Zips and 7zs have a directory. Tars and compressed files are read through once, and nothing of them is kept but small
files that are no pictures. An inner zip or 7z is copied out of its archive, as it can only be read from a file.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.core.archives.kinds import ArchiveKind, has_archive_name, is_part_name, list_parts, strip_part
from pipeline.core.archives.members import ArchiveMember, Budget, DamagedArchiveError, Guard, Take, Writer
from pipeline.core.archives.opened import choose_stream_folder, is_stream_name, open_archive
from pipeline.core.archives.packed import PackedArchive, PackedFile, read_pipes
from pipeline.core.archives.unpacking import DEPTH, list_nested
from pipeline.core.archives.written import WrittenFiles
from pipeline.core.errors import InputError, some

_KEPT_FILES, _KEPT_BYTES = 1_000, 1 << 26


@dataclass
class PackedListing:
    """The files of an archive and of all inside it.

    Attributes:
        source: the archive.
        copies: keeps what must be unpacked for a look.
        left: endings of files that no copy is kept of when they pass.
        files: path -> a file on disk, or in an archive.
        nested: the archives inside that were opened.
        closed: those that could not be, with the reason.
        guessed: archives that do not state the encoding of names, with one.
    """

    source: Path
    copies: WrittenFiles
    left: tuple[str, ...]
    files: dict[str, PackedFile | Path] = field(default_factory=dict)
    nested: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)
    _kept: int = 0

    def add(self, paths: Sequence[Path], name: str, below: PurePosixPath, depth: int = 0) -> None:
        """Lists an archive on disk, and the archives in it.

        Raises:
            DamagedArchiveError: it cannot be read.
            InputError: two files of one path, or members that leave the folder.
        """
        with open_archive(paths, name) as opened:
            box = PackedArchive(name, tuple(paths), is_zip=opened.kind == ArchiveKind.ZIP)
            if opened.has_directory:
                below = opened.choose_folder() if depth else below
                guard = Guard(name, self.copies.budget)
                members = list(opened.list_members())
                self._note_guess(name, members)
                admitted = guard.admit_all(members)
                found = {_join(below, path): each.place for path, each in admitted}
        if not opened.has_directory:
            found = {}
            box.read(None, self._list_into(found, name, name if depth else None))
        self._merge(box, found)
        self._open_nested(list(found), depth)

    def unpack(self, paths: Sequence[str]) -> None:
        """Copies files out of their archives, each archive read once, unless they are copied already.

        Raises:
            InputError: an archive cannot be read, or the disk is full.
        """
        chosen: dict[PackedArchive, dict[int, str]] = {}
        for path in paths:
            file = self.files[path]
            if isinstance(file, PackedFile):
                chosen.setdefault(file.archive, {})[file.place] = path
        for box, places in chosen.items():
            self._copy(box, places)

    def _copy(self, box: PackedArchive, places: Mapping[int, str]) -> None:
        def take(member: ArchiveMember) -> Writer:
            return self.copies.open_file(places[member.place], member)

        box.read(places, take)
        for path in places.values():
            self.files[path] = self.copies.folder / path

    def _list_into(self, found: dict[str, int], name: str, nested: str | None) -> Take:
        """Lists whatever passes, and copies what is small and no picture, or an archive."""
        guard, folders = Guard(name, self.copies.budget), [] if nested else [PurePosixPath()]

        def take(member: ArchiveMember) -> Writer | None:
            path = guard.admit(member)
            if path is None:
                return None
            if nested and not folders:
                folders.append(choose_stream_folder(nested, path))
            path = _join(folders[0], path)
            found[path] = member.place
            if has_archive_name(path) or is_part_name(path):
                return self.copies.open_file(path, member)
            self._kept += 1
            small = self._kept < _KEPT_FILES and (member.size or 0) < _KEPT_BYTES
            return self.copies.open_file(path, member) if small and not path.lower().endswith(self.left) else None

        return take

    def _note_guess(self, archive: str, members: Sequence[ArchiveMember]) -> None:
        guess = next((member.name for member in members if member.guessed), None)
        if guess is not None:
            self.guessed[archive] = guess

    def _merge(self, box: PackedArchive, found: Mapping[str, int]) -> None:
        if not found:
            raise DamagedArchiveError(box.name, "it holds no files")
        both = sorted(self.files.keys() & found.keys())
        twice = [path for path in both if not self._is_same(path, PackedFile(box, found[path]))]
        if twice:
            raise InputError(
                f"{self.source}: {box.name} would unpack over {some(twice)}; put its files into a folder of their own"
            )
        copied = self.copies.files
        for path, place in found.items():
            self.files[path] = self.copies.folder / path if path in copied else PackedFile(box, place)

    def _is_same(self, path: str, other: PackedFile) -> bool:
        """Says whether a path that comes twice holds the same both times, as train.csv beside train.csv.zip may."""
        file = self.files[path]
        content = file.find_content() if isinstance(file, PackedFile) else None
        return content is not None and content == other.find_content()

    def _open_nested(self, paths: list[str], depth: int) -> None:
        streams: dict[PackedArchive, list[str]] = {}
        for parts in list_nested(paths):
            file = self.files[parts[0]]
            if depth >= DEPTH:
                self.closed[parts[0]] = f"more than {DEPTH} archives are inside one another"
            elif len(parts) == 1 and is_stream_name(parts[0]) and isinstance(file, PackedFile):
                streams.setdefault(file.archive, []).append(parts[0])
            else:
                self._open_copy(parts, depth)
        for box, names in streams.items():
            self._open_streams(box, names, depth)

    def _open_copy(self, parts: list[str], depth: int) -> None:
        """Lists an inner archive that has to be copied out of the outer one."""
        self.unpack(parts)
        places = [self.copies.folder / path for path in parts]
        size = sum(place.stat().st_size for place in places)
        print(
            f"note: {some(parts)} in {self.source.name} is unpacked for a look, {size / 1e6:,.1f} MB", file=sys.stderr
        )
        name, files = strip_part(parts[-1]), {path: self.files.pop(path) for path in parts}
        try:
            self.add(places, name, PurePosixPath(name).parent, depth + 1)
            self.nested.append(name)
        except DamagedArchiveError as error:
            self.files |= files
            self.closed[parts[0]] = error.reason

    def _open_streams(self, box: PackedArchive, names: list[str], depth: int) -> None:
        """Lists inner archives that are read through, all of one archive in one pass."""
        print(f"note: {some(names)} in {self.source.name} is read through, as it has no directory", file=sys.stderr)
        found: dict[str, dict[str, int]] = {name: {} for name in names}
        outer = {name: file for name in names if isinstance(file := self.files[name], PackedFile)}
        takes = {file.place: (name, self._list_into(found[name], name, name)) for name, file in outer.items()}
        errors = read_pipes(box, takes)
        for name, file in outer.items():
            error = errors.get(file.place)
            if isinstance(error, DamagedArchiveError):
                self.closed[name] = error.reason
                continue
            if error is not None:
                raise error
            del self.files[name]
            self._merge(PackedArchive(name, outer=file), found[name])
            self.nested.append(name)
            self._open_nested(list(found[name]), depth + 1)


def _join(folder: PurePosixPath, path: str) -> str:
    return f"{folder}/{path}" if folder.parts else path


def list_archive_files(archive: Path, folder: Path, left: tuple[str, ...]) -> PackedListing:
    """Lists the files of an archive, of one that was cut by its first part.

    Args:
        archive: a zip, 7z, tar or compressed file.
        folder: where copies go that the look needs; whoever gives it removes it.
        left: endings of files that are read through without a copy, as there are so many.

    Raises:
        DamagedArchiveError: no archive, damaged, or encrypted.
        InputError: two files of one path, members that leave the folder, or too little room for a copy.
    """
    parts = list_parts(archive)
    budget = Budget(str(archive), sum(part.stat().st_size for part in parts))
    listing = PackedListing(archive, WrittenFiles(archive, folder, budget), left)
    try:
        listing.add(parts, str(archive), PurePosixPath())
    finally:
        listing.copies.abandon()
    for name, reason in listing.closed.items():
        print(f"note: {name} in {archive.name} stays packed: {reason}", file=sys.stderr)
    return listing
