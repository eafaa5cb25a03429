"""The learning-rate range test: what it reads off a curve, when it stops, what it writes and refuses."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support import backbones, tiny, trainings
from support.trainings import repository, settings, task

from pipeline.cli import main
from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.stages import lr_range as stage
from pipeline.training import lr_range
from pipeline.training.context import read_context
from pipeline.training.fold_training import FoldTraining
from pipeline.training.lr_range import Curve, Sweep, record, suggest_rates
from pipeline.training.phases import copy_variables
from pipeline.training.recipes.optimizers import build_optimizer
from pipeline.training.session import Session
from pipeline.training.trainer import train_fold

RATES = np.geomspace(1e-6, 1, 61).astype(np.float32)  # ten to a decade
FLAT = [2.0] * 21
FALL = [1.9, 1.8, 1.5, 1.2, 1.1]  # central differences of the steps 22 to 24: -0.2, -0.3, -0.2
CLASSIC = {"features": {"name": "hog", "pixels_per_cell": 4}, "classifier": {}}
SGD: dict[str, Any] = {"name": "sgd", "learning_rate": 0.05}


def curve(smoothed: list[float], losses: list[float] | None = None) -> Curve:
    shown = smoothed if losses is None else losses
    return Curve(RATES[: len(smoothed)], np.array(shown, dtype=np.float32), np.array(smoothed), None)


def write_model(root: Path, data: dict[str, Any]) -> None:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    repository(tmp_path)
    write_model(tmp_path, settings(units=16))
    return tmp_path


def run(root: Path, **wanted: Any) -> dict[str, Any]:
    """Runs the stage and returns what its JSON says."""
    stage.run(root, "one", read_context(root), Sweep(**wanted))
    found: dict[str, Any] = json.loads((root / "reports" / "lr_range" / "one.json").read_text())
    return found


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "reports" / "lr_range").iterdir()}


def sweep_fold(session: Session, **wanted: Any) -> tuple[FoldTraining, NDArray[np.float32]]:
    """Runs a sweep on fold 0; returns its training and its losses."""
    training = session.begin(0, 0)
    return training, lr_range.range_test(training, Sweep(**wanted), "a test").losses


def test_the_steepest_fall_and_a_tenth_of_the_minimum_are_suggested() -> None:
    found = suggest_rates(curve([*FLAT, *FALL, 1.3, 2.0]))
    assert found is not None
    assert found.steepest == pytest.approx(10**-3.7)
    assert found.tenth == pytest.approx(10**-4.5)


def test_what_falls_after_the_minimum_is_no_learning() -> None:
    found = suggest_rates(curve([*FLAT, *FALL, 4.0, 1.2, 1.2]))
    assert found is not None
    assert found.steepest == pytest.approx(10**-3.7)


@pytest.mark.parametrize("smoothed", [FLAT, [1 + 0.1 * step for step in range(30)]], ids=["flat", "rising"])
def test_a_loss_that_never_falls_suggests_nothing(smoothed: list[float]) -> None:
    assert suggest_rates(curve(smoothed)) is None


def test_a_fall_within_what_single_batches_differ_suggests_nothing() -> None:
    batches = [1.5, 2.5] * 14
    assert suggest_rates(curve([*FLAT, 1.9, 1.8, 1.7, 1.6, 1.55, 1.51, 1.51], batches)) is None
    assert suggest_rates(curve([*FLAT, 1.9, 1.8, 1.7, 1.6, 1.55, 1.49, 1.51], batches)) is not None


def test_the_average_is_corrected_for_its_start() -> None:
    found = record(RATES, [1.0, 2.0])
    assert found.smoothed == pytest.approx([1.0, (0.09 * 1 + 0.1 * 2) / 0.19])
    assert found.rates.tolist() == RATES[:2].tolist()


def test_a_loss_four_times_its_minimum_ends_the_sweep() -> None:
    made = []

    def losses() -> Iterator[float]:
        for step in range(61):
            made.append(step)
            yield 1.0 if step < 30 else 40.0

    found = record(RATES, losses())
    assert made[-1] == 30
    assert len(found.losses) == 31
    assert found.smoothed[-1] == pytest.approx(1 + 39 * 0.1 / (1 - 0.9**31))
    assert found.stopped == "the smoothed loss rose above 4 times its minimum"


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_sweep_and_is_left_out(wrong: float) -> None:
    found = record(RATES, [1.0, 1.0, wrong, 1.0])
    assert found.losses.tolist() == [1.0, 1.0]
    assert found.stopped == "the loss became NaN or infinite"


def test_a_sweep_writes_its_curve_and_its_suggestion(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(root, lowest=1e-4, highest=2.0, steps=60)
    table = pd.read_csv(root / "reports" / "lr_range" / "one.csv")
    assert table.columns.tolist() == ["step", "rate", "loss", "smoothed_loss"]
    assert table["step"].tolist() == list(range(1, found["steps_done"] + 1))
    assert table["rate"].to_numpy() == pytest.approx(np.geomspace(1e-4, 2.0, 60)[: len(table)])
    assert record(table["rate"].to_numpy(), table["loss"]).smoothed == pytest.approx(table["smoothed_loss"].to_numpy())
    assert 1e-4 < found["steepest"] <= 10 * found["tenth_of_minimum"] <= 2.0
    assert found["recipe"] == 0.05
    said = capsys.readouterr().out
    assert f"suggested rates: {found['steepest']:.1e} (steepest fall of the loss), " in said
    assert "the recipe has 5.0e-02" in said
    assert said.count("\n") == 3
    assert (root / "reports" / "lr_range" / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_sweep_gives_the_same_bits_twice_others_for_another_fold_and_nothing_to_train_on(root: Path) -> None:
    run(root, lowest=1e-4, steps=40)
    first = files(root)
    run(root, lowest=1e-4, steps=40)
    assert files(root) == first
    assert sorted(first) == ["one.csv", "one.json", "one.png"]
    assert not (root / ".work" / "train").exists()
    assert not (root / "folds" / "one").exists()
    run(root, lowest=1e-4, steps=40, fold=1)
    assert files(root)["one.csv"] != first["one.csv"]


@pytest.mark.slow
def test_a_training_that_diverges_is_stopped_early(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(root, lowest=1e-3, highest=1e5, steps=80)
    assert found["steps_done"] < 80
    assert f"{found['steps_done']} of 80 steps" in capsys.readouterr().out
    assert found["stopped"] is not None


@pytest.mark.slow
def test_rates_too_low_to_learn_are_one_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(root, lowest=1e-9, highest=1e-8, steps=40)
    assert (found["steepest"], found["tenth_of_minimum"]) == (None, None)
    assert "no suggestion: the loss did not fall by more than single batches differ" in capsys.readouterr().out


def test_each_step_has_its_rate(root: Path) -> None:
    session = trainings.session(root, trainings.recipe(plain_epochs=4))
    training, losses = sweep_fold(session, highest=1e-2, steps=33)  # six epochs and a part; the recipe has four
    optimizer = training.phase.model.optimizer
    assert len(losses) == int(optimizer.iterations) == 33
    assert float(optimizer.learning_rate) == pytest.approx(1e-2)
    assert np.array_equal(training.phase.rates, Sweep(highest=1e-2, steps=33).rates)
    assert session.inputs.image_batches(training.phase, 0, 0).plan.plain_from is None


@pytest.mark.slow
def test_stages_before_the_last_train_as_in_training(root: Path) -> None:
    first = {"epochs": 2, "batch_size": 8, "optimizer": SGD | {"ema": 0.9}}
    alone = trainings.session(root, trainings.recipe(**first))
    train_fold(task(root, trainings.recipe(**first), "work"), alone)
    session = trainings.session(root, trainings.recipe(before=[first]))
    training, _ = sweep_fold(session, lowest=1e-30, highest=2e-30, steps=20)  # too little to move a float32
    models = training.phase.model, alone.phases[0].model
    found, wanted = (copy_variables(model.trainable_variables) for model in models)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_stage_that_diverges_before_the_last_is_named(root: Path) -> None:
    first = {"epochs": 4, "batch_size": 8, "optimizer": SGD | {"learning_rate": 1e30}}
    with pytest.raises(InputError, match=r"NaN or infinite in phase 1.*training.before\[0\].optimizer.learning_rate"):
        sweep_fold(trainings.session(root, trainings.recipe(before=[first])))


@pytest.mark.slow
def test_a_head_and_the_factors_of_its_backbone_are_swept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.start_backend("float32")
    backbones.install(monkeypatch, root / "weights")
    network = {"network": {"name": "pretrained", "backbone": "Tiny"}, "input": {"size": 16}}
    head = {"epochs": 2, "batch_size": 8, "optimizer": SGD, "unfreeze": "head"}
    write_model(root, settings(layer_decay=0.5, before=[head]) | network)
    given: list[list[float] | None] = []

    def built(section: Any, rates: Any, plateau: bool, factors: list[float] | None) -> Any:
        given.append(factors)
        return build_optimizer(section, rates, plateau, factors)

    monkeypatch.setattr("pipeline.training.lr_range.build_optimizer", built)
    monkeypatch.setattr(
        stage, "settle_network", lambda recipe, *_: SimpleNamespace(build=lambda: trainings.session(root, recipe))
    )
    assert run(root, lowest=1e-4, steps=20)["steps_done"] > 10
    assert given[0] is not None
    assert {1.0, 0.5} <= set(given[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lowest", "0"], "--lowest must be above 0 and below --highest, got 0 and 1"),
        (["--lowest", "2"], "--lowest must be above 0 and below --highest, got 2 and 1"),
        (["--highest", "inf"], "--lowest must be above 0 and below --highest, got 1e-06 and inf"),
        (["--steps", "19"], "--steps must be at least 20, got 19"),
        (["--fold", "3"], "--fold must be in 0..2, got 3; see split.n_splits in params.yaml"),
        (["--fold", "-1"], "--fold must be in 0..2, got -1"),
    ],
)
def test_options_that_make_no_sense_are_one_line(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(root)
    assert main(["lr-range", "one", *options]) == 1
    assert message in capsys.readouterr().err
    assert not (root / "reports").exists()


def test_a_classic_model_is_refused(root: Path) -> None:
    write_model(root, CLASSIC)
    with pytest.raises(InputError, match="is no network of its own and has no learning rate; name one with a network"):
        run(root)


def test_an_unknown_model_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"on.yaml does not exist; did you mean one"):
        stage.run(root, "on", read_context(root), Sweep())


def test_memory_that_runs_out_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(keras.Model, "train_on_batch", fail)
    with pytest.raises(
        InputError, match=r"one fold 0 rates: memory ran out while 8 images a step .*lower training.batch_size"
    ):
        run(root)
