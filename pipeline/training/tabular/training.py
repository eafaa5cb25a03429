"""Training of a tabular model on one fold: the same files as an image model's, but no checkpoint.

Columns of other images stand in no picture, so such a model predicts the competition's test images alone.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core import predictions
from pipeline.core.files import atomic_path
from pipeline.core.predictions import Predictions
from pipeline.networks.hardware import name_hardware
from pipeline.training.context import TrainingContext
from pipeline.training.data import Data
from pipeline.training.finished import is_finished, read_done, write_done
from pipeline.training.tabular.estimators import Matrix, Predictor, fit_estimator
from pipeline.training.tabular.features import FeatureTable, digest_members, make_features
from pipeline.training.tabular.recipe import TabularRecipe
from pipeline.training.task import FoldTask, OnEpoch, describe_machine

PERMUTED = "permuted.npz"  # predictions of the valid rows, each source in turn permuted among them
_MOST_PERMUTED = 64  # sources


def train_tabular_fold(task: FoldTask, recipe: TabularRecipe, data: Data, table: FeatureTable) -> None:
    """Trains one fold, or finds it finished.

    Writes into ``task.folder``: ``valid.parquet``, ``test.parquet``, ``permuted.npz``, ``history.csv`` and, last,
    ``done.json``.
    """
    if is_finished(task):
        return
    task.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    data = data.as_taught(task.fold)
    rows, valid = data.rows(task.fold)
    seed = int(np.random.SeedSequence([task.seed, task.fold]).generate_state(1)[0])
    predict = fit_estimator(recipe, data.target, table.train[rows], data.truth[rows], table.categories, seed)
    seconds = time.perf_counter() - started
    made, known = predict(table.train[valid]), data.truth[valid]
    _write(task.folder / "valid.parquet", tuple(data.ids[row] for row in valid), made, data)
    started = time.perf_counter()
    tests = predict(table.test) if len(table.test) else np.empty((0, len(data.classes)), dtype=np.float32)
    milliseconds = 1000 * (time.perf_counter() - started) / max(len(table.test), 1)
    _write(task.folder / "test.parquet", data.test_ids, tests, data)
    with atomic_path(task.folder / PERMUTED) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **permute_sources(predict, table.train[valid], table, seed))
    metric = task.score.metric_for(data.target)
    row = {
        "fold": task.fold,
        "epoch": recipe.boosting.iterations if recipe.tabular == "boosting" else 1,
        "loss": float(data.target.measure_losses(data.truth[rows], predict(table.train[rows])).mean()),
        "valid_loss": float(data.target.measure_losses(known, made).mean()),
        "valid_score": metric.score(known, made),
    }
    with atomic_path(task.folder / "history.csv") as temporary:
        pd.DataFrame([row]).to_csv(temporary, index=False, lineterminator="\n")
    done = {
        "train_seconds": seconds,
        "predict_milliseconds_per_image": milliseconds,
        "images_per_second": len(rows) / max(seconds, 1e-9),
        "parameters": table.train.shape[1],
        "trainable_parameters": table.train.shape[1],
    }
    write_done(task, done | describe_machine(name_hardware()))
    print(
        f"{task.name} fold {task.fold} {table.train.shape[1]} features of {len(set(table.sources))} columns loss "
        f"{row['loss']:.4f} {metric.name} {row['valid_score']:.4f}, {seconds:.0f} s",
        flush=True,
    )


def permute_sources(predict: Predictor, features: Matrix, table: FeatureTable, seed: int) -> dict[str, Matrix]:
    """Predicts rows with each source in turn permuted among them: by source, values (n, n_columns).

    Reference: Breiman 2001, Random forests, https://doi.org/10.1023/A:1010933404324, section 10 (importance)
    """
    order = np.random.default_rng(seed).permutation(len(features))
    made = {}
    for source in list(dict.fromkeys(table.sources))[:_MOST_PERMUTED]:
        columns = [place for place, name in enumerate(table.sources) if name == source]
        changed = features.copy()
        changed[:, columns] = features[order][:, columns]
        made[source] = predict(changed)
    return made


def _write(path: Path, ids: tuple[str, ...], values: Matrix, data: Data) -> None:
    predictions.write_predictions(path, Predictions(ids, values, data.target.columns, target=data.target))


@dataclass(frozen=True)
class TrainableTabular:
    """A tabular model whose folds can be trained; see `task.Trainable`.

    Attributes:
        recipe: as it will run.
        fingerprint: of all that determines the result.
        data: truth and folds.
        table: its features.
        precision: what it computes in.
    """

    recipe: TabularRecipe
    fingerprint: str
    data: Data
    table: FeatureTable
    precision: str = "float32"

    def train(self, task: FoldTask) -> None:
        """Trains one fold."""
        train_tabular_fold(task, self.recipe, self.data, self.table)

    def score(self, task: FoldTask, on_epoch: OnEpoch) -> float:
        """Trains one fold; it has no epochs."""
        self.train(task)
        return float(read_done(task)["train_seconds"])


def make_tabular(recipe: TabularRecipe, context: TrainingContext) -> TrainableTabular:
    """Makes a tabular model ready.

    Raises:
        InputError: the competition's file names no columns, or a member is not trained yet.
    """
    fingerprint = context.fingerprint(
        "pipeline.training.tabular.training",
        [],
        recipe,
        "float32",
        **digest_members(context.root, recipe),
    )
    table = make_features(context.root, context.prepared, recipe, context.data.target)
    return TrainableTabular(recipe, fingerprint, context.data, table)
