"""Trains one model on every fold, in one process.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, history, curves, card, metrics). What is half done lies in .work/train.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

from pydantic import Field

from pipeline import runtime, tables
from pipeline.closure import code_digest
from pipeline.competition import Score, active_name, load_competition
from pipeline.config import Section, load_params
from pipeline.errors import InputError
from pipeline.files import sha256
from pipeline.gathering import gather
from pipeline.loader import default_workers
from pipeline.recipe import Recipe, load_recipe, without_flips
from pipeline.session import Session, load_data
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
    session = Session(recipe, data, workers=default_workers())
    tasks = [dataclasses.replace(task, fold=fold) for fold in chosen]
    for each in tasks:
        train_fold(each, session)
    gather(root, tasks, data, active_name(root))


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
