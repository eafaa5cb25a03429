"""Inputs of a network in training and prediction: batches of images, or of features of its frozen backbone."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.core.arrays import Features, Images, KeptFeatures
from pipeline.core.errors import InputError
from pipeline.core.files import require_space
from pipeline.images.batches import AugmentationPlan, TrainBatches, TrainingSet, stream
from pipeline.images.prefetching import Prefetcher, default_workers
from pipeline.images.views import Views, make_view_transforms
from pipeline.networks import runtime
from pipeline.networks.feature_batches import FeatureBatches
from pipeline.networks.features import BYTES, FeatureCache, name_draws
from pipeline.training.data import Data
from pipeline.training.phases import CompiledPhase
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.rows import TrainingRows

Part = Literal["train", "test"]
_PARTS: tuple[Part, ...] = ("train", "test")


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
        self._caches: dict[str, FeatureCache] = {}

    @property
    def feature_seconds(self) -> float:
        """Seconds that the features used so far took when they were computed."""
        return sum(sum(cache.used.values()) for cache in self._caches.values())

    def require_room(self, phase: CompiledPhase, seed: int) -> None:
        """Says what the versions that a prefix makes of all images take on the disk, before one is written.

        Raises:
            InputError: more than the recipe allows, or than there is room for.
        """
        prefix = phase.recipe.prefix
        if prefix is None:
            return
        cache, shape = self._cache(phase), phase.model.input_shape[1:]
        each = BYTES * math.prod(shape)
        versions = {part: self._versions(phase, part, seed) for part in _PARTS}
        sizes = {name: each * len(self.images(part)) for part, names in versions.items() for name in names}
        total = sum(sizes.values())
        missing = {name: size for name, size in sizes.items() if not cache.is_kept(name)}
        key, shape_text = f"{phase.scope.section}.prefix", " x ".join(map(str, shape))
        counts = (
            f"{len(versions['train'])} versions of the training images and {len(versions['test'])} of the test images"
        )
        kept = f"{counts} as {prefix.after} gives them ({shape_text} each)"
        if total > prefix.limit_gb * 1e9:
            raise InputError(
                f"{key}: {kept} take {total / 1e9:,.2f} GB, more than limit_gb: {prefix.limit_gb:g}; raise it, lower "
                "draws or input.size, or cut after a later layer"
            )
        if missing:
            print(f"{key}: {kept}: {total / 1e6:,.1f} MB in {cache.folder}", flush=True)
            # A version is written in blocks, and then as a whole; blocks may be there after a kill.
            begun = sum(min(cache.count_begun(name), size) for name, size in missing.items())
            needed = sum(missing.values()) + max(missing.values()) - begun
            require_space(cache.folder, needed, f"free some, or lower {key}.draws")

    def _versions(self, phase: CompiledPhase, part: Part, seed: int) -> list[str]:
        """Names the files of a part that a phase above a prefix reads."""
        augmentation, prefix = self.recipe.augmentation, phase.recipe.prefix
        views = set(make_view_transforms(self.recipe.views))
        draws: list[str] = []
        if prefix and (part == "train" or self.recipe.teachers):
            views |= set(make_view_transforms(Views(mirror=augmentation.flip != "none")))
            if augmentation.transforms or augmentation.policy:
                draws = name_draws(augmentation, prefix.draws, seed, part)
        return [*(f"{part}-{name}" for name in sorted(views)), *draws]

    @contextmanager
    def feed(self, phase: CompiledPhase, fold: int, seed: int, epoch: int) -> Iterator[Any]:
        """Yields what ``fit`` takes for the rest of a phase, from ``epoch`` (of all phases) on."""
        n_classes = len(self.data.classes)
        first, last = (epoch - phase.first_epoch) * phase.steps, phase.recipe.epochs * phase.steps
        if phase.on_features:
            features = self._feature_batches(phase, fold, seed)
            # A head's batches are made at once; those above a prefix are large, and may come from the disk.
            ahead = Prefetcher(features.batch, range(first, last), self.workers) if phase.cut else None
            made = iter(ahead) if ahead else (features.batch(step) for step in range(first, last))
            try:
                yield runtime.make_feed(made, phase.model.input_shape[1:], "float32", n_classes)
            finally:
                if ahead:
                    ahead.close()
            return
        batches = self.image_batches(phase, fold, seed)
        batches.check()  # a transform that does not fit fails here, plainly
        streamed = stream(batches, first, last, self.workers)
        try:
            shape, dtype = phase.model.input_shape[1:], str(self.data.images.dtype)
            yield runtime.make_feed(iter(streamed), shape, dtype, n_classes)
        except runtime.get_graph_errors():
            if streamed.failed is not None:
                raise streamed.failed from None  # which TensorFlow has wrapped in thousands of characters
            raise
        finally:
            streamed.close()

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
        if phase.later is None:
            return self._cache(phase).compute_views(part, self.images(part), views)
        maps = self._cache(phase.later).compute_views(part, self.images(part), views)
        return self._cache(phase).compute_from(part, dict(zip(make_view_transforms(views), maps, strict=True)))

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
        augmentation, prefix, cache = self.recipe.augmentation, phase.recipe.prefix, self._cache(phase)
        if phase.recipe.draws:
            return cache.compute_draws(self.images(part), augmentation, phase.recipe.draws, seed, part)
        plain = self.view_features(phase, part, Views(mirror=augmentation.flip != "none"))
        if prefix is None or not (augmentation.transforms or augmentation.policy):
            return plain
        return [*plain, *cache.compute_draws(self.images(part), augmentation, prefix.draws, seed, part)]

    def _cache(self, phase: CompiledPhase) -> FeatureCache:
        extract: Callable[[Any], Features] | None = phase.net.extract
        name, prefix = str(phase.size), (phase.later or phase).recipe.prefix
        if prefix and phase.cut:
            name, extract = f"{name}-{prefix.after}", phase.cut.extract
        elif prefix and phase.later and phase.later.cut:
            name, extract = f"{name}-{prefix.after}-pooled", phase.later.cut.pool
        assert extract is not None  # the recipe refuses to freeze what has no backbone
        if name not in self._caches:
            self._caches[name] = FeatureCache(self._features / name, extract, phase.size, self.workers)
        return self._caches[name]


def _seed(phase: CompiledPhase, fold: int, seed: int) -> tuple[int, ...]:
    return (seed, fold, phase.scope.number) if phase.scope.number else (seed, fold)
