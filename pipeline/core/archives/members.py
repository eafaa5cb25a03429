"""Members of archives, and the guards: nothing leaves the folder, no links, no more than fits an honest archive."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Literal, NamedTuple, Protocol

from pipeline.core.errors import InputError, some
from pipeline.core.files import is_junk_name

PIECE = 1 << 20
_MOST_FILES = 20_000_000
_MOST_TIMES = 1_000  # deflate alone shrinks nothing further; pictures are hardly shrunk at all
_SMALL = 1 << 30  # bytes that any archive may hold


class ArchiveMember(NamedTuple):
    """An entry of an archive as it is written there.

    Attributes:
        name: its path, unchecked.
        size: in bytes, unpacked; None where only reading tells.
        crc: its CRC-32; None where the format has none.
        kind: links are whatever is neither file nor folder.
        place: by which the format finds it again.
        guessed: whether its name is read in an encoding that the archive does not state.
    """

    name: str
    size: int | None
    crc: int | None
    kind: Literal["file", "folder", "link"] = "file"
    place: int = 0
    guessed: bool = False


class Writer(Protocol):
    """The receiver of one member's bytes; it is closed when all have come and their checksum is right."""

    def write(self, data: bytes, /) -> int:
        """Takes the next bytes."""
        ...

    def close(self) -> None:
        """Ends the member."""
        ...


Take = Callable[[ArchiveMember], Writer | None]


class DamagedArchiveError(InputError):
    """An archive that is not whole, or that no reader opens; ``reason`` says in what."""

    def __init__(self, archive: object, reason: object) -> None:
        """Takes the archive and what the library says of it."""
        super().__init__(f"{archive} is not a whole, readable archive ({reason}); delete it and get it again")
        self.reason = str(reason)


class HostileArchiveError(InputError):
    """An archive whose members leave their folder, are links, or hold more than an honest one can."""


@dataclass
class Budget:
    """The most that an archive and all archives inside it may hold together.

    Attributes:
        archive: its name, for messages.
        packed: its size in bytes.
        size: bytes admitted so far.
        files: files admitted so far.
    """

    archive: str
    packed: int
    size: int = 0
    files: int = 0

    def spend(self, size: int) -> None:
        """Counts one more file.

        Raises:
            HostileArchiveError: too many files, or too many bytes for the archive's own size.
        """
        self.files += 1
        self.grow(size)
        if self.files > _MOST_FILES:
            raise HostileArchiveError(
                f"{self.archive} holds more than {_MOST_FILES:,} files; unpack what is needed by hand"
            )

    def grow(self, size: int) -> None:
        """Counts more bytes of a file.

        Raises:
            HostileArchiveError: too many bytes for the archive's own size.
        """
        self.size += size
        if self.size > _SMALL + _MOST_TIMES * self.packed:
            raise HostileArchiveError(
                f"{self.archive} has {self.packed / 1e6:,.1f} MB and would unpack to more than {_MOST_TIMES:,} times "
                "that: it is made to fill disks; do not trust it"
            )


@dataclass
class Guard:
    """The checks of one archive's members.

    Attributes:
        archive: its name, for messages.
        budget: shared by the archives inside one another.
        paths: those admitted.
    """

    archive: str
    budget: Budget
    paths: set[str] = field(default_factory=set)
    _folders: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def admit(self, member: ArchiveMember) -> str | None:
        """Returns the path where a member will lie below the archive's folder; None for folders and junk.

        Raises:
            HostileArchiveError: it leaves the folder, is a link, or is too much.
            InputError: a path that comes twice, or a name that is no text.
        """
        if not _is_harmless(member):
            raise _refuse(self.archive, [member])
        return self._accept(member)

    def _accept(self, member: ArchiveMember) -> str | None:
        name = member.name.replace("\\", "/")
        if member.kind == "folder" or name.endswith("/"):
            return None
        folder, _, file = name.rpartition("/")
        place = self._folders.get(folder)
        if place is None:
            parts = [part for part in folder.split("/") if part not in ("", ".")]
            place = self._folders[folder] = "/".join(parts), any(map(is_junk_name, parts))
        if place[1] or is_junk_name(file):
            return None
        name = f"{place[0]}/{file}" if place[0] else file
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(
                f"{self.archive} holds {name!a}, a name that is not UTF-8; unpack it by hand and rename it"
            )
        if name in self.paths:
            raise InputError(f"{self.archive} holds {name!r} twice; pack it again")
        self.paths.add(name)
        self.budget.spend(member.size or 0)
        return name

    def admit_all(self, members: Iterable[ArchiveMember]) -> Iterator[tuple[str, ArchiveMember]]:
        """Yields the files of a directory with their paths, once all members have been looked at.

        Raises:
            InputError: as `admit`, with all that are refused; no files at all.
        """
        listed = list(members)
        refused = [member for member in listed if not _is_harmless(member)]
        if refused:
            raise _refuse(self.archive, refused)
        admitted = [(path, member) for member in listed if (path := self._accept(member)) is not None]
        if not admitted:
            raise DamagedArchiveError(self.archive, "it holds no files")
        yield from admitted


def copy_member(source: IO[bytes], writer: Writer) -> None:
    """Hands all bytes of a member on and ends it."""
    while piece := source.read(PIECE):
        writer.write(piece)
    writer.close()


def _is_harmless(member: ArchiveMember) -> bool:
    name = member.name.replace("\\", "/")
    leaves = name.startswith("/") or name[1:2] == ":" or "\0" in name or (".." in name and ".." in name.split("/"))
    return not leaves and member.kind != "link"


def _refuse(archive: str, members: list[ArchiveMember]) -> HostileArchiveError:
    names = some(repr(member.name) for member in members)
    return HostileArchiveError(
        f"{archive}: {len(members)} members leave the folder or are links: {names}; do not trust this archive"
    )
