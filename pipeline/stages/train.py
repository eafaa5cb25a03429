"""Trains one model on every fold, in one process.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, history, curves, card, metrics). What is half done lies in .work/train.
"""

import dataclasses
from pathlib import Path

from pydantic import Field

from pipeline import fingerprints, runtime, tables
from pipeline.competition import active_name, load_competition
from pipeline.config import Section, expand, load_params
from pipeline.data import load_data
from pipeline.errors import InputError
from pipeline.gathering import gather
from pipeline.loader import default_workers
from pipeline.networks.build import weights_of
from pipeline.recipe import load_recipe, without_flips
from pipeline.session import Session
from pipeline.trainer import FoldTask, train_fold


class TrainParams(Section):
    """The ``train`` section of ``params.yaml``.

    Attributes:
        seed: of all that is random.
        folds: which are trained; None means all of them.
        precision: what networks compute in.
        weights: folder of files with pretrained weights under Keras's own names; relative to the repository.
    """

    seed: int = Field(default=0, ge=0)
    folds: tuple[int, ...] | None = None
    precision: runtime.Precision = "auto"
    weights: str = "${WEIGHTS_DIR:-data/weights}"


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
    weights = root / expand(params.weights, "train.weights in params.yaml")
    images = fingerprints.images_digest(prepared)
    features = fingerprints.of_features(images, recipe, weights_of(recipe.network, weights), precision)
    task = FoldTask(
        model=model,
        fold=chosen[0],
        recipe=recipe,
        prepared=prepared,
        folds=folds,
        work=root / ".work" / "train",
        fingerprint=fingerprints.of_training(
            prepared,
            folds,
            images,
            features,
            recipe=recipe.model_dump(mode="json"),
            score=competition.metric.model_dump(mode="json"),
            seed=params.seed,
            precision=precision,
        ),
        score=competition.metric,
        seed=params.seed,
        precision=precision,
    )
    session = Session(recipe, data, default_workers(), weights, root / ".work" / "features" / features[:16])
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
