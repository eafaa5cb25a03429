"""Every kind of archive, as the outer one and as an inner one, gives the same files; and so does a look into it."""

import time
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import pytest
from support.archive_files import COMPRESS, MAKE, cut, make_seven, make_tar, make_zip

from pipeline.core.archives.kinds import ARCHIVE_ENDINGS, STREAMS, group_parts
from pipeline.core.archives.unpacking import unpack_archive
from pipeline.core.errors import InputError
from pipeline.data.describe.listing import open_listing

FILES = {"train/1.png": b"one" * 400, "train/2.png": b"two", "labels.csv": b"id,label\n1,a\n", "empty.txt": b""}


def put(place: Path, content: bytes) -> Path:
    place.write_bytes(content)
    return place


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def looked_at(source: Path) -> dict[str, bytes]:
    with open_listing(source) as listing:
        return {path: listing.read(path) for path in listing.members}


@pytest.mark.parametrize("kind", MAKE)
def test_an_archive_of_any_kind_is_unpacked_and_looked_into(tmp_path: Path, kind: str) -> None:
    source = put(tmp_path / f"data.{kind}", MAKE[kind](FILES))
    files = unpack_archive(source, tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(source) == FILES
    assert [(file.path, file.size) for file in files] == sorted((name, len(data)) for name, data in FILES.items())


@pytest.mark.parametrize("outer", ["zip", "7z", "tgz"])
@pytest.mark.parametrize("inner", MAKE)
def test_an_archive_inside_another_is_unpacked_where_it_lies(tmp_path: Path, outer: str, inner: str) -> None:
    held = {"a.txt": b"a", f"deep/train.{inner}": MAKE[inner]({"x/1.png": b"one", "2.png": b"two"})}
    source = put(tmp_path / f"data.{outer}", MAKE[outer](held))
    unpack_archive(source, tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(source)
    assert looked_at(source) == {"a.txt": b"a", "deep/x/1.png": b"one", "deep/2.png": b"two"}


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_single_compressed_file_loses_its_ending(tmp_path: Path, ending: str) -> None:
    source = put(tmp_path / "data.zip", make_zip({f"train.csv.{ending}": COMPRESS[ending](b"id,label\n")}))
    unpack_archive(source, tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(source) == {"train.csv": b"id,label\n"}


def test_a_tar_in_a_7z_in_a_zip_is_never_on_disk_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    whole = Path.open

    def noting(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        opened.append((path.name, mode))
        return whole(path, mode, *rest, **more)  # type: ignore[call-overload]

    inner = make_seven({"train.tar": make_tar({"train/1.jpg": b"one"})})
    source = put(tmp_path / "data.zip", make_zip({"train.tar.7z": inner}))
    monkeypatch.setattr(Path, "open", noting)
    unpack_archive(source, tmp_path / "raw")
    assert [name for name, mode in opened if mode == "wb"] == ["train.tar.7z", "1.jpg"]
    assert unpacked(tmp_path / "raw") == {"train/1.jpg": b"one"}


@pytest.mark.parametrize("kind", ["zip", "7z", "tgz"])
def test_an_archive_cut_into_numbered_parts_is_put_together(tmp_path: Path, kind: str) -> None:
    parts = cut(MAKE[kind](FILES), f"data.{kind}", 7)
    for name, content in parts.items():
        put(tmp_path / name, content)
    unpack_archive(tmp_path / f"data.{kind}.001", tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(tmp_path / f"data.{kind}.001") == FILES


@pytest.mark.parametrize("form", ["{}.a{}", "{}.part{}", "{}.part-a{}", "{}.aa{}"])
@pytest.mark.parametrize("kind", ["zip", "7z", "tgz"])
def test_parts_with_other_endings_are_put_together(tmp_path: Path, kind: str, form: str) -> None:
    pieces = list(cut(MAKE[kind](FILES), "data", 3).values())
    signs = "123" if "part{" in form else "abc"
    parts = {form.format(f"train.{kind}", sign): piece for sign, piece in zip(signs, pieces, strict=True)}
    source = put(tmp_path / "data.zip", make_zip({**parts, "train.zip.sig": b"no part"}))
    unpack_archive(source, tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(source) == {**FILES, "train.zip.sig": b"no part"}


def test_thousands_of_parts_with_letters_are_put_in_order_at_once() -> None:
    names = [f"a.zip.{''.join(letters)}" for letters in product(ascii_lowercase, repeat=3)]
    began = time.process_time()
    assert group_parts([*reversed(names[:3000]), *names[3001:]]) == {"a.zip": names[:3000]}
    assert time.process_time() - began < 2


def test_parts_inside_an_archive_are_put_together_and_go(tmp_path: Path) -> None:
    source = put(tmp_path / "all.zip", make_zip({"a.txt": b"a", **cut(make_zip(FILES), "train.zip", 3)}))
    unpack_archive(source, tmp_path / "raw")
    assert unpacked(tmp_path / "raw") == looked_at(source) == {"a.txt": b"a", **FILES}


def test_parts_of_which_one_is_missing_stay_and_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = cut(make_zip(FILES), "train.zip", 3)
    source = put(tmp_path / "all.zip", make_zip({name: parts[name] for name in ("train.zip.001", "train.zip.002")}))
    unpack_archive(source, tmp_path / "raw")
    assert sorted(unpacked(tmp_path / "raw")) == ["train.zip.001", "train.zip.002"]
    assert "note: train.zip.001, train.zip.002 in all.zip stays packed: " in capsys.readouterr().err


def test_archives_that_lie_too_deep_stay_and_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = make_zip({"1.png": b"x"})
    for depth in range(8):
        content = make_zip({f"{depth}.zip": content})
    files = unpack_archive(put(tmp_path / "a.zip", content), tmp_path / "raw")
    assert [file.path for file in files] == ["2.zip"]
    assert "note: 2.zip in a.zip stays packed: more than 5 archives are inside one another" in capsys.readouterr().err


def test_an_encrypted_7z_is_refused_by_that_word(tmp_path: Path) -> None:
    source = put(tmp_path / "a.7z", make_seven({"1.png": b"x"}, password="secret"))
    with pytest.raises(InputError, match=r"a\.7z is not a whole, readable archive \(it is encrypted\)"):
        unpack_archive(source, tmp_path / "raw")


def test_the_page_about_competitions_lists_every_kind() -> None:
    page = (Path(__file__).parents[3] / "docs" / "competitions.md").read_text(encoding="utf-8")
    table = page.partition("### Archives")[2].partition("The outer archive")[0]
    missing = [ending for ending in ARCHIVE_ENDINGS if f"`{ending}`" not in table]
    assert not missing
    streams = [f".tar{ending}" for ending in STREAMS if f"`.tar{ending}`" not in table]
    assert not streams


def test_a_part_that_another_program_named_is_none_of_these() -> None:
    ours = ["a.zip.001", "a.zip.002", "a.zip.003"]
    assert group_parts(["a.zip.01", *ours]) == group_parts([*ours, "a.zip.02", "a.zip.01"]) == {"a.zip": ours}
    tens = [f"b.7z.part{number}" for number in range(1, 12)]
    assert group_parts([*reversed(tens), "b.7z.part01"]) == {"b.7z": tens}
    many = [f"c.tar.{number:02}" for number in range(102)]
    assert group_parts(many) == {"c.tar": many}
