import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.data.sources.listing import check_source_unchanged, list_source_files
from pipeline.data.sources.source import fetch_competition
from pipeline.stages import fetch


def _tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """A root whose competition lies in download/tiny.zip."""
    tiny.build(tmp_path, per_class=3, n_test=3, zipped=True)
    return tmp_path


def _folder(root: Path) -> Path:
    return fetch_competition(root, load_competition(root))


def test_a_zip_is_unpacked_and_listed(zipped: Path) -> None:
    fetch.run(zipped)
    folder = _folder(zipped)
    assert folder.is_relative_to(zipped / "data" / "raw")
    listed = json.loads((zipped / "data" / "source.json").read_text())
    assert sorted(listed) == sorted([*_tree(folder), "description of the competition"])
    assert "train/0.png" in listed


def test_a_folder_is_used_where_it_lies(tiny: Path) -> None:
    fetch.run(tiny)
    assert _folder(tiny) == tiny / "download" / "tiny"
    assert not (tiny / "data" / "raw").exists()
    listed = json.loads((tiny / "data" / "source.json").read_text())
    size = (tiny / "download" / "tiny" / "train.csv").stat().st_size
    assert listed["train.csv"].startswith(f"{size} ")


def test_the_listing_tells_descriptions_apart_by_what_they_say(tiny: Path) -> None:
    path = tiny / "configs" / "competitions" / "tiny.yaml"
    listed = []
    for text in (
        path.read_text(),
        f"# a comment\n{path.read_text()}",
        path.read_text().replace("size: 12", "size: 16"),
    ):
        path.write_text(text)
        fetch.run(tiny)
        listed.append((tiny / "data" / "source.json").read_bytes())
    assert listed[0] == listed[1] != listed[2]


def test_a_second_fetch_writes_nothing_again(zipped: Path) -> None:
    fetch.run(zipped)
    times = {path: path.stat().st_mtime_ns for path in _folder(zipped).rglob("*")}
    fetch.run(zipped)
    assert {path: path.stat().st_mtime_ns for path in _folder(zipped).rglob("*")} == times


def test_an_interrupted_unpacking_goes_on_where_it_stopped(zipped: Path) -> None:
    folder = _folder(zipped)
    whole = _tree(folder)
    partial = folder.with_name(folder.name + ".partial")
    folder.rename(partial)
    (partial / "train" / "0.png").write_bytes(b"half")
    (partial / "train" / "1.png").unlink()
    kept = (partial / "train" / "2.png").stat().st_mtime_ns
    assert _tree(_folder(zipped)) == whole
    assert (folder / "train" / "2.png").stat().st_mtime_ns == kept
    assert not partial.exists()


@pytest.mark.parametrize("damage", ["missing", "shorter", "extra"])
def test_a_damaged_folder_is_made_whole(zipped: Path, damage: str) -> None:
    folder = _folder(zipped)
    whole = _tree(folder)
    if damage == "missing":
        (folder / "train.csv").unlink()
    elif damage == "shorter":
        (folder / "train.csv").write_text("Id")
    else:
        (folder / "train" / "99.png").write_text("who put me here")
    assert _tree(_folder(zipped)) == whole


def test_a_changed_zip_is_unpacked_again(zipped: Path) -> None:
    folder = _folder(zipped)
    with zipfile.ZipFile(zipped / "download" / "tiny.zip", "a") as archive_file:
        archive_file.writestr("new.txt", "new")
    assert (_folder(zipped) / "new.txt").read_text() == "new"
    assert folder == _folder(zipped)


def test_a_source_that_changed_since_fetch_is_refused(tiny: Path) -> None:
    fetch.run(tiny)
    (tiny / "download" / "tiny" / "train.csv").write_text("Id,Label\n")
    with pytest.raises(
        InputError, match=r"1 files of the source changed since fetch: train.csv; run `dvc repro -f fetch`"
    ):
        check_source_unchanged(tiny, load_competition(tiny))


