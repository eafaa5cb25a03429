"""A session: compiled once for all folds, whose trainings do not feel each other."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support import trainings
from support.trainings import kept, recipe, repository, task, train

from pipeline.core.config import parse
from pipeline.core.errors import InputError, NoRoomError
from pipeline.images.resizing import resize_unrounded
from pipeline.images.views import Views
from pipeline.networks import runtime
from pipeline.networks.build import build_network
from pipeline.training.fold_training import FoldTraining
from pipeline.training.phases import assign_variables, copy_variables
from pipeline.training.recipes.recipe import Recipe
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


def test_a_network_predicts_at_the_size_of_its_views(root: Path) -> None:
    network, views = {"name": "deep_elu_cnn", "widths": [4], "blocks": [1]}, Views(size=12)
    wanted = parse(trainings.settings() | {"network": network, "views": {"size": 12}}, Recipe, "a test")
    assert wanted.last_size(8) == 12
    opened = trainings.session(root, wanted)
    training, rows = opened.begin(0, 0), np.arange(20)
    found = training.predict("test", rows, views)
    images = opened.data.test_images
    net = build_network(wanted.network, 12, images.shape[-1], opened.data.target.n_outputs)
    assign_variables(net.model.variables, copy_variables(training.phase.net.model.variables))
    sized = np.stack([resize_unrounded(image, 12) for image in images])
    np.testing.assert_allclose(found, net.model.predict_on_batch(sized), rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, training.predict("test", rows, Views()))


def test_a_size_of_views_that_the_weights_depend_on_is_one_error(root: Path) -> None:
    wanted = parse(trainings.settings() | {"views": {"size": 12}}, Recipe, "a test")
    with pytest.raises(
        InputError, match=r"views.size is 12, but the weights of mlp_pixels depend .* 8 pixels in train"
    ):
        trainings.session(root, wanted)


def test_a_head_on_features_takes_no_size_of_views() -> None:
    head = {"network": {"name": "pretrained", "backbone": "MobileNetV2"}, "views": {"size": 12}}
    settings = {**trainings.settings({"flip": "none"}, unfreeze="head"), **head}
    with pytest.raises(InputError, match=r"views.size needs a network that trains on images"):
        parse(settings, Recipe, "a test")
    assert "size" not in Views().model_dump(mode="json")  # what was trained before does not train again
