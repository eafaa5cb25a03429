"""The set-up of a training: from a recipe to a model whose folds can be trained, every ``auto`` settled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import InputError, NoRoomError
from pipeline.core.paths import work_folder
from pipeline.core.targets.grade_heads import give_head
from pipeline.images.prefetching import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.networks import runtime
from pipeline.networks.build import list_weight_files
from pipeline.networks.head import find_cosine_head
from pipeline.training import fingerprints, probing
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.classic.training import ClassicSession, TrainableClassic
from pipeline.training.context import TrainingContext
from pipeline.training.data import Data
from pipeline.training.dependencies import digest_predictions, find_oof_files, find_pseudo_teachers
from pipeline.training.doubted import apply_doubts
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.model_file import ModelRecipe
from pipeline.training.recipes.balance import check_classes
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.recipes.target_losses import check_loss
from pipeline.training.rows import TrainingRows
from pipeline.training.tabular.recipe import TabularRecipe
from pipeline.training.tabular.training import make_tabular
from pipeline.training.task import AnyRecipe, FoldTask, OnEpoch, Trainable

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.session import Session


@dataclass(frozen=True)
class TrainableNetwork:
    """A network whose folds can be trained; see `task.Trainable`.

    Attributes:
        recipe: as it will run.
        precision: what it computes in.
        fingerprint: of all that determines the result.
        session: the network, compiled.
        memory: folder in which is remembered how many images a step find room.
    """

    recipe: Recipe
    precision: str
    fingerprint: str
    session: Session
    memory: Path

    def train(self, task: FoldTask) -> None:
        """Trains one fold."""
        from pipeline.training.trainer import train_fold

        with self._halving_batches():
            train_fold(task, self.session)

    def score(self, task: FoldTask, on_epoch: OnEpoch) -> float:
        """Trains one fold as far as ``valid.parquet``."""
        from pipeline.training.trainer import score_fold

        with self._halving_batches():
            return score_fold(task, self.session, on_epoch)

    @contextmanager
    def _halving_batches(self) -> Iterator[None]:
        try:
            yield
        except NoRoomError as error:
            probing.halve_batch(self.recipe, _shape(self.session.data), self.memory, error)
            raise


@dataclass(frozen=True)
class SettledNetwork:
    """A network before it is built, for training and for a learning-rate range test.

    Attributes:
        recipe: with every ``auto`` settled.
        precision: in use.
        features: fingerprint of the backbone's features.
        data: what it is trained on.
        context: what its training depends on beside the recipe.
    """

    recipe: Recipe
    precision: str
    features: str
    data: Data
    context: TrainingContext

    def build(self) -> Session:
        """Builds and compiles it."""
        from pipeline.training.inputs import NetworkInputs
        from pipeline.training.session import Session

        context, recipe = self.context, self.recipe
        runtime.start_backend(self.precision)  # type: ignore[arg-type]  # another network may have been settled since
        oof, teachers = find_oof_files(recipe, context), find_pseudo_teachers(recipe, context)
        folder = work_folder(context.root, "features") / fingerprints.name_features_folder(self.features)
        inputs = NetworkInputs(recipe, self.data, TrainingRows(recipe, self.data, oof, teachers), folder)
        return Session(inputs, context.weights)


@dataclass(frozen=True)
class SettledModel:
    """A model of which all is known that determines its results.

    Attributes:
        recipe: with every ``auto`` settled.
        precision: what it computes in.
        fingerprint: of all that determines the result.
        build: makes it ready for training.
    """

    recipe: AnyRecipe
    precision: str
    fingerprint: str
    build: Callable[[], Trainable]


def make_trainable(recipe: ModelRecipe, context: TrainingContext) -> Trainable:
    """Makes a model ready; nothing is trained yet.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    return settle_model(recipe, context).build()


