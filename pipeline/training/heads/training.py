"""Training of a head on cached features: a task in, the same files as a network's out.

A fold is seconds and keeps no state on its way. A checkpoint holds the head alone; the backbones are named by digest.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.core import predictions
from pipeline.core.arrays import Logits, Rows, Values
from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.predictions import Predictions
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import give_head
from pipeline.images.views import Views, average_views, make_view_transforms
from pipeline.networks.hardware import name_array_hardware
from pipeline.training import fingerprints
from pipeline.training.classic.recipe import ClassicModel, save_classic_model
from pipeline.training.context import TrainingContext
from pipeline.training.data import Data
from pipeline.training.doubted import apply_doubts
from pipeline.training.finished import is_finished, read_done, write_done
from pipeline.training.heads.backbones import OpenedBackbone, name_weights, open_backbone
from pipeline.training.heads.joined_columns import ColumnEncoder, fit_columns, join_to_features, read_column_table
from pipeline.training.heads.other_heads import save_neighbours
from pipeline.training.heads.recipe import HeadRecipe, NeighbourHead, TreesHead, check_head
from pipeline.training.heads.session import FeatureViews, FittedHead, HeadSession, open_views, predict_head
from pipeline.training.seeds import dump_trained_recipe
from pipeline.training.tabular.estimators import Matrix
from pipeline.training.tabular.features import FeatureTable
from pipeline.training.tabular.training import PERMUTED, permute_sources
from pipeline.training.task import FoldTask, OnEpoch, describe_machine
from pipeline.training.view_weights import ViewedRows, collect_views

_LOSS_ROWS = 1024


@dataclass(frozen=True)
class TrainableHead:
    """A head whose folds can be trained; see `task.Trainable`.

    Attributes:
        recipe: as it will run.
        fingerprint: of all that determines the result.
        backbones: whose features it reads.
        data: truth and folds, the target with the head of grades.
        sessions: those that are open, by fold; one for all folds where no label is doubted and no column is joined.
        table: the columns that are joined; None for none.
        precision: what the head computes in.
    """

    recipe: HeadRecipe
    fingerprint: str
    backbones: tuple[OpenedBackbone, ...]
    data: Data
    sessions: dict[int, HeadSession]
    table: FeatureTable | None = None
    precision: str = "float32"

    def open_session(self, fold: int) -> HeadSession:
        """Returns the features in memory, opened with the first fold that needs them."""
        key = fold if self.data.doubts is not None or self.table is not None else 0
        if key not in self.sessions:
            self.sessions.clear()  # one is in memory at a time
            trained = Views(mirror=self.recipe.mirror_training)
            views = self.read_part(fold, "train", trained)
            count = len(make_view_transforms(trained))
            self.sessions[key] = HeadSession(self.recipe.head, self.data.as_taught(fold), views, count)
        return self.sessions[key]

    def read_part(self, fold: int, part: Literal["train", "test"], views: Views) -> FeatureViews:
        """Returns the features of a part's images, with columns as the training rows of a fold encode them."""
        features = compute_part(self.backbones, part, views)
        if self.table is None:
            return features
        encoder = self.fit_encoder(fold)
        return join_to_features(features, encoder.encode(self.table.train if part == "train" else self.table.test))

    def fit_encoder(self, fold: int) -> ColumnEncoder:
        """Returns the encoding of the columns on the training rows of a fold."""
        assert self.table is not None
        return fit_columns(self.table, self.data.as_taught(fold).rows(fold)[0])

    def train(self, task: FoldTask) -> None:
        """Trains one fold."""
        train_head_fold(task, self)

    def score(self, task: FoldTask, on_epoch: OnEpoch) -> float:
        """Trains one fold; it has no epochs."""
        self.train(task)
        return float(read_done(task)["train_seconds"])


def make_head(recipe: HeadRecipe, context: TrainingContext) -> TrainableHead:
    """Makes a head ready; nothing is computed yet, and no backend starts where the features are kept.

    Raises:
        InputError: a backbone's section does not fit, its weights cannot be had, or the head does not fit the target.
    """
    if recipe.columns or not recipe.more_rows:  # columns stand beside the competition's rows alone
        context = replace(context, data=context.data.drop_more_rows())
    context = apply_doubts(context, recipe.doubted)
    images = fingerprints.digest_images(context.prepared)
    data = replace(context.data, target=give_head(context.data.target, recipe.grades, "grades"))
    check_head(recipe.head, data.target)
    if data.weights is not None and isinstance(recipe.head, NeighbourHead | TreesHead):
        raise InputError(
            f"head.name: {recipe.head.name} takes rows from elsewhere whole or not at all; set weight: 1 under "
            "more_rows of the competition's file, or more_rows: false in the model's"
        )
    backbones = tuple(open_backbone(section, context, images) for section in recipe.backbones)
    determined_by = {
        "recipe": dump_trained_recipe(recipe),
        "score": context.score,
        "seed": context.seed,
        "features": [each.digest for each in backbones],
        **context.digest_doubts(),
    }
    fingerprint = fingerprints.fingerprint_training(
        context.prepared,
        context.folds,
        images,
        "pipeline.training.heads.training",
        determined_by,
        fingerprints.read_array_surroundings(),
    )
    table = read_column_table(context.root, context.prepared, data.target) if recipe.columns else None
    return TrainableHead(recipe, fingerprint, backbones, data, {}, table)


