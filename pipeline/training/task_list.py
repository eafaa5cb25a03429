"""The list of tasks: every fold of every model of ``params.yaml``, and how far it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from pipeline.core.digests import read_signed_json
from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.core.paths import work_folder
from pipeline.training.finished import list_damaged
from pipeline.training.model_folds import ModelFolds
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.state import list_states, read_progress
from pipeline.training.task import find_fold_folder, find_lock

TaskStatus = Literal["open", "under way", "done", "blocked"]


@dataclass(frozen=True)
class ListedTask:
    """One fold of one model, and how far it is.

    Attributes:
        model: its name.
        fold: which fold is held out.
        seed: that it is trained with.
        seeds: with how many each fold of the model is trained.
        status: ``blocked`` where the model cannot be trained yet.
        epoch: whole epochs done; of the hardware that is furthest.
        epochs: of a whole training; 1 where a model has none.
        running: whether a process trains it at this moment.
        hardware: on which it was trained or is under way; empty for none.
        seconds: of training so far.
        fingerprint: of all that determines its result; empty where it is blocked.
        reason: why it is blocked, or trained again; empty otherwise.
    """

    model: str
    fold: int
    seed: int
    status: TaskStatus
    seeds: int = 1
    epoch: int = 0
    epochs: int = 1
    running: bool = False
    hardware: str = ""
    seconds: float = 0.0
    fingerprint: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        """What lines and errors call it."""
        return f"{self.model} seed {self.seed} fold {self.fold}" if self.seeds > 1 else f"{self.model} fold {self.fold}"


def list_tasks(root: Path, models: tuple[str, ...]) -> list[ListedTask]:
    """Lists the folds of models, in the order of models, seeds and folds.

    Args:
        root: the repository folder.
        models: their names.

    Raises:
        InputError: a model's file or a setting does not fit.
    """
    return [task for model in models for task in _list_model_tasks(root, model)]


def _list_model_tasks(root: Path, model: str) -> list[ListedTask]:
    folds = ModelFolds(root, model)
    chosen, many = folds.context.chosen_folds, len(folds.seeds)
    try:
        tasks = folds.make_tasks()
    except InputError as error:  # of a teacher that is not trained yet, or of a file that is not there
        reason = str(error)
        return [
            ListedTask(model, fold, seed, "blocked", many, reason=reason) for seed in folds.seeds for fold in chosen
        ]
    recipe = folds.settled.recipe
    epochs = recipe.training.all_epochs if isinstance(recipe, Recipe) else 1
    return [
        _read_state(
            root,
            ListedTask(model, task.fold, task.seed, "open", many, epochs=epochs, fingerprint=task.fingerprint),
        )
        for task in tasks
    ]


def refresh_tasks(root: Path, tasks: list[ListedTask]) -> list[ListedTask]:
    """Reads again how far listed tasks are; settles nothing."""
    return [task if task.status == "blocked" else _read_state(root, task) for task in tasks]


def render_tasks(tasks: list[ListedTask]) -> str:
    """Renders tasks as a table of text, with the number of those that are done."""
    rows = [("model", "fold", "seed", "status", "epoch", "seconds", "hardware")]
    for task in tasks:
        status = task.status + (" (running)" if task.running else "")
        epoch = f"{task.epoch}/{task.epochs}" if task.epoch else ""
        seconds = f"{task.seconds:.0f}" if task.seconds else ""
        rows.append(
            (task.model, str(task.fold), str(task.seed), status, epoch, seconds, task.hardware or task.reason[:80])
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    done = sum(task.status == "done" for task in tasks)
    return "\n".join([*lines, f"{done} of {len(tasks)} tasks done"])


def _read_state(root: Path, task: ListedTask) -> ListedTask:
    folder = find_fold_folder(work_folder(root, "train"), task.model, task.fingerprint, task.fold)
    if (folder / "done.json").is_file():
        damaged = list_damaged(folder)
        if damaged:
            return replace(task, status="open", reason=f"damaged: {', '.join(damaged)}; it is trained again")
        done = read_signed_json(folder / "done.json", "run `dvc repro`")
        epoch = int(pd.read_csv(folder / "history.csv")["epoch"].max())
        seconds = float(done["train_seconds"])
        return replace(task, status="done", running=False, epoch=epoch, hardware=str(done["hardware"]), seconds=seconds)
    running = is_in_training(find_lock(folder))
    states = [progress for path in list_states(folder) if (progress := read_progress(path)) is not None]
    if not states:
        return replace(task, status="under way" if running else "open", running=running)
    best = max(states, key=lambda progress: progress.epoch)
    return replace(
        task,
        status="under way",
        running=running,
        epoch=best.epoch,
        hardware=best.hardware,
        seconds=best.seconds,
    )


def is_in_training(path: Path) -> bool:
    """Says whether a process holds the lock of a fold."""
    if not path.is_file():
        return False
    try:
        with locked(path, wait=False):
            return False
    except BlockingIOError:
        return True
