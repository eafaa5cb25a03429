"""Zips whose directory is not where `zipfile` expects it, or does not say the truth."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from support.archive_files import make_zip

from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.errors import InputError
from pipeline.data.describe.listing import open_listing
from pipeline.data.describe.unread import check_names

FILES = {f"train/{number}.png": bytes([number]) * 90 for number in range(20)}


def span(content: bytes, count: int) -> list[bytes]:
    """Cuts a zip as `zip -s` does: a mark before all, and places counted from the part that an entry names."""
    whole = bytearray(b"PK\7\x08" + content)
    step = -(-len(whole) // count)
    end = whole.rfind(b"PK\5\6")
    size, directory = struct.unpack_from("<2L", whole, end + 12)
    place, stop = directory + 4, directory + 4 + size
    struct.pack_into("<2H", whole, end + 4, (len(whole) - 1) // step, place // step)
    struct.pack_into("<L", whole, end + 16, place % step)
    while place < stop:
        lengths = struct.unpack_from("<3H", whole, place + 28)
        (offset,) = struct.unpack_from("<L", whole, place + 42)
        struct.pack_into("<H", whole, place + 34, (offset + 4) // step)
        struct.pack_into("<L", whole, place + 42, (offset + 4) % step)
        place += 46 + sum(lengths)
    return [bytes(whole[start : start + step]) for start in range(0, len(whole), step)]


def test_a_zip_that_spans_several_files_is_read(tmp_path: Path) -> None:
    parts = span(make_zip(FILES), 4)
    names = ["data.z01", "data.z02", "data.z03", "data.zip"]
    for name, part in zip(names, parts, strict=True):
        (tmp_path / name).write_bytes(part)
    unpack_archive(tmp_path / "data.zip", tmp_path / "raw")
    found = {path.relative_to(tmp_path / "raw").as_posix(): path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert found == FILES
    with open_listing(tmp_path / "data.zip") as listing:
        assert listing.read("train/7.png") == FILES["train/7.png"]


def test_a_zip_behind_a_program_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh\nexit\n" + make_zip(FILES))
    assert len(unpack_archive(tmp_path / "a.zip", tmp_path / "raw")) == 20


def test_a_directory_that_lists_fewer_members_than_it_says_is_refused(tmp_path: Path) -> None:
    content = bytearray(make_zip(FILES))
    struct.pack_into("<2H", content, content.rfind(b"PK\5\6") + 8, 21, 21)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="lists 20 members and says that there are 21"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "raw")


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", b"x" * 5_000)
        for info in archive.infolist():
            info.header_offset = archive.infolist()[0].header_offset
            info.compress_size *= 2
    with pytest.raises(InputError, match="members overlap"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "raw")


class _Unstated(zipfile.ZipInfo):
    """A member whose entry does not state the encoding of its name."""

    encoding = "utf-8"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 # its name in zipfile
        return self.filename.encode(self.encoding), 0


def _unstated(path: Path, encoding: str, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name in names:
            info = _Unstated(name)
            info.encoding = encoding
            if encoding == "cp866":
                raw = name.encode(encoding)
                own = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
                info.extra = struct.pack("<2H", 0x7075, len(own)) + own
            zipped.writestr(info, b"x")
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp866"])
def test_names_without_a_stated_encoding_are_read(tmp_path: Path, encoding: str) -> None:
    name = "кот/1.png" if encoding == "cp866" else "bücher/1.png"
    source = _unstated(tmp_path / "a.zip", encoding, name, "a.csv")
    assert [file.path for file in unpack_archive(source, tmp_path / "raw")] == sorted(["a.csv", name])
    with open_listing(source) as listing:
        assert set(listing.members) == {"a.csv", name}
        assert (check_names(listing) == ()) == (encoding != "cp437")


@pytest.mark.parametrize("inside", [b"", b"\1", b"\1abcd"])
def test_a_field_of_a_name_that_is_cut_off_is_passed_over(tmp_path: Path, inside: bytes) -> None:
    source = _unstated(tmp_path / "a.zip", "cp437", "bücher/1.png")
    with zipfile.ZipFile(source, "w") as zipped:
        info = _Unstated("bücher/1.png")
        info.encoding, info.extra = "cp437", struct.pack("<2H", 0x7075, len(inside)) + inside
        zipped.writestr(info, b"x")
    assert [file.path for file in unpack_archive(source, tmp_path / "raw")] == ["bücher/1.png"]


def test_names_in_an_encoding_that_nobody_states_are_told(tmp_path: Path) -> None:
    with open_listing(_unstated(tmp_path / "a.zip", "cp932", "猫/1.png", "犬/1.png")) as listing:
        (line,) = check_names(listing)
    assert "a.zip does not state the encoding of its names" in line
    assert "'猫/1.png' in cp932" in line
    assert "unzip -O" in line