def compute_part(backbones: tuple[OpenedBackbone, ...], part: str, views: Views) -> FeatureViews:
    """Returns the features of a part's images, computed where they are not kept.

    Args:
        backbones: whose.
        part: ``train`` or ``test``.
        views: which views.
    """
    return open_views([each.compute_views(part, views) for each in backbones])


def train_head_fold(task: FoldTask, trainable: TrainableHead) -> None:
    """Trains one fold, or finds it finished.

    Writes into ``task.folder``: ``checkpoint.npz`` (not of trees; with columns ``permuted.npz`` in its place),
    ``valid.parquet``, ``test.parquet``, ``history.csv`` and, last, ``done.json``; what each view says as
    `trainer.train_fold` does. The training loss is that of 1,024 training rows at most, evenly spaced.
    """
    if is_finished(task):
        return
    task.folder.mkdir(parents=True, exist_ok=True)
    session, data = trainable.open_session(task.fold), trainable.data.as_taught(task.fold)
    target = data.target
    rows, valid = data.rows(task.fold)
    seed = int(np.random.SeedSequence([task.seed, task.fold]).generate_state(1)[0])
    started = time.perf_counter()
    fitted = session.fit(task.fold, seed)
    seconds = time.perf_counter() - started
    if trainable.table is not None:
        permuted = _permute_columns(trainable, task, fitted, valid)
        with atomic_path(task.folder / PERMUTED) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **permuted)
    elif isinstance(fitted.model, ClassicModel):
        save_classic_model(task.folder / "checkpoint.npz", fitted.model)
    elif fitted.model is not None:
        save_neighbours(task.folder / "checkpoint.npz", fitted.model)
    logits = _predict(task, trainable, fitted, "valid", valid)
    _write(task.folder / "valid.parquet", tuple(data.ids[row] for row in valid), logits, target)
    started = time.perf_counter()
    tests = _predict(task, trainable, fitted, "test", np.arange(len(data.test_ids)))
    milliseconds = 1000 * (time.perf_counter() - started) / max(len(data.test_ids), 1)
    _write(task.folder / "test.parquet", data.test_ids, tests, target)
    values, truth, metric = target.from_outputs(logits), data.truth[valid], task.score.metric_for(target)
    hits = target.measure_hits(truth, values)
    sample = rows[:: -(-len(rows) // _LOSS_ROWS)]
    trained = _average(fitted, trainable.read_part(task.fold, "train", task.recipe.views), sample, trainable)
    row = {
        "fold": task.fold,
        "epoch": 1,
        "loss": float(target.measure_output_losses(data.truth[sample], trained).mean()),
        "valid_loss": float(target.measure_output_losses(truth, logits).mean()),
        **({} if hits is None else {"valid_accuracy": float(hits.mean())}),
        "valid_score": metric.score(truth, values),
    }
    with atomic_path(task.folder / "history.csv") as temporary:
        pd.DataFrame([row]).to_csv(temporary, index=False, lineterminator="\n")
    parameters = fitted.model.parameters if fitted.model is not None else 0
    done = {
        "train_seconds": seconds,
        "feature_seconds": sum(each.seconds for each in trainable.backbones),
        "predict_milliseconds_per_image": milliseconds,
        "images_per_second": len(rows) / max(seconds, 1e-9),
        "parameters": parameters,
        "trainable_parameters": parameters,
        "backbones": name_weights(trainable.backbones),
        "backbone_precisions": [each.precision for each in trainable.backbones],
    }
    write_done(task, done | describe_machine(name_array_hardware()))
    print(
        f"{task.name} fold {task.fold} {fitted.note} loss {row['loss']:.4f} {metric.name} {row['valid_score']:.4f}, "
        f"{seconds:.1f} s",
        flush=True,
    )


def _predict(
    task: FoldTask, trainable: TrainableHead, fitted: FittedHead, rows_of: Literal["valid", "test"], rows: Rows
) -> Logits:
    views = task.recipe.views
    features = trainable.read_part(task.fold, "train" if rows_of == "valid" else "test", views)
    made = predict_head(fitted, features, rows)
    return collect_views(
        made, ViewedRows(len(rows), trainable.data.target, views), task.folder / f"{rows_of}_views.npy"
    )


def _average(fitted: FittedHead, features: FeatureViews, rows: Rows, trainable: TrainableHead) -> Logits:
    views, target = trainable.recipe.views, trainable.data.target
    return np.concatenate([average_views(part, views, target) for part in predict_head(fitted, features, rows)])


def _permute_columns(trainable: TrainableHead, task: FoldTask, fitted: FittedHead, valid: Rows) -> dict[str, Values]:
    """Predicts the valid rows with each column in turn permuted among them, all views counting the same."""
    table, target, encoder = trainable.table, trainable.data.target, trainable.fit_encoder(task.fold)
    assert table is not None
    features = compute_part(trainable.backbones, "train", task.recipe.views)

    def predict(changed: Matrix) -> Values:
        columns = encoder.encode(table.train)
        columns[valid] = encoder.encode(changed)
        return target.from_outputs(_average(fitted, join_to_features(features, columns), valid, trainable))

    return permute_sources(predict, table.train[valid], table, task.fold)


def _write(path: Path, ids: tuple[str, ...], logits: Logits, target: Target) -> None:
    predictions.write_predictions(path, Predictions(ids, target.from_outputs(logits), target.columns, target=target))
