"""The folds of one model on this machine: settled without a network, trained one after another, each under a lock."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.competition import load_competition
from pipeline.core.errors import ElsewhereError, InputError
from pipeline.core.files import locked
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.finished import is_finished, read_done
from pipeline.training.model_file import load_model
from pipeline.training.opening import define_fold_task, describe_surroundings, settle_trained_model
from pipeline.training.seeds import list_seeds
from pipeline.training.task import FoldTask, Trainable, find_lock

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.setup import SettledModel


class ModelFolds:
    """The folds of one model, as tasks: what determines them is settled at once, the network is built when needed.

    Attributes:
        model: its name.
        recipe: as its file says.
        context: what its training depends on beside that.
        seeds: that each fold is trained with, in their order.
    """

    def __init__(self, root: Path, model: str, seed: int | None = None) -> None:
        """Reads settings; computes nothing.

        Args:
            root: the repository folder.
            model: a file under configs/models.
            seed: the only one; None takes those of params.yaml and of the model's file.

        Raises:
            InputError: no such model, or a setting that does not fit.
        """
        competition = load_competition(root)
        self._score, self.model = competition.metric, model
        self.recipe = load_model(root, model, competition.mirror)
        context = read_context(root).offset_seed(self.recipe)
        self.context = context if seed is None else dataclasses.replace(context, seed=seed)
        self.seeds = list_seeds(self.recipe, context.seed, context.seeds) if seed is None else (seed,)
        self._settled: dict[int, SettledModel | Trainable] = {}
        self._trainable: Trainable | None = None

    @property
    def settled(self) -> "SettledModel | Trainable":
        """Recipe, precision and fingerprint of the first seed; a head on features that are kept starts no backend."""
        return self._settle(self.context)

    def _settle(self, context: TrainingContext) -> "SettledModel | Trainable":
        if context.seed not in self._settled:
            self._settled[context.seed] = settle_trained_model(self.recipe, context)
        return self._settled[context.seed]

    def make_task(self, fold: int, seed: int | None = None) -> FoldTask:
        """Makes the task of a fold.

        Args:
            fold: its number.
            seed: one of `seeds`; None is the first.

        Raises:
            InputError: the recipe does not fit the images or the classes, or a file that it names cannot be had.
        """
        context = self.context if seed is None else dataclasses.replace(self.context, seed=seed)
        task = define_fold_task(self._settle(context), self.model, fold, context, self._score)
        several = f"{self.model} seed {context.seed}" if len(self.seeds) > 1 else ""
        return dataclasses.replace(task, display_name=several)

    def make_tasks(self) -> list[FoldTask]:
        """Makes the tasks of all folds that ``train.folds`` names, of the first seed, then of the next.

        Raises:
            InputError: as `make_task`.
        """
        return [self.make_task(fold, seed) for seed in self.seeds for fold in self.context.chosen_folds]

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
                require_same_hardware(task, self.make_tasks(), describe_surroundings(self.recipe)[1])
            if self._trainable is None:
                self._trainable = self._build()
            self._trainable.train(task)

    def _build(self) -> Trainable:
        settled = self.settled
        return settled if isinstance(settled, Trainable) else settled.build()


def make_fold_trainer(root: Path) -> Callable[[tuple[str, int, int]], FoldTask]:
    """Returns what trains a fold of a model with a seed, and says as which task; it keeps the last model at hand."""
    opened = dict[str, ModelFolds]()

    def train(wanted: tuple[str, int, int]) -> FoldTask:
        model, fold, seed = wanted
        if model not in opened:
            opened.clear()
            opened[model] = ModelFolds(root, model)
        task = opened[model].make_task(fold, seed)
        opened[model].train(task)
        return task

    return train


def read_fold_hardware(task: FoldTask) -> str:
    """Reads on which hardware a finished fold was trained."""
    return str(read_done(task)["hardware"])


def require_same_hardware(task: FoldTask, others: Sequence[FoldTask], hardware: str) -> None:
    """Refuses to train a fold on other hardware than the finished folds of the model.

    Args:
        task: the fold.
        others: all that count.
        hardware: on which it would be trained, or was.

    Raises:
        InputError: one of them was trained on another.
    """
    for other in others:
        if not is_finished(other):
            continue
        trained_on = read_fold_hardware(other)
        if trained_on != hardware:
            raise InputError(
                f"{other.name} fold {other.fold} was trained on {trained_on}, fold {task.fold} is for {hardware}: set "
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
