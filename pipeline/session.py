"""What all folds of one model share: the data, and the model built and compiled once."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline import runtime, tables
from pipeline.augmentation import Images
from pipeline.errors import InputError
from pipeline.loader import Rows, TrainBatches, plain_batches
from pipeline.networks.build import build
from pipeline.optimizers import build_optimizer
from pipeline.recipe import Recipe
from pipeline.schedules import learning_rates
from pipeline.state import Arrays
from pipeline.views import Views, seen

_PREDICT_BATCH = 256


@dataclass(frozen=True)
class Data:
    """Images, labels and folds of one competition; images stay on disk.

    Attributes:
        images: uint8 (n, size, size, channels).
        labels: int64 (n,), class indices.
        ids: of the training images.
        fold_of: int64 (n,), the fold that each row is valid in.
        test_images: uint8 (n_test, size, size, channels).
        test_ids: of the test images.
        classes: names, in the order of their indices.
    """

    images: Images
    labels: Rows
    ids: tuple[str, ...]
    fold_of: Rows
    test_images: Images
    test_ids: tuple[str, ...]
    classes: tuple[str, ...]

    def rows(self, fold: int) -> tuple[Rows, Rows]:
        """Returns the training rows and the valid rows of a fold."""
        return np.flatnonzero(self.fold_of != fold), np.flatnonzero(self.fold_of == fold)


def load_data(prepared: Path, folds: Path) -> Data:
    """Opens the stores and joins the fold table to them by id.

    Raises:
        InputError: an image store and its index, or the index and the fold table, do not belong together.
    """
    train, test = tables.read_index(prepared / "train.csv"), tables.read_index(prepared / "test.csv")
    table = tables.read_folds(folds).set_index("id")
    if set(table.index) != set(train["id"]):
        raise InputError(f"{folds} and {prepared / 'train.csv'} hold different ids; run `dvc repro split`")
    return Data(
        images=_open_store(prepared / "train_images.npy", len(train)),
        labels=train["label"].to_numpy(dtype=np.int64),
        ids=tuple(train["id"]),
        fold_of=table["fold"].reindex(train["id"]).to_numpy(dtype=np.int64),
        test_images=_open_store(prepared / "test_images.npy", len(test)),
        test_ids=tuple(test["id"]),
        classes=tables.read_classes(prepared / "classes.json"),
    )


def _open_store(path: Path, rows: int) -> Images:
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro prepare`")
    images: Images = np.load(path, mmap_mode="r")
    if len(images) != rows:
        raise InputError(f"{path} holds {len(images)} images, its index {rows} rows; run `dvc repro -f prepare`")
    return images


class Session:
    """One model, built and compiled once, trained on one fold after another.

    Attributes:
        recipe: how it is trained.
        data: what it is trained on.
        workers: threads that make batches.
        size: side of its input in pixels.
        batch_size: the recipe's, or all training rows where there are fewer.
        steps: batches per epoch, those of the smallest training part: the same for every fold.
        rates: float32 (epochs * steps,), the learning rate of each step.
        model: from images to logits.
    """

    def __init__(self, recipe: Recipe, data: Data, workers: int) -> None:
        """Builds and compiles; `runtime.start` comes first."""
        self.recipe, self.data, self.workers = recipe, data, workers
        self.size = recipe.input.size or data.images.shape[1]
        smallest = len(data.fold_of) - int(np.bincount(data.fold_of).max())
        training = recipe.training
        self.batch_size = min(training.batch_size, smallest)
        self.steps = smallest // self.batch_size
        self.rates = learning_rates(training.schedule, training.optimizer.learning_rate, training.epochs, self.steps)
        self.model = self._build()
        self.model.compile(
            optimizer=build_optimizer(training.optimizer, self.rates, plateau=training.schedule.name == "plateau"),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing),
            jit_compile=runtime.use_xla(),
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self._fresh_optimizer = values(self.model.optimizer.variables)

    def reset(self, seed: int) -> None:
        """Gives the model fresh weights from ``seed`` and the optimizer its first state, without compiling again."""
        runtime.seed_everything(seed)
        assign(self.model.variables, values(self._build().variables))
        assign(self.model.optimizer.variables, self._fresh_optimizer)

    def batches(self, fold: int, seed: int) -> TrainBatches:
        """Returns the training batches of a fold."""
        return TrainBatches(
            images=self.data.images,
            labels=self.data.labels,
            rows=self.data.rows(fold)[0],
            n_classes=len(self.data.classes),
            size=self.size,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps,
            augmentation=self.recipe.augmentation,
            seed=(seed, fold),
        )

    def use_average(self) -> None:
        """Replaces the weights by their running average, where the optimizer keeps one."""
        weights = self.model.trainable_variables
        self.model.optimizer.finalize_variable_values(weights)
        # Copies: on JAX weights and average would share memory, which the next call takes from both.
        assign(weights, values(weights))

    def predict(self, images: Images, rows: Rows, views: Views) -> NDArray[np.float32]:
        """Returns logits float32 (n_rows, n_classes), the mean over the views."""
        batches = plain_batches(images, rows, self.size, _PREDICT_BATCH, self.workers)
        # predict() would build a tf.data pipeline for each call: 0.1 s, longer than a small network's epoch.
        parts = [
            np.mean([self.model.predict_on_batch(view) for view in seen(batch, views)], axis=0) for batch in batches
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.data.classes)), dtype=np.float32)

    def _build(self) -> keras.Model:
        return build(self.recipe.network, self.size, self.data.images.shape[-1], len(self.data.classes))


def values(variables: list[keras.Variable]) -> Arrays:
    """Copies variables out."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: list[keras.Variable], arrays: Arrays) -> None:
    """Copies arrays in, in the same order."""
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
