"""7z archives, through py7zr: members by their header, and their bytes in one pass.

py7zr pushes bytes into writers. It is given an open file, so that it uses one thread and one block at a time.
Reference: https://py7zr.readthedocs.io/en/stable/api.html
"""

import lzma
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.archives.joined import JoinedFile, buffered
from pipeline.core.archives.members import ArchiveMember, DamagedArchiveError, Take, Writer
from pipeline.core.errors import InputError, one_line

if TYPE_CHECKING:
    from py7zr import SevenZipFile, WriterFactory

# Damage shows as any of these, as py7zr believes much that a header says.
_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)


def list_seven(file: JoinedFile, label: str) -> list[ArchiveMember]:
    """Lists the members of a 7z; ``place`` is their row.

    Raises:
        DamagedArchiveError: no 7z, a damaged header, or an encrypted one.
    """
    with _Opened(file, label) as archive:
        if archive.needs_password():  # names may be plain all the same
            raise DamagedArchiveError(label, "it is encrypted")
        return _list(archive)


def read_seven(file: JoinedFile, label: str, members: Sequence[ArchiveMember], take: Take) -> None:
    """Hands members on in the order of their blocks; members between them are unpacked for nothing.

    Raises:
        DamagedArchiveError: damage, an unknown compression, or encryption.
    """
    if not members:
        return
    with tempfile.TemporaryDirectory(prefix="pipeline-7z-") as nowhere, _Opened(file, label) as archive:
        # py7zr calls members by where they would lie: below an empty folder no link leads away.
        base = Path(nowhere).resolve()
        known = {(base / member.name).as_posix(): member for member in members}
        archive.extract(base, [member.name for member in members], factory=_factory(known, take))


class _Opened:
    """A 7z whose errors, from its opening to its end, are damage of the archive."""

    def __init__(self, file: JoinedFile, label: str) -> None:
        self._file, self._label = file, label

    def __enter__(self) -> "SevenZipFile":
        import py7zr

        self._file.seek(0)
        try:
            self._archive = py7zr.SevenZipFile(buffered(self._file))
        except BaseException as error:
            self._translate(error)
            raise
        return self._archive

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._archive.close()
        if error is not None:
            self._translate(error)

    def _translate(self, error: BaseException) -> None:
        from py7zr.exceptions import AbsolutePathError, ArchiveError, PasswordRequired

        if isinstance(error, PasswordRequired):
            raise DamagedArchiveError(self._label, "it is encrypted") from error
        if isinstance(error, (ArchiveError, AbsolutePathError, *_ERRORS)) and not isinstance(error, InputError):
            raise DamagedArchiveError(self._label, one_line(error) or type(error).__name__) from error


def _list(archive: "SevenZipFile") -> list[ArchiveMember]:
    members = []
    for row, file in enumerate(archive.files):
        kind = "folder" if file.is_directory else "file" if file.is_file else "link"
        member = ArchiveMember(file.filename, file.uncompressed, file.crc32, place=row)
        members.append(member._replace(kind=kind))  # type: ignore[arg-type]
    return members


def _factory(known: dict[str, ArchiveMember], take: Take) -> "WriterFactory":
    from py7zr import WriterFactory
    from py7zr.io import Py7zIO

    class Receiver(Py7zIO):
        """Hands the bytes of one member on."""

        def __init__(self, writer: Writer | None) -> None:
            self._writer = writer
            self._size = 0

        def write(self, s: bytes | bytearray) -> int:
            self._size += len(s)
            return len(s) if self._writer is None else self._writer.write(bytes(s))

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return self._size

        def close(self) -> None:
            if self._writer is not None:
                self._writer.close()

    class Factory(WriterFactory):
        """Makes a receiver for each member that py7zr comes to."""

        def create(self, filename: str) -> Py7zIO:
            return Receiver(take(known[filename]))

    return Factory()
