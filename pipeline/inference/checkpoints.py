"""Predictions for new images from checkpoints, the same as training makes for the test images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Logits, Values
from pipeline.core.cards import ModelCard
from pipeline.core.config import parse
from pipeline.core.targets.contract import Target
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.images.views import Views, average_seeds, average_views, make_view_transforms
from pipeline.inference.task_shape import TaskShape
from pipeline.training.classic.recipe import ClassicRecipe, load_classic_model
from pipeline.training.classic.training import ClassicSession
from pipeline.training.data import Data
from pipeline.training.seeds import give_recipe_head

FoldCheckpoints = Mapping[int, tuple[Path, ...]]  # by fold, of each seed


@dataclass(frozen=True)
class InferenceInput:
    """Images to predict, and the folders that it needs.

    Attributes:
        images: uint8 (n, size, size, channels), as the image store keeps them.
        target: what is predicted.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        work: folder for intermediate results.
    """

    images: Images
    target: Target
    weights: Path
    work: Path


def predict_images(card: ModelCard, checkpoints: FoldCheckpoints, inputs: InferenceInput) -> NDArray[np.float32]:
    """Predicts images with all folds of a model.

    Args:
        card: of the model; its recipe is the one that was trained.
        checkpoints: of its folds, in their order, by fold, of each seed.
        inputs: the images.

    Returns:
        Predictions float32 (n, n_columns), the mean over the folds.

    Raises:
        InputError: the card's recipe is not one of this version, or a checkpoint does not fit it.
    """
    from pipeline.inference.opened_head import open_head  # which starts the backend
    from pipeline.inference.opened_network import open_network

    paths = [path for of_seeds in checkpoints.values() for path in of_seeds]
    place, target = f"card of {card.model}: config", give_trained_head(card, inputs.target)
    shape = TaskShape(inputs.images.shape[1], inputs.images.shape[-1], target.n_outputs)
    opened = open_head(card, shape, target, inputs.weights) or open_network(card, shape, inputs.weights)
    parts = (
        predict_classic_logits(parse(card.config, ClassicRecipe, place), paths, inputs)
        if opened is None
        else opened.predict_logits(paths, inputs.images, inputs.work)
    )
    seeds = len(next(iter(checkpoints.values())))
    made = [combine_views(logits, card, target) for logits in parts]
    return average_folds(
        [combine_seeds(made[place : place + seeds], card, target) for place in range(0, len(made), seeds)]
    )


def average_folds(folds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Returns the mean of the folds' predictions, (n, n_columns) each."""
    mean: NDArray[np.float64] = np.stack(folds).mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def give_trained_head(card: ModelCard, target: Target) -> Target:
    """Returns the target with the head that a model was trained with."""
    return give_recipe_head(target, card.config, f"card of {card.model}: grades")


def combine_seeds(made: Sequence[Values], card: ModelCard, target: Target) -> Values:
    """Combines the predictions (n, n_columns) of each seed of one fold as training did.

    Args:
        made: of each seed.
        card: of the model.
        target: with the model's own head.
    """
    return average_seeds(made, _read_views(card), target)


def combine_views(logits: Logits, card: ModelCard, target: Target) -> Values:
    """Combines the views (n_views, n, n_outputs) of one fold as training did for test images: (n, n_columns).

    Args:
        logits: of each view.
        card: of the model.
        target: with the model's own head.
    """
    views = _read_views(card)
    if views.weights == "equal":
        return target.from_outputs(average_views(logits, views, target))
    mixed = np.zeros((logits.shape[1], len(target.columns)), dtype=np.float64)
    for name, view_logits in zip(make_view_transforms(views), logits, strict=True):
        if card.view_weights[name]:
            mixed += card.view_weights[name] * target.from_outputs(view_logits.astype(np.float64))
    return mixed.astype(np.float32)


def _read_views(card: ModelCard) -> Views:
    return parse(card.config["views"], Views, f"card of {card.model}: config.views")


def predict_classic_logits(
    recipe: ClassicRecipe, checkpoints: Sequence[Path], inputs: InferenceInput
) -> Iterator[Logits]:
    """Yields the logits of all views by each fold of a model without a network: float32 (n_views, n, n_outputs)."""
    none, rows, workers = np.zeros(0, dtype=np.int64), np.arange(len(inputs.images)), default_workers()
    images = open_preprocessed(inputs.images, recipe.input.preprocess, inputs.work / "preprocessed", "test", workers)
    data = Data(inputs.images[:0], none, (), none, images, tuple(map(str, rows)), inputs.target)
    session = ClassicSession(recipe, data, inputs.work, workers)
    for path in checkpoints:
        yield session.predict_views(load_classic_model(path), "test", rows)
