"""One fold: the same bits whatever interrupts it, and nothing learnt from the rows it reports."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from support import trainings
from support.fabricated import CLASSES
from support.trainings import accuracy, kept, recipe, repository, task, teach, train

from pipeline.core import files, paths, tables
from pipeline.core.errors import InputError, NoRoomError
from pipeline.images.batches import TrainBatches
from pipeline.networks import runtime
from pipeline.training import data, phases
from pipeline.training.callback import StateCallback
from pipeline.training.fold_training import FoldTraining
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.session import Session
from pipeline.training.state import read_state
from pipeline.training.trainer import train_fold

ROOT = Path(__file__).parents[2]
# Each leaves state of its own between epochs; 40 training rows make five batches, so accumulation crosses epochs.
RECIPES: dict[str, dict[str, Any]] = {
    "momentum": {},
    "average": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "ema": 0.8}},
    "average, best": {"optimizer": {"name": "adam", "learning_rate": 0.01, "ema": 0.8}, "select": "best"},
    "accumulation": {"optimizer": {"name": "adam", "learning_rate": 0.01, "accumulate": 3, "weight_decay": 0.01}},
    "plateau": {
        "epochs": 8,
        "optimizer": {"name": "rmsprop", "learning_rate": 0.05},
        "schedule": {"name": "plateau", "patience": 1},
    },
    "patience": {
        "epochs": 12,
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "select": "best",
        "patience": 3,
    },
    "mixing, cosine": {
        "augmentation": {
            "flip": "random",
            "transforms": [{"Affine": {"rotate": [-9, 9]}}],
            "mixup": 0.3,
            "cutmix": 1.0,
        },
        "schedule": {"name": "cosine", "warmup_epochs": 1},
        "label_smoothing": 0.1,
        "validate_every": 2,
    },
    "pseudo-labels": {"pseudo": {"teachers": ["wise"], "weight": 0.5}},
}


class Interruption(BaseException):
    """Stands in for whatever ends a process."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository root that the trainings of this file only read; each has a working folder of its own."""
    root = repository(tmp_path_factory.mktemp("trainer"))
    teach(root)
    return root


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


def train_interrupted(root: Path, wanted: Recipe, work: str, epoch: int, batch: int = 2) -> Path:
    """Trains fold 0 until it is interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, epoch, batch)
        with pytest.raises(Interruption):
            train(root, wanted, work)
    return task(root, wanted, work).folder


@pytest.fixture(scope="module")
def usual(root: Path) -> Path:
    """The usual recipe's fold 0, trained without a break."""
    return train(root, recipe(), "usual")


def test_two_trainings_are_equal_bit_for_bit(root: Path, usual: Path) -> None:
    assert kept(train(root, recipe(), "again")) == kept(usual)


def test_another_seed_is_another_training(root: Path, usual: Path) -> None:
    assert kept(train(root, recipe(), "seed", seed=1))["valid.parquet"] != kept(usual)["valid.parquet"]


@pytest.mark.parametrize("name", RECIPES)
def test_an_interrupted_training_continues_to_the_same_bits(root: Path, name: str) -> None:
    wanted = recipe(**RECIPES[name])
    whole = train(root, wanted, f"{name} whole")
    place = train_interrupted(root, wanted, f"{name} broken", epoch=2)
    assert (state := read_state(place / "state.npz", "")) is not None
    assert state.progress.epoch == 2
    assert not (place / "done.json").exists()
    train(root, wanted, f"{name} broken")
    assert kept(place) == kept(whole)


@pytest.mark.parametrize("name", ["average", pytest.param("accumulation", marks=pytest.mark.slow)])
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


def test_all_folds_share_what_was_compiled(root: Path) -> None:
    wanted, compiled = recipe(epochs=2), 0
    opened = trainings.session(root, wanted)
    model = opened.phases[0].model
    loss = model.compute_loss

    def compute_loss(*given: Any, **named: Any) -> Any:
        """Keras calls it as Python once for each step that it compiles."""
        nonlocal compiled
        compiled += 1
        return loss(*given, **named)

    model.compute_loss = compute_loss
    for fold in range(3):
        train_fold(task(root, wanted, "shared", fold), opened)
    assert compiled == 1


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
        patch.setattr(files, "write_json", fail)
        with pytest.raises(Interruption):
            train(root, recipe(), "unfinished")
    capsys.readouterr()
    assert kept(train(root, recipe(), "unfinished")) == kept(usual)
    assert "epoch" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["truncated", "empty", "other bytes"])
