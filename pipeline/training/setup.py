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
from pipeline.images.preprocessing import preprocessed
from pipeline.networks import runtime
from pipeline.networks.build import weights_of
from pipeline.training import fingerprints, probing
from pipeline.training.callback import Watch
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.classic.training import ClassicSession, score_classic_fold, train_classic_fold
from pipeline.training.data import Data
from pipeline.training.recipes.balance import check_classes
from pipeline.training.recipes.distillation import oof_file
from pipeline.training.recipes.pseudo import Teachers, find_teachers
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.session import Session
from pipeline.training.task import AnyRecipe, FoldTask
from pipeline.training.trainer import score_fold, train_fold


@dataclass(frozen=True)
class Opened:
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
    score: Callable[[FoldTask, Watch], float]


@dataclass(frozen=True)
class Surroundings:
    """What a model is opened with beside its recipe.

    Attributes:
        root: the repository folder.
        prepared: folder of the image stores and indices.
        folds: path of the fold table.
        data: what lies there, opened.
        precision: as in params.yaml.
        weights: folder of files with pretrained weights.
        seed: the run's seed.
        score: the competition's metric, as plain values.
        wanted: the folds that will be trained.
        workers: how many of them at once; None means one for each GPU, or one.
    """

    root: Path
    prepared: Path
    folds: Path
    data: Data
    precision: runtime.Precision
    weights: Path
    seed: int
    score: dict[str, Any]
    wanted: tuple[int, ...]
    workers: int | None = None

    def fingerprint(self, trainer: str, images: list[str], recipe: AnyRecipe, precision: str, **more: Any) -> str:
        """Returns the fingerprint of a training."""
        known = {"recipe": recipe.model_dump(mode="json"), "score": self.score, "seed": self.seed}
        return fingerprints.of_training(
            self.prepared, self.folds, images, trainer, known | more | {"precision": precision}
        )


def open_model(recipe: Recipe | ClassicRecipe, around: Surroundings) -> Opened:
    """Makes a model ready; nothing is trained yet.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    images = fingerprints.images_digest(around.prepared)
    return _classic(recipe, around, images) if isinstance(recipe, ClassicRecipe) else _network(recipe, around, images)


def open_session(recipe: Recipe, around: Surroundings, images: list[str]) -> tuple[Session, Recipe, str, str]:
    """Makes a network ready, for training and for a learning-rate range test.

    Args:
        recipe: the model.
        around: what it is opened with.
        images: digests of the image stores, from `fingerprints.images_digest`.

    Returns:
        The session, the recipe with every ``auto`` settled, the precision in use, and the fingerprint of the features.

    Raises:
        InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
    """
    check_classes(recipe.balance, around.data.classes)
    oof, teachers = _oof(recipe, around), _teachers(recipe, around)
    data = _preprocessed(around.data, recipe, images, work_folder(around.root, "preprocessed"))
    shape = data.images.shape[1], data.images.shape[-1], len(data.classes)
    precision = probing.choose_precision(
        around.precision, recipe, shape, work_folder(around.root, "probing"), around.weights
    )
    rows = len(data.fold_of) - int(np.bincount(data.fold_of).max()) + (len(data.test_ids) if teachers else 0)
    recipe = probing.fit_batches(recipe, shape, rows, work_folder(around.root, "probing"), around.weights)
    files = weights_of(recipe.network, around.weights, recipe.first_size(shape[0]))
    features = fingerprints.of_features(images, recipe, files, precision)
    session = Session(
        recipe,
        data,
        default_workers(),
        around.weights,
        work_folder(around.root, "features") / features[:16],
        oof,
        teachers,
    )
    return session, recipe, precision, features


def _network(recipe: Recipe, around: Surroundings, images: list[str]) -> Opened:
    session, recipe, precision, features = open_session(recipe, around, images)
    fingerprint = around.fingerprint(
        "pipeline.training.trainer",
        images,
        recipe,
        precision,
        features=features,
        **_learnt_from(recipe, around),
    )

    @contextmanager
    def halving() -> Iterator[None]:
        try:
            yield
        except NoRoomError as error:
            data = session.data
            shape = data.images.shape[1], data.images.shape[-1], len(data.classes)
            probing.halve(recipe, shape, work_folder(around.root, "probing"), error)
            raise

    def train(task: FoldTask) -> None:
        with halving():
            train_fold(task, session)

    def score(task: FoldTask, watch: Watch) -> float:
        with halving():
            return score_fold(task, session, watch)

    return Opened(recipe, precision, fingerprint, train, score)


def _classic(recipe: ClassicRecipe, around: Surroundings, images: list[str]) -> Opened:
    runtime.start("float32")
    fingerprint = around.fingerprint("pipeline.training.classic.training", images, recipe, "float32")
    key = fingerprints.of_descriptors(images, recipe)
    data = _preprocessed(around.data, recipe, images, work_folder(around.root, "preprocessed"))
    session = ClassicSession(recipe, data, work_folder(around.root, "features") / key[:16], default_workers())
    return Opened(
        recipe,
        "float32",
        fingerprint,
        lambda task: train_classic_fold(task, session),
        lambda task, _: score_classic_fold(task, session),
    )


def outside(recipe: Recipe | ClassicRecipe, around: Surroundings) -> dict[str, Any]:
    """Digests what a model learns from beside the images and their labels: others' predictions, pretrained weights.

    Raises:
        InputError: a file of these cannot be had.
    """
    if isinstance(recipe, ClassicRecipe):
        return {}
    stored = around.data.images.shape[1]
    weights = weights_of(recipe.network, around.weights, recipe.first_size(stored))
    return {"weights": [sha256(path) for path in weights], **_learnt_from(recipe, around)}


def _learnt_from(recipe: Recipe, around: Surroundings) -> dict[str, dict[str, str]]:
    teachers = _teachers(recipe, around)
    return {
        "oof": {name: sha256(path) for name, path in _oof(recipe, around).items()},
        "pseudo": teachers.digests(int(around.data.fold_of.max()) + 1) if teachers else {},
    }


def _oof(recipe: Recipe, around: Surroundings) -> dict[str, Path]:
    distill, weak = recipe.training.distill, recipe.balance.weak
    if not distill and not weak:
        return {}
    about = around.data.classes, folds_digest(read_folds(around.folds))
    found = {"teacher": oof_file(around.root, distill.oof, "training.distill.oof", *about)} if distill else {}
    return found | ({"weak": oof_file(around.root, weak.oof, "balance.weak.oof", *about)} if weak else {})


def _teachers(recipe: Recipe, around: Surroundings) -> Teachers | None:
    pseudo = recipe.training.pseudo
    if pseudo is None:
        return None
    return find_teachers(around.root, pseudo, len(around.data.classes), around.folds, around.wanted)


def _preprocessed(data: Data, recipe: Recipe | ClassicRecipe, images: list[str], folder: Path) -> Data:
    steps, workers = recipe.input.preprocess, default_workers()
    return dataclasses.replace(
        data,
        images=preprocessed(data.images, steps, folder, images[0], workers),
        test_images=preprocessed(data.test_images, steps, folder, images[1], workers),
    )
