"""Parcels of folds: whole or refused, put in place by fingerprint, and never over what is further."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from support.fabricated import write_repository
from support.trainings import recipe, task

from pipeline.core.digests import write_signed_json
from pipeline.core.errors import InputError
from pipeline.training.finished import is_finished, list_files_beside, list_fold_files, write_done
from pipeline.training.machines.parcels import (
    list_problems,
    place_folds,
    read_listing,
    unpack_parcel,
    verify_arrival,
    write_parcel,
)
from pipeline.training.state import State, TrainingProgress, write_state
from pipeline.training.task import FoldTask

DONE = {"valid.parquet": b"v", "history.csv": b"epoch\n4\n"}


def lay_fold(made: FoldTask, files: dict[str, bytes]) -> None:
    made.folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (made.folder / name).write_bytes(content)


def lay_done(made: FoldTask) -> dict[str, bytes]:
    lay_fold(made, DONE)
    write_done(made, {"hardware": "gpu"})
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


def lay_state(made: FoldTask, epoch: int) -> None:
    made.folder.mkdir(parents=True, exist_ok=True)
    write_state(made.folder / "state-gpu.npz", State(TrainingProgress(epoch=epoch), [], [], []))


def send(root: Path, tasks: list[FoldTask], out: Path) -> Path:
    files = {path.relative_to(root).as_posix(): path for each in tasks for path in list_fold_files(each.folder)}
    write_parcel(out, files, {"outcomes": {"one 0": "done"}})
    return out


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return write(tmp_path / "there")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return write(tmp_path / "here")


def write(root: Path) -> Path:
    root.mkdir()
    write_repository(root)
    return root


def tasks_of(root: Path) -> list[FoldTask]:
    return [task(root, recipe(), ".work/train", fold) for fold in range(3)]


def test_a_finished_fold_is_put_where_training_finds_it(here: Path, there: Path, tmp_path: Path) -> None:
    finished = lay_done(tasks_of(there)[0])
    lay_state(tasks_of(there)[1], 7)
    (tasks_of(there)[0].folder / ".tmp-half").touch()
    about, placed = place_folds(here, send(there, tasks_of(there), tmp_path / "p.bin"), tasks_of(here))
    assert [(fold.fold, fold.outcome, fold.epoch) for fold in placed] == [(0, "done", 0), (1, "continued", 7)]
    assert about == {"outcomes": {"one 0": "done"}}
    assert {path.name: path.read_bytes() for path in tasks_of(here)[0].folder.iterdir()} == finished
    assert not list((here / ".work" / "parcels").iterdir())


def test_what_finished_folds_share_comes_along_once(here: Path, there: Path, tmp_path: Path) -> None:
    for made in tasks_of(there)[:2]:
        lay_fold(made, {"checkpoint.head.npz": b"head"})
        shared = made.folder.with_name("backbone-1.npz")
        shared.write_bytes(b"backbone")
        write_done(made, {"hardware": "gpu"}, [shared])
    placed = place_folds(here, send(there, tasks_of(there), tmp_path / "p.bin"), tasks_of(here))[1]
    assert [fold.outcome for fold in placed] == ["done", "done"]
    folder = tasks_of(here)[0].folder.parent
    assert (folder / "backbone-1.npz").read_bytes() == b"backbone"
    assert all(is_finished(made) for made in tasks_of(here)[:2])
    (folder / "backbone-1.npz").write_bytes(b"damaged!")
    assert not is_finished(tasks_of(here)[0])


@pytest.mark.parametrize("damage", ["own file", "backbone", "no digests", "digests of no text"])
def test_a_damaged_fold_is_left_out_and_what_is_here_stays(
    here: Path, there: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for root, content in ((there, b"other" if damage == "backbone" else b"backbone"), (here, b"backbone")):
        made = tasks_of(root)[root == here]
        lay_fold(made, {"checkpoint.head.npz": b"head"})
        shared = made.folder.with_name("backbone-1.npz")
        shared.write_bytes(content)
        write_done(made, {"hardware": "gpu"}, [shared])
    came = tasks_of(there)[0].folder
    if damage == "own file":
        (came / "checkpoint.head.npz").write_bytes(b"daeh")
    elif damage != "backbone":
        write_signed_json(came / "done.json", {} if damage == "no digests" else {"digests": {"history.csv": 1}})
    lay_state(tasks_of(here)[0], 3)
    placed = place_folds(here, send(there, tasks_of(there), tmp_path / "p.bin"), tasks_of(here))[1]
    assert [fold.fold for fold in placed] == []
    assert "fold 0: what came is damaged, or has another backbone" in capsys.readouterr().out
    assert (tasks_of(here)[0].folder / "state-gpu.npz").is_file()
    assert is_finished(tasks_of(here)[1])


@pytest.mark.parametrize("name", ["../../secret.npz", "../../backbone-1.npz", "secret.npz", "done.json"])
def test_a_fold_from_elsewhere_brings_nothing_but_a_backbone_that_lies_beside_it(tmp_path: Path, name: str) -> None:
    made = tasks_of(write(tmp_path / "root"))[0]
    made.folder.mkdir(parents=True)
    write_signed_json(made.folder / "done.json", {"digests": {f"../{name}": "0", "../backbone-2.npz": "1"}})
    (made.folder / f"../{name}").resolve().touch()
    assert list_files_beside(made.folder) == [made.folder.with_name("backbone-2.npz")]


def test_what_is_here_and_as_far_is_kept(here: Path, there: Path, tmp_path: Path) -> None:
    lay_done(tasks_of(there)[0])
    lay_fold(tasks_of(here)[0], {"valid.parquet": b"ours"})
    write_done(tasks_of(here)[0], {"hardware": "gpu"})
    lay_state(tasks_of(there)[1], 7)
    lay_state(tasks_of(here)[1], 8)
    ours = (tasks_of(here)[1].folder / "state-gpu.npz").read_bytes()
    _, placed = place_folds(here, send(there, tasks_of(there), tmp_path / "p.bin"), tasks_of(here))
    assert [fold.outcome for fold in placed] == ["kept", "kept"]
    assert (tasks_of(here)[0].folder / "valid.parquet").read_bytes() == b"ours"
    assert (tasks_of(here)[1].folder / "state-gpu.npz").read_bytes() == ours


def test_a_parcel_cut_off_at_any_place_is_refused_whole(here: Path, there: Path, tmp_path: Path) -> None:
    lay_done(tasks_of(there)[0])
    whole = send(there, tasks_of(there), tmp_path / "p.bin").read_bytes()
    end = len(whole.rstrip(b"\0"))
    for size in {0, 1, 511, 512, 700, 1024, 1536, end // 2, end - 1}:
        (tmp_path / "cut.bin").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.bin is (damaged or cut off|no parcel)"):
            place_folds(here, tmp_path / "cut.bin", tasks_of(here))
        assert not tasks_of(here)[0].folder.exists()


def test_a_changed_byte_is_refused(here: Path, there: Path, tmp_path: Path) -> None:
    lay_done(tasks_of(there)[0])
    path = send(there, tasks_of(there), tmp_path / "p.bin")
    path.write_bytes(path.read_bytes().replace(b'"gpu"', b'"cpu"'))
    with pytest.raises(InputError, match=r"done\.json is missing or not what was sent; fetch it again"):
        place_folds(here, path, tasks_of(here))
    assert not tasks_of(here)[0].folder.exists()


def test_a_fold_of_another_fingerprint_is_left_out(here: Path, there: Path, tmp_path: Path) -> None:
    lay_done(tasks_of(there)[0])
    other = there / ".work" / "train" / "one-0000000000000000" / "fold0"
    tasks_of(there)[0].folder.parent.rename(other.parent)
    parcel = tmp_path / "p.bin"
    write_parcel(parcel, {path.relative_to(there).as_posix(): path for path in other.iterdir()})
    assert place_folds(here, parcel, tasks_of(here)) == ({}, [])


def test_an_error_page_is_no_parcel(tmp_path: Path) -> None:
    (tmp_path / "p.bin").write_text("<html>403 Forbidden</html>")
    with pytest.raises(InputError, match=r"p\.bin is damaged or cut off"):
        unpack_parcel(tmp_path / "p.bin", tmp_path / "out")


def test_the_same_contents_make_the_same_bytes(there: Path, tmp_path: Path) -> None:
    lay_done(tasks_of(there)[0])
    first = send(there, tasks_of(there), tmp_path / "a.bin")
    copied = Path(shutil.copytree(there, tmp_path / "copied"))
    assert send(copied, tasks_of(copied), tmp_path / "b.bin").read_bytes() == first.read_bytes()


def test_what_the_other_machine_has_is_listed_and_left_out(tmp_path: Path) -> None:
    write_parcel(tmp_path / "first.tar", {"a": b"store" * 10_000, "b": b"code"})
    held = read_listing(tmp_path / "first.tar")
    write_parcel(tmp_path / "second.tar", {"a": b"store" * 10_000, "b": b"new code"}, held=held)
    assert (tmp_path / "second.tar").stat().st_size < 20_000 < (tmp_path / "first.tar").stat().st_size
    there = tmp_path / "there"
    there.mkdir()
    verify_arrival(there)
    for name in ("first", "second"):
        with tarfile.open(tmp_path / f"{name}.tar") as tar:
            tar.extractall(there)
    verify_arrival(there)
    assert read_listing(there / "parcel.json") == read_listing(tmp_path / "second.tar")
    assert (there / "b").read_bytes() == b"new code"
    (there / "a").write_bytes(b"stare" * 10_000)
    with pytest.raises(InputError, match=r"a is missing or not what was sent; unpack the bundle again"):
        verify_arrival(there)


def test_states_may_change_after_the_arrival(tmp_path: Path) -> None:
    (tmp_path / "parcel.json").write_text(json.dumps({"files": {".work/train/one/state.npz": "0" * 64}}))
    verify_arrival(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"<html>", b'{"files": 3}'])
def test_what_is_no_listing_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"x is no parcel, and no parcel\.json of one"):
        read_listing(tmp_path / "x")


def test_folds_that_failed_are_listed_with_their_reason() -> None:
    outcomes = {"one 0": "done", "one 1": "unfinished", "one 2": "wrong input: the loss is NaN"}
    assert list_problems({"outcomes": outcomes}) == ["one 2: wrong input: the loss is NaN"]
    assert list_problems({}) == []
