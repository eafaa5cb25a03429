"""A model's network, opened from its card as it was trained: weights by fold, logits of all views, features."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Features, Images, Logits
from pipeline.core.cards import ModelCard
from pipeline.core.config import parse
from pipeline.core.errors import InputError, one_line
from pipeline.images.batches import changed, default_workers, plain_batches
from pipeline.images.preprocessing import open_preprocessed
from pipeline.images.views import make_view_transforms
from pipeline.networks import runtime
from pipeline.networks.backbones.vit import Vit
from pipeline.networks.build import Built, build, penultimate
from pipeline.networks.features import FeatureCache
from pipeline.training.recipes.recipe import Recipe

# As `Session.predict` has them: sums over batches of another size may differ in their last bits.
_BATCH, _HEAD_BATCH = 256, 4096


@dataclass(frozen=True)
class Network:
    """A model's network, holding one fold's weights at a time.

    Attributes:
        recipe: what the card says.
        net: built.
        size: side of its input in pixels.
        keep: whether weights that were read stay in memory, for folds that are asked again and again.
        kept: these.
    """

    recipe: Recipe
    net: Built
    size: int
    keep: bool = False
    kept: dict[Path, list[Any]] = field(default_factory=dict)

    def load(self, path: Path) -> None:
        """Loads a checkpoint.

        Raises:
            InputError: it does not fit.
        """
        if path in self.kept:
            self.net.model.set_weights(self.kept[path])
            return
        try:
            with warnings.catch_warnings():
                # Keras goes on with random weights where a file lacks some, and only says so.
                warnings.filterwarnings("error", "Skipping", UserWarning)
                self.net.model.load_weights(path)
        except (ValueError, KeyError, OSError, TypeError, UserWarning) as error:
            raise InputError(
                f"{path} does not fit the card of its model ({one_line(error)}); train that model again"
            ) from error
        if self.keep:
            self.kept[path] = self.net.model.get_weights()

    def logits(self, checkpoints: Sequence[Path], images: Images, work: Path) -> Iterator[Logits]:
        """Yields the logits of all views by each fold: float32 (n_views, n, n_classes).

        Args:
            checkpoints: of the folds.
            images: uint8 (n, size, size, channels), as the image store keeps them.
            work: folder for what is computed on the way, of these images alone.
        """
        for logits, _ in self._said(checkpoints, images, work, None):
            yield logits

    def logits_and_features(
        self, checkpoints: Sequence[Path], images: Images, work: Path
    ) -> Iterator[tuple[Logits, Features]]:
        """Yields the same, and what the layer of logits sees of the images as they are: float32 (n, width)."""
        return self._said(checkpoints, images, work, self._last)

    @cached_property
    def _last(self) -> Any:
        last = penultimate(self.net, self.recipe.training.unfreeze == "head")
        last.jit_compile = runtime.use_xla()
        return last

    def _said(
        self, checkpoints: Sequence[Path], images: Images, work: Path, last: Any
    ) -> Iterator[tuple[Logits, Features]]:
        recipe, workers = self.recipe, default_workers()
        shown = open_preprocessed(images, recipe.input.preprocess, work / "preprocessed", "test", workers)
        sources: list[Features] | None = None
        for path in checkpoints:
            self.load(path)
            if recipe.training.unfreeze != "head":
                yield self._on_images(shown, last)
                continue
            if sources is None:  # a frozen backbone is the same in every fold
                assert self.net.extract is not None  # the recipe refuses to freeze what has no backbone
                cache = FeatureCache(work / "features", self.net.extract, self.size, workers)
                sources = cache.views("test", shown, recipe.views)
            yield self._on_features(sources, last)

    def _on_images(self, images: Images, last: Any) -> tuple[Logits, Features]:
        wanted, workers = tuple(make_view_transforms(self.recipe.views).values()), default_workers()
        predict, parts, features = runtime.halve_to_fit(self.net.model.predict_on_batch), [], []
        for batch in plain_batches(images, np.arange(len(images)), self.size, _BATCH, workers):
            parts.append(np.stack([predict(view) for view in changed(batch, wanted, workers)]))
            features.append(_of(last, batch))
        return np.concatenate(parts, axis=1), np.concatenate(features)

    def _on_features(self, sources: Sequence[Features], last: Any) -> tuple[Logits, Features]:
        assert self.net.head is not None  # it was trained
        self.net.head.jit_compile = runtime.use_xla()
        predict, parts, features = self.net.head.predict_on_batch, [], []
        for start in range(0, len(sources[0]), _HEAD_BATCH):
            blocks = [source[start : start + _HEAD_BATCH] for source in sources]
            parts.append(np.stack([predict(block) for block in blocks]))
            features.append(_of(last, blocks[0]))
        return np.concatenate(parts, axis=1), np.concatenate(features)


def open_network(
    card: ModelCard,
    stored: int,
    channels: int,
    n_classes: int,
    weights: Path,
    keep: bool = False,
    precision: runtime.Precision | None = None,
) -> Network | None:
    """Builds a model's network, for checkpoints to be loaded; it computes as it did in training.

    Args:
        card: of the model.
        stored: side of the images as the store keeps them, in pixels.
        channels: 1 or 3.
        n_classes: number of logits.
        weights: folder of the files that a network needs before its checkpoint can be loaded.
        keep: whether weights that were read stay in memory.
        precision: what to compute in; None for what it was trained in.

    Returns:
        None for a model without a network.

    Raises:
        InputError: the card's recipe is not one of this version.
    """
    if "classifier" in card.config:
        return None
    recipe = parse(card.config, Recipe, f"card of {card.model}: config")
    if precision is None:
        _start(card)
    else:
        runtime.start_backend(precision)
    size = recipe.training.size or recipe.input.size or stored
    # A preset tells the shape of a ViT and what its input looks like; all weights are in the checkpoint.
    folder = weights if isinstance(recipe.network, Vit) else None
    net = build(recipe.network, size, channels, n_classes, recipe.input.normalise, folder)
    net.model.jit_compile = runtime.use_xla()
    return Network(recipe, net, size, keep)


def _start(card: ModelCard) -> None:
    """Computes as training did where this machine would choose that itself, else in float32, which any can."""
    if runtime.start_backend("auto") != card.precision and runtime.start_backend("float32") != card.precision:
        print(f"{card.model}: trained in {card.precision}, which is not for this machine; predicted in float32")


def _of(last: Any, batch: NDArray[Any]) -> Features:
    if last is None:
        return np.zeros((len(batch), 0), dtype=np.float32)
    found: Features = np.asarray(last.predict_on_batch(batch), dtype=np.float32)
    return found
