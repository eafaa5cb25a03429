"""The files that a machine without this repository needs to train its folds: code, settings, stores, weights, states.

Nothing else goes along: no credentials, no databases of studies, no source files, no other competition.
"""

import json
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.config import read_params
from pipeline.core.paths import (
    competition_path,
    folds_path,
    metrics_folder,
    model_folder,
    model_path,
    oof_path,
    params_path,
    predicted_test_path,
    prepared_folder,
    tuned_path,
)
from pipeline.networks.build import list_weight_files
from pipeline.training.heads.training import TrainableHead
from pipeline.training.model_folds import ModelFolds
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.state import list_states

_PACKAGE = Path(__file__).parents[2]
_KEPT = ("competition", "models", "prepare", "split", "train")  # tuning may name a database with its password


def list_travelling_files(root: Path, models: tuple[str, ...]) -> dict[str, Path | bytes]:
    """Lists what trains models elsewhere, by its place in a repository.

    Args:
        root: the repository folder.
        models: those that are trained.

    Raises:
        InputError: a model's file or a setting does not fit, or weights cannot be had.
    """
    contents: dict[str, Path | bytes] = {
        f"pipeline/{path.relative_to(_PACKAGE).as_posix()}": path
        for path in _PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    for name in ("requirements/cpu.txt", "requirements/gpu.txt", "dvc.yaml"):
        if (path := _PACKAGE.parent / name).is_file():
            contents[name] = path
    kept = [folds_path(root), competition_path(root, active_name(root))]
    kept += [path for folder in (prepared_folder(root), metrics_folder(root)) for path in _list_files(folder)]
    precisions = []
    for model in models:
        folds = ModelFolds(root, model)
        tasks = [folds.make_task(fold) for fold in folds.context.chosen_folds]
        precisions.append(tasks[0].precision)
        kept += [model_path(root, model), *(state for task in tasks for state in list_states(task.folder))]
        kept += [path for path in (tuned_path(root, model),) if path.is_file()]
        kept += [root / name for name in tasks[0].recipe.oof_files]
        for teacher in tasks[0].recipe.teachers:
            kept += [oof_path(root, teacher), predicted_test_path(root, teacher)]
            kept += [path for path in _list_files(model_folder(root, teacher)) if path.suffix in (".parquet", ".json")]
        for path in _list_weights(folds):
            if path.is_relative_to(folds.context.weights):
                contents[f"data/weights/{path.relative_to(folds.context.weights).as_posix()}"] = path
    contents |= {path.relative_to(root).as_posix(): path for path in kept}
    contents[params_path(root).name] = _write_params(root, models, precisions)
    return contents


def _write_params(root: Path, models: tuple[str, ...], precisions: list[str]) -> bytes:
    """Writes the settings for the other machine: this one's precision, its own place of weights and workers."""
    params = {key: value for key, value in read_params(root).items() if key in _KEPT}
    train = dict(params.get("train") or {}) | {"weights": None, "workers": None}
    if len(set(precisions)) == 1:
        train["precision"] = precisions[0]
    known = [name for name in active_models(root) if name in models]
    return json.dumps({**params, "models": known, "train": train}, indent=2).encode()  # JSON is YAML


def _list_weights(folds: ModelFolds) -> tuple[Path, ...]:
    recipe, context = folds.recipe, folds.context
    if isinstance(recipe, Recipe):
        return list_weight_files(recipe.network, context.weights, recipe.first_size(context.data.images.shape[1]))
    if isinstance(folds.settled, TrainableHead):
        return tuple(Path(name) for backbone in folds.settled.backbones for name in backbone.weights)
    return ()


def _list_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
