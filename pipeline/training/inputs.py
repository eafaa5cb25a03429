"""Inputs of a network in training and prediction: batches of images, or of features of its frozen backbone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.core.arrays import Images, KeptFeatures
from pipeline.images.batches import AugmentationPlan, TrainBatches, TrainingSet, stream
from pipeline.images.prefetching import default_workers
from pipeline.images.views import Views
from pipeline.networks import runtime
from pipeline.networks.features import FeatureBatches, FeatureCache
from pipeline.training.data import Data
from pipeline.training.phases import CompiledPhase
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.rows import TrainingRows

Part = Literal["train", "test"]


class NetworkInputs:
    """All that the folds of one model read.

    Attributes:
        recipe: how the model is trained.
        data: what it is trained on.
        rows: which rows each fold trains on.
        workers: threads that make batches.
    """

    def __init__(
        self, recipe: Recipe, data: Data, rows: TrainingRows, features: Path, workers: int | None = None
    ) -> None:
        """Reads nothing yet.

        Args:
            recipe: how the model is trained.
            data: what it is trained on.
            rows: which rows each fold trains on.
            features: folder for the features of a frozen backbone, named by all that determines them.
            workers: threads that make batches; None for half of the cores.
        """
        self.recipe, self.data, self.rows = recipe, data, rows
        self.workers = workers or default_workers()
        self._features = features
        self._caches: dict[int, FeatureCache] = {}

    @property
    def feature_seconds(self) -> float:
        """Seconds that the features used so far took when they were computed."""
        return sum(sum(cache.used.values()) for cache in self._caches.values())

    @contextmanager
    def feed(self, phase: CompiledPhase, fold: int, seed: int, epoch: int) -> Iterator[Any]:
        """Yields what ``fit`` takes for the rest of a phase, from ``epoch`` (of all phases) on."""
        n_classes = len(self.data.classes)
        first, last = (epoch - phase.first_epoch) * phase.steps, phase.recipe.epochs * phase.steps
        if phase.on_features:
            features = self._feature_batches(phase, fold, seed)
            made = (features.batch(step) for step in range(first, last))
            yield runtime.make_feed(made, phase.model.input_shape[1:], "float32", n_classes)
            return
        batches = self.image_batches(phase, fold, seed)
        batches.check()  # a transform that does not fit fails here, plainly
        ahead = stream(batches, first, last, self.workers)
        try:
            shape, dtype = phase.model.input_shape[1:], str(self.data.images.dtype)
            yield runtime.make_feed(iter(ahead), shape, dtype, n_classes)
        except runtime.get_graph_errors():
            if ahead.failed is not None:
                raise ahead.failed from None  # which TensorFlow has wrapped in thousands of characters
            raise
        finally:
            ahead.close()

    def image_batches(self, phase: CompiledPhase, fold: int, seed: int) -> TrainBatches:
        """Returns the training batches of a phase on a fold."""
        chosen, stronger, recipe = self.rows.select(fold, seed), self.recipe.balance.stronger, phase.recipe
        joined = self.rows.count_joining(fold)
        return TrainBatches(
            data=TrainingSet(
                images=self.data.images,
                rows=chosen.rows,
                labels=chosen.labels,
                n_classes=len(self.data.classes),
                targets=chosen.targets,
                strong=chosen.strong,
                more_images=self.data.test_images if joined else None,
                ids=self.data.ids,
            ),
            plan=AugmentationPlan(
                augmentation=self.recipe.augmentation,
                strong_transforms=stronger.transforms if stronger else (),
                plain_from=recipe.epochs - recipe.plain_epochs if recipe.plain_epochs else None,
            ),
            size=phase.size,
            batch_size=phase.batch_size,
            steps_per_epoch=phase.steps,
            seed=_seed(phase, fold, seed),
        )

    def images(self, part: Part) -> Images:
        """Returns the stored images of a part: (n, stored size, stored size, channels)."""
        return self.data.images if part == "train" else self.data.test_images

    def view_features(self, phase: CompiledPhase, part: Part, views: Views) -> list[KeptFeatures]:
        """Returns the features of a part's images by view: float32 (n, width) each, the images themselves first."""
        return self._cache(phase).compute_views(part, self.images(part), views)

    def _feature_batches(self, phase: CompiledPhase, fold: int, seed: int) -> FeatureBatches:
        chosen = self.rows.select(fold, seed)
        targets = chosen.targets
        if targets is None:
            targets = np.eye(len(self.data.classes), dtype=np.float32)[chosen.labels]
        return FeatureBatches(
            sources=self._training_features(phase, "train", seed),
            targets=targets,
            rows=chosen.rows,
            batch_size=phase.batch_size,
            steps_per_epoch=phase.steps,
            seed=_seed(phase, fold, seed),
            more=self._training_features(phase, "test", seed) if self.rows.count_joining(fold) else [],
        )

    def _training_features(self, phase: CompiledPhase, part: Part, seed: int) -> list[KeptFeatures]:
        augmentation, draws = self.recipe.augmentation, phase.recipe.draws
        if draws:
            return self._cache(phase).compute_draws(self.images(part), augmentation, draws, seed, part)
        return self.view_features(phase, part, Views(mirror=augmentation.flip != "none"))

    def _cache(self, phase: CompiledPhase) -> FeatureCache:
        extract = phase.net.extract
        assert extract is not None  # the recipe refuses to freeze what has no backbone
        if phase.size not in self._caches:
            self._caches[phase.size] = FeatureCache(self._features / str(phase.size), extract, phase.size, self.workers)
        return self._caches[phase.size]


def _seed(phase: CompiledPhase, fold: int, seed: int) -> tuple[int, ...]:
    return (seed, fold, phase.scope.number) if phase.scope.number else (seed, fold)
