"""One fold: the same bits whatever interrupts it, and nothing learnt from the rows it reports."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import trainings
from support.fabricated import CLASSES
from support.trainings import RECIPES, accuracy, kept, recipe, task, train

from pipeline.core import paths, tables
from pipeline.core.errors import InputError
from pipeline.images.batches import TrainBatches
from pipeline.networks import runtime
from pipeline.training import callback, data, phases
from pipeline.training.callback import StateCallback
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.state import read_state
from pipeline.training.trainer import train_fold

ROOT = Path(__file__).parents[2]


class Interruption(BaseException):
    """Stands in for whatever ends a process."""


def interrupt(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int) -> None:
    """Ends the next training in the middle of an epoch, both counted from zero."""
    now = {"epoch": -1}

    def begin(self: StateCallback, number: int, logs: dict[str, float] | None = None) -> None:
        now["epoch"] = number

    def end(self: StateCallback, number: int, logs: dict[str, float] | None = None) -> None:
        if (now["epoch"], number) == (epoch, batch):
            raise Interruption

    monkeypatch.setattr(StateCallback, "on_epoch_begin", begin)
    monkeypatch.setattr(StateCallback, "on_train_batch_end", end)
    monkeypatch.setattr(phases, "_SMALL_BATCH", 0)  # a step a call, so that there is a middle; what goes on makes five


def train_interrupted(root: Path, wanted: Recipe, work: str, epoch: int, batch: int = 2) -> Path:
    """Trains fold 0 until it is interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, epoch, batch)
        with pytest.raises(Interruption):
            train(root, wanted, work)
    return task(root, wanted, work).folder


def test_two_trainings_are_equal_bit_for_bit(root: Path, usual: Path) -> None:
    assert kept(train(root, recipe(), "again")) == kept(usual)


def test_a_fold_that_finds_no_memory_is_not_begun(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.training.memory._LEAST", 2**62)
    with pytest.raises(InputError, match=r"fold 0: memory ran out before it began .*; end other programs"):
        train(root, recipe(), "no memory")


def test_another_seed_is_another_training(root: Path, usual: Path) -> None:
    assert kept(train(root, recipe(), "seed", seed=1))["valid.parquet"] != kept(usual)["valid.parquet"]


# What the slow ones keep between epochs, a quick one keeps beside other things.
SLOW = (
    "momentum",
    "average",
    "accumulation",
    "patience",
    "plateau",
    "pseudo-labels",
    "average of epochs",
    "average of the best",
)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in RECIPES]
)
def test_an_interrupted_training_continues_to_the_same_bits(root: Path, name: str) -> None:
    wanted = recipe(**RECIPES[name])
    whole = train(root, wanted, f"{name} whole")
    place = train_interrupted(root, wanted, f"{name} broken", epoch=2)
    assert (state := read_state(next(place.glob("state-*")), "")) is not None
    assert state.progress.epoch == 2
    assert not (place / "done.json").exists()
    train(root, wanted, f"{name} broken")
    assert kept(place) == kept(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["average", "accumulation"])
