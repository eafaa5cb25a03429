"""A session: compiled once for all folds, whose trainings do not feel each other."""

from pathlib import Path
from typing import Any

import keras
import pytest
from support import trainings
from support.trainings import kept, recipe, repository, task, train

from pipeline.core.errors import NoRoomError
from pipeline.networks import runtime
from pipeline.training.fold_training import FoldTraining
from pipeline.training.session import Session
from pipeline.training.trainer import train_fold


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


@pytest.mark.slow
def test_folds_trained_in_one_session_equal_folds_trained_in_sessions_of_their_own(root: Path, usual: Path) -> None:
    together = train(root, recipe(), "together", (2, 0))
    alone = train(root, recipe(), "alone", (2,))
    assert kept(together) == kept(alone)
    assert kept(together.parent / "fold0") == kept(usual)


def test_a_batch_larger_than_the_data_is_all_of_them(root: Path) -> None:
    opened = trainings.session(root, recipe(batch_size=1000))
    assert (opened.phases[0].batch_size, opened.phases[0].steps) == (40, 1)


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
