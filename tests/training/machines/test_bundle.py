"""Bundles: what goes to a machine that sees nothing of this folder, and what comes back."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support import tiny
from support.fabricated import write_params
from support.trained import HOG
from support.trainings import repository

from pipeline.core.errors import InputError
from pipeline.stages import bundle, take_folds, train
from pipeline.training.machines.parcels import read_listing, write_parcel
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


def test_what_is_wrong_with_a_file_is_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.bin does not exist; give the file that `batch --out` wrote"):
        take_folds.run(root, tmp_path / "no.bin")
    bundle.run(root, tmp_path / "b.tar")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "b.tar").read_bytes()[:70_000])
    with pytest.raises(InputError, match=r"cut\.bin is damaged or cut off .*; fetch it again"):
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
