"""Zips of any number of members: their directory is read entry by entry, and `zipfile` opens only what is wanted.

`zipfile` keeps an object for each member, about a kilobyte; with a million of them that is all the memory there is.
So the directory is walked here, and a zip is opened by a directory of the wanted members alone, which is put behind
the file. The same way opens zips that were cut into parts, which `zipfile` does not.
Reference: APPNOTE.TXT 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, Literal

from pipeline.core.archives.joined import JoinedFile, buffered
from pipeline.core.archives.members import ArchiveMember, Take, copy_member

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # the last: encrypted
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_FULL = 0xFFFFFFFF
_BATCH = 4_000
_UTF8, _UNICODE_PATH = 0x800, 0x7075


def list_zip(file: JoinedFile) -> Iterator[ArchiveMember]:
    """Yields the members of a zip; ``place`` is where their entry in the directory begins.

    Raises:
        zipfile.BadZipFile: no zip, or a directory that is not whole.
    """
    start, size, count, _ = _find_directory(file)
    file.seek(start)
    reader = buffered(file)
    place, seen, packed = start, 0, 0
    while place < start + size:
        entry = _read_entry(reader)
        fields = _ENTRY.unpack_from(entry)
        name = entry[_ENTRY.size : _ENTRY.size + fields[10]]
        length, inner, _ = _large_fields(entry)
        packed += inner
        extra = entry[_ENTRY.size + fields[10] : _ENTRY.size + fields[10] + fields[11]]
        text, guessed = _decode(name, fields[3], extra)
        yield ArchiveMember(text, length, fields[7], _kind(fields[15]), place, guessed)
        place += len(entry)
        seen += 1
    if seen != count:
        raise zipfile.BadZipFile(f"its directory lists {seen:,} members and says that there are {count:,}")
    if packed > file.starts[-1]:
        raise zipfile.BadZipFile("its members overlap")


def read_zip(file: JoinedFile, members: Iterable[ArchiveMember], take: Take) -> None:
    """Hands members on, in their order.

    Raises:
        OSError: of whoever takes them.
        zipfile.BadZipFile: damage, as the other `ZIP_ERRORS`.
    """
    rest = iter(members)
    while batch := list(islice(rest, _BATCH)):
        with open_zip(file, [member.place for member in batch]) as zipped:
            for member, info in zip(batch, zipped.infolist(), strict=True):
                writer = take(member)
                if writer is not None:
                    with zipped.open(info) as source:
                        copy_member(source, writer)


@contextmanager
def open_zip(file: JoinedFile, places: Sequence[int]) -> Iterator[zipfile.ZipFile]:
    """Opens a zip as if it held some of its members alone, in the order of ``places``."""
    shift = _find_directory(file)[3]
    entries = []
    for place in places:
        file.seek(place)
        entries.append(_moved(_read_entry(buffered(file)), file.starts, shift))
    directory = b"".join(entries)
    whole = file.starts[-1]
    end64 = _END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, len(places), len(places), len(directory), whole)
    locator = _LOCATOR64.pack(b"PK\6\7", 0, whole + len(directory), 1)
    end = _END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, _FULL, _FULL, 0)
    tail = directory + end64 + locator + end
    view = JoinedFile([(file, whole), (io.BytesIO(tail), len(tail))])
    with zipfile.ZipFile(buffered(view)) as zipped:
        yield zipped


def _find_directory(file: JoinedFile) -> tuple[int, int, int, int | None]:
    """Finds a zip's directory: where it begins, its bytes, its entries, and how far all places in it are off.

    The last is None for a zip in several parts: its places count from the part that an entry names.
    """
    whole = file.starts[-1]
    tail_start = max(0, whole - _END.size - 0xFFFF)
    file.seek(tail_start)
    tail = buffered(file).read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise zipfile.BadZipFile("File is not a zip file")
    _, part, first, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if at >= _LOCATOR64.size + _END64.size and tail[at - _LOCATOR64.size :].startswith(b"PK\6\7"):
        record = at - _LOCATOR64.size - _END64.size
        if tail[record:].startswith(b"PK\6\6"):
            _, _, _, _, part, first, _, count, size, offset = _END64.unpack_from(tail, record)
            end = tail_start + record
    start = end - size
    if start < 0:
        raise zipfile.BadZipFile("Bad offset for central directory")
    return start, size, count, None if part or first else start - offset


def _read_entry(reader: IO[bytes]) -> bytes:
    head = reader.read(_ENTRY.size)
    if len(head) < _ENTRY.size or not head.startswith(b"PK\1\2"):
        raise zipfile.BadZipFile("Bad magic number for central directory")
    length = sum(_ENTRY.unpack(head)[10:13])
    rest = reader.read(length)
    if len(rest) < length:
        raise zipfile.BadZipFile("Truncated central directory")
    return head + rest


def _kind(attributes: int) -> Literal["file", "folder", "link"]:
    kind = stat.S_IFMT(attributes >> 16)
    return "folder" if kind == stat.S_IFDIR else "file" if kind in (0, stat.S_IFREG) else "link"


def _decode(name: bytes, flags: int, extra: bytes) -> tuple[str, bool]:
    """Returns a member's name, and whether its encoding is a guess.

    Many programs write UTF-8 without saying so; what is UTF-8 throughout is hardly ever anything else.
    """
    own = None if name.isascii() else _find_unicode_path(name, extra)
    if own is not None:
        return own, False
    try:
        return name.decode("utf-8"), False
    except UnicodeDecodeError as error:
        if flags & _UTF8:
            raise zipfile.BadZipFile(f"a name that is not UTF-8, {name!r}") from error
        return name.decode("cp437"), True


def _find_unicode_path(name: bytes, extra: bytes) -> str | None:
    """Returns the name that Info-ZIP keeps in UTF-8 beside one of another encoding (APPNOTE 4.6.9)."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        whole = 5 <= length <= len(extra) - 4  # a field may be cut off
        if kind == _UNICODE_PATH and whole and struct.unpack_from("<L", extra, 5) == (zlib.crc32(name),):
            return extra[9 : 4 + length].decode("utf-8", "replace")
        extra = extra[4 + length :]
    return None


def _large_fields(entry: bytes) -> tuple[int, int, int]:
    """Returns an entry's unpacked size, packed size and place, which large zips keep in an extra field."""
    fields = _ENTRY.unpack_from(entry)
    values = [fields[9], fields[8], fields[16]]
    extra = entry[_ENTRY.size + fields[10] : _ENTRY.size + fields[10] + fields[11]]
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            large = list(struct.unpack_from(f"<{min(length, len(extra) - 4) // 8}Q", extra, 4))
            values = [large.pop(0) if value == _FULL and large else value for value in values]
        extra = extra[4 + length :]
    return values[0], values[1], values[2]


def _moved(entry: bytes, starts: Sequence[int], shift: int | None) -> bytes:
    """Returns an entry with its place counted from the first byte of all parts."""
    if shift == 0:
        return entry
    fields = list(_ENTRY.unpack_from(entry))
    size, packed, place = _large_fields(entry)
    if shift is None and fields[13] >= len(starts) - 1:
        raise zipfile.BadZipFile(f"a member is in part {fields[13] + 1}, which is missing")
    place += starts[fields[13]] if shift is None else shift
    large = struct.pack("<2H3Q", 1, 24, size, packed, place)
    name_end = _ENTRY.size + fields[10]
    fields[8], fields[9], fields[16] = _FULL, _FULL, _FULL
    fields[11], fields[12], fields[13] = len(large), 0, 0
    return _ENTRY.pack(*fields) + entry[_ENTRY.size : name_end] + large
