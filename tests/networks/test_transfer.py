"""Training in phases: a head on features computed once, then more of the backbone, resumably."""

from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support import backbones
from support.fabricated import CLASSES
from support.trainings import (
    ALL,
    accuracy,
    break_off,
    kept,
    recipe,
    repository,
    session,
    settings,
    task,
    train,
    transfer,
)

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.resizing import resize_image
from pipeline.images.views import Views
from pipeline.networks import features, runtime
from pipeline.networks.features import FeatureCache
from pipeline.networks.normalisation import list_batch_norms, reestimate_statistics
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.trainer import train_fold

HEAD: dict[str, Any] = {
    "unfreeze": "head",
    "epochs": 3,
    "batch_size": 16,
    "optimizer": {"name": "adam", "learning_rate": 0.02},
}


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    runtime.start_backend("float32")
    repository(tmp_path)
    backbones.install(monkeypatch, tmp_path / "weights")
    return tmp_path


@pytest.mark.slow
def test_images_of_weak_classes_are_augmented_more_where_more_than_the_head_trains(root: Path) -> None:
    stronger = {"classes": [CLASSES[0]], "transforms": [{"Posterize": {"num_bits": 1, "p": 1.0}}]}
    balance = {"balance": {"stronger": stronger}}
    wanted = parse(transfer(HEAD).model_dump(mode="json") | balance, Recipe, "a test")
    opened = session(root, wanted)
    train_fold(task(root, wanted, "stronger"), opened)
    history = pd.read_csv(task(root, wanted, "stronger").folder / "history.csv")
    assert len(history) == opened.phases[-1].last_epoch > opened.phases[-1].first_epoch
    shown = opened.inputs.image_batches(opened.phases[-1], 0, 0).data
    assert shown.strong is not None
    assert np.array_equal(shown.strong, shown.labels == 0)
    with pytest.raises(InputError, match="a head alone sees features"):
        parse(transfer(**HEAD).model_dump(mode="json") | balance, Recipe, "a test")


def count_extractions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    blocks = FeatureCache._blocks

    def counted(self: FeatureCache, folder: Path, count: int, make: Any) -> list[Path]:
        names.append(folder.name)
        return blocks(self, folder, count, make)

    monkeypatch.setattr(FeatureCache, "_blocks", counted)
    return names


@pytest.mark.slow
def test_features_are_computed_once_for_all_folds_and_heads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_extractions(monkeypatch)
    train(root, transfer(**HEAD), "work", folds=(0, 1, 2))
    train(root, transfer(**HEAD, network={"head": {"units": [8]}}), "other", folds=(0,))
    assert sorted(made) == ["test-plain", "train-plain", "train-plain-mirrored"]


@pytest.mark.slow
def test_a_frozen_backbone_stays_as_it_came(root: Path) -> None:
    opened = session(root, transfer(**HEAD))
    backbone = opened.phases[0].net.backbone
    assert backbone is not None
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in backbone.weights]
    train_fold(task(root, transfer(**HEAD), "work"), opened)
    after = [keras.ops.convert_to_numpy(weight) for weight in backbone.weights]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_predictions_from_features_are_those_of_the_whole_network(
    root: Path, average: Literal["logits", "probabilities"]
) -> None:
    wanted = transfer(**HEAD).model_copy(
        update={"views": Views(mirror=True, shift=1, crops=0.9, scales=(0.8,), average=average)}
    )
    opened = session(root, wanted)
    training, rows = opened.begin(0, 1), np.arange(7)
    from_features = training.predict("train", rows, wanted.views)
    object.__setattr__(training.phase, "recipe", wanted.training.model_copy(update={"unfreeze": "all"}))
    object.__setattr__(training.phase, "model", training.phase.net.model)
    assert np.allclose(from_features, training.predict("train", rows, wanted.views), atol=1e-4)


@pytest.mark.slow
def test_a_staged_training_broken_off_in_every_stage_continues_to_the_same_bits(root: Path) -> None:
    part = ALL | {"unfreeze": 1, "epochs": 2, "layer_decay": 0.5}
    wanted = transfer(HEAD, part, network={"norm": "adapted"})
    whole = train(root, wanted, "whole")

    break_off(root, wanted, "broken", (2, 3, 6))  # within the first phase, at its end, within the last
    assert kept(train(root, wanted, "broken")) == kept(whole)