def test_the_files_stay_when_the_zip_is_gone(zipped: Path) -> None:
    folder = _folder(zipped)
    (zipped / "download" / "tiny.zip").unlink()
    assert _folder(zipped) == folder


def test_a_missing_zip_names_the_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOMEWHERE", raising=False)
    tiny.build(tmp_path)
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    path.write_text(path.read_text().replace("download/tiny", "${SOMEWHERE:-data/downloads}/x.zip"))
    with pytest.raises(InputError, match=r"set the environment variable .*, put the file there, or change source.path"):
        _folder(tmp_path)


def test_an_environment_variable_leads_to_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.build(tmp_path)
    path = tmp_path / "configs" / "competitions" / "tiny.yaml"
    path.write_text(path.read_text().replace("download/tiny", "${SOMEWHERE}/tiny"))
    with pytest.raises(InputError, match="the environment variable SOMEWHERE is not set"):
        _folder(tmp_path)
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "download"))
    assert _folder(tmp_path) == tmp_path / "download" / "tiny"


def test_no_such_competition_names_the_near_one(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    (tmp_path / "params.yaml").write_text("competition: tinny\n")
    with pytest.raises(InputError, match="did you mean tiny"):
        fetch.run(tmp_path)
    assert not (tmp_path / "data").exists()


def test_a_single_folder_around_everything_is_entered(zipped: Path) -> None:
    inner = _folder(zipped)
    members = {f"tiny-main/{name}": (inner / name).read_bytes() for name in _tree(inner)}
    _zip(zipped / "download" / "tiny.zip", members)
    assert (_folder(zipped) / "train.csv").is_file()


def test_a_source_without_the_layouts_paths_is_refused(zipped: Path) -> None:
    _zip(zipped / "download" / "tiny.zip", {"a.txt": b"", "b.txt": b""})
    with pytest.raises(InputError, match=r"holds neither train nor test; it has a.txt, b.txt"):
        _folder(zipped)


def test_zips_inside_the_zip_are_unpacked_where_they_lie(zipped: Path) -> None:
    inner = _folder(zipped)
    names = _tree(inner)
    train = _zip(
        zipped / "train.zip", {name: (inner / name).read_bytes() for name in names if name.startswith("train/")}
    )
    members = {name: (inner / name).read_bytes() for name in names if not name.startswith("train/")}
    _zip(zipped / "download" / "tiny.zip", {**members, "train.zip": train.read_bytes()})
    assert _tree(_folder(zipped)) == names
    assert sorted(list_source_files(zipped, load_competition(zipped))) == sorted(names)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    return data[:60] + bytes([data[60] ^ 255]) + data[61:]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda data: b"", lambda data: b"no zip at all"])
def test_a_damaged_zip_is_refused(zipped: Path, damage: Callable[[bytes], bytes]) -> None:
    path = zipped / "download" / "tiny.zip"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="is not a whole, readable archive"):
        fetch.run(zipped)
    assert not (zipped / "data" / "source.json").exists()


def test_a_damaged_note_of_what_was_unpacked_is_written_anew(zipped: Path) -> None:
    fetch.run(zipped)
    listed = (zipped / "data" / "source.json").read_bytes()
    (note,) = (zipped / "data" / "raw").glob("*.json")
    note.write_text("{")
    fetch.run(zipped)
    assert (zipped / "data" / "source.json").read_bytes() == listed
    files = {name: facts for name, facts in json.loads(listed).items() if name != "description of the competition"}
    assert json.loads(note.read_text())["files"] == files


def test_a_pattern_reaches_no_table_through_a_link(tmp_path: Path) -> None:
    tiny.build(tmp_path, per_class=3, n_test=3)
    file = tmp_path / "configs" / "competitions" / "tiny.yaml"
    described = tiny.read_yaml(file)
    folder = _folder(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("secret")
    (folder / "link").symlink_to(outside)
    tiny.write_yaml(file, described | {"solution": "link/*.csv"})
    with pytest.raises(InputError, match=r"a\.csv is a link to .*outside of the source"):
        _folder(tmp_path)
