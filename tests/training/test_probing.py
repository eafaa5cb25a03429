"""What the machine is asked, and that it is asked once."""

import importlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import pytest
from support import backbones
from support.trainings import recipe, transfer

from pipeline.core.errors import NoRoomError
from pipeline.networks import hardware, runtime
from pipeline.training import probing
from pipeline.training.recipes.phase_recipe import PhaseRecipe
from pipeline.training.recipes.recipe import Recipe, load_recipe

SHAPE, ROWS = (8, 1, 3), 1000


@pytest.fixture(autouse=True)
def _start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime.start_backend("float32")
    backbones.install(monkeypatch, tmp_path / "weights")


def room_for(largest: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes a GPU on which so many images fit; returns the sizes tried."""
    tried: list[int] = []

    def step(
        recipe: Recipe, phase: PhaseRecipe, shape: tuple[int, int, int], size: int, weights: Path
    ) -> Callable[[], object]:
        def run() -> None:
            tried.append(size)
            if size > largest:
                raise importlib.import_module("tensorflow").errors.ResourceExhaustedError(None, None, "OOM")

        return run

    monkeypatch.setattr(probing, "_step", step)
    monkeypatch.setattr(hardware, "count_gpus", lambda: 1)
    return tried


def test_a_cpu_takes_what_is_given_and_32_for_auto(tmp_path: Path) -> None:
    assert probing.fit_batches(recipe(batch_size=7), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 7
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 32


def test_auto_is_the_largest_power_of_two_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = room_for(100, monkeypatch)
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 64
    assert tried == [256, 128, 64]


def test_auto_says_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room_for(100, monkeypatch)
    probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path)
    assert "batch_size auto: 64; 128 does not fit into memory" in capsys.readouterr().out
    room_for(1000, monkeypatch)
    probing.fit_batches(recipe(batch_size="auto", epochs=5), SHAPE, ROWS, tmp_path, tmp_path)
    assert capsys.readouterr().out == "batch_size auto: 256\n"


def test_a_batch_too_large_is_halved_and_the_update_keeps_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room_for(20, monkeypatch)
    fitted = probing.fit_batches(recipe(batch_size=64), SHAPE, ROWS, tmp_path, tmp_path).training
    assert (fitted.batch_size, fitted.optimizer.accumulate) == (16, 4)
    assert "batch_size 64 does not fit into memory; 16" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "first", "settled"), [(8, 8, (4, 2)), ("auto", 32, (16, 1))])
def test_what_fell_in_a_training_is_halved_on_a_cpu_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: int | str, first: int, settled: tuple[int, int]
) -> None:
    fitted = probing.fit_batches(recipe(batch_size=given), SHAPE, ROWS, tmp_path, tmp_path)
    probing.halve_batch(fitted, SHAPE, tmp_path, NoRoomError("memory ran out", 0, first))
    again = probing.fit_batches(recipe(batch_size=given), SHAPE, ROWS, tmp_path, tmp_path).training
    assert (again.batch_size, again.optimizer.accumulate) == settled
    said = capsys.readouterr().out
    assert f"{first} does not fit into memory" in said
    (kept,) = tmp_path.glob("*.json")
    assert f"(as memory ran out before; delete {kept} to try again)" in said


def test_what_not_even_one_image_found_room_for_is_forgotten(tmp_path: Path) -> None:
    for size in (8, 4, 2, 1):
        fitted = probing.fit_batches(recipe(batch_size=8), SHAPE, ROWS, tmp_path, tmp_path)
        assert fitted.training.batch_size == size
        probing.halve_batch(fitted, SHAPE, tmp_path, NoRoomError("memory ran out", 0, size))
    assert probing.fit_batches(recipe(batch_size=8), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 8


def test_a_batch_that_was_all_rows_is_accumulated_to_all_rows(tmp_path: Path) -> None:
    fitted = probing.fit_batches(recipe(batch_size=64), SHAPE, ROWS, tmp_path, tmp_path)
    probing.halve_batch(fitted, SHAPE, tmp_path, NoRoomError("memory ran out", 0, 20))  # of 64, there were 20 rows
    again = probing.fit_batches(recipe(batch_size=64), SHAPE, ROWS, tmp_path, tmp_path).training
    assert (again.batch_size, again.optimizer.accumulate) == (10, 2)


def test_no_batch_is_larger_than_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its gradients would be accumulated over several epochs."""
    tried = room_for(256, monkeypatch)
    fitted = probing.fit_batches(recipe(batch_size=512), SHAPE, 60, tmp_path, tmp_path).training
    assert (fitted.batch_size, fitted.optimizer.accumulate) == (512, 1)
    assert tried == [60]


def test_auto_is_a_power_of_two_where_there_are_few_rows(tmp_path: Path) -> None:
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, 21, tmp_path, tmp_path).training.batch_size == 16


def test_halving_leaves_a_short_stage_an_update(tmp_path: Path) -> None:
    fitted = probing.fit_batches(recipe(batch_size=64, epochs=1), SHAPE, 21, tmp_path, tmp_path)
    probing.halve_batch(fitted, SHAPE, tmp_path, NoRoomError("memory ran out", 0, 21))
    again = probing.fit_batches(recipe(batch_size=64, epochs=1), SHAPE, 21, tmp_path, tmp_path).training
    assert (again.batch_size, again.optimizer.accumulate) == (10, 2)


