"""From a model's finished folds to what the other stages read: OOF and test predictions, card, metrics, curves.

Several seeds of a fold make one prediction; what each predicts alone is kept for comparisons of models over seeds.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core import cards, files, predictions, scores, tables
from pipeline.core.arrays import Values
from pipeline.core.files import atomic_path
from pipeline.core.paths import (
    card_path,
    metrics_path,
    model_folder,
    oof_path,
    oof_seed_path,
    predicted_test_fold_path,
    predicted_test_path,
)
from pipeline.core.predictions import Predictions
from pipeline.core.seed_cards import make_seeds_card
from pipeline.core.students import describe_student, measure_student
from pipeline.networks.checkpoint_files import BACKBONE_FILES
from pipeline.training.data import Data
from pipeline.training.doubted import list_doubt_marks
from pipeline.training.finished import list_files_beside, read_done
from pipeline.training.fold_predictions import read_fold_predictions
from pipeline.training.recipes.distillation import list_oof_marks
from pipeline.training.recipes.pseudo import list_inherited_marks
from pipeline.training.seeds import group_by_seed, name_fold
from pipeline.training.tabular.column_gains import ScoredOof, measure_column_gains
from pipeline.training.task import FoldTask


def gather_folds(root: Path, tasks: list[FoldTask], data: Data, competition: str, versions: dict[str, str]) -> None:
    """Writes a model's predictions (of test images by fold as well), checkpoints, history, curves, card and metrics.

    Args:
        root: the repository folder.
        tasks: the folds of one model, of each of its seeds, all of them finished.
        data: what they were trained on.
        competition: its name, for the card.
        versions: of what they were trained with, for the card.
    """
    model, target = tasks[0].model, data.target
    made = read_fold_predictions(tasks, data)
    predicted = {name for part in made.valid for name in part.ids}
    scored = np.array([row for row, name in enumerate(data.ids) if name in predicted], dtype=np.int64)
    ids = tuple(data.ids[row] for row in scored)
    oof = _join(made.valid, ids)
    mean = np.stack([part.aligned(data.test_ids, model) for part in made.test]).mean(axis=0, dtype=np.float64)
    table = tables.read_folds(tasks[0].folds)
    recipe = tasks[0].recipe
    peeked = (
        *recipe.peeked,
        *list_inherited_marks(root, recipe.teachers),
        *list_oof_marks(root, recipe.oof_files, target),
        *list_doubt_marks(root, competition, recipe.doubted),
    )
    digest = tables.folds_digest(table)
    by_seed = {seed: _join(of, ids) for seed, of in made.by_seed.items()}
    _write_by_seed(
        root,
        model,
        {
            seed: predictions.Predictions(ids, probs, target.columns, digest, peeked, target)
            for seed, probs in by_seed.items()
        },
    )
    honest = predictions.Predictions(ids, oof, target.columns, digest, peeked, target)
    predictions.write_predictions(oof_path(root, model), honest)
    predictions.write_predictions(
        predicted_test_path(root, model),
        predictions.Predictions(data.test_ids, mean.astype(np.float32), target.columns, target=target),
    )
    _write_by_fold(root, tasks[: len(made.alone)], made.alone)
    groups = table.set_index("id")["group"].reindex(list(ids)).to_numpy(dtype=np.int64)
    metric = tasks[0].score.metric_for(target)
    rows = scores.LabelledRows(data.truth[scored], groups)
    summary = scores.summarise_scores(rows, data.fold_of[scored], oof, metric)
    gains = measure_column_gains([task.folder for task in tasks], made.valid, ScoredOof(ids, oof, rows), metric)
    student = measure_student(root, recipe.teacher_oof, honest, rows, metric) if recipe.teacher_oof else None
    costs = [read_done(task) for task in tasks]
    _copy_folds(model_folder(root, model), tasks)
    card = cards.ModelCard(
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
        peeked=peeked,
        fingerprint=tasks[0].fingerprint,
        view_weights=made.view_weights,
        fold_table=digest,
        column_gains=gains,
        digests=_hash_files(model_folder(root, model)),
        backbones=costs[0].get("backbones", {}),
        backbone_precisions=tuple(costs[0].get("backbone_precisions", ())),
        seeds=make_seeds_card({seed: metric.score(rows.labels, probs) for seed, probs in by_seed.items()}),
        student=student,
        trained_on={
            name_fold(task.fold, task.seed, tasks[0].seed).removeprefix(
                "fold"
            ): f"{cost['hardware']} ({cost['machine']})"
            for task, cost in zip(tasks, costs, strict=True)
        },
        versions=versions | {"hardware": "; ".join(sorted({cost["hardware"] for cost in costs}))},
        config=tasks[0].recipe.model_dump(mode="json"),
    )
    cards.write_card(card_path(root, model), card)
    numbers = summary.numbers() | {key: value for key, value in _costs(costs).items() if key != "images_per_second"}
    files.write_json(metrics_path(root, model), numbers)
    low, high = summary.interval
    apart = f"; {card.seeds.describe()}" if card.seeds else ""
    print(f"{model}: out-of-fold {metric.name} {summary.pooled:.4f} [{low:.4f}, {high:.4f}]{apart}")
    if student:
        print(f"{model}: {describe_student(student, metric.greater_is_better)}")


def _join(parts: list[Predictions], ids: tuple[str, ...]) -> Values:
    """Returns the predictions of all folds in the order of ``ids``."""
    by_id = {name: row for part in parts for name, row in zip(part.ids, part.probs, strict=True)}
    return np.stack([by_id[name] for name in ids])


def _write_by_seed(root: Path, model: str, made: dict[int, Predictions]) -> None:
    folder = oof_seed_path(root, model, 0).parent
    for earlier in folder.glob("seed*"):
        earlier.unlink()  # of seeds that are not part of this run
    for seed, oof in made.items():
        predictions.write_predictions(oof_seed_path(root, model, seed), oof)


def _write_by_fold(root: Path, tasks: list[FoldTask], tests: list[Predictions]) -> None:
    paths = [predicted_test_fold_path(root, task.model, task.fold) for task in tasks]
    for earlier in paths[0].parent.glob("fold*"):
        earlier.unlink()  # of folds that are not part of this run
    for path, test in zip(paths, tests, strict=True):
        predictions.write_predictions(path, test)


def _costs(costs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "parameters": costs[0]["parameters"],
        "trainable_parameters": costs[0]["trainable_parameters"],
        "train_seconds": sum(cost["train_seconds"] for cost in costs),
        "feature_seconds": max(cost.get("feature_seconds", 0.0) for cost in costs),
        "predict_milliseconds_per_image": float(np.mean([cost["predict_milliseconds_per_image"] for cost in costs])),
        "images_per_second": float(np.mean([cost["images_per_second"] for cost in costs])),
    }


def _hash_files(folder: Path) -> dict[str, str]:
    kept = [folder / "history.csv", *_list_checkpoint_files(folder / "checkpoints")]
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in kept}


def _list_checkpoint_files(folder: Path) -> list[Path]:
    return sorted(path for pattern in ("fold*", BACKBONE_FILES) for path in folder.glob(pattern))


def _copy_folds(target: Path, tasks: list[FoldTask]) -> None:
    (target / "checkpoints").mkdir(parents=True, exist_ok=True)
    for earlier in _list_checkpoint_files(target / "checkpoints"):
        earlier.unlink()  # of folds that are not part of this run
    copies = {}
    for task in tasks:
        for checkpoint in task.folder.glob("checkpoint.*"):  # a tabular model has none
            kind = checkpoint.name.removeprefix("checkpoint")
            copies[f"{name_fold(task.fold, task.seed, tasks[0].seed)}{kind}"] = checkpoint
        copies |= {path.name: path for path in list_files_beside(task.folder)}
    for name, source in copies.items():
        with atomic_path(target / "checkpoints" / name) as temporary:
            shutil.copyfile(source, temporary)
    history = pd.concat([_read_history(task, tasks) for task in tasks], ignore_index=True)
    with atomic_path(target / "history.csv") as temporary:
        history.to_csv(temporary, index=False, lineterminator="\n")
    first = group_by_seed(tasks)[tasks[0].seed]
    from pipeline.core.plots import draw_learning_curves  # takes matplotlib, which takes half a second to start

    draw_learning_curves(
        pd.concat([_read_history(task, first) for task in first], ignore_index=True), target / "curves.png"
    )


def _read_history(task: FoldTask, tasks: list[FoldTask]) -> pd.DataFrame:
    """Reads a fold's epochs; where there are several seeds, a column says which."""
    history = pd.read_csv(task.folder / "history.csv")
    if len(group_by_seed(tasks)) > 1:
        history.insert(1, "seed", task.seed)
    return history
