"""The files that a machine without this repository needs to train its folds: code, settings, stores, weights, states.

Nothing else goes along: no credentials, no databases of studies, no source files, no other competition.
"""

import json
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.config import read_params
from pipeline.core.errors import InputError
from pipeline.core.paths import (
    competition_path,
    doubted_path,
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
from pipeline.training.task import FoldTask, find_lock
from pipeline.training.task_list import is_in_training

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
        tasks = folds.make_tasks()
        precisions.append(tasks[0].precision)
        kept += [model_path(root, model), *(state for task in tasks for state in _list_still_states(task))]
        kept += [path for path in (tuned_path(root, model),) if path.is_file()]
        kept += [root / name for name in tasks[0].recipe.oof_files]
        kept += [] if folds.recipe.doubted == "keep" else [doubted_path(root, active_name(root))]
        for teacher in tasks[0].recipe.teachers:
            kept += [oof_path(root, teacher), predicted_test_path(root, teacher)]
            kept += [path for path in _list_files(model_folder(root, teacher)) if path.suffix in (".parquet", ".json")]
        described = model_path(root, model).read_text(encoding="utf-8")
        for path in _list_weights(folds):
            contents[place_weights(root, folds.context.weights, path, described)] = path
    contents |= {path.relative_to(root).as_posix(): path for path in kept}
    contents[params_path(root).name] = _write_params(root, models, precisions)
    return contents


def place_weights(root: Path, folder: Path, path: Path, described: str) -> str:
    """Returns where a file of weights goes: a model's own stays where its description names it, below the repository.

    Raises:
        InputError: the description names a place of this machine alone.
    """
    real = path.resolve()
    if real.is_relative_to(folder.resolve()):
        return f"data/weights/{real.relative_to(folder.resolve()).as_posix()}"
    if real.is_relative_to(root.resolve()):
        return real.relative_to(root.resolve()).as_posix()
    if str(path) in described:
        raise InputError(
            f"network.weights: {path} is outside of the repository, where another machine has nothing; copy the file "
            f"to data/weights and write weights: data/weights/{path.name}"
        )
    return f"data/weights/{path.name}"


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


def _list_still_states(task: FoldTask) -> list[Path]:
    """Lists the states of a fold that is not trained here just now: those change while they are packed."""
    return [] if is_in_training(find_lock(task.folder)) else list_states(task.folder)


def _list_files(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return [path for path in files if "__pycache__" not in path.parts]
