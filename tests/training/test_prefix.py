"""A prefix at rest: what it makes of each image is computed once, and the layers above train as they would without."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from support import backbones
from support.fabricated import CLASSES
from support.trainings import ALL, break_off, kept, recipe, repository, session, task, train, transfer

from pipeline.core import predictions
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.images.augmentation import Augmentation
from pipeline.images.views import Views
from pipeline.inference.opened_network import OpenedNetwork
from pipeline.networks import runtime
from pipeline.networks.build import build_network
from pipeline.networks.checkpoint_files import LoadedWeights, load_checkpoint
from pipeline.networks.features import FeatureCache
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.trainer import train_fold

HEAD: dict[str, Any] = ALL | {"unfreeze": "head", "batch_size": 16}
NOISY = Augmentation(flip="random", transforms=({"GaussNoise": {"p": 1.0}},))


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    runtime.start_backend("float32")
    repository(tmp_path)
    backbones.install(monkeypatch, tmp_path / "weights")
    return tmp_path


def above(after: str = "relu", before: tuple[dict[str, Any], ...] = (HEAD,), **prefix: Any) -> Recipe:
    """Returns a recipe of two phases: the head, and all above a layer of the tiny backbone."""
    wanted = transfer(*before, prefix={"after": after, **prefix}, network={"norm": "adapted"})
    return wanted.model_copy(update={"augmentation": NOISY, "views": Views(mirror=True)})


def test_folds_share_one_pass_below_the_cut_which_stays_as_it_came(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    blocks = FeatureCache._blocks

    def counted(self: FeatureCache, folder: Path, count: int, make: Any) -> list[Path]:
        made.append(f"{folder.parent.name} {re.sub('-[0-9a-f]{12}-', '-', folder.name)}")
        return blocks(self, folder, count, make)

    monkeypatch.setattr(FeatureCache, "_blocks", counted)
    wanted = above(draws=2)
    opened = session(root, wanted)
    net = opened.phases[-1].net
    assert net.backbone is not None
    weights = {layer.name: [np.array(one) for one in layer.get_weights()] for layer in net.backbone.layers}
    for fold in (0, 1):
        train_fold(task(root, wanted, "work", fold), opened)
    assert [name for name in made if name.startswith("16-relu-pooled ")] == [
        f"16-relu-pooled train-{name}" for name in ("plain", "plain-mirrored")
    ]
    assert all("16-relu" in name for name in made)  # the head's features, too, take no pass of their own
    of_cut = [name.removeprefix("16-relu ") for name in made if name.startswith("16-relu ")]
    of_train = ["train-plain", "train-plain-mirrored", "train-seed0-draw0", "train-seed0-draw1"]
    assert sorted(of_cut) == ["test-plain", "test-plain-mirrored", *of_train]
    same = {
        name: all(map(np.array_equal, before, net.backbone.get_layer(name).get_weights()))
        for name, before in weights.items()
        if before
    }
    assert same == {"conv1": True, "bn": True, "conv2": False}


def test_the_checkpoint_is_the_whole_network_and_predicts_what_training_predicted(root: Path) -> None:
    place = train(root, above(), "work")
    net = build_network(above().network, 16, 1, 3)
    load_checkpoint(net, place / "checkpoint.weights.h5", LoadedWeights())
    opened = session(root, above())
    training = opened.begin(0, 0)
    keras_weights = net.model.get_weights()
    opened.phases[-1].net.model.set_weights(keras_weights)
    made = predictions.read_predictions(place / "test.parquet", CLASSES).probs
    shown = np.stack([keras.ops.image.resize(image, (16, 16)) for image in opened.data.test_images.astype(np.float32)])
    logits = np.mean([net.model.predict_on_batch(shown), net.model.predict_on_batch(shown[:, :, ::-1])], axis=0)
    assert np.allclose(opened.data.target.from_outputs(logits), made, atol=0.02)
    assert training.fold == 0


@pytest.mark.parametrize("most", [1e9, 0])
def test_folds_are_predicted_on_images_where_maps_take_too_much_or_are_of_other_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch, most: float
) -> None:
    monkeypatch.setattr("pipeline.inference.opened_network._MOST_KEPT", most)
    wanted = above()
    opened = OpenedNetwork(wanted, build_network(wanted.network, 16, 1, 3), 16)
    model, backbone = opened.net.model, opened.net.backbone
    assert backbone is not None
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
    paths, logits = [], []
    for fold, changed in enumerate(("conv2", "conv2", "conv1")):
        kernel, *others = backbone.get_layer(changed).get_weights()
        backbone.get_layer(changed).set_weights([kernel[::-1] * 2, *others])
        paths.append(root / f"{fold}.weights.h5")
        model.save_weights(paths[-1])
        logits.append([model.predict_on_batch(shown.astype(np.float32)) for shown in (images, images[:, :, ::-1])])
    on_maps: list[int] = []
    of_maps, with_maps = OpenedNetwork._on_features, bool(most)

    def counted(self: OpenedNetwork, sources: Any, last: Any) -> Any:
        on_maps.append(len(sources))
        return of_maps(self, sources, last)

    monkeypatch.setattr(OpenedNetwork, "_on_features", counted)
    made = list(opened.predict_logits_and_features(paths, images, root / "predicting"))
    assert np.allclose([each for each, _ in made], logits, atol=5e-3)
    assert not np.allclose(logits[1], logits[2], atol=5e-2)
    last = opened._last_of_images.predict_on_batch(images.astype(np.float32))  # of the fold that is loaded, the last
    assert np.allclose(made[2][1], last, atol=5e-3)
    assert on_maps == [2, 2] * with_maps
    assert (root / "predicting" / "features").exists() == with_maps


def test_it_trains_as_the_same_layers_do_without_a_cache(root: Path) -> None:
    plain = {"augmentation": Augmentation(flip="none")}
    cached = above(draws=0).model_copy(update=plain)
    freely = transfer(HEAD, unfreeze=1, network={"norm": "adapted"}).model_copy(
        update=plain | {"views": Views(mirror=True)}
    )
    one, other = (train(root, wanted, name) for wanted, name in ((cached, "cached"), (freely, "freely")))
    probs = [predictions.read_predictions(place / "valid.parquet", CLASSES).probs for place in (one, other)]
    assert np.allclose(probs[0], probs[1], atol=2e-3)
    before = predictions.read_predictions(train(root, transfer(**HEAD), "head") / "valid.parquet", CLASSES).probs
    assert not np.allclose(probs[0], before, atol=2e-2)


def test_each_draw_is_of_the_image_of_its_own_row(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (150, 8, 8, 3), dtype=np.uint8)
    unchanged = Augmentation(flip="random", transforms=({"GaussNoise": {"p": 0.0}},))
    cache = FeatureCache(tmp_path, lambda batch: batch.astype(np.float32), 8, 2)
    flips = []
    for draw in cache.compute_draws(images, unchanged, 2, 0):
        plain, mirrored = (np.all(draw == wanted, axis=(1, 2, 3)) for wanted in (images, images[:, :, ::-1]))
        assert np.all(plain ^ mirrored)
        assert 0 < mirrored.sum() < len(images)
        flips.append(mirrored)
    assert not np.array_equal(*flips)


@pytest.mark.slow
def test_a_training_broken_off_above_a_prefix_continues_to_the_same_bits(root: Path) -> None:
    wanted = above(draws=1)
    whole = train(root, wanted, "whole")
    break_off(root, wanted, "broken", (2, 3))  # at the end of the head's phase, and within the other
    assert kept(train(root, wanted, "broken")) == kept(whole)


def test_the_size_is_said_before_anything_is_written_and_refused_beyond_the_limit(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session(root, above(draws=2)).begin(0, 0)
    said = "training.prefix: 4 versions of the training images and 2 of the test images as relu gives them (8 x 8 x 4"
    assert f"{said} each): 0.1 MB in" in capsys.readouterr().out
    with pytest.raises(
        InputError, match=r"^training.prefix: 4 versions .* take 0.00 GB, more than limit_gb: 1e-05; raise it, lower dr"
    ):
        session(root, above(draws=2, limit_gb=1e-5)).begin(0, 0)
    assert not (root / "features").exists()


@pytest.mark.parametrize("training", [{}, {"average": {"epochs": 2}}])
def test_statistics_are_measured_on_what_is_kept(root: Path, training: dict[str, Any]) -> None:
    wanted = transfer(prefix={"after": "conv1"}, network={"norm": "adapted" if training else "reestimated"}, **training)
    opened = session(root, wanted)
    fold = opened.begin(0, 0)
    cut, backbone = fold.phase.cut, fold.phase.net.backbone
    assert cut is not None
    assert backbone is not None
    maps = fold.inputs.view_features(fold.phase, "train", Views())[0][opened.data.rows(0)[0]].astype(np.float64)
    for layer in cut.below:  # nothing runs through them again
        layer.set_weights([np.full_like(weight, np.nan) for weight in layer.get_weights()])
    fold.reestimate_statistics()
    norm = backbone.get_layer("bn")
    assert np.allclose(norm.moving_mean, maps.mean(axis=(0, 1, 2)), atol=1e-3)
    assert np.allclose(norm.moving_variance, maps.var(axis=(0, 1, 2)), rtol=1e-2)


def test_after_a_kill_blocks_that_are_there_need_no_room_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.networks.features._BLOCK", 20)
    monkeypatch.setattr("pipeline.networks.features._BATCH", 20)
    opened, row = session(root, above(draws=2)), 8 * 8 * 4 * 2
    cache, images = opened.inputs._cache(opened.phases[-1]), opened.data.images
    calls: list[int] = []

    def until_killed(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return opened.phases[-1].cut.extract(batch)  # type: ignore[union-attr]

    with pytest.raises(KeyboardInterrupt):
        replace(cache, extract=until_killed).compute_views("train", images, Views())
    begun = cache.count_begun("train-plain")
    assert begun == sum(path.stat().st_size for path in (cache.folder / "train-plain").iterdir()) >= 40 * row
    # All versions of 60 training and 20 test images, and the largest a second time as a whole.
    needed = row * (4 * 60 + 2 * 20 + 60) - begun
    free(monkeypatch, needed - 1)
    with pytest.raises(InputError, match=r"free some, or lower training\.prefix\.draws"):
        opened.begin(0, 0)
    free(monkeypatch, needed)
    opened.begin(0, 0)
    free(monkeypatch, 2 * 60 * row - begun - 1)
    with pytest.raises(InputError, match="the disk has"):
        cache.compute_views("train", images, Views())
    free(monkeypatch, 2 * 60 * row - begun)
    assert len(cache.compute_views("train", images, Views())[0]) == 60


def free(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Lets the disk have so many bytes free."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=room))


def test_a_prefix_of_which_a_part_has_trained_is_refused(root: Path) -> None:
    lower = ALL | {"prefix": {"after": "conv1"}}
    with pytest.raises(
        InputError,
        match=r"training.prefix.after is above training.before\[0\].prefix.after, behind which layers have",
    ):
        session(root, above("relu", (lower,)))
    assert len(session(root, above("conv1", (ALL | {"prefix": {"after": "relu"}},))).phases) == 2


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"prefix": {"after": "relu"}, "unfreeze": 2}, "prefix says what trains: all above prefix.after"),
        ({"prefix": {"after": "relu"}, "plain_epochs": 1}, "plain_epochs needs images"),
        ({"prefix": {"after": "relu", "limit_gb": 0}}, "limit_gb"),
    ],
)
def test_settings_that_make_no_sense_are_refused(training: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        transfer(**training)
    with pytest.raises(InputError, match="a phase with prefix must not follow one that trains the backbone without"):
        transfer(ALL, prefix={"after": "relu"})


def test_what_needs_images_or_a_backbone_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"training.prefix needs a pretrained network; this one has no backbone"):
        recipe(prefix={"after": "relu"})
    settings = transfer(prefix={"after": "relu", "draws": 0}).model_dump(mode="json")
    noise = {"augmentation": {"transforms": [{"GaussNoise": {"p": 1.0}}]}}
    headed = transfer(HEAD, prefix={"after": "relu", "draws": 0}).model_dump(mode="json")
    with pytest.raises(InputError, match=r"no effect on .*: set training\.prefix\.draws"):
        parse(headed | noise, Recipe, "a test")  # a head's own phase comes before
    headed["training"]["prefix"]["draws"] = 2
    assert parse(headed | noise, Recipe, "a test").training.prefix
    for changes, message in (
        ({"augmentation": {"mixup": 0.2}}, "mixup and cutmix need images"),
        (noise, "no effect on .*: set training.prefix.draws"),
        ({"views": {"size": 32}}, "views.size needs a network that trains on images"),
    ):
        with pytest.raises(InputError, match=message):
            parse(settings | changes, Recipe, "a test")
