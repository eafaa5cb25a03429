"""An archive on disk, whatever its kind: its members listed where its format allows it, and handed on."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.core.archives.joined import JoinedFile, buffered, join_files
from pipeline.core.archives.kinds import (
    HEAD_BYTES,
    STREAMS,
    ArchiveKind,
    find_kind,
    has_archive_name,
    strip_archive_ending,
)
from pipeline.core.archives.members import ArchiveMember, DamagedArchiveError, Take
from pipeline.core.archives.sevens import list_seven, read_seven
from pipeline.core.archives.streams import read_stream
from pipeline.core.archives.zips import ZIP_ERRORS, list_zip, open_zip, read_zip
from pipeline.core.errors import InputError, one_line
from pipeline.core.layouts import IMAGE_SUFFIXES


@dataclass(frozen=True)
class OpenedArchive:
    """An archive that lies on disk, in one file or in parts.

    Attributes:
        file: its bytes.
        kind: by its content.
        name: of the archive, for messages; a single compressed file is called after it.
    """

    file: JoinedFile
    kind: ArchiveKind
    name: str

    @property
    def has_directory(self) -> bool:
        """Whether the members can be listed without reading the whole."""
        return self.kind in (ArchiveKind.ZIP, ArchiveKind.SEVEN)

    def list_members(self) -> Iterable[ArchiveMember]:
        """Lists the members of an archive that has a directory.

        Raises:
            DamagedArchiveError: the directory is damaged or encrypted.
        """
        if self.kind == ArchiveKind.SEVEN:
            return list_seven(self.file, self.name)
        with _zip_errors(self.name):
            return list(list_zip(self.file))

    def choose_folder(self) -> PurePosixPath:
        """Chooses the folder of an inner archive's files: the one that it lies in.

        Pictures that lie loose in it go into a folder of its name, as `train.zip` and `test.zip` may both hold 1.jpg.
        """
        path = PurePosixPath(self.name)
        if not self.has_directory:
            return path.parent
        names = []
        for member in self.list_members():
            if "/" in member.name or "\\" in member.name:
                return path.parent
            names.append(member.name)
        loose = any(name.lower().endswith(IMAGE_SUFFIXES) for name in names)
        return path.with_suffix("") if loose else path.parent

    def read_members(self, members: Sequence[ArchiveMember], take: Take) -> None:
        """Hands on the members of an archive: those given, of one without a directory all.

        Raises:
            DamagedArchiveError: damage, encryption, or an unknown compression.
        """
        if self.kind == ArchiveKind.ZIP:
            with _zip_errors(self.name):
                read_zip(self.file, members, take)
        elif self.kind == ArchiveKind.SEVEN:
            read_seven(self.file, self.name, members, take)
        else:
            self.file.seek(0)
            read_stream(buffered(self.file), self.name, take)

    @contextmanager
    def open_member(self, place: int) -> Iterator[IO[bytes]]:
        """Opens a member of a zip by its ``place``."""
        with _zip_errors(self.name), open_zip(self.file, [place]) as zipped, zipped.open(zipped.infolist()[0]) as file:
            yield file


@contextmanager
def open_archive(paths: Sequence[Path], name: str) -> Iterator[OpenedArchive]:
    """Opens an archive by the files that hold it, one or its parts in order.

    Raises:
        DamagedArchiveError: no archive of a known kind.
    """
    with ExitStack() as closing:
        file = join_files(paths, closing)
        kind = find_kind(buffered(file).read(HEAD_BYTES))
        if kind is None and _ends_as_zip(file):
            kind = ArchiveKind.ZIP  # with something before it, as those that unpack themselves
        if kind is None:
            raise DamagedArchiveError(name, "it begins like no zip, 7z, tar, gz, bz2, xz or zst")
        yield OpenedArchive(file, kind, name)


def choose_stream_folder(archive: str, first: str) -> PurePosixPath:
    """Chooses the folder of the files of an inner archive that is read through, by the first of them.

    As of a zip: pictures that lie loose in a tar go into a folder of its name, as those of each class may be one tar.

    Args:
        archive: its path.
        first: the path of its first file.
    """
    path = PurePosixPath(archive)
    name = strip_archive_ending(path.name)
    loose = "/" not in first and first != name and first.lower().endswith(IMAGE_SUFFIXES)
    return path.parent / name if loose else path.parent


def is_stream_name(path: str) -> bool:
    """Says whether a file's name is one of an archive that can be read from its first byte to its last."""
    endings = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", *STREAMS)
    return has_archive_name(path) and path.lower().endswith(endings)


def _ends_as_zip(file: JoinedFile) -> bool:
    try:
        next(list_zip(file), None)
    except ZIP_ERRORS:
        return False
    return True


@contextmanager
def _zip_errors(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except ZIP_ERRORS as error:
        reason = "it is encrypted" if "encrypted" in str(error) else one_line(error)
        if reason == "File is not a zip file":
            reason = "it has no end with a directory: it was cut off, or is one part of several"
        raise DamagedArchiveError(name, reason or type(error).__name__) from error
