"""Predictions for new images from checkpoints, the same as training makes for the test images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.core.arrays import Images, Logits
from pipeline.core.cards import ModelCard
from pipeline.core.config import parse
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.images.views import Views, average_views, make_view_transforms
from pipeline.inference.opened_network import TaskShape, open_network
from pipeline.training.classic.recipe import ClassicRecipe, load_classic_model
from pipeline.training.classic.training import ClassicSession
from pipeline.training.data import Data


@dataclass(frozen=True)
class InferenceInput:
    """Images to predict, and the folders that it needs.

    Attributes:
        images: uint8 (n, size, size, channels), as the image store keeps them.
        classes: class names.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        work: folder for intermediate results.
    """

    images: Images
    classes: tuple[str, ...]
    weights: Path
    work: Path


def predict_images(card: ModelCard, checkpoints: Sequence[Path], inputs: InferenceInput) -> NDArray[np.float32]:
    """Predicts images with all folds of a model.

    Args:
        card: of the model; its recipe is the one that was trained.
        checkpoints: of its folds, in their order.
        inputs: the images.

    Returns:
        (n, n_classes) probabilities, the mean over the folds.

    Raises:
        InputError: the card's recipe is not one of this version, or a checkpoint does not fit it.
    """
    place = f"card of {card.model}: config"
    shape = TaskShape(inputs.images.shape[1], inputs.images.shape[-1], len(inputs.classes))
    network = open_network(card, shape, inputs.weights)
    parts = (
        predict_classic_logits(parse(card.config, ClassicRecipe, place), checkpoints, inputs)
        if network is None
        else network.predict_logits(checkpoints, inputs.images, inputs.work)
    )
    return average_folds([combine_views(logits, card) for logits in parts])


def average_folds(folds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns the mean of the folds' probabilities, (n, n_classes) each."""
    mean: NDArray[np.float64] = np.stack(folds).mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def combine_views(logits: Logits, card: ModelCard) -> NDArray[np.float32]:
    """Combines the views (n_views, n, n_classes) of one fold as training did for test images: (n, n_classes)."""
    views = parse(card.config["views"], Views, f"card of {card.model}: config.views")
    if views.weights == "equal":
        return softmax(average_views(logits, views), axis=1).astype(np.float32)
    mixed = np.zeros(logits.shape[1:], dtype=np.float64)
    for name, view_logits in zip(make_view_transforms(views), logits, strict=True):
        if card.view_weights[name]:
            mixed += card.view_weights[name] * softmax(view_logits.astype(np.float64), axis=-1).astype(np.float32)
    return mixed.astype(np.float32)


def predict_classic_logits(
    recipe: ClassicRecipe, checkpoints: Sequence[Path], inputs: InferenceInput
) -> Iterator[Logits]:
    """Yields the logits of all views by each fold of a model without a network: float32 (n_views, n, n_classes)."""
    none, rows, workers = np.zeros(0, dtype=np.int64), np.arange(len(inputs.images)), default_workers()
    images = open_preprocessed(inputs.images, recipe.input.preprocess, inputs.work / "preprocessed", "test", workers)
    data = Data(inputs.images[:0], none, (), none, images, tuple(map(str, rows)), inputs.classes)
    session = ClassicSession(recipe, data, inputs.work, workers)
    for path in checkpoints:
        yield session.predict_views(load_classic_model(path), "test", rows)
