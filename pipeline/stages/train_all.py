"""Trains all open folds of several models at once, on the executor of ``train.executor``.

Reads: what `train` reads. Writes: the folds' folders below .work/train, which `train` gathers.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipeline.core.active import active_models
from pipeline.core.errors import InputError, some
from pipeline.planning.order import sort_longest_first
from pipeline.training.context import read_train_params
from pipeline.training.machines.ray_training import train_on_ray
from pipeline.training.machines.ray_worker import RemoteResult
from pipeline.training.task_list import ListedTask, list_tasks, refresh_tasks, render_tasks

if TYPE_CHECKING:
    from rich.live import Live


@dataclass(frozen=True)
class ModelsToTrain:
    """What is trained.

    Attributes:
        models: their names; none are those of ``params.yaml``.
        beside: further models, for cores that these leave free; ended with the last fold of the others.
    """

    models: Sequence[str] = ()
    beside: Sequence[str] = ()


ALL_MODELS = ModelsToTrain()


class ProgressTable:
    """All folds in one table that a terminal shows live; elsewhere a line for each fold that ends."""

    def __init__(self, root: Path) -> None:
        """Shows nothing yet.

        Args:
            root: the repository folder.
        """
        self._root, self._printed = root, set[ListedTask]()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Takes the terminal, if there is one."""
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the table as it was last."""
        if self._live is not None:
            self._live.stop()

    def update(self, tasks: list[ListedTask], results: dict[ListedTask, RemoteResult]) -> None:
        """Shows how far the tasks are."""
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(render_tasks(refresh_tasks(self._root, tasks))), refresh=True)
            return
        for task, result in results.items():
            if task not in self._printed:
                self._printed.add(task)
                ended = f"failed: {result.error}" if result.error else f"done in {result.seconds:.1f} s"
                ended += f", {result.received / 1e6:,.1f} MB sent there" if result.received else ""
                ended += f", {result.memory / 1e9:.2f} GB of memory" if result.memory else ""
                count = f"{len(self._printed)}/{len(tasks)}"
                print(f"{count} {task.name} {ended} ({result.machine})", flush=True)


def run(root: Path, address: str | None = None, chosen: ModelsToTrain = ALL_MODELS) -> None:
    """Trains what is open; models that wait for others are left to the `train` stage.

    Args:
        root: the repository folder.
        address: of a Ray cluster; None takes ``train.ray.address``.
        chosen: the models.

    Raises:
        InputError: ``train.executor`` is local, Ray cannot be had, or folds failed.
    """
    params = read_train_params(root)
    if params.executor == "local":
        raise InputError("train.executor is local: `dvc repro` trains; set train.executor: ray in params.yaml")
    started, models = time.perf_counter(), tuple(dict.fromkeys(chosen.models)) or active_models(root)
    tasks = sort_longest_first(root, list_tasks(root, models))
    blocked = sorted({task.model for task in tasks if task.status == "blocked"})
    if blocked:
        print(f"left to the train stage, as they wait for other models: {some(blocked)}", flush=True)
    wanted = _choose_open(tasks)
    if not wanted:
        print("nothing is open; `dvc repro` gathers the folds", flush=True)
        return
    others = tuple(each for each in dict.fromkeys(chosen.beside) if each not in models)
    beside = _list_beside(root, others)
    ray_params = params.ray.model_copy(update={"address": address}) if address else params.ray
    with ProgressTable(root) as table:
        results = train_on_ray(root, wanted, ray_params, table.update, beside=beside)
    print(f"{len(wanted)} folds done in {time.perf_counter() - started:.0f} s; `dvc repro` gathers them", flush=True)
    most = max((result.memory for result in results.values()), default=0)
    if most > ray_params.memory_gb * 1e9:
        took, fitting = f"{most / 1e9:.2f} GB", f"train.ray.memory_gb: {math.ceil(most / 1e8) / 10:g}"
        print(
            f"a process took up to {took} of memory: with {fitting} Ray gives no node more than it can hold", flush=True
        )
    if beside:
        done = sum(task in results and not results[task].error for task in beside)
        print(f"{done} of {len(beside)} folds of the models after them done; the others are ended", flush=True)


def _list_beside(root: Path, models: tuple[str, ...]) -> list[ListedTask]:
    """Lists the open folds of models that nothing waits for; what is wrong with one of them leaves it out."""
    tasks = list[ListedTask]()
    for model in models:
        try:
            tasks += list_tasks(root, (model,))
        except InputError as error:
            print(f"{model} is not trained with the others: {error}", flush=True)
    return _choose_open(tasks)


def _choose_open(tasks: list[ListedTask]) -> list[ListedTask]:
    return [task for task in tasks if task.status in ("open", "under way")]
