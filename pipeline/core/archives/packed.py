"""Files that lie in archives, to be read from there: single ones out of a zip, several in one pass out of any other."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.core.archives.members import ArchiveMember, Take, Writer
from pipeline.core.archives.opened import open_archive
from pipeline.core.archives.piped import Pipe
from pipeline.core.archives.streams import read_stream


@dataclass(frozen=True, eq=False)
class PackedArchive:
    """An archive that files lie in: on disk, or a stream inside another.

    Attributes:
        name: of the archive, for messages.
        paths: the files that hold it; none of a stream.
        outer: the archive that a stream comes out of, and its place there.
        is_zip: whether single members can be read.
    """

    name: str
    paths: tuple[Path, ...] = ()
    outer: "PackedFile | None" = None
    is_zip: bool = False

    def read(self, places: Collection[int] | None, take: Take) -> None:
        """Hands on the members at some places, or all, in one pass.

        Raises:
            DamagedArchiveError: it cannot be read.
        """
        chosen: Take = take if places is None else lambda member: take(member) if member.place in places else None
        if self.outer is not None:
            for error in read_pipes(self.outer.archive, {self.outer.place: (self.name, chosen)}).values():
                raise error
            return
        with open_archive(self.paths, self.name) as opened:
            members = [] if not opened.has_directory else opened.list_members()
            opened.read_members([each for each in members if places is None or each.place in places], chosen)

    @contextmanager
    def open_member(self, place: int) -> Iterator[IO[bytes]]:
        """Opens a member of a zip."""
        with open_archive(self.paths, self.name) as opened, opened.open_member(place) as file:
            yield file


class PackedFile(NamedTuple):
    """A file in an archive, and its place there."""

    archive: PackedArchive
    place: int

    def find_content(self) -> tuple[int | None, int] | None:
        """Finds the file's size and CRC-32 in the archive's directory; None where there is none."""
        if self.archive.outer is not None:
            return None
        with open_archive(self.archive.paths, self.archive.name) as opened:
            members = opened.list_members() if opened.has_directory else []
            member = next((each for each in members if each.place == self.place), None)
        return None if member is None or member.crc is None else (member.size, member.crc)


def read_pipes(box: PackedArchive, takes: Mapping[int, tuple[str, Take]]) -> dict[int, BaseException]:
    """Reads streams inside an archive, all in one pass; returns the errors of those that broke, by place."""
    pipes: dict[int, Pipe] = {}

    def take(member: ArchiveMember) -> Writer:
        name, inner = takes[member.place]
        pipes[member.place] = Pipe(lambda stream: read_stream(stream, name, inner))
        return pipes[member.place]

    try:
        box.read(takes, take)
    finally:
        for pipe in pipes.values():
            pipe.close()
    return {place: pipe.error for place, pipe in pipes.items() if pipe.error is not None}
