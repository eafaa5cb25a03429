"""The folds of one model on this machine: settled without a network, trained one after another, each under a lock."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.competition import load_competition
from pipeline.core.errors import ElsewhereError, InputError
from pipeline.core.files import locked
from pipeline.training.context import read_context
from pipeline.training.finished import is_finished, read_done
from pipeline.training.model_file import load_model
from pipeline.training.opening import define_fold_task, describe_surroundings, settle_trained_model
from pipeline.training.task import FoldTask, Trainable, find_lock

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.setup import SettledModel


class ModelFolds:
    """The folds of one model, as tasks: what determines them is settled at once, the network is built when needed.

    Attributes:
        model: its name.
        recipe: as its file says.
        context: what its training depends on beside that.
    """

    def __init__(self, root: Path, model: str, seed: int | None = None) -> None:
        """Reads settings; computes nothing.

        Args:
            root: the repository folder.
            model: a file under configs/models.
            seed: of the run; None takes that of params.yaml.

        Raises:
            InputError: no such model, or a setting that does not fit.
        """
        competition = load_competition(root)
        self._score, self.model = competition.metric, model
        self.recipe = load_model(root, model, competition.mirror)
        context = read_context(root)
        self.context = context if seed is None else dataclasses.replace(context, seed=seed)
        self._trainable: Trainable | None = None

    @cached_property
    def settled(self) -> "SettledModel | Trainable":
        """Recipe, precision and fingerprint; a head on features that are kept starts no backend."""
        return settle_trained_model(self.recipe, self.context)

    def make_task(self, fold: int) -> FoldTask:
        """Makes the task of a fold.

        Raises:
            InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
        """
        return define_fold_task(self.settled, self.model, fold, self.context, self._score)

    def train(self, task: FoldTask, wait: bool = True) -> None:
        """Trains a fold, or finds it finished; no other process trains it at the same time.

        Args:
            task: from `make_task`.
            wait: for a process that trains it already.

        Raises:
            ElsewhereError: another process trains it, and we do not wait.
            InputError: the training has diverged, or `train.same_hardware` forbids this machine.
            NoRoomError: memory ran out; the model set up again takes half as many images a step.
        """
        with _claim(task, wait):
            if is_finished(task):
                return
            if self.context.same_hardware:
                require_same_hardware(task, self.context.chosen_folds, describe_surroundings(self.recipe)[1])
            if self._trainable is None:
                self._trainable = self._build()
            self._trainable.train(task)

    def _build(self) -> Trainable:
        settled = self.settled
        if isinstance(settled, Trainable):
            return settled
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if backend != "tensorflow":
            print(f"{self.model}: trained by Keras on {backend}, not on TensorFlow (KERAS_BACKEND)", flush=True)
        return settled.build()


def make_fold_trainer(root: Path, model: str) -> Callable[[int], FoldTask]:
    """Opens a model; returns what trains a fold of it and says as which task."""
    folds = ModelFolds(root, model)

    def train(fold: int) -> FoldTask:
        task = folds.make_task(fold)
        folds.train(task)
        return task

    return train


def read_fold_hardware(task: FoldTask) -> str:
    """Reads on which hardware a finished fold was trained."""
    return str(read_done(task)["hardware"])


def require_same_hardware(task: FoldTask, folds: tuple[int, ...], hardware: str) -> None:
    """Refuses to train a fold on other hardware than the finished folds of the model.

    Args:
        task: the fold.
        folds: all folds that count.
        hardware: on which it would be trained, or was.

    Raises:
        InputError: one of them was trained on another.
    """
    for fold in folds:
        other = dataclasses.replace(task, fold=fold)
        if not is_finished(other):
            continue
        trained_on = read_fold_hardware(other)
        if trained_on != hardware:
            raise InputError(
                f"{task.name} fold {fold} was trained on {trained_on}, fold {task.fold} is for {hardware}: set "
                f"train.same_hardware: false in params.yaml, or remove {other.folder} to train that fold here"
            )


@contextmanager
def _claim(task: FoldTask, wait: bool) -> Iterator[None]:
    path, name = find_lock(task.folder), f"{task.name} fold {task.fold}"
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, wait=False))
        except BlockingIOError:
            if not wait:
                words = f"{name}: another process trains it ({path} is locked); try again when it has ended"
                raise ElsewhereError(words) from None
            print(f"{name}: waits for the process that trains it", flush=True)
            stack.enter_context(locked(path))
        yield
