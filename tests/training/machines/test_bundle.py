"""Bundles: what goes to a machine that sees nothing of this folder, and what comes back."""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from support import tiny
from support.fabricated import write_params
from support.trained import HOG
from support.trainings import repository

from pipeline.core.digests import write_signed_json
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.paths import doubted_path, index_path, work_folder
from pipeline.core.tables import read_index
from pipeline.stages import batch, bundle, take_folds, train
from pipeline.training.machines import travelling
from pipeline.training.machines.parcels import read_listing, write_parcel
from pipeline.training.task import find_fold_folder
from pipeline.training.task_list import list_tasks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "here"
    made.mkdir()
    repository(made, folds=[0, 2])
    tiny.write_yaml(made / "configs" / "models" / "one.yaml", HOG)
    return made


def unpack(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as tar:
        tar.extractall(folder)
    return folder


def test_a_bundle_holds_code_stores_settings_and_its_tasks(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.run(root, tmp_path / "b.tar")
    listed = read_listing(tmp_path / "b.tar")
    wanted = {"params.yaml", "tasks.json", "folds/folds.csv", "data/prepared/train_images.npy", "pipeline/cli.py"}
    assert wanted <= listed.keys()
    there = unpack(tmp_path / "b.tar", tmp_path / "there")
    sent = json.loads((there / "tasks.json").read_text())
    assert [(task["model"], task["fold"]) for task in sent] == [("one", 0), ("one", 2)]
    assert [task.fingerprint for task in list_tasks(there, ("one",))] == [task["fingerprint"] for task in sent]
    printed = capsys.readouterr().out
    assert "b.tar: 2 folds of 1 models" in printed
    assert "python -m pipeline take-folds folds.bin" in printed


def test_a_second_model_takes_no_store_along(root: Path, tmp_path: Path) -> None:
    bundle.run(root, tmp_path / "first.tar")
    there = unpack(tmp_path / "first.tar", tmp_path / "there")
    tiny.write_yaml(root / "configs" / "models" / "two.yaml", HOG)
    write_params(root, ["one", "two"], train={"folds": [0, 2], "precision": "float32"})
    bundle.run(root, tmp_path / "second.tar", there / "parcel.json")
    with tarfile.open(tmp_path / "second.tar") as tar:
        assert set(tar.getnames()) == {"parcel.json", "params.yaml", "tasks.json", "configs/models/two.yaml"}
    unpack(tmp_path / "second.tar", there)
    assert len(list_tasks(there, ("one", "two"))) == 4


def test_a_list_of_doubted_labels_goes_along(root: Path, tmp_path: Path) -> None:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", HOG | {"doubted": "drop"})
    path = doubted_path(root, "tiny")
    path.parent.mkdir(parents=True)
    path.write_text(f"id\n{read_index(index_path(root, 'train'))['id'].iloc[0]}\n", encoding="utf-8")
    bundle.run(root, tmp_path / "b.tar")
    there = unpack(tmp_path / "b.tar", tmp_path / "there")
    here = [task.fingerprint for task in list_tasks(root, ("one",))]
    assert [task.fingerprint for task in list_tasks(there, ("one",))] == here


def test_what_is_wrong_with_a_file_is_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.bin does not exist; give the file that `batch --out` wrote"):
        take_folds.run(root, tmp_path / "no.bin")
    bundle.run(root, tmp_path / "b.tar")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "b.tar").read_bytes()[:70_000])
    with pytest.raises(InputError, match=r"cut\.bin is damaged or cut off.*; fetch it again"):
        take_folds.run(root, tmp_path / "cut.bin")
    about = {"outcomes": {"one 0": "wrong input: the disk is full"}, "fingerprints": {"one 2": "0" * 64}}
    write_parcel(tmp_path / "p.bin", {}, about)
    with pytest.raises(InputError, match=r"one 0: wrong input: the disk is full; one 2: trained with other code"):
        take_folds.run(root, tmp_path / "p.bin")
    assert [task.status for task in list_tasks(root, ("one",))] == ["open", "open"]


