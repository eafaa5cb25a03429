"""From a recipe to what trains its folds: precision and batch size settled, inputs made ready, all fingerprinted."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.errors import NoRoomError
from pipeline.core.files import sha256
from pipeline.core.paths import work_folder
from pipeline.core.tables import folds_digest, read_folds
from pipeline.images.batches import default_workers
from pipeline.images.preprocessing import open_preprocessed
from pipeline.networks import runtime
from pipeline.networks.build import list_weight_files
from pipeline.training import fingerprints, probing
from pipeline.training.callback import OnEpoch
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.classic.training import ClassicSession, score_classic_fold, train_classic_fold
from pipeline.training.context import TrainingContext
from pipeline.training.data import Data
from pipeline.training.recipes.balance import check_classes
from pipeline.training.recipes.distillation import oof_file
from pipeline.training.recipes.pseudo import Teachers, find_teachers
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.session import Session
from pipeline.training.task import AnyRecipe, FoldTask
from pipeline.training.trainer import score_fold, train_fold


@dataclass(frozen=True)
class Trainable:
    """A model ready to be trained.

    Attributes:
        recipe: as it will run, with every ``auto`` settled.
        precision: what it computes in.
        fingerprint: of all that determines the result.
        train: trains one fold; where memory runs out, here or below, the model opened anew takes half as many images a
            step.
        score: trains one fold as far as ``valid.parquet``, watched; returns the seconds that its training took.
    """

    recipe: AnyRecipe
    precision: str
    fingerprint: str
    train: Callable[[FoldTask], None]
    score: Callable[[FoldTask, OnEpoch], float]


def make_trainable(recipe: Recipe | ClassicRecipe, context: TrainingContext) -> Trainable:
    """Makes a model ready; nothing is trained yet.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    images = fingerprints.digest_images(context.prepared)
    return _classic(recipe, context, images) if isinstance(recipe, ClassicRecipe) else _network(recipe, context, images)


def open_session(recipe: Recipe, context: TrainingContext, images: list[str]) -> tuple[Session, Recipe, str, str]:
    """Makes a network ready, for training and for a learning-rate range test.

    Args:
        recipe: the model.
        context: what it is opened with.
        images: digests of the image stores, from `fingerprints.images_digest`.

    Returns:
        The session, the recipe with every ``auto`` settled, the precision in use, and the fingerprint of the features.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    check_classes(recipe.balance, context.data.classes)
    oof, teachers = _oof(recipe, context), _teachers(recipe, context)
    data = _preprocessed(context.data, recipe, images, work_folder(context.root, "preprocessed"))
    shape = data.images.shape[1], data.images.shape[-1], len(data.classes)
    precision = probing.choose_precision(
        context.precision, recipe, shape, work_folder(context.root, "probing"), context.weights
    )
    rows = len(data.fold_of) - int(np.bincount(data.fold_of).max()) + (len(data.test_ids) if teachers else 0)
    recipe = probing.fit_batches(recipe, shape, rows, work_folder(context.root, "probing"), context.weights)
    files = list_weight_files(recipe.network, context.weights, recipe.first_size(shape[0]))
    features = fingerprints.fingerprint_features(images, recipe, files, precision)
    session = Session(
        recipe,
        data,
        default_workers(),
        context.weights,
        work_folder(context.root, "features") / features[:16],
        oof,
        teachers,
    )
    return session, recipe, precision, features


def _network(recipe: Recipe, context: TrainingContext, images: list[str]) -> Trainable:
    session, recipe, precision, features = open_session(recipe, context, images)
    fingerprint = context.fingerprint(
        "pipeline.training.trainer",
        images,
        recipe,
        precision,
        features=features,
        **_learnt_from(recipe, context),
    )

    @contextmanager
    def halving() -> Iterator[None]:
        try:
            yield
        except NoRoomError as error:
            data = session.data
            shape = data.images.shape[1], data.images.shape[-1], len(data.classes)
            probing.halve(recipe, shape, work_folder(context.root, "probing"), error)
            raise

    def train(task: FoldTask) -> None:
        with halving():
            train_fold(task, session)

    def score(task: FoldTask, watch: OnEpoch) -> float:
        with halving():
            return score_fold(task, session, watch)

    return Trainable(recipe, precision, fingerprint, train, score)


def _classic(recipe: ClassicRecipe, context: TrainingContext, images: list[str]) -> Trainable:
    runtime.start_backend("float32")
    fingerprint = context.fingerprint("pipeline.training.classic.training", images, recipe, "float32")
    key = fingerprints.fingerprint_descriptors(images, recipe)
    data = _preprocessed(context.data, recipe, images, work_folder(context.root, "preprocessed"))
    session = ClassicSession(recipe, data, work_folder(context.root, "features") / key[:16], default_workers())
    return Trainable(
        recipe,
        "float32",
        fingerprint,
        lambda task: train_classic_fold(task, session),
        lambda task, _: score_classic_fold(task, session),
    )


def digest_dependencies(recipe: Recipe | ClassicRecipe, context: TrainingContext) -> dict[str, Any]:
    """Digests what a model learns from beside the images and their labels: others' predictions, pretrained weights.

    Raises:
        InputError: a file of these cannot be had.
    """
    if isinstance(recipe, ClassicRecipe):
        return {}
    stored = context.data.images.shape[1]
    weights = list_weight_files(recipe.network, context.weights, recipe.first_size(stored))
    return {"weights": [sha256(path) for path in weights], **_learnt_from(recipe, context)}


def _learnt_from(recipe: Recipe, context: TrainingContext) -> dict[str, dict[str, str]]:
    teachers = _teachers(recipe, context)
    return {
        "oof": {name: sha256(path) for name, path in _oof(recipe, context).items()},
        "pseudo": teachers.digests(int(context.data.fold_of.max()) + 1) if teachers else {},
    }


def _oof(recipe: Recipe, context: TrainingContext) -> dict[str, Path]:
    distill, weak = recipe.training.distill, recipe.balance.weak
    if not distill and not weak:
        return {}
    about = context.data.classes, folds_digest(read_folds(context.folds))
    found = {"teacher": oof_file(context.root, distill.oof, "training.distill.oof", *about)} if distill else {}
    return found | ({"weak": oof_file(context.root, weak.oof, "balance.weak.oof", *about)} if weak else {})


def _teachers(recipe: Recipe, context: TrainingContext) -> Teachers | None:
    pseudo = recipe.training.pseudo
    if pseudo is None:
        return None
    return find_teachers(context.root, pseudo, len(context.data.classes), context.folds, context.chosen_folds)


def _preprocessed(data: Data, recipe: Recipe | ClassicRecipe, images: list[str], folder: Path) -> Data:
    steps, workers = recipe.input.preprocess, default_workers()
    return dataclasses.replace(
        data,
        images=open_preprocessed(data.images, steps, folder, images[0], workers),
        test_images=open_preprocessed(data.test_images, steps, folder, images[1], workers),
    )