@pytest.mark.slow
def test_stages_follow_each_other_with_their_own_length_and_rate(root: Path) -> None:
    place = train(root, transfer(HEAD), "work")
    history = pd.read_csv(place / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert history["learning_rate"].tolist() == pytest.approx([0.02] * 5)


@pytest.mark.slow
def test_a_stage_may_have_its_own_size(root: Path) -> None:
    place = train(root, transfer(HEAD | {"size": 8}, ALL | {"size": 12}), "work")
    assert (place / "done.json").is_file()


def test_stages_of_other_sizes_are_refused_where_weights_depend_on_the_size(root: Path) -> None:
    with pytest.raises(InputError, match=r"weights of tiny depend on the size of its input \(8, 16 pixels\).*flatten"):
        train(root, transfer(ALL | {"size": 8}, network={"pooling": "flatten"}), "work")


def test_fine_tuning_learns_and_says_what_trained(root: Path) -> None:
    place = train(root, transfer(HEAD, epochs=8, network={"norm": "adapted"}), "work")
    assert accuracy(root, place) > 0.5


def test_augmented_draws_of_the_head_are_computed_once_and_differ(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_extractions(monkeypatch)
    augmented = transfer(**HEAD, draws=2).model_copy(
        update={"augmentation": recipe(augmentation={"transforms": [{"GaussNoise": {"p": 1.0}}]}).augmentation}
    )
    opened = session(root, augmented)
    train_fold(task(root, augmented, "work"), opened)
    assert len([name for name in made if "draw" in name]) == 2
    one, two = opened.inputs._feature_batches(opened.phases[0], 0, 0).sources
    assert not np.array_equal(one, two)


def test_an_interrupted_pass_goes_on_after_its_last_whole_block(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_BLOCK", 64)
    monkeypatch.setattr(features, "_BATCH", 16)
    images = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), dtype=np.uint8)
    seen: list[int] = []

    def extract(batch: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(len(batch))
        return batch.reshape(len(batch), -1).astype(np.float32)

    def counted(batch: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        seen.append(len(batch))
        return batch.reshape(len(batch), -1).astype(np.float32)

    cache = FeatureCache(root / "features", extract, 4, 2)
    with pytest.raises(KeyboardInterrupt):
        cache.compute_views("train", images, recipe().views)
    seen.clear()
    found = FeatureCache(root / "features", counted, 4, 2)
    (plain,) = found.compute_views("train", images, recipe().views)
    assert np.array_equal(plain, images.reshape(200, -1))
    assert len(seen) == 9  # 4 of the 13 batches were whole on disk


def test_statistics_measured_afresh_are_those_of_the_training_images(root: Path) -> None:
    opened = session(root, transfer(network={"norm": "reestimated"}))
    training = opened.begin(0, 1)
    net = training.phase.net
    assert net.backbone is not None
    training.reestimate_statistics()
    (norm,) = list_batch_norms(net.backbone)
    inner = keras.Model(net.backbone.input, net.backbone.get_layer("conv1").output)
    images = np.stack([resize_image(opened.data.images[row], 16) for row in opened.data.rows(0)[0]])
    activations = np.asarray(inner.predict_on_batch(np.repeat(images, 3, -1).astype(np.float32) / 127.5 - 1))
    assert np.allclose(keras.ops.convert_to_numpy(norm.moving_mean), activations.mean(axis=(0, 1, 2)), atol=1e-3)
    assert np.allclose(keras.ops.convert_to_numpy(norm.moving_variance), activations.var(axis=(0, 1, 2)), rtol=0.02)


@pytest.mark.slow
def test_a_short_fine_tuning_does_not_leave_the_statistics_behind(root: Path) -> None:
    """Keras's momentum of 0.999 does: after so few steps the averages are still ImageNet's."""

    def distance(norm: str, momentum: float) -> float:
        opened = session(root, transfer(network={"norm": norm, "norm_momentum": momentum}, epochs=3))
        train_fold(task(root, opened.recipe, f"{norm}{momentum}"), opened)
        net = opened.phases[-1].net
        assert net.backbone is not None
        (layer,) = list_batch_norms(net.backbone)
        lagging = keras.ops.convert_to_numpy(layer.moving_mean).copy()
        images = np.stack([opened.data.images[row] for row in opened.data.rows(0)[0]])
        reestimate_statistics(net.model, [layer], [np.stack([resize_image(image, 16) for image in images])])
        return float(np.abs(lagging - keras.ops.convert_to_numpy(layer.moving_mean)).max())

    behind = distance("adapted", 0.999)
    assert behind > 0.1
    assert distance("adapted", 0.9) < 0.5 * behind
    assert distance("reestimated", 0.9) < 0.01


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"draws": 2}, "draws needs unfreeze: head"),
        ({"unfreeze": "head", "layer_decay": 0.5}, "layer_decay needs more to train than the head"),
        ({"unfreeze": "head", "before": [ALL]}, "unfreeze: head must not follow"),
        ({"before": [ALL, HEAD]}, "unfreeze: head must not follow"),
        ({"layer_decay": 0.5}, "layer_decay needs a pretrained network"),
        ({"unfreeze": 0}, "unfreeze"),
        ({"before": [ALL | {"schedule": {"name": "plateau"}}]}, "plateau belongs to the last phase"),
    ],
)
def test_phases_that_make_no_sense_are_refused(training: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**training)