def settle_model(recipe: ModelRecipe, context: TrainingContext) -> SettledModel:
    """Settles what a model leaves open on this machine (precision, batch sizes); builds no network yet.

    Raises:
        InputError: as `make_trainable`.
    """
    if isinstance(recipe, TabularRecipe) or not recipe.more_rows:  # columns stand beside the competition's rows alone
        context = dataclasses.replace(context, data=context.data.drop_more_rows())
    context = apply_doubts(context, recipe.doubted)
    if isinstance(recipe, Recipe):
        return _settle_network_model(recipe, context, fingerprints.digest_images(context.prepared))
    made: Trainable
    if isinstance(recipe, TabularRecipe):
        made = make_tabular(recipe, context)
    elif isinstance(recipe, HeadRecipe):
        from pipeline.training.heads.training import make_head  # takes scikit-learn, which takes seconds to start

        made = make_head(recipe, context)
    else:
        made = _make_classic(recipe, context, fingerprints.digest_images(context.prepared))
    return SettledModel(made.recipe, made.precision, made.fingerprint, lambda: made)


def settle_network(recipe: Recipe, context: TrainingContext, images: list[str]) -> SettledNetwork:
    """Settles the precision and the batch sizes of a network.

    Args:
        recipe: the model.
        context: what its training depends on beside that.
        images: digests of the image stores, from `fingerprints.digest_images`.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    memory = work_folder(context.root, "probing")
    target = give_head(context.data.target, recipe.training.grades, "training.grades")
    check_classes(recipe.balance, target)
    cosine = find_cosine_head(recipe.network)
    scale = None if cosine is None else cosine.scale
    check_loss(dataclasses.replace(recipe.training.loss_settings, scale=scale), target)
    find_oof_files(recipe, context)  # a missing one is reported before anything is measured
    data = dataclasses.replace(_preprocess(context, recipe, images), target=target)
    shape = _shape(data)
    if data.weights is not None and not target.exclusive:
        raise InputError(
            f"more_rows: weights go with classes that exclude each other, and a network of {target.kind} gives every "
            "row the same; set weight: 1 in the competition's file, or more_rows: false in the model's"
        )
    precision = probing.choose_precision(context.precision, recipe, shape, memory, context.weights)
    teachers = find_pseudo_teachers(recipe, context)
    rows = data.least_rows + (len(data.test_ids) if teachers else 0)
    recipe = probing.fit_batches(recipe, shape, rows, memory, context.weights)
    weights = list_weight_files(recipe.network, context.weights, recipe.first_size(shape[0]))
    features = fingerprints.fingerprint_features(images, recipe, weights, precision)
    return SettledNetwork(recipe, precision, features, data, context)


def _settle_network_model(recipe: Recipe, context: TrainingContext, images: list[str]) -> SettledModel:
    settled = settle_network(recipe, context, images)
    fingerprint = context.fingerprint(
        "pipeline.training.trainer",
        images,
        settled.recipe,
        settled.precision,
        features=settled.features,
        **digest_predictions(settled.recipe, context),
    )

    def build() -> TrainableNetwork:
        memory = work_folder(context.root, "probing")
        return TrainableNetwork(settled.recipe, settled.precision, fingerprint, settled.build(), memory)

    return SettledModel(settled.recipe, settled.precision, fingerprint, build)


def _make_classic(recipe: ClassicRecipe, context: TrainingContext, images: list[str]) -> TrainableClassic:
    runtime.start_backend("float32")
    fingerprint = context.fingerprint("pipeline.training.classic.training", images, recipe, "float32")
    folder = work_folder(context.root, "features") / fingerprints.fingerprint_descriptors(images, recipe)[:16]
    session = ClassicSession(recipe, _preprocess(context, recipe, images), folder, default_workers())
    return TrainableClassic(recipe, fingerprint, session)


def _preprocess(context: TrainingContext, recipe: Recipe | ClassicRecipe, images: list[str]) -> Data:
    data, steps, workers = context.data, recipe.input.preprocess, default_workers()
    folder = work_folder(context.root, "preprocessed")
    return dataclasses.replace(
        data,
        images=open_preprocessed(data.images, steps, folder, images[0], workers),
        test_images=open_preprocessed(data.test_images, steps, folder, images[1], workers),
    )


def _shape(data: Data) -> tuple[int, int, int]:
    """Size and channels of the stored images, and the number of outputs."""
    return data.images.shape[1], data.images.shape[-1], data.target.n_outputs
