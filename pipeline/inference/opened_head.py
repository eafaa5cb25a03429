"""Heads on frozen backbones, opened from their cards: features of new images as training computed them, then the head.

A checkpoint holds the head alone; the backbones come from the files of weights that the card names by digest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Logits
from pipeline.core.cards import ModelCard
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.targets.contract import Target
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.inference.task_shape import TaskShape
from pipeline.networks.features import FeatureCache
from pipeline.training.classic.recipe import load_classic_model
from pipeline.training.heads.frozen_networks import Extract, list_backbone_weights, make_extract
from pipeline.training.heads.other_heads import load_neighbours, predict_neighbours
from pipeline.training.heads.recipe import HeadRecipe, NeighbourHead
from pipeline.training.heads.session import FittedHead, open_views, predict_head


@dataclass(frozen=True)
class OpenedHead:
    """A head on frozen backbones; each network is built with the first images that it sees, and kept.

    Attributes:
        recipe: of the card.
        target: what is predicted, with the model's own head of grades.
        sizes: side of each backbone's input in pixels.
        extracts: what computes the features of each.
    """

    recipe: HeadRecipe
    target: Target
    sizes: tuple[int, ...]
    extracts: tuple[Extract, ...]

    def predict_logits(self, checkpoints: Sequence[Path], images: Images, work: Path) -> Iterator[Logits]:
        """Yields the outputs of all views by each fold: float32 (n_views, n, n_outputs).

        Args:
            checkpoints: of the folds.
            images: uint8 (n, size, size, channels), as the image store keeps them.
            work: folder for intermediate results, of these images alone.
        """
        workers, parts = default_workers(), []
        for number, section in enumerate(self.recipe.backbones):
            folder = work / f"backbone{number}"
            steps = section.input.preprocess
            prepared = open_preprocessed(images, steps, folder / "preprocessed", "test", workers)
            cache = FeatureCache(folder / "features", self.extracts[number], self.sizes[number], workers)
            parts.append(cache.compute_views("test", prepared, self.recipe.views))
        views, rows = open_views(parts), np.arange(len(images))
        for path in checkpoints:
            fitted = FittedHead(self._load(path), None, "")
            yield np.concatenate(list(predict_head(fitted, views, rows)), axis=1)

    def _load(self, path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        head = self.recipe.head
        if isinstance(head, NeighbourHead):
            model = load_neighbours(path)
            return lambda raw: predict_neighbours(model, raw, head, self.target)
        coefficients, intercepts = load_classic_model(path).fold_scaling()
        return lambda raw: raw @ coefficients + intercepts


def open_head(
    card: ModelCard, shape: TaskShape, target: Target, weights: Path, precision: str | None = None
) -> OpenedHead | None:
    """Opens a head on frozen backbones; builds no network yet.

    Args:
        card: of the model.
        shape: of its images and outputs.
        target: what is predicted, with the model's own head of grades.
        weights: folder of the files with pretrained weights.
        precision: what backbones compute in; None for what they computed in at training.

    Returns:
        None for a model of another kind.

    Raises:
        InputError: the card's recipe is not one of this version, or a file of weights is missing or another one.
    """
    if "backbones" not in card.config:
        return None
    recipe = parse(card.config, HeadRecipe, f"card of {card.model}: config")
    if len(card.backbone_precisions) != len(recipe.backbones):
        raise InputError(
            f"the card of {card.model} does not say what its backbones computed in; run `dvc repro train@{card.model}`"
        )
    sizes = tuple(section.input.size or shape.stored for section in recipe.backbones)
    extracts = []
    for section, size, trained in zip(recipe.backbones, sizes, card.backbone_precisions, strict=True):
        for path in list_backbone_weights(section, weights, size):
            if sha256(path) not in card.backbones.values():
                raise InputError(
                    f"{path} holds other weights than {card.model} was trained on; put the file back, or train the "
                    f"model again: dvc repro train@{card.model}"
                )
        extracts.append(make_extract(section, (size, shape.channels, shape.n_classes), weights, precision or trained))
    return OpenedHead(recipe, target, sizes, tuple(extracts))
