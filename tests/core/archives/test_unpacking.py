import shutil
import stat
import time
import zipfile
from pathlib import Path

import pytest

from pipeline.core.archives import unpacking as archive
from pipeline.core.archives.members import ArchiveMember, Budget
from pipeline.core.archives.written import WrittenFiles
from pipeline.core.errors import InputError
from pipeline.data.describe.listing import open_listing


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/x.png", "C:\\x.png", "..\\x.png", "C:x.png"])
def test_members_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    path = _zip(tmp_path / "a.zip", {"good.png": b"x", name: b"x"})
    with pytest.raises(InputError, match="1 members leave the folder"):
        archive.unpack_archive(path, tmp_path / "inside" / "raw")
    assert list(tmp_path.rglob("*.png")) == []


def test_symbolic_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped_file:
        zipped_file.writestr(info, "/etc")
    with pytest.raises(InputError, match="or are links: 'link'"):
        archive.unpack_archive(tmp_path / "a.zip", tmp_path / "raw")


def test_a_bomb_is_refused_before_a_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "a.zip", {"zeros": bytes(5_000_000)})
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(InputError, match=r"needs 5\.0 MB, the disk has 1\.0 MB free"):
        archive.unpack_archive(path, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a": b"x", "a/b": b"x"})
    with pytest.raises(InputError, match="could not be unpacked"):
        archive.unpack_archive(path, tmp_path / "raw")


def test_what_operating_systems_leave_behind_stays_in_the_zip(tmp_path: Path) -> None:
    names = {"train/1.png": b"x", "__MACOSX/train/._1.png": b"x", "train/.DS_Store": b"x", "train/._1.png": b"x"}
    archive.unpack_archive(_zip(tmp_path / "a.zip", names), tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").rglob("*.png")] == ["1.png"]
    assert not (tmp_path / "raw" / "__MACOSX").exists()


def _encrypted(content: bytes) -> bytes:
    """Says of a zip's only member that it is encrypted, in both of its headers."""
    changed = bytearray(content)
    changed[6] |= 1
    changed[changed.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize("kind", ["encrypted", "no zip"])
def test_a_zip_inside_that_cannot_be_unpacked_stays_one_and_is_named(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _zip(tmp_path / "inner.zip", {"1.png": b"x"}).read_bytes()
    odd = _encrypted(whole) if kind == "encrypted" else b"odd"
    outer = _zip(tmp_path / "a.zip", {"odd.zip": odd, "train.zip": whole})
    files = archive.unpack_archive(outer, tmp_path / "raw")
    assert [file.path for file in files] == ["odd.zip", "train/1.png"]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["odd.zip", "train"]
    assert "note: odd.zip in a.zip stays packed: " in capsys.readouterr().err


def test_an_encrypted_table_stops_a_look_at_its_zip_in_one_line(tmp_path: Path) -> None:
    whole = _zip(tmp_path / "inner.zip", {"extra.csv": b"a,b\n"}).read_bytes()
    outer = _zip(tmp_path / "a.zip", {"extra.zip": _encrypted(whole)})
    with open_listing(outer) as listing, pytest.raises(InputError, match=r"a\.zip: extra\.csv cannot be read \(.*encr"):
        listing.head("extra.csv")


def test_the_time_to_choose_members_grows_with_their_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = WrittenFiles(tmp_path, tmp_path, Budget("a", 1))
    work = archive._Unpacking(tmp_path, written)
    monkeypatch.setattr(written, "plan", set)
    taken: list[ArchiveMember] = []

    def read(_opened: object, chosen: list[ArchiveMember], *_more: object) -> dict[int, str]:
        taken.extend(chosen)
        return {}

    monkeypatch.setattr(work, "_read", read)
    members = {f"train/{number}.png": ArchiveMember(f"{number}", 1, 0, place=number) for number in range(20_000)}
    start = time.process_time()
    work._pass_over(None, members, 0)  # type: ignore[arg-type]
    assert len(taken) == 20_000
    assert time.process_time() - start < 3  # with the square of their number it did not end in 200 s by the clock