def test_a_state_that_cannot_be_read_starts_the_fold_again_and_says_so(
    root: Path, usual: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = train_interrupted(root, recipe(), damage, epoch=3) / "state.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 600]) + content[middle + 600 :]
    path.write_bytes({"truncated": content[:middle], "empty": b"", "other bytes": flipped}[damage])
    capsys.readouterr()
    assert kept(train(root, recipe(), damage)) == kept(usual)
    assert "one fold 0: " in (said := capsys.readouterr().out)
    assert "cannot be read" in said
    assert "starts again" in said


def test_folds_trained_in_one_session_equal_folds_trained_in_sessions_of_their_own(root: Path, usual: Path) -> None:
    together = train(root, recipe(), "together", (2, 0))
    alone = train(root, recipe(), "alone", (2,))
    assert kept(together) == kept(alone)
    assert kept(together.parent / "fold0") == kept(usual)


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


def test_a_training_that_diverges_stops_with_a_reason_and_keeps_the_last_good_epoch(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.repeat(np.array([0.05, 0.05, 1e30, 1e30], dtype=np.float32), 5)

    monkeypatch.setattr(phases, "learning_rates", rates)
    with pytest.raises(
        InputError, match=r"one fold 0: in epoch 3 the .* became NaN or infinite; lower .*learning_rate"
    ):
        train(root, recipe(), "diverged")
    place = task(root, recipe(), "diverged").folder
    assert (state := read_state(place / "state.npz", "")) is not None
    assert state.progress.epoch == 2
    assert all(np.isfinite(array).all() for array in state.model)
    assert [path.name for path in place.iterdir()] == ["state.npz"]


def test_a_training_that_diverges_stops_within_the_epoch_and_names_its_stage(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.full(100, 1e30, dtype=np.float32)

    monkeypatch.setattr(phases, "learning_rates", rates)
    optimizer = {"name": "sgd", "learning_rate": 0.05}
    before = [{"epochs": 1, "batch_size": 2, "optimizer": optimizer}]
    with pytest.raises(
        InputError, match=r"in the first 16 of 20 steps\) became .*lower training.before\[0\].optimizer.learning_rate"
    ):
        train(root, recipe(before=before), "diverged early")
    assert not list(task(root, recipe(before=before), "diverged early").folder.iterdir())


def test_a_step_without_room_in_memory_is_one_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(
        NoRoomError, match=r"one fold 0: memory ran out while 8 images a step .*lower training.batch_size"
    ):
        train(root, recipe(), "no room")


def test_statistics_that_find_no_room_are_one_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(FoldTraining, "reestimate_statistics", fail)
    with pytest.raises(NoRoomError, match=r"memory ran out") as raised:
        train(root, recipe(epochs=1), "no room for statistics")
    assert (raised.value.phase, raised.value.batch_size) == (0, 8)


def test_a_transform_that_fails_late_is_the_same_one_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainBatches, "check", lambda self: None)
    wanted = recipe(augmentation={"transforms": [{"RandomCrop": {"height": 4, "width": 4, "p": 0.1}}]})
    with pytest.raises(InputError, match=r"turned uint8 \(8, 8, 1\) into uint8 \(4, 4, 1\)") as raised:
        train(root, wanted, "late transform")
    assert len(str(raised.value)) < 400


def test_weights_that_the_last_step_ruined_are_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.array([0.05] * 4 + [np.inf] * 6, dtype=np.float32)

    monkeypatch.setattr(phases, "learning_rates", rates)
    with pytest.raises(InputError, match=r"in epoch 1 the weights became"):
        train(root, recipe(epochs=2, validate_every=2), "ruined")
    assert not list(task(root, recipe(), "ruined").folder.iterdir())


@pytest.mark.parametrize("p", [1.0, 0.001])
def test_a_bad_transform_is_one_error_before_anything_is_trained(root: Path, p: float) -> None:
    wanted = recipe(augmentation={"transforms": [{"RandomCrop": {"height": 4, "width": 4, "p": p}}]})
    with pytest.raises(InputError, match=r"turned uint8 \(8, 8, 1\) into uint8 \(4, 4, 1\)"):
        train(root, wanted, "transform")
    assert not list(task(root, wanted, "transform").folder.iterdir())


def test_patience_stops_early_keeps_the_best_epoch_and_leaves_no_thread(root: Path) -> None:
    place = train(root, recipe(**RECIPES["patience"]), "patience")
    history = pd.read_csv(place / "history.csv")
    assert len(history) < 12
    best = int(history["valid_loss"].to_numpy().argmin())
    assert len(history) == best + 1 + 3
    assert accuracy(root, place) == history["valid_accuracy"][best]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def test_a_plateau_lowers_the_rate_after_as_many_epochs_as_it_says(root: Path) -> None:
    history = pd.read_csv(train(root, recipe(**RECIPES["plateau"]), "plateau") / "history.csv")
    best, level, rate = np.inf, 0, 0.05
    for loss, used in zip(history["valid_loss"], history["learning_rate"], strict=True):
        assert used == pytest.approx(rate)
        level = 0 if loss < best else level + 1
        best = min(best, loss)
        if level >= 1:
            rate, level = rate / 2, 0
    assert rate < 0.05


def test_looking_at_the_valid_rows_changes_nothing(root: Path, usual: Path) -> None:
    rarely = train(root, recipe(validate_every=3), "rarely")
    assert kept(rarely)["checkpoint.weights.h5"] == kept(usual)["checkpoint.weights.h5"]
    assert pd.read_csv(rarely / "history.csv")["valid_loss"].isna().tolist() == [True, True, False, False]


def test_looking_at_the_average_changes_nothing(root: Path) -> None:
    average = RECIPES["average"]
    often, rarely = train(root, recipe(**average), "often"), train(root, recipe(**average, validate_every=4), "once")
    assert kept(often)["checkpoint.weights.h5"] == kept(rarely)["checkpoint.weights.h5"]


def test_the_last_look_is_at_the_weights_that_are_kept(root: Path) -> None:
    place = train(root, recipe(**RECIPES["average"]), "kept")
    assert accuracy(root, place) == pd.read_csv(place / "history.csv")["valid_accuracy"].iloc[-1]


def test_the_history_tells_the_rate_that_each_epoch_ended_with(root: Path) -> None:
    wanted = recipe(schedule={"name": "cosine"})
    history = pd.read_csv(train(root, wanted, "rates") / "history.csv")
    rates = 0.05 * (1 + np.cos(np.pi * np.arange(20) / 19)) / 2
    assert history["learning_rate"].to_numpy() == pytest.approx(rates[4::5], abs=1e-8)


def test_a_batch_larger_than_the_data_is_all_of_them(root: Path) -> None:
    opened = trainings.session(root, recipe(batch_size=1000))
    assert (opened.phases[0].batch_size, opened.phases[0].steps) == (40, 1)


@pytest.mark.parametrize("name", ["train_images.npy", "test_images.npy"])
def test_a_store_that_does_not_fit_its_index_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    path = tmp_path / "data" / "prepared" / name
    np.save(path, np.load(path)[:-1])
    with pytest.raises(InputError, match=rf"{name} holds \d+ images, its index \d+ rows; run `dvc repro -f prepare`"):
        data.load_data(tmp_path / "data" / "prepared", paths.folds_path(root))


def test_a_missing_store_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    (tmp_path / "data" / "prepared" / "test_images.npy").unlink()
    with pytest.raises(InputError, match=r"test_images.npy does not exist; run `dvc repro prepare`"):
        data.load_data(tmp_path / "data" / "prepared", paths.folds_path(root))


def test_folds_of_other_images_are_refused(root: Path, tmp_path: Path) -> None:
    folds = tables.read_folds(paths.folds_path(root))
    folds.loc[0, "id"] = "another"
    tables.write_folds(tmp_path / "folds.csv", folds)
    with pytest.raises(InputError, match="hold different ids; run `dvc repro split`"):
        data.load_data(root / "data" / "prepared", tmp_path / "folds.csv")


def test_the_order_of_the_fold_table_changes_nothing(root: Path, tmp_path: Path) -> None:
    folds = tables.read_folds(paths.folds_path(root)).sample(frac=1, random_state=0)
    tables.write_folds(tmp_path / "folds.csv", folds)
    prepared = root / "data" / "prepared"
    usual = data.load_data(prepared, paths.folds_path(root)).fold_of
    assert np.array_equal(data.load_data(prepared, tmp_path / "folds.csv").fold_of, usual)


@pytest.mark.slow
def test_the_other_backend_trains_and_continues_to_the_same_bits(root: Path) -> None:
    pytest.importorskip("jax")
    code = """
import sys; sys.path[:0] = ['.', 'tests', 'tests/training']
from pathlib import Path
from pipeline.networks import runtime
from test_trainer import accuracy, kept, recipe, train, train_interrupted
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


@pytest.mark.parametrize(("precision", "computes"), [("float32", "float32"), ("bfloat16", "bfloat16")])
def test_a_session_computes_in_the_precision_that_was_started(
    tmp_path: Path, precision: runtime.Precision, computes: str
) -> None:
    root = repository(tmp_path)
    inputs = trainings.session(root, recipe()).inputs
    runtime.start_backend(precision)
    opened = Session(inputs, weights=root)
    assert opened.phases[0].model.get_layer("dense").compute_dtype == computes
    opened.begin(0, 1)
    assert opened.phases[0].model.get_layer("dense").compute_dtype == computes
    runtime.start_backend("float32")
