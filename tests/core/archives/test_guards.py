"""What no archive may do to the disk, whatever its kind; and what a second call finds done."""

import io
import tarfile
from pathlib import Path

import pytest
from support.archive_files import COMPRESS, MAKE, make_seven, make_tar, make_zip

from pipeline.core.archives import members
from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.errors import InputError
from pipeline.data.describe.listing import open_listing


def put(place: Path, content: bytes) -> Path:
    place.write_bytes(content)
    return place


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
@pytest.mark.parametrize("kind", ["tar", "tgz"])
def test_members_of_tars_that_leave_the_folder_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    source = put(tmp_path / f"a.{kind}", MAKE[kind]({"good.png": b"x", name: b"x"}))
    with pytest.raises(InputError, match="1 members leave the folder"):
        unpack_archive(source, tmp_path / "inside" / "raw")
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path: Path, kind: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    source = put(tmp_path / "a.zip", make_zip({"inner.tar": out.getvalue()}))
    with pytest.raises(InputError, match=r"inner\.tar in a\.zip: 1 members leave the folder or are links: 'link'"):
        unpack_archive(source, tmp_path / "raw")
    with pytest.raises(InputError, match="are links: 'link'"), open_listing(source):
        pass


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst"])
def test_a_stream_that_swells_is_stopped_on_its_way(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "_SMALL", 1_000_000)
    source = put(tmp_path / f"a.csv.{ending}", COMPRESS[ending](bytes(60_000_000)))
    monkeypatch.setattr(members, "_MOST_TIMES", 50)
    with pytest.raises(InputError, match="made to fill disks; do not trust it"):
        unpack_archive(source, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("kind", ["zip", "7z", "tgz"])
def test_too_many_files_are_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_MOST_FILES", 3)
    source = put(tmp_path / f"a.{kind}", MAKE[kind]({f"{number}.png": b"x" for number in range(4)}))
    with pytest.raises(InputError, match="holds more than 3 files"):
        unpack_archive(source, tmp_path / "raw")


@pytest.mark.parametrize("kind", MAKE)
def test_an_archive_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    whole = MAKE[kind]({f"{number}.png": bytes([number]) * 5_000 for number in range(9)})
    for length in (len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10 // 512 * 512):
        if kind == "tar" and not whole[length:].strip(b"\0"):
            continue  # the padding alone is cut
        source = put(tmp_path / f"a.{kind}", whole[:length])
        with pytest.raises(InputError, match="is not a whole, readable archive"):
            unpack_archive(source, tmp_path / "raw")


def test_a_tar_with_a_damaged_header_in_its_middle_is_refused(tmp_path: Path) -> None:
    content = bytearray(make_tar({"1.png": b"x", "2.png": b"x"}))
    content[1024 + 10] ^= 1
    with pytest.raises(InputError, match="it breaks off, or is damaged, near byte"):
        unpack_archive(put(tmp_path / "a.tar", bytes(content)), tmp_path / "raw")


def test_tars_joined_to_one_are_not_read_by_half(tmp_path: Path) -> None:
    content = make_tar({"1.png": b"x"}) + make_tar({"2.png": b"x"})
    with pytest.raises(InputError, match="data follow its end"):
        unpack_archive(put(tmp_path / "a.tar", content), tmp_path / "raw")


def test_a_call_after_an_interrupted_one_keeps_what_inner_archives_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = {"a.zip": make_zip({"a/1.png": b"one"}), "b.7z": make_seven({"b/2.png": b"two"})}
    source = put(tmp_path / "all.zip", make_zip(inner))
    written = []
    whole = Path.open

    def noting(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if mode == "wb":
            written.append(path.name)
            if path.name == stop:
                raise KeyboardInterrupt
        return whole(path, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", noting)
    stop = "2.png"
    with pytest.raises(KeyboardInterrupt):
        unpack_archive(source, tmp_path / "raw")
    stop = ""
    written.clear()
    files = unpack_archive(source, tmp_path / "raw")
    assert [file.path for file in files] == ["a/1.png", "b/2.png"]
    assert written == ["2.png"]  # neither a.zip nor its picture a second time; b.7z lay there whole
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["a", "b"]


def test_a_file_beside_its_own_zip_is_no_clash(tmp_path: Path) -> None:
    table = b"id,label\n"
    source = put(tmp_path / "all.zip", make_zip({"train.csv": table, "train.csv.zip": make_zip({"train.csv": table})}))
    assert [file.path for file in unpack_archive(source, tmp_path / "raw")] == ["train.csv"]
    with open_listing(source) as listing:
        assert listing.read("train.csv") == table
