"""The callback of a fold: it stops what diverges, decides by the valid rows, and changes nothing by looking."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.trainings import RECIPES, accuracy, kept, recipe, task, train

from pipeline.core.errors import InputError
from pipeline.networks.hardware import name_hardware
from pipeline.training import callback, phases
from pipeline.training.state import name_state, read_state


def test_a_training_that_diverges_stops_with_a_reason_and_keeps_the_last_good_epoch(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.repeat(np.array([0.05, 0.05, 1e30, 1e30], dtype=np.float32), 5)

    monkeypatch.setattr(phases, "tabulate_rates", rates)
    with pytest.raises(
        InputError, match=r"one fold 0: in epoch 3 the .* became NaN or infinite; lower .*learning_rate"
    ):
        train(root, recipe(), "diverged")
    place = task(root, recipe(), "diverged").folder
    assert (state := read_state(next(place.glob("state-*")), "")) is not None
    assert state.progress.epoch == 2
    assert all(np.isfinite(array).all() for array in state.model)
    assert [path.name for path in place.iterdir()] == [name_state(name_hardware())]


def test_a_training_that_diverges_stops_within_the_epoch_and_names_its_stage(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.full(100, 1e30, dtype=np.float32)

    monkeypatch.setattr(phases, "tabulate_rates", rates)
    monkeypatch.setattr(phases, "_SMALL_BATCH", 0)  # a step a call, as of larger networks
    optimizer = {"name": "sgd", "learning_rate": 0.05}
    before = [{"epochs": 1, "batch_size": 2, "optimizer": optimizer}]
    with pytest.raises(
        InputError, match=r"in the first 16 of 20 steps\) became .*lower training.before\[0\].optimizer.learning_rate"
    ):
        train(root, recipe(before=before), "diverged early")
    assert not list(task(root, recipe(before=before), "diverged early").folder.iterdir())


@pytest.mark.parametrize(("seconds", "found"), [(0.0, 3), (3600.0, 0)])
def test_epochs_that_pass_quickly_are_not_all_kept(
    seconds: float, found: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = list[int]()
    monkeypatch.setattr(callback, "_KEEP_EVERY", seconds)
    monkeypatch.setattr(callback, "write_state", lambda _, state: written.append(state.progress.epoch))
    train(root, recipe(epochs=4), f"kept every {seconds}")
    assert written == [*range(1, found + 1), 4]


def test_several_steps_a_call_train_to_the_same_bits(root: Path, usual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual training makes either one step a call or, as small networks do, all five of an epoch."""
    count, counted = phases.count_steps_per_call, list[int]()

    def noted(*of: Any) -> int:
        counted.append(count(*of))
        return counted[-1]

    monkeypatch.setattr(phases, "count_steps_per_call", noted)
    before = phases._STEPS_PER_CALL
    monkeypatch.setattr(phases, "_STEPS_PER_CALL", 32 if before == 1 else 1)
    other = train(root, recipe(), "the other way")
    assert counted == [5 if before == 1 else 1]
    assert kept(other) == kept(usual)


def test_weights_that_the_last_step_ruined_are_not_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rates(*_: object) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.array([0.05] * 4 + [np.inf] * 6, dtype=np.float32)

    monkeypatch.setattr(phases, "tabulate_rates", rates)
    with pytest.raises(InputError, match=r"in epoch 1 the weights became"):
        train(root, recipe(epochs=2, validate_every=2), "ruined")
    assert not list(task(root, recipe(), "ruined").folder.iterdir())


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


@pytest.mark.slow
def test_looking_at_the_average_changes_nothing(root: Path) -> None:
    often, rarely = (
        train(root, recipe(**RECIPES["average"]), "often"),
        train(root, recipe(**RECIPES["average"], validate_every=4), "once"),
    )
    assert kept(often)["checkpoint.weights.h5"] == kept(rarely)["checkpoint.weights.h5"]


def test_the_last_look_is_at_the_weights_that_are_kept(root: Path) -> None:
    place = train(root, recipe(**RECIPES["average"]), "kept")
    assert accuracy(root, place) == pd.read_csv(place / "history.csv")["valid_accuracy"].iloc[-1]


def test_the_history_tells_the_rate_that_each_epoch_ended_with(root: Path) -> None:
    wanted = recipe(schedule={"name": "cosine"})
    history = pd.read_csv(train(root, wanted, "rates") / "history.csv")
    rates = 0.05 * (1 + np.cos(np.pi * np.arange(20) / 19)) / 2
    assert history["learning_rate"].to_numpy() == pytest.approx(rates[4::5], abs=1e-8)
