"""Predictions of new images by checkpoints, the same as training made of the test images."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline import runtime
from pipeline.augmentation import Images
from pipeline.cards import ModelCard
from pipeline.classic import ClassicRecipe, load
from pipeline.classic_training import ClassicSession
from pipeline.config import parse
from pipeline.data import Data
from pipeline.errors import InputError
from pipeline.features import FeatureCache, Features
from pipeline.loader import changed, default_workers, plain_batches
from pipeline.networks.build import Built, build
from pipeline.networks.vit import Vit
from pipeline.preprocessing import preprocessed
from pipeline.recipe import Recipe
from pipeline.views import Views, averaged, changes

Logits = NDArray[np.float32]
# As `Session.predict` has them: sums over batches of another size may differ in their last bits.
_BATCH, _HEAD_BATCH = 256, 4096


@dataclass(frozen=True)
class Unseen:
    """What is predicted, and where.

    Attributes:
        images: uint8 (n, size, size, channels), as the image store keeps them.
        classes: class names.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        work: folder for what is computed on the way.
    """

    images: Images
    classes: tuple[str, ...]
    weights: Path
    work: Path


@dataclass(frozen=True)
class Network:
    """A model's network as it was trained, without its weights.

    Attributes:
        recipe: what the card says.
        net: built.
        size: side of its input in pixels.
    """

    recipe: Recipe
    net: Built
    size: int


def predict(card: ModelCard, checkpoints: Sequence[Path], unseen: Unseen) -> NDArray[np.float32]:
    """Predicts images by all folds of a model.

    Args:
        card: of the model; its recipe is the one that was trained.
        checkpoints: of its folds, in their order.
        unseen: the images.

    Returns:
        (n, n_classes) probabilities, the mean over the folds.

    Raises:
        InputError: the card's recipe is not one of this version, or a checkpoint does not fit it.
    """
    place = f"card of {card.model}: config"
    stored, channels = unseen.images.shape[1], unseen.images.shape[-1]
    opened = open_network(card, stored, channels, len(unseen.classes), unseen.weights)
    parts = (
        _classic(parse(card.config, ClassicRecipe, place), checkpoints, unseen)
        if opened is None
        else _network(opened, checkpoints, unseen)
    )
    views = parse(card.config["views"], Views, f"{place}.views")
    folds = [_probs(logits, views, card) for logits in parts]
    mean: NDArray[np.float64] = np.stack(folds).mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def _probs(logits: Logits, views: Views, card: ModelCard) -> NDArray[np.float32]:
    """Weighs the views (n_views, n, n_classes) as training did for test images."""
    if views.weights == "equal":
        return softmax(averaged(logits, views), axis=1).astype(np.float32)
    mixed = np.zeros(logits.shape[1:], dtype=np.float64)
    for name, said in zip(changes(views), logits, strict=True):
        if card.view_weights[name]:
            mixed += card.view_weights[name] * softmax(said.astype(np.float64), axis=-1).astype(np.float32)
    return mixed.astype(np.float32)


def _classic(recipe: ClassicRecipe, checkpoints: Sequence[Path], unseen: Unseen) -> Iterator[Logits]:
    none, rows = np.zeros(0, dtype=np.int64), np.arange(len(unseen.images))
    data = Data(unseen.images[:0], none, (), none, unseen.images, tuple(map(str, rows)), unseen.classes)
    session = ClassicSession(recipe, data, unseen.work, default_workers())
    for path in checkpoints:
        yield session.predict_views(load(path), "test", rows)


def open_network(card: ModelCard, stored: int, channels: int, n_classes: int, weights: Path) -> Network | None:
    """Builds a model's network, for `load_weights`; it computes as it did in training.

    Args:
        card: of the model.
        stored: side of the images as the store keeps them, in pixels.
        channels: 1 or 3.
        n_classes: number of logits.
        weights: folder of the files that a network needs before its checkpoint can be loaded.

    Returns:
        None for a model without a network.

    Raises:
        InputError: the card's recipe is not one of this version.
    """
    if "classifier" in card.config:
        return None
    recipe = parse(card.config, Recipe, f"card of {card.model}: config")
    _start(card)
    size = recipe.training.size or recipe.input.size or stored
    # A preset tells the shape of a ViT and what its input looks like; all weights are in the checkpoint.
    folder = weights if isinstance(recipe.network, Vit) else None
    net = build(recipe.network, size, channels, n_classes, recipe.input.normalise, folder)
    net.model.jit_compile = runtime.use_xla()
    return Network(recipe, net, size)


def _network(opened: Network, checkpoints: Sequence[Path], unseen: Unseen) -> Iterator[Logits]:
    recipe, net, size, workers = opened.recipe, opened.net, opened.size, default_workers()
    images = preprocessed(unseen.images, recipe.input.preprocess, unseen.work / "preprocessed", "test", workers)
    sources: list[Features] | None = None
    for path in checkpoints:
        load_weights(net, path)
        if recipe.training.unfreeze != "head":
            yield _on_images(net, recipe, images, size)
            continue
        if sources is None:  # a frozen backbone is the same in every fold
            assert net.extract is not None  # the recipe refuses to freeze what has no backbone
            cache = FeatureCache(unseen.work / "features", net.extract, size, workers)
            sources = cache.views("test", images, recipe.views)
        yield _on_features(net, sources)


def _start(card: ModelCard) -> None:
    """Computes as training did where this machine would choose that itself, else in float32, which any can."""
    if runtime.start("auto") != card.precision and runtime.start("float32") != card.precision:
        print(f"{card.model}: trained in {card.precision}, which is not for this machine; predicted in float32")


def load_weights(net: Built, path: Path) -> None:
    """Loads a checkpoint.

    Raises:
        InputError: it does not fit.
    """
    try:
        with warnings.catch_warnings():
            # Keras goes on with random weights where a file lacks some, and only says so.
            warnings.filterwarnings("error", "Skipping", UserWarning)
            net.model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} does not fit the card of its model ({reason}); train that model again") from error


def _on_images(net: Built, recipe: Recipe, images: Images, size: int) -> Logits:
    wanted, workers = tuple(changes(recipe.views).values()), default_workers()
    predict = net.model.predict_on_batch
    parts = [
        np.stack([predict(view) for view in changed(batch, wanted, workers)])
        for batch in plain_batches(images, np.arange(len(images)), size, _BATCH, workers)
    ]
    return np.concatenate(parts, axis=1)


def _on_features(net: Built, sources: Sequence[Features]) -> Logits:
    assert net.head is not None  # it was trained
    net.head.jit_compile = runtime.use_xla()
    parts = [
        np.stack([net.head.predict_on_batch(source[start : start + _HEAD_BATCH]) for source in sources])
        for start in range(0, len(sources[0]), _HEAD_BATCH)
    ]
    return np.concatenate(parts, axis=1)