def test_a_network_without_a_backbone_cannot_be_frozen() -> None:
    with pytest.raises(InputError, match=r"training.unfreeze: head needs a pretrained network"):
        recipe(unfreeze="head")


@pytest.mark.slow
def test_a_network_on_gradients_trains_its_head_alone(root: Path) -> None:
    with pytest.raises(InputError, match=r"mlp_hog trains its head alone: every phase must say unfreeze: head"):
        parse(settings() | {"network": {"name": "mlp_hog"}}, Recipe, "a test")
    data = settings() | {"network": {"name": "mlp_hog"}, "training": HEAD | {"epochs": 20}}
    assert accuracy(root, train(root, parse(data, Recipe, "a test"), "work")) > 0.6


def test_a_normalisation_that_gradients_would_not_feel_is_refused() -> None:
    data = settings() | {"network": {"name": "mlp_hog"}, "training": HEAD, "input": {"normalise": "image"}}
    with pytest.raises(InputError, match=r"input.normalise has no effect on gradients"):
        parse(data, Recipe, "a test")


@pytest.mark.slow
def test_a_transformer_trains_in_phases_too(root: Path) -> None:
    shape = {"patch_size": 4, "layers": 2, "heads": 2, "hidden": 8, "mlp": 16}
    network = {"name": "vit", "weights": "none", "shape": shape}
    training = ALL | {"unfreeze": 2, "layer_decay": 0.5, "before": [HEAD]}
    place = train(root, parse(settings() | {"network": network, "training": training}, Recipe, "a test"), "work")
    assert (place / "done.json").is_file()


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ({"transforms": [{"GaussNoise": {"p": 1.0}}]}, "no effect on features computed once: set training.draws"),
        ({"mixup": 0.2}, "mixup and cutmix need images"),
    ],
)
def test_augmentation_that_a_head_never_sees_is_refused(root: Path, augmentation: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        transfer(augmentation=augmentation, **HEAD)


@pytest.mark.slow
def test_folds_of_a_frozen_random_backbone_do_not_depend_on_their_order(root: Path) -> None:
    wanted = transfer(**HEAD, network={"weights": "none"})
    alone = train(root, wanted, "alone", folds=(1,))
    train(root, wanted, "after", folds=(0, 1))
    assert kept(alone) == kept(root / "after" / alone.parent.name / "fold1")


def test_statistics_of_ragged_batches_weigh_by_their_images(root: Path) -> None:
    opened = session(root, transfer(network={"norm": "reestimated"}))
    net = opened.phases[-1].net
    assert net.backbone is not None
    (norm,) = list_batch_norms(net.backbone)
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 1), dtype=np.uint8)

    def measured(*batches: NDArray[np.uint8]) -> NDArray[np.float64]:
        reestimate_statistics(net.model, [norm], batches)
        found = (norm.moving_mean, norm.moving_variance)
        return np.concatenate([keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in found])

    assert np.allclose(measured(images), measured(images[:8], images[8:]), rtol=1e-3, atol=1e-5)


def test_weights_count_the_repeats_of_oversampled_classes(root: Path) -> None:
    data = settings() | {"balance": {"oversample": "balanced", "class_weight": "balanced"}}
    opened = session(root, parse(data, Recipe, "a test"))
    training = opened.begin(0, 1)
    assert keras.ops.convert_to_numpy(training.phase.model.loss.weights) == pytest.approx([1, 1, 1], abs=0.05)