def test_averages_of_halved_batches_reach_as_far_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(16, monkeypatch)
    optimizer = {"name": "sgd", "learning_rate": 0.1, "ema": 0.5}
    fitted = probing.fit_batches(recipe(batch_size=64, optimizer=optimizer), SHAPE, ROWS, tmp_path, tmp_path).training
    assert fitted.optimizer.accumulate == 4
    assert fitted.optimizer.ema**4 == pytest.approx(0.5)


def test_what_fell_in_a_training_is_the_most_that_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = room_for(100, monkeypatch)
    fitted = probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path)
    probing.halve_batch(fitted, SHAPE, tmp_path, NoRoomError("memory ran out", 0, 64))
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 32
    assert tried == [256, 128, 64, 32]


def test_processes_side_by_side_find_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["float32", "bfloat16"])

    def slow(*_: object) -> str:
        answer = next(answers)
        time.sleep(0.2)
        return answer

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: probing._measure_once(tmp_path, ["precision"], slow), range(2)))
    assert found == ["float32", "float32"]


def test_on_jax_a_cpu_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "use_xla", lambda: True)  # as it is on JAX
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 32


def test_each_stage_is_fitted_and_heads_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(4, monkeypatch)
    head: dict[str, Any] = {
        "unfreeze": "head",
        "epochs": 1,
        "batch_size": 64,
        "optimizer": {"name": "adam", "learning_rate": 0.1},
    }
    fitted = probing.fit_batches(transfer(head), SHAPE, ROWS, tmp_path, tmp_path).training
    assert [phase.batch_size for phase in fitted.phases] == [64, 4]


def test_an_answer_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = room_for(8, monkeypatch)
    for _ in range(2):
        assert probing.fit_batches(recipe(batch_size=16), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 8
    assert tried == [16, 8]


def test_other_errors_of_the_device_are_not_taken_for_want_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> Callable[[], object]:
        raise importlib.import_module("tensorflow").errors.InvalidArgumentError(None, None, "broken")

    monkeypatch.setattr(probing, "_step", step)
    monkeypatch.setattr(hardware, "count_gpus", lambda: 1)
    with pytest.raises(importlib.import_module("tensorflow").errors.InvalidArgumentError):
        probing.fit_batches(recipe(batch_size=16), SHAPE, ROWS, tmp_path, tmp_path)


@pytest.mark.parametrize(("slow", "faster"), [("mixed_bfloat16", "float32"), ("float32", "bfloat16")])
def test_the_faster_precision_is_chosen_for_a_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str, faster: str
) -> None:
    def step(*_: object) -> Callable[[], object]:
        seconds = 0.02 if keras.mixed_precision.global_policy().name == slow else 0.001
        return lambda: time.sleep(seconds)

    monkeypatch.setattr(probing, "_step", step)
    monkeypatch.setattr(runtime, "_best_precision", lambda: "bfloat16")
    assert probing.choose_precision("auto", transfer(), SHAPE, tmp_path, tmp_path) == faster
    monkeypatch.setattr(probing, "_step", None)  # remembered
    assert probing.choose_precision("auto", transfer(), SHAPE, tmp_path, tmp_path) == faster


def test_heads_on_the_same_features_have_one_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def faster(*_: object) -> str:
        asked.append("measured")
        return "float32"

    monkeypatch.setattr(probing, "_find_faster", faster)
    monkeypatch.setattr(runtime, "_best_precision", lambda: "bfloat16")
    for head, batch_size in ({"dropout": 0.1}, 64), ({"units": [8]}, 128):
        wanted = transfer(network={"head": head}, unfreeze="head", batch_size=batch_size)
        assert probing.choose_precision("auto", wanted, SHAPE, tmp_path, tmp_path) == "float32"
    assert asked == ["measured"]
    probing.choose_precision("auto", transfer(batch_size=64), SHAPE, tmp_path, tmp_path)
    assert asked == ["measured"] * 2  # that one trains the backbone


def test_what_is_asked_for_and_our_own_networks_are_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_step", None)
    monkeypatch.setattr(runtime, "_best_precision", lambda: "bfloat16")
    assert probing.choose_precision("auto", recipe(), SHAPE, tmp_path, tmp_path) == "bfloat16"
    assert probing.choose_precision("float32", transfer(), SHAPE, tmp_path, tmp_path) == "float32"


def test_a_network_on_gradients_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_step", None)
    monkeypatch.setattr(runtime, "_best_precision", lambda: "bfloat16")
    wanted = load_recipe(Path(__file__).parents[2], "mlp_hog")
    assert probing.choose_precision("auto", wanted, SHAPE, tmp_path, tmp_path) == "float32"


def test_a_batch_size_is_remembered_for_its_precision_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room_for(64, monkeypatch)
    runtime.start_backend("bfloat16")
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 64
    room_for(16, monkeypatch)
    runtime.start_backend("float32")
    assert probing.fit_batches(recipe(batch_size="auto"), SHAPE, ROWS, tmp_path, tmp_path).training.batch_size == 16
