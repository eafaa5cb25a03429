"""Archives that are read from their first byte to their last: tars, compressed or not, and single compressed files."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import IO, Protocol, cast

from pipeline.core.archives.kinds import HEAD_BYTES, STREAMS, ArchiveKind, find_kind, strip_archive_ending
from pipeline.core.archives.members import PIECE, ArchiveMember, DamagedArchiveError, Take, Writer
from pipeline.core.errors import InputError, one_line

_ERRORS = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)
_BLOCK = 512


class ByteSource(Protocol):
    """Bytes that come one after the other."""

    def read(self, size: int, /) -> bytes | None:
        """Returns the next bytes, fewer than ``size`` where fewer are at hand; none at the end."""
        ...


class _Forward:
    """A source that is read forwards alone: with a first look at its head, and its place, which tarfile wants."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._ahead = b""
        self._place = 0
        self.last = b""

    def peek(self, size: int) -> bytes:
        """Returns the first bytes, which stay to be read."""
        self._ahead = self._fill(size)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """Returns so many bytes, fewer at the end alone."""
        self.last = self._fill(size)
        self._place += len(self.last)
        return self.last

    def tell(self) -> int:
        """Returns the place of the next byte."""
        return self._place

    def seek(self, place: int) -> int:
        """Passes over the bytes up to a place."""
        if place < self._place:
            raise tarfile.ReadError("a member that begins before the end of the one before")
        while self._place < place and self.read(min(PIECE, place - self._place)):
            pass
        return self._place

    def _fill(self, size: int) -> bytes:
        pieces = [self._ahead[:size] if size >= 0 else self._ahead]
        self._ahead = self._ahead[len(pieces[0]) :]
        missing = size - len(pieces[0])
        while missing and (piece := self._source.read(missing if size >= 0 else PIECE)):
            pieces.append(piece)
            missing -= len(piece) if size >= 0 else 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_stream(stream: ByteSource, name: str, take: Take) -> None:
    """Hands the members of a tar on, or the one file of a compressed stream, whose name lacks the ending then.

    Args:
        stream: the bytes; only read forwards.
        name: of the archive.
        take: gives a writer for each member, or None to pass it over.

    Raises:
        DamagedArchiveError: it is cut, its checksum is wrong, or it is none of these kinds.
    """
    try:
        head = _Forward(stream)
        kind = find_kind(head.peek(HEAD_BYTES))
        packed = kind in STREAMS
        inner = _Forward(_decompressed(head, kind)) if packed else head
        if kind == ArchiveKind.TAR or (packed and find_kind(inner.peek(HEAD_BYTES)) == ArchiveKind.TAR):
            _read_tar(inner, name, take, packed)
        elif packed:
            _read_single(inner, name, take)
        else:
            raise DamagedArchiveError(name, "it is no tar and no compressed file")
    except InputError:
        raise
    except _ERRORS as error:
        raise DamagedArchiveError(name, one_line(error) or type(error).__name__) from error


def _decompressed(stream: _Forward, kind: ArchiveKind | None) -> ByteSource:
    source = cast("IO[bytes]", stream)  # all four only read
    if kind == ArchiveKind.GZ:
        return gzip.GzipFile(fileobj=source)
    if kind == ArchiveKind.BZ2:
        return bz2.BZ2File(source)
    if kind == ArchiveKind.XZ:
        return lzma.LZMAFile(source)
    from backports import zstd

    return zstd.ZstdFile(source)


def _read_tar(stream: _Forward, name: str, take: Take, packed: bool) -> None:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tar:
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it would keep all
            kind = "folder" if info.isdir() else "file" if info.isreg() and not info.issparse() else "link"
            member = ArchiveMember(info.name, info.size, None, kind, info.offset_data)  # type: ignore[arg-type]
            writer = take(member)
            if writer is not None:
                _copy(stream, info.size, writer)
    # tarfile takes a damaged header for the end, and a missing end for one.
    if stream.last.strip(b"\0") or not (stream.last or packed):
        raise DamagedArchiveError(name, f"it breaks off, or is damaged, near byte {stream.tell():,}")
    while rest := stream.read(PIECE):
        if rest.strip(b"\0"):
            raise DamagedArchiveError(name, "data follow its end; if these are tars joined to one, unpack it by hand")


def _copy(stream: _Forward, size: int, writer: Writer) -> None:
    while size:
        piece = stream.read(min(PIECE, size))
        if not piece:
            raise tarfile.ReadError("unexpected end of data")
        writer.write(piece)
        size -= len(piece)
    writer.close()


def _read_single(stream: _Forward, name: str, take: Take) -> None:
    writer = take(ArchiveMember(strip_archive_ending(PurePosixPath(name).name), None, None))
    while piece := stream.read(PIECE):
        if writer is not None:
            writer.write(piece)
    if writer is not None:
        writer.close()
