"""Unpacks archives and the archives inside them: whole and checked, never more on disk than needed, continued later.

Inner tars and compressed files are read through while their archive is unpacked, and never lie on disk themselves.
Inner zips, 7zs and parts are unpacked to be opened, one after the other where the outer archive is a zip, and deleted.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from pipeline.core.archives.kinds import ArchiveKind, group_parts, has_archive_name, list_parts, strip_part
from pipeline.core.archives.members import (
    ArchiveMember,
    Budget,
    DamagedArchiveError,
    Guard,
    HostileArchiveError,
    Writer,
)
from pipeline.core.archives.opened import OpenedArchive, choose_stream_folder, is_stream_name, open_archive
from pipeline.core.archives.piped import Pipe
from pipeline.core.archives.streams import ByteSource, read_stream
from pipeline.core.archives.written import JOURNAL, SourceFile, WrittenFiles
from pipeline.core.errors import InputError
from pipeline.core.ids import natural_order

DEPTH = 5
_FindPath = Callable[[ArchiveMember], str | None]


def unpack_archive(archive: Path, folder: Path) -> list[SourceFile]:
    """Unpacks an archive, and the archives inside it (as ``train.zip`` in older Kaggle downloads) where they lie.

    A file that is there with the right size and CRC is kept, and so is what an inner archive of a zip held, so an
    interrupted call goes on where it stopped. An inner archive that cannot be unpacked (encrypted, compressed in an
    unusual way, no archive at all) stays as it is and is named: its own checksum has held, so another download brings
    the same.

    Args:
        archive: a zip, 7z, tar or compressed file; or the first part of one that was cut.
        folder: where its files go.

    Returns:
        The files, sorted by path.

    Raises:
        DamagedArchiveError: no archive, damaged, or encrypted.
        HostileArchiveError: members that leave the folder, links, or far more than fits the archive's size.
        InputError: too little room on the disk, or two files of one path.
    """
    parts = list_parts(archive)
    packed = sum(part.stat().st_size for part in parts)
    work = _Unpacking(archive, WrittenFiles(archive, folder, Budget(str(archive), packed)))
    try:
        with open_archive(parts, str(archive)) as opened:
            work.unpack(opened, PurePosixPath(), 0)
    except HostileArchiveError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        raise InputError(f"{archive} could not be unpacked into {folder}: {error}") from error
    finally:
        work.written.abandon()
    shutil.rmtree(folder / JOURNAL, ignore_errors=True)
    return [work.written.files[path] for path in sorted(work.written.files)]


class _Unpacking:
    """One call: the outer archive, and what has been written of it."""

    def __init__(self, archive: Path, written: WrittenFiles) -> None:
        self._archive = archive
        self.written = written

    def unpack(self, opened: OpenedArchive, below: PurePosixPath, depth: int) -> None:
        """Unpacks an archive that lies on disk into the folder ``below``, then the archives that it held."""
        if not opened.has_directory:
            self._pass_through(opened, below, depth)
            return
        below = opened.choose_folder() if depth else below
        guard = Guard(opened.name, self.written.budget)
        start = "" if below == PurePosixPath() else f"{below}/"
        members = {start + path: member for path, member in guard.admit_all(opened.list_members())}
        nested = list_nested(list(members)) if opened.kind == ArchiveKind.ZIP else []
        apart = {path for paths in nested for path in paths}
        self._pass_over(opened, {path: member for path, member in members.items() if path not in apart}, depth)
        for paths in nested:
            chosen = {path: members[path] for path in paths}
            note = self._find_note(chosen)
            if not self.written.restore(note):
                before = len(self.written.files)
                self._pass_over(opened, chosen, depth)
                self.written.remember(note, before)

    def _find_note(self, members: dict[str, ArchiveMember]) -> Path:
        """Returns the place where the files of an inner archive are noted once all are there."""
        words = json.dumps([(path, member.size, member.crc) for path, member in members.items()])
        return self.written.folder / JOURNAL / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.json"

    def _pass_over(self, opened: OpenedArchive, members: dict[str, ArchiveMember], depth: int) -> None:
        """Unpacks chosen members of an archive with a directory, then the archives among them."""
        before = len(self.written.files)
        piped = {path for path in members if is_stream_name(path)}
        missing = self.written.plan({path: member for path, member in members.items() if path not in piped})
        wanted = piped | missing
        paths = {member.place: path for path, member in members.items() if path in wanted}
        broken = self._read(
            opened, [members[path] for path in paths.values()], lambda member: paths[member.place], piped
        )
        if broken:
            self.written.plan({path: members[path] for path in broken.values()})
            self._read(opened, [members[path] for path in broken.values()], lambda member: broken[member.place], set())
        self._open_nested(before, set(broken.values()), depth)

    def _pass_through(self, opened: OpenedArchive, below: PurePosixPath, depth: int) -> None:
        """Unpacks an archive without a directory, then the archives among its members."""
        before = len(self.written.files)
        broken = self._read(opened, [], self._admitting(opened.name, below, opened.name if depth else None), None)
        if broken:
            self._read(opened, [], lambda member: broken.get(member.place), set())
        self._open_nested(before, set(broken.values()), depth)

    def _read(
        self, opened: OpenedArchive, members: Sequence[ArchiveMember], find_path: _FindPath, piped: set[str] | None
    ) -> dict[int, str]:
        """Reads members into files and pipes.

        Args:
            opened: the archive.
            members: to be read, of an archive with a directory.
            find_path: gives the place on disk of a member; None passes it over.
            piped: the paths that are read through pipes; None pipes whatever can be.

        Returns:
            The members whose pipe broke, as they are no archives, or not whole: paths by place.
        """
        pipes: dict[int, tuple[str, Pipe]] = {}

        def take(member: ArchiveMember) -> Writer | None:
            path = find_path(member)
            if path is None:
                return None
            if not (is_stream_name(path) if piped is None else path in piped):
                return self.written.open_file(path, member)
            pipe = self.written.open_pipe(lambda stream: self._pass_stream(stream, path))
            pipes[member.place] = path, pipe
            return pipe

        opened.read_members(members, take)
        broken = {}
        for place, (path, pipe) in pipes.items():
            if isinstance(pipe.error, DamagedArchiveError):
                self._note(path, pipe.error)
                broken[place] = path
            elif pipe.error is not None:
                raise pipe.error
        return broken

    def _pass_stream(self, stream: ByteSource, path: str) -> None:
        """Unpacks an archive that comes through a pipe; what it held before it broke is gone again."""
        before = len(self.written.files)
        find_path = self._admitting(f"{path} in {self._archive.name}", PurePosixPath(path).parent, path)

        def take(member: ArchiveMember) -> Writer | None:
            name = find_path(member)
            return None if name is None else self.written.open_file(name, member)

        try:
            read_stream(stream, path, take)
        except DamagedArchiveError:
            self.written.undo(before)
            raise

    def _open_nested(self, before: int, skipped: set[str], depth: int) -> None:
        """Unpacks the archives among the files written last, and deletes them; those that break stay."""
        latest = [path for path in islice(self.written.files, before, None) if path not in skipped]
        for paths in list_nested(latest):
            start = len(self.written.files)
            try:
                if depth >= DEPTH:
                    raise DamagedArchiveError(paths[0], f"more than {DEPTH} archives are inside one another")
                with open_archive([self.written.folder / path for path in paths], strip_part(paths[-1])) as opened:
                    self.unpack(opened, PurePosixPath(paths[0]).parent, depth + 1)
            except DamagedArchiveError as error:
                self.written.undo(start)
                self._note(", ".join(paths), error)
            else:
                self.written.remove(paths)

    def _admitting(self, name: str, below: PurePosixPath, nested: str | None) -> _FindPath:
        """Returns what gives each member its path: below a folder, which the first file decides in a nested archive."""
        guard, folders = Guard(name, self.written.budget), [] if nested else [below]

        def find_path(member: ArchiveMember) -> str | None:
            path = guard.admit(member)
            if path is not None and nested and not folders:
                folders.append(choose_stream_folder(nested, path))
            return None if path is None else str(folders[0] / path)

        return find_path

    def _note(self, path: str, error: DamagedArchiveError) -> None:
        print(f"note: {path} in {self._archive.name} stays packed: {error.reason}", file=sys.stderr)


def list_nested(paths: Sequence[str]) -> list[list[str]]:
    """Lists the archives among files, each with its parts in order; in natural order."""
    cut = group_parts(list(paths))
    parts = {path for group in cut.values() for path in group}
    whole = {path: [path] for path in paths if has_archive_name(path) and path not in parts}
    both = whole | cut
    return [both[name] for name in natural_order(list(both))]
