"""Kinds of archives: by name, where files say what should be unpacked, and by content, which decides."""

import re
from enum import StrEnum
from itertools import count
from pathlib import Path

_TAR_MAGIC = 257  # bytes before it


class ArchiveKind(StrEnum):
    """A format, by its usual ending; the last four compress one stream, which may hold a tar or a single file."""

    ZIP = ".zip"
    SEVEN = ".7z"
    TAR = ".tar"
    GZ = ".gz"
    BZ2 = ".bz2"
    XZ = ".xz"
    ZST = ".zst"


STREAMS = (ArchiveKind.GZ, ArchiveKind.BZ2, ArchiveKind.XZ, ArchiveKind.ZST)
ARCHIVE_ENDINGS = (".tgz", ".tbz", ".tbz2", ".txz", ".tzst", *ArchiveKind)
PACKED_VOLUMES = (".nii.gz",)  # as they are kept and read everywhere; nothing is gained by unpacking them
HEAD_BYTES = _TAR_MAGIC + 5

_MAGIC = {
    b"PK\x03\x04": ArchiveKind.ZIP,
    b"PK\x05\x06": ArchiveKind.ZIP,
    b"PK\x07\x08": ArchiveKind.ZIP,  # the first part of several
    b"7z\xbc\xaf\x27\x1c": ArchiveKind.SEVEN,
    b"\x1f\x8b": ArchiveKind.GZ,
    b"BZh": ArchiveKind.BZ2,
    b"\xfd7zXZ\x00": ArchiveKind.XZ,
    b"\x28\xb5\x2f\xfd": ArchiveKind.ZST,
}
# .001 of 7-Zip and others, .aa of split, both also after the word: .part1, .part-aa
_NUMBERED = re.compile(r"(?P<whole>.+)\.(?:part[._-]?(?P<named>\d{1,4}|[a-z]{2,3})|(?P<part>\d{2,4}|[a-z]{2,3}))")
_SPANNED = re.compile(r"(?P<whole>.+)\.z(?P<part>\d{2,4})", re.IGNORECASE)


def has_archive_name(path: str) -> bool:
    """Says whether a file's name is one of an archive that can be unpacked; parts of one are none."""
    return path.lower().endswith(ARCHIVE_ENDINGS) and not path.lower().endswith(PACKED_VOLUMES)


def strip_archive_ending(path: str) -> str:
    """Drops the endings of an archive from its name: ``train.csv`` of train.csv.gz, ``train`` of train.tar.gz."""
    path = strip_part(path)
    for ending in ARCHIVE_ENDINGS:
        if path.lower().endswith(ending):
            stem = path[: -len(ending)]
            return stem[:-4] if stem.lower().endswith(".tar") else stem
    return path


def find_kind(head: bytes) -> ArchiveKind | None:
    """Finds the kind of an archive by its first `HEAD_BYTES` bytes; None for anything else."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return ArchiveKind.TAR if head[_TAR_MAGIC:].startswith(b"ustar") else None


def group_parts(paths: list[str]) -> dict[str, list[str]]:
    """Groups the parts of archives that were cut: the whole's name -> the parts in the order of their bytes.

    ``train.zip.001`` to ``.005`` follow each other, and so do ``train.tgz.aa`` and ``.ab``; of ``train.z01``,
    ``train.z02`` and ``train.zip`` the last is the end. Only whole sequences from the first are grouped.
    """
    numbered: dict[tuple[str, int], dict[str, str]] = {}
    spanned: dict[str, dict[int, str]] = {}
    known = set(paths)
    for path in paths:
        if (match := _NUMBERED.fullmatch(path)) and has_archive_name(match["whole"]):
            part = match["named"] or match["part"]
            letters = 0 if part.isdigit() else len(part)  # train.zip.sig is no part beside train.zip.aa, nor .aaa
            numbered.setdefault((match["whole"], letters), {})[part] = path
        elif match := _SPANNED.fullmatch(path):
            spanned.setdefault(match["whole"], {})[int(match["part"])] = path
    groups = {}
    for (whole, letters), named in numbered.items():
        alike = {_read_number(part): path for part, path in named.items()} if letters else _number_alike(named)
        absent = next(number for number in count() if number not in alike) if letters else None
        begun = {number: path for number, path in alike.items() if absent is None or number < absent}
        if begun and _follow(begun):
            groups[whole] = [begun[number] for number in sorted(begun)]
    for stem, parts in spanned.items():
        ends = [name for name in (f"{stem}.zip", f"{stem}.ZIP") if name in known]
        if ends and _follow(parts):
            groups[ends[0]] = [*(parts[part] for part in sorted(parts)), ends[0]]
    return groups


def is_part_name(path: str) -> bool:
    """Says whether a file's name is one of a part of an archive that was cut."""
    return bool(_SPANNED.fullmatch(path)) or strip_part(path) != path


def list_parts(path: Path) -> list[Path]:
    """Lists the files that hold an archive: the one, or all parts of one that was cut, in order."""
    beside = [each.name for each in path.parent.iterdir() if each.name.startswith(path.name[:3])]
    for parts in group_parts(beside).values():
        if path.name in parts:
            return [path.with_name(name) for name in parts]
    return [path]


def strip_part(path: str) -> str:
    """Drops the number of a part: ``train.zip`` of train.zip.001."""
    match = _NUMBERED.fullmatch(path)
    return match["whole"] if match and has_archive_name(match["whole"]) else path


def _read_number(part: str) -> int:
    """The number of a part; ``aa`` is 0, ``ab`` 1, ``ba`` 26."""
    if part.isdigit():
        return int(part)
    number = 0
    for letter in part:
        number = 26 * number + ord(letter) - ord("a")
    return number


def _number_alike(parts: dict[str, str]) -> dict[int, str]:
    """Numbers the most parts that one program would have named: ``.01`` is none of those of ``.001``."""
    widths = {len(part) for part in parts}
    families = ({int(part): path for part, path in parts.items() if part == f"{int(part):0{n}}"} for n in widths)
    return max(families, key=len)


def _follow(parts: dict[int, str]) -> bool:
    """Says whether the numbers leave none out; some programs count from 0."""
    first = min(parts)
    return first in (0, 1) and sorted(parts) == list(range(first, first + len(parts)))
