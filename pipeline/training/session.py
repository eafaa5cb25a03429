"""What all folds of one model share: the data, and the network built and compiled once for each stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.core.arrays import Features, Images, Logits, Rows
from pipeline.core.errors import InputError, NoRoomError
from pipeline.images.batches import TrainBatches, changed, plain_batches, stream
from pipeline.images.views import Views, average_views, make_view_transforms
from pipeline.networks import runtime
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network, list_weight_files
from pipeline.networks.features import FeatureBatches, FeatureCache
from pipeline.networks.inputs import DatasetNorm
from pipeline.networks.normalisation import list_batch_norms, reestimate_statistics
from pipeline.training.data import Data
from pipeline.training.phases import CompiledPhase, assign_variables, compile_phase, copy_variables
from pipeline.training.recipes.balance import class_weights
from pipeline.training.recipes.losses import weigh
from pipeline.training.recipes.pseudo import Teachers
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.rows import TrainingRows
from pipeline.training.state import Arrays

Part = Literal["train", "test"]
_PREDICT_BATCH, _PREDICT_FEATURES = 256, 4096
_SETTLE_ROWS, _SETTLE_BATCH = 2048, 64


class Session:
    """One model, built and compiled once, trained on one fold after another.

    Attributes:
        recipe: how it is trained.
        data: what it is trained on.
        phases: its stages, in order, as long as the fold that `suit` was told.
        phase: the one that is running.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Data,
        workers: int,
        weights: Path,
        features: Path,
        oof: dict[str, Path] | None = None,
        teachers: Teachers | None = None,
    ) -> None:
        """Builds and compiles; `runtime.start_backend` comes first.

        Args:
            recipe: how it is trained.
            data: what it is trained on.
            workers: threads that make batches.
            weights: folder of files with pretrained weights.
            features: folder for the features of a frozen backbone, named by all that determines them.
            oof: files of other models' OOF predictions: the ``teacher`` of a student, those that show ``weak`` classes.
            teachers: those of ``training.pseudo``.

        Raises:
            InputError: the network does not fit the images, or its weights cannot be had.
        """
        self.recipe, self.data = recipe, data
        self._workers, self._weights, self._features = workers, weights, features
        self._rows = TrainingRows(recipe, data, oof or {}, teachers)
        self._nets: dict[int, BuiltNetwork] = {}
        self._caches: dict[int, FeatureCache] = {}
        # Names of layers, which checkpoints hold, count on from what was built before, also to ask for a file's name.
        list_weight_files(recipe.network, weights, recipe.first_size(data.images.shape[1]))
        runtime.forget_names()
        # Random states inside a backbone come from here; all others from `reset`.
        runtime.seed_everything(0)
        self._joined = 0
        self.phases = self._phases()
        self.phase = self.phases[0]
        net = self.phase.net
        pretrained = net.backbone is not None and recipe.network.model_dump().get("weights") != "none"
        # Features shared by all folds need one backbone, be it a random one.
        fixed = pretrained or any(phase.on_features for phase in self.phases)
        self._loaded: Arrays | None = copy_variables(net.backbone.variables) if net.backbone and fixed else None

    @property
    def images_seen(self) -> list[int]:
        """Training images of each epoch."""
        return [phase.steps * phase.batch_size for phase in self.phases for _ in range(phase.stage.epochs)]

    @property
    def section(self) -> str:
        """What the model's file calls the stage that is running."""
        stage = self.phases.index(self.phase)
        return "training" if stage == len(self.phases) - 1 else f"training.before[{stage}]"

    @property
    def feature_seconds(self) -> float:
        """Seconds that the features used so far took when they were computed."""
        return sum(sum(cache.used.values()) for cache in self._caches.values())

    def reset(self, fold: int, seed: int) -> None:
        """Begins a fold: fresh weights from ``seed``, the first stage; nothing is compiled again but by `suit`."""
        self.suit(fold)
        self.phase = self.phases[0]
        net = self.phase.net
        rows = self.data.rows(fold)[0]
        shown = self._rows.sampled(fold, seed)[0]  # of any seed: how often each class is shown does not depend on it
        weights = class_weights(self.data.labels[shown], self.recipe.balance, self.data.classes)
        if weights is not None:
            for phase in self.phases:
                weigh(phase.model, weights)
        runtime.seed_everything(seed)
        if self._loaded is not None and net.backbone and net.head and net.fresh_head:
            assign_variables(net.backbone.variables, self._loaded)
            assign_variables(net.head.variables, copy_variables(net.fresh_head().variables))
        else:
            assign_variables(net.model.variables, copy_variables(self._build(self.phase.size).model.variables))
        for layer in net.model.layers:
            if isinstance(layer, DatasetNorm):
                layer.measure(self.data.images, rows)
        self.enter(self.phase)

    def suit(self, fold: int) -> None:
        """Compiles the stages anew where other numbers of test images join this fold and the one before.

        How many join is no business of other folds: an epoch is as long as its own fold makes it.
        """
        joining = self._rows.joining(fold)
        if joining != self._joined:
            self._joined = joining
            self.phases = self._phases()
            self.phase = self.phases[0]

    def enter(self, phase: CompiledPhase) -> None:
        """Begins a stage with the weights of the one before and a fresh optimizer."""
        before, self.phase = self.phase, phase
        if phase.net is not before.net:
            assign_variables(phase.net.model.variables, copy_variables(before.net.model.variables))
        phase.set_trainable()
        assign_variables(phase.model.optimizer.variables, phase.fresh_optimizer)

    def use_average(self) -> None:
        """Replaces the weights by their running average, where the optimizer keeps one."""
        weights = self.phase.model.trainable_variables
        self.phase.model.optimizer.finalize_variable_values(weights)
        # Copies: on JAX weights and average would share memory, which the next call takes from both.
        assign_variables(weights, copy_variables(weights))

    def settle(self, fold: int) -> None:
        """Measures normalisation statistics afresh on training images, where the network asks for it."""
        net = self.phase.net
        if (
            net.backbone is None
            or self.phase.on_features
            or self.recipe.network.model_dump().get("norm") != "reestimated"
        ):
            return
        rows = self.data.rows(fold)[0]
        chosen = np.random.default_rng([fold, 5]).permutation(rows)[:_SETTLE_ROWS]
        batch = min(_SETTLE_BATCH, self.phase.batch_size)
        batches = plain_batches(self.data.images, chosen, self.phase.size, batch, self._workers)
        reestimate_statistics(net.model, list_batch_norms(net.backbone), batches)

    @contextmanager
    def room(self, name: str) -> Iterator[None]:
        """Says in one line that memory ran out in what ``name`` trained.

        Raises:
            NoRoomError: it did.
        """
        try:
            yield
        except runtime.get_memory_errors() as error:
            if not runtime.is_out_of_memory(error):
                raise
            raise NoRoomError(
                f"{name}: memory ran out while {self.phase.batch_size} images a step were trained on; lower "
                f"{self.section}.batch_size in the model's file, or end what else uses the memory",
                self.phases.index(self.phase),
                self.phase.batch_size,
            ) from error

    @contextmanager
    def fed(self, fold: int, seed: int, epoch: int) -> Iterator[Any]:
        """Yields what ``fit`` takes for the rest of the stage, from ``epoch`` (of all stages) on."""
        phase, n_classes = self.phase, len(self.data.classes)
        first, last = (epoch - phase.first_epoch) * phase.steps, phase.stage.epochs * phase.steps
        if phase.on_features:
            features = self._feature_batches(fold, seed)
            made = (features.batch(step) for step in range(first, last))
            yield runtime.make_feed(made, phase.model.input_shape[1:], "float32", n_classes)
            return
        batches = self.batches(fold, seed)
        batches.check()  # a transform that does not fit fails here, plainly
        ahead = stream(batches, first, last, self._workers)
        try:
            yield runtime.make_feed(iter(ahead), phase.model.input_shape[1:], "uint8", n_classes)
        except runtime.get_graph_errors():
            if ahead.failed is not None:
                raise ahead.failed from None  # which TensorFlow has wrapped in thousands of characters
            raise
        finally:
            ahead.close()

    def predict(self, part: Part, rows: Rows, views: Views) -> Logits:
        """Returns logits float32 (n_rows, n_classes), averaged over the views as they say."""
        none = np.zeros((0, len(self.data.classes)), dtype=np.float32)
        return np.concatenate([none, *(average_views(made, views) for made in self.predict_views(part, rows, views))])

    def predict_views(self, part: Part, rows: Rows, views: Views) -> Iterator[Logits]:
        """Yields the logits of each view, batch by batch: float32 (n_views, rows of the batch, n_classes)."""
        # predict() would build a tf.data pipeline for each call: 0.1 s, longer than a small network's epoch.
        predict = runtime.halve_to_fit(self.phase.model.predict_on_batch)
        if self.phase.on_features:
            sources = self._view_features(part, views)
            for start in range(0, len(rows), _PREDICT_FEATURES):
                yield np.stack([predict(source[rows[start : start + _PREDICT_FEATURES]]) for source in sources])
            return
        wanted = tuple(make_view_transforms(views).values())
        for batch in plain_batches(self._images(part), rows, self.phase.size, _PREDICT_BATCH, self._workers):
            yield np.stack([predict(view) for view in changed(batch, wanted, self._workers)])

    def _phases(self) -> tuple[CompiledPhase, ...]:
        rows = len(self.data.fold_of) - int(np.bincount(self.data.fold_of).max()) + self._joined
        weighted = self.recipe.balance.class_weight != "none"
        phases: list[CompiledPhase] = []
        for stage in self.recipe.training.stages:
            size = stage.size or self.recipe.input.size or self.data.images.shape[1]
            if size not in self._nets:
                self._nets[size] = self._build(size)
            begun = phases[-1].last_epoch if phases else 0
            phases.append(compile_phase(stage, self.recipe.training, begun, size, rows, self._nets[size], weighted))
        for before, after in pairwise(phases):
            _require_same_weights(before, after)
        return tuple(phases)

    def _build(self, size: int) -> BuiltNetwork:
        return build_network(
            self.recipe.network,
            size,
            self.data.images.shape[-1],
            len(self.data.classes),
            self.recipe.input.normalise,
            WeightSource(self._weights, self.recipe.first_size(self.data.images.shape[1])),
        )

    def batches(self, fold: int, seed: int) -> TrainBatches:
        """Returns the training batches of the current stage on a fold."""
        phase, stronger = self.phase, self.recipe.balance.stronger
        shown = self._rows.shown(fold, seed)
        return TrainBatches(
            images=self.data.images,
            labels=shown.labels,
            rows=shown.rows,
            n_classes=len(self.data.classes),
            size=phase.size,
            batch_size=phase.batch_size,
            steps_per_epoch=phase.steps,
            augmentation=self.recipe.augmentation,
            seed=self._seed(fold, seed),
            plain_from=phase.stage.epochs - phase.stage.plain_epochs if phase.stage.plain_epochs else None,
            targets=shown.targets,
            strong_labels=shown.strong,
            strong_transforms=stronger.transforms if stronger else (),
            more_images=self.data.test_images if self._joined else None,
        )

    def _feature_batches(self, fold: int, seed: int) -> FeatureBatches:
        shown = self._rows.shown(fold, seed)
        targets = shown.targets
        if targets is None:
            targets = np.eye(len(self.data.classes), dtype=np.float32)[shown.labels]
        return FeatureBatches(
            sources=self._sources("train", seed),
            targets=targets,
            rows=shown.rows,
            batch_size=self.phase.batch_size,
            steps_per_epoch=self.phase.steps,
            seed=self._seed(fold, seed),
            more=self._sources("test", seed) if self._joined else [],
        )

    def _sources(self, part: Part, seed: int) -> list[Features]:
        augmentation, draws = self.recipe.augmentation, self.phase.stage.draws
        if draws:
            return self._cache().compute_draws(self._images(part), augmentation, draws, seed, part)
        return self._view_features(part, Views(mirror=augmentation.flip != "none"))

    def _seed(self, fold: int, seed: int) -> tuple[int, ...]:
        number = self.phases.index(self.phase)
        return (seed, fold, number) if number else (seed, fold)

    def _view_features(self, part: Part, views: Views) -> list[Features]:
        return self._cache().compute_views(part, self._images(part), views)

    def _cache(self) -> FeatureCache:
        size, extract = self.phase.size, self.phase.net.extract
        assert extract is not None  # the recipe refuses to freeze what has no backbone
        if size not in self._caches:
            self._caches[size] = FeatureCache(self._features / str(size), extract, size, self._workers)
        return self._caches[size]

    def _images(self, part: Part) -> Images:
        return self.data.images if part == "train" else self.data.test_images


def _require_same_weights(before: CompiledPhase, after: CompiledPhase) -> None:
    shapes = [[variable.shape for variable in phase.net.model.variables] for phase in (before, after)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"the weights of {after.net.model.name} depend on the size of its input ({before.size}, {after.size} "
            "pixels): give all stages one size; networks that flatten and ViTs need that"
        )