@pytest.mark.slow
def test_folds_trained_from_a_bundle_are_those_of_training_here(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.run(root, tmp_path / "b.tar")
    there = unpack(tmp_path / "b.tar", tmp_path / "there")
    batch = [sys.executable, "-m", "pipeline", "batch", "tasks.json", "--out", "folds.bin", "--seconds", "200"]
    subprocess.run(batch, cwd=there, check=True, capture_output=True)
    train.run(there, "one")
    take_folds.run(root, there / "folds.bin")
    assert [task.status for task in list_tasks(root, ("one",))] == ["done", "done"]
    with pytest.raises(InputError, match="no fold is open"):
        bundle.run(root, tmp_path / "c.tar")
    capsys.readouterr()
    train.run(root, "one")
    assert "fold 0" not in capsys.readouterr().out
    for part in ("oof", "test"):
        name = f"folds/predictions/one/{part}.parquet"
        assert (root / name).read_bytes() == (there / name).read_bytes()
    (there / "data" / "prepared" / "train_images.npy").write_bytes(b"x")
    ran = subprocess.run(batch, cwd=there, check=False, capture_output=True, text=True)
    assert "train_images.npy is missing or not what was sent" in ran.stderr


@pytest.mark.parametrize("file", ["done.json", "history.csv", "oof.npy"])
def test_a_finished_fold_with_a_damaged_file_is_open_and_stays_as_it_is(root: Path, file: str) -> None:
    task = next(task for task in list_tasks(root, ("one",)) if task.fold == 0)
    folder = find_fold_folder(work_folder(root, "train"), "one", task.fingerprint, 0)
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    (folder / "oof.npy").write_bytes(b"probabilities")
    digests = {name: sha256(folder / name) for name in ("history.csv", "oof.npy")}
    done = {"train_seconds": 1.5, "hardware": "cpu", "digests": digests}
    write_signed_json(folder / "done.json", done)
    assert [task.status for task in list_tasks(root, ("one",))] == ["done", "open"]
    with (folder / file).open("ab") as damaged:
        damaged.write(b"x")
    listed = list_tasks(root, ("one",))[0]
    assert (listed.status, listed.reason) == ("open", f"damaged: {file}; it is trained again")
    assert (folder / "done.json").is_file()


def test_weights_travel_to_where_they_are_looked_for(tmp_path: Path) -> None:
    root, cache = tmp_path / "here", tmp_path / "keras"
    kept, own, cached = root / "w" / "sub" / "a.h5", root / "data" / "own.h5", cache / "published.h5"
    for path in (kept, own, cached):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"w")
    places = [travelling.place_weights(root, root / "w", path, "weights: data/own.h5") for path in (kept, own, cached)]
    assert places == ["data/weights/sub/a.h5", "data/own.h5", "data/weights/published.h5"]
    with pytest.raises(InputError, match=r"published\.h5 is outside of the repository.*write weights: data/"):
        travelling.place_weights(root, root / "w", cached, f"weights: {cached}")


@pytest.mark.parametrize(
    ("command", "outcome"), [("kill -ABRT $$", "ended by signal 6 (out of memory?)"), ("exit 3", "ended with 3")]
)
def test_a_fold_that_ended_by_itself_is_described_by_its_signal_or_code(command: str, outcome: str) -> None:
    process = subprocess.Popen(["sh", "-c", command])
    process.wait()
    task = batch.SentTask(model="one", fold=0, fingerprint="0" * 16)
    with tempfile.TemporaryFile() as errors:
        assert batch._describe(batch._Running(task, process, errors)) == outcome


def test_a_parcel_holds_no_fold_that_is_still_in_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [{"model": "one", "fold": fold, "fingerprint": "0" * 64} for fold in (0, 2)]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    written: list[tuple[list[int], dict[str, str]]] = []
    devices: list[dict[str, str]] = []

    def start(root: Path, task: batch.SentTask, slot: dict[str, str]) -> batch._Running:
        devices.append(slot)
        command = ["true"] if task.fold == 0 else ["sleep", "60"]
        return batch._Running(task, subprocess.Popen(command), tempfile.TemporaryFile())

    def write(root: Path, out: Path, sent: list[batch.SentTask], outcomes: dict[str, str]) -> None:
        written.append(([task.fold for task in sent], dict(outcomes)))

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr(batch, "_start", start)
    monkeypatch.setattr(batch, "_write", write)
    batch.run(root, tmp_path / "tasks.json", tmp_path / "folds.bin", 1.0)
    assert devices == [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    assert written[0] == ([0], {"one 0": "done"})
    assert written[-1] == ([0, 2], {"one 0": "done", "one 2": "unfinished"})
    with pytest.raises(InputError, match="--out"):
        batch.run(root, tmp_path / "tasks.json", tmp_path, 1.0)
