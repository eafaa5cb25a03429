"""Networks of trained models, opened from their cards: weights by fold, logits of all views, features."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Features, Images, KeptFeatures, Logits
from pipeline.core.cards import ModelCard
from pipeline.core.config import parse
from pipeline.core.files import count_free_bytes
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.images.views import make_view_transforms
from pipeline.inference.task_shape import TaskShape
from pipeline.networks import runtime
from pipeline.networks.backbones.transformers import Transformer
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network, build_penultimate
from pipeline.networks.checkpoint_files import LoadedWeights, load_checkpoint
from pipeline.networks.cutting import CutNetwork, cut_network
from pipeline.networks.features import BYTES, FeatureCache
from pipeline.networks.predicting import predict_from_features, predict_from_images
from pipeline.networks.runtime import keras
from pipeline.training.recipes.recipe import Recipe

_MOST_KEPT = 1e9  # bytes of what a prefix makes of the images; beyond them each fold computes it again


@dataclass(frozen=True)
class OpenedNetwork:
    """A model's network, with one fold's weights at a time.

    Attributes:
        recipe: of the card.
        net: the built network.
        size: side of its input in pixels.
        loaded: what it holds of checkpoints.
    """

    recipe: Recipe
    net: BuiltNetwork
    size: int
    loaded: LoadedWeights = field(default_factory=LoadedWeights)

    def load(self, path: Path) -> None:
        """Loads a checkpoint.

        Raises:
            InputError: it does not fit, or the frozen backbone beside it is missing or damaged.
        """
        load_checkpoint(self.net, path, self.loaded)

    def predict_logits(self, checkpoints: Sequence[Path], images: Images, work: Path) -> Iterator[Logits]:
        """Yields the logits of all views by each fold: float32 (n_views, n, n_classes).

        Args:
            checkpoints: of the folds.
            images: uint8 (n, size, size, channels), as the image store keeps them.
            work: folder for intermediate results, of these images alone.
        """
        for logits, _ in self._predict_folds(checkpoints, images, work, False):
            yield logits

    def predict_logits_and_features(
        self, checkpoints: Sequence[Path], images: Images, work: Path
    ) -> Iterator[tuple[Logits, Features]]:
        """Yields the same, and the inputs of the layer of logits for the images themselves: float32 (n, width)."""
        return self._predict_folds(checkpoints, images, work, True)

    @cached_property
    def _last(self) -> Any:
        last = build_penultimate(self.net, self.recipe.training.on_features)
        if self._cut is not None:
            last = keras.Model(self._cut.pooled.input, last(self._cut.pooled.output))
        last.jit_compile = runtime.use_xla()
        return last

    @cached_property
    def _last_of_images(self) -> Any:
        last = build_penultimate(self.net, False)
        last.jit_compile = runtime.use_xla()
        return last

    @cached_property
    def _cut(self) -> CutNetwork | None:
        """Both parts of the network, the lower of which is the same in every fold; None where it has no prefix."""
        prefix = self.recipe.training.prefix
        if prefix is None:
            return None
        assert self.net.body is not None  # the recipe refuses to cut what has no backbone
        assert self.net.head is not None
        return cut_network(self.net.body, self.net.head, prefix.after, "training.prefix.after")

    def _predict_folds(
        self, checkpoints: Sequence[Path], images: Images, work: Path, with_features: bool
    ) -> Iterator[tuple[Logits, Features]]:
        recipe, workers = self.recipe, default_workers()
        preprocessed_images = open_preprocessed(images, recipe.input.preprocess, work / "preprocessed", "test", workers)
        shared = recipe.training.on_features and (self._cut is None or self._have_room(self._cut, len(images), work))
        sources: list[KeptFeatures] | None = None
        below: list[NDArray[Any]] = []
        for path in checkpoints:
            self.load(path)
            found = [weight for layer in self._cut.below for weight in layer.get_weights()] if self._cut else []
            if not shared or (sources is not None and not all(map(np.array_equal, below, found))):
                yield self._on_images(preprocessed_images, self._last_of_images if with_features else None)
                continue
            if sources is None:  # a frozen backbone, or its prefix, is the same in every fold
                extract = self._cut.extract if self._cut else self.net.extract
                assert extract is not None  # the recipe refuses to freeze what has no backbone
                cache = FeatureCache(work / "features", extract, self.size, workers)
                sources, below = cache.compute_views("test", preprocessed_images, recipe.views), found
            yield self._on_features(sources, self._last if with_features else None)

    def _have_room(self, cut: CutNetwork, count: int, work: Path) -> bool:
        """Says whether what a prefix makes of all views may be kept: some of it, and twice while it is written."""
        each: int = BYTES * count * math.prod(cut.above.input_shape[1:])
        needed = each * len(make_view_transforms(self.recipe.views))
        return needed <= _MOST_KEPT and needed + each <= count_free_bytes(work)

    def _on_images(self, images: Images, last: Any) -> tuple[Logits, Features]:
        rows, workers = np.arange(len(images)), default_workers()
        batches = predict_from_images(self.net.model, images, rows, self.size, self.recipe.views, workers)
        return _join_batches(batches, last)

    def _on_features(self, sources: Sequence[KeptFeatures], last: Any) -> tuple[Logits, Features]:
        trained = self._cut.above if self._cut else self.net.head
        assert trained is not None
        trained.jit_compile = runtime.use_xla()
        return _join_batches(predict_from_features(trained, sources, np.arange(len(sources[0]))), last)


def open_network(
    card: ModelCard,
    shape: TaskShape,
    weights: Path,
    keep: bool = False,
    precision: runtime.Precision | None = None,
) -> OpenedNetwork | None:
    """Builds a model's network, for checkpoints to be loaded; it computes as it did in training.

    Args:
        card: of the model.
        shape: of its images and logits.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        keep: whether weights that were read stay in memory.
        precision: what to compute in; None for what it was trained in.

    Returns:
        None for a model without a network.

    Raises:
        InputError: the card's recipe is not one of this version.
    """
    if not card.has_network:
        return None
    recipe = parse(card.config, Recipe, f"card of {card.model}: config")
    if precision is None:
        _start_runtime(card)
    else:
        runtime.start_backend(precision)
    size = recipe.last_size(shape.stored)
    # A preset holds the shape and the input scaling of a ViT; all weights are in the checkpoint.
    source = WeightSource(weights) if isinstance(recipe.network, Transformer) else None
    net = build_network(recipe.network, size, shape.channels, shape.n_classes, recipe.input.normalise, source)
    net.model.jit_compile = runtime.use_xla()
    return OpenedNetwork(recipe, net, size, LoadedWeights(keep))


def _start_runtime(card: ModelCard) -> None:
    """Computes as training did where this machine would choose that itself, else in float32, which any can."""
    if runtime.start_backend("auto") != card.precision and runtime.start_backend("float32") != card.precision:
        print(f"{card.model}: trained in {card.precision}, which this machine would not choose; predicted in float32")


def _join_batches(batches: Iterator[tuple[NDArray[Any], Logits]], last: Any) -> tuple[Logits, Features]:
    """Joins the logits of all batches, and what the layer of logits sees of each; (n, 0) where ``last`` is None."""
    parts, features = [], []
    for batch, logits in batches:
        parts.append(logits)
        features.append(np.zeros((len(batch), 0)) if last is None else last.predict_on_batch(batch))
    return np.concatenate(parts, axis=1), np.concatenate(features).astype(np.float32)