def test_so_does_one_in_float16_whose_losses_are_scaled(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = runtime.start_backend
    monkeypatch.setattr(runtime, "start_backend", lambda _: start("float16"))
    wanted = recipe(**RECIPES[name])
    whole = train(root, wanted, f"{name} float16 whole")
    place = train_interrupted(root, wanted, f"{name} float16 broken", epoch=2)
    train(root, wanted, f"{name} float16 broken")
    start("float32")
    assert kept(place) == kept(whole)
    assert trainings.accuracy(root, place) > 0.4


def test_a_training_without_a_single_update_is_refused(root: Path) -> None:
    optimizer = {"name": "sgd", "learning_rate": 0.05, "accumulate": 11}
    with pytest.raises(
        InputError, match=r"accumulate is 11, but its phase has 10 steps .* \(2 epochs of 40 images, 8 at"
    ):
        train(root, recipe(epochs=2, optimizer=optimizer), "nothing learnt")


@pytest.mark.slow
def test_a_training_killed_at_any_moment_continues_to_the_same_bits(root: Path) -> None:
    wanted = {"epochs": 40}
    whole = train(root, recipe(**wanted), "killed whole")
    code = (
        "from pathlib import Path; from pipeline.networks import runtime; from support.trainings import recipe, train; "
        f"train(Path(sys.argv[1]), recipe(**{wanted}), 'killed')"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = ['.', 'tests', 'tests/training']; {code}", str(root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if re.search(r"epoch [3-9]/40", line):
                time.sleep(random.Random(time.time_ns()).uniform(0, 0.2))
                process.kill()
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    place = task(root, recipe(**wanted), "killed").folder
    assert not (place / "done.json").exists()
    train(root, recipe(**wanted), "killed")
    assert kept(place) == kept(whole)


def test_a_training_killed_before_its_predictions_are_written_only_writes_them(
    root: Path, usual: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise Interruption

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.trainer.write_done", fail)
        with pytest.raises(Interruption):
            train(root, recipe(), "unfinished")
    capsys.readouterr()
    assert kept(train(root, recipe(), "unfinished")) == kept(usual)
    assert "epoch" not in capsys.readouterr().out


def test_a_state_that_cannot_be_read_starts_the_fold_again_and_says_so(
    root: Path, usual: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(train_interrupted(root, recipe(), "damage", epoch=3).glob("state-*"))
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = bytes(255 - byte for byte in content[middle : middle + 600])
    path.write_bytes(content[:middle] + flipped + content[middle + 600 :])
    capsys.readouterr()
    assert kept(train(root, recipe(), "damage")) == kept(usual)
    assert "one fold 0: " in (said := capsys.readouterr().out)
    assert "cannot be read" in said
    assert "starts again" in said


@pytest.mark.slow
def test_other_hardware_starts_the_fold_again_and_keeps_the_state_of_the_first(
    root: Path, usual: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(callback, "name_hardware", lambda: "gpu T4")
        place = train_interrupted(root, recipe(), "other hardware", epoch=3)
        (state,) = place.glob("state-*")
        content = state.read_bytes()
    capsys.readouterr()
    again = train_interrupted(root, recipe(), "other hardware", epoch=1)
    assert "one fold 0: gpu T4 reached epoch 3; on cpu " in capsys.readouterr().out
    assert state.read_bytes() == content
    assert len(list(again.glob("state-*"))) == 2
    assert kept(train(root, recipe(), "other hardware")) == kept(usual)
    assert not list(again.glob("state-*"))
    assert json.loads((again / "done.json").read_text())["hardware"].startswith("cpu ")


def test_the_number_of_threads_changes_nothing(root: Path, usual: Path) -> None:
    one = task(root, recipe(), "threads")
    train_fold(one, trainings.session(root, recipe(), workers=7))
    assert kept(one.folder) == kept(usual)


def test_a_finished_fold_is_left_alone(root: Path, usual: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in usual.iterdir()}
    train(root, recipe(), "usual")
    assert {path.name: path.stat().st_mtime_ns for path in usual.iterdir()} == before
    assert capsys.readouterr().out == ""


def test_a_finished_fold_keeps_no_state(usual: Path) -> None:
    assert sorted(path.name for path in usual.iterdir()) == sorted([*trainings.KEPT, "done.json"])


def change_rows(root: Path, target: Path, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Path:
    """Copies what a training reads and gives some rows other pictures and other labels."""
    shutil.copytree(root / "data", target / "data")
    shutil.copytree(root / "folds", target / "folds")
    images = np.load(target / "data" / "prepared" / "train_images.npy")
    images[rows] = 255 - images[rows]
    np.save(target / "data" / "prepared" / "train_images.npy", images)
    path = target / "data" / "prepared" / "train.csv"
    index = tables.read_index(path)
    index.loc[rows, "label"] = (index.loc[rows, "label"] + 1) % len(CLASSES)
    tables.write_index(path, index)
    return target


def test_a_fold_never_sees_its_valid_rows(root: Path, usual: Path, tmp_path: Path) -> None:
    valid = np.flatnonzero(data.load_data(root / "data" / "prepared", paths.folds_path(root)).fold_of == 0)
    other = train(change_rows(root, tmp_path, valid), recipe(), "work")
    assert kept(other)["checkpoint.weights.h5"] == kept(usual)["checkpoint.weights.h5"]
    assert kept(other)["test.parquet"] == kept(usual)["test.parquet"]
    assert kept(other)["history.csv"] != kept(usual)["history.csv"]


def test_a_fold_sees_each_of_its_training_rows(root: Path, usual: Path, tmp_path: Path) -> None:
    row = np.flatnonzero(data.load_data(root / "data" / "prepared", paths.folds_path(root)).fold_of != 0)[:1]
    other = train(change_rows(root, tmp_path, row), recipe(), "work")
    assert kept(other)["checkpoint.weights.h5"] != kept(usual)["checkpoint.weights.h5"]


@pytest.mark.slow
def test_labels_are_learnt_and_permuted_labels_score_at_chance(root: Path, tmp_path: Path) -> None:
    wanted = recipe(epochs=20, units=16)
    assert accuracy(root, train(root, wanted, "learnt")) > 0.75
    shutil.copytree(root / "data", tmp_path / "data")
    shutil.copytree(root / "folds", tmp_path / "folds")
    path = tmp_path / "data" / "prepared" / "train.csv"
    index = tables.read_index(path)
    index["label"] = np.random.default_rng(1).permutation(index["label"])
    tables.write_index(path, index)
    place = train(tmp_path, wanted, "permuted", (0, 1, 2))
    scores = [accuracy(tmp_path, place.parent / f"fold{fold}") for fold in range(3)]
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.15)


def test_a_transform_that_fails_late_is_the_same_one_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainBatches, "check", lambda self: None)
    wanted = recipe(augmentation={"transforms": [{"RandomCrop": {"height": 4, "width": 4, "p": 0.1}}]})
    with pytest.raises(InputError, match=r"turned uint8 \(8, 8, 1\) into uint8 \(4, 4, 1\)") as raised:
        train(root, wanted, "late transform")
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("p", [1.0, 0.001])
def test_a_bad_transform_is_one_error_before_anything_is_trained(root: Path, p: float) -> None:
    wanted = recipe(augmentation={"transforms": [{"RandomCrop": {"height": 4, "width": 4, "p": p}}]})
    with pytest.raises(InputError, match=r"turned uint8 \(8, 8, 1\) into uint8 \(4, 4, 1\)"):
        train(root, wanted, "transform")
    assert not list(task(root, wanted, "transform").folder.iterdir())


@pytest.mark.slow
def test_the_other_backend_trains_and_continues_to_the_same_bits(root: Path) -> None:
    pytest.importorskip("jax")
    code = """
import sys; sys.path[:0] = ['.', 'tests', 'tests/training']
from pathlib import Path
from pipeline.networks import runtime
from support.trainings import accuracy, kept, recipe, train
from test_trainer import train_interrupted
import keras
assert keras.backend.backend() == "jax"
root = Path(sys.argv[1])
wanted = recipe(epochs=12, units=16, optimizer={"name": "sgd", "learning_rate": 0.05, "ema": 0.5}, select="best")
whole = train(root, wanted, "jax whole")
broken = train_interrupted(root, wanted, "jax broken", epoch=2)
train(root, wanted, "jax broken")
assert kept(broken) == kept(whole)
assert accuracy(root, whole) > 0.6, accuracy(root, whole)
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", code, str(root)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
