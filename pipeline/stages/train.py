"""Trains one model on every fold, in one process.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, history, curves, card, metrics). What is half done lies in .work/train.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline import runtime, scores, tables
from pipeline.closure import code_digest
from pipeline.competition import Score, active_name, load_competition
from pipeline.config import Section, load_params
from pipeline.errors import InputError
from pipeline.files import atomic_path, sha256
from pipeline.plots import learning_curves
from pipeline.recipe import Recipe, load_recipe, without_flips
from pipeline.session import Data, Session, load_data
from pipeline.trainer import FoldTask, train_fold


class TrainParams(Section):
    """The ``train`` section of ``params.yaml``; ``folds`` None means all of them."""

    seed: int = Field(default=0, ge=0)
    folds: tuple[int, ...] | None = None
    precision: runtime.Precision = "auto"


def run(root: Path, model: str) -> None:
    """Trains what is not trained yet and gathers the folds into predictions, card and metrics.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    params = load_params(root, "train", TrainParams)
    recipe, competition = load_recipe(root, model), load_competition(root)
    if not competition.mirror:
        recipe = without_flips(recipe)
    prepared, folds = root / "data" / "prepared", tables.folds_path(root)
    data = load_data(prepared, folds)
    chosen = _chosen(params, int(data.fold_of.max()) + 1)
    precision = runtime.start(params.precision)
    task = FoldTask(
        model=model,
        fold=chosen[0],
        recipe=recipe,
        prepared=prepared,
        folds=folds,
        work=root / ".work" / "train",
        fingerprint=_fingerprint(prepared, folds, recipe, competition.metric, params.seed, precision),
        score=competition.metric,
        seed=params.seed,
        precision=precision,
    )
    session = Session(recipe, data, workers=max(1, min(8, (os.cpu_count() or 1) // 2)))
    tasks = [dataclasses.replace(task, fold=fold) for fold in chosen]
    for each in tasks:
        train_fold(each, session)
    _gather(root, tasks, data, active_name(root))


def _chosen(params: TrainParams, n_folds: int) -> tuple[int, ...]:
    chosen = params.folds if params.folds is not None else tuple(range(n_folds))
    wrong = [fold for fold in chosen if not 0 <= fold < n_folds]
    if wrong or not chosen or len(set(chosen)) < len(chosen):
        raise InputError(
            f"train.folds must name different folds in 0..{n_folds - 1}, got {list(chosen)}; see params.yaml"
        )
    return chosen


def _fingerprint(prepared: Path, folds: Path, recipe: Recipe, score: Score, seed: int, precision: str) -> str:
    files = [
        prepared / name for name in ("train.csv", "test.csv", "classes.json", "train_images.npy", "test_images.npy")
    ]
    determined_by = {
        "data": [sha256(path) for path in [*files, folds]],
        "recipe": recipe.model_dump(mode="json"),
        "score": score.model_dump(mode="json"),
        "seed": seed,
        "precision": precision,
        "code": code_digest("pipeline.trainer"),
        "versions": runtime.versions(),
        "hardware": runtime.hardware(),
        "settings": runtime.settings(),
    }
    return hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()


def _gather(root: Path, tasks: list[FoldTask], data: Data, competition: str) -> None:
    model, classes = tasks[0].model, data.classes
    parts = [tables.read_predictions(task.place / "valid.parquet", classes) for task in tasks]
    by_id = {name: row for part in parts for name, row in zip(part.ids, part.probs, strict=True)}
    scored = np.array([row for row, name in enumerate(data.ids) if name in by_id], dtype=np.int64)
    ids = tuple(data.ids[row] for row in scored)
    oof = np.stack([by_id[name] for name in ids])
    tests = [tables.read_predictions(task.place / "test.parquet", classes) for task in tasks]
    mean = np.stack([part.aligned(data.test_ids, model) for part in tests]).mean(axis=0, dtype=np.float64)
    tables.write_predictions(tables.oof_path(root, model), tables.Predictions(ids, oof, classes))
    tables.write_predictions(
        tables.test_path(root, model), tables.Predictions(data.test_ids, mean.astype(np.float32), classes)
    )
    groups = tables.read_folds(tasks[0].folds).set_index("id")["group"].reindex(list(ids)).to_numpy(dtype=np.int64)
    metric = tasks[0].score.metric
    summary = scores.summarise(data.labels[scored], data.fold_of[scored], groups, oof, metric)
    costs = [tables.read_json(task.place / "done.json", "run `dvc repro`") for task in tasks]
    _copy_folds(root / "folds" / model, tasks)
    card = tables.ModelCard(
        model=model,
        competition=competition,
        metric=metric.name,
        greater_is_better=metric.greater_is_better,
        fold_scores=summary.fold_scores,
        mean=summary.mean,
        std=summary.std,
        pooled=summary.pooled,
        interval=summary.interval,
        scores=summary.scores,
        **_costs(costs),
        seed=tasks[0].seed,
        precision=tasks[0].precision,
        peeked=tasks[0].recipe.training.peeked,
        fingerprint=tasks[0].fingerprint,
        versions=runtime.versions() | {"hardware": runtime.hardware()},
        config=tasks[0].recipe.model_dump(mode="json"),
    )
    tables.write_card(tables.card_path(root, model), card)
    numbers = summary.numbers() | {key: value for key, value in _costs(costs).items() if key != "images_per_second"}
    tables.write_json(root / "folds" / model / "metrics.json", numbers)


def _costs(costs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "parameters": costs[0]["parameters"],
        "trainable_parameters": costs[0]["trainable_parameters"],
        "train_seconds": sum(cost["train_seconds"] for cost in costs),
        "predict_milliseconds_per_image": float(np.mean([cost["predict_milliseconds_per_image"] for cost in costs])),
        "images_per_second": float(np.mean([cost["images_per_second"] for cost in costs])),
    }


def _copy_folds(target: Path, tasks: list[FoldTask]) -> None:
    for earlier in (target / "checkpoints").glob("fold*.weights.h5"):
        earlier.unlink()  # of folds that are not part of this run
    for task in tasks:
        with atomic_path(target / "checkpoints" / f"fold{task.fold}.weights.h5") as temporary:
            shutil.copyfile(task.place / "checkpoint.weights.h5", temporary)
    history = pd.concat([pd.read_csv(task.place / "history.csv") for task in tasks], ignore_index=True)
    with atomic_path(target / "history.csv") as temporary:
        history.to_csv(temporary, index=False, lineterminator="\n")
    learning_curves(history, target / "curves.png")
