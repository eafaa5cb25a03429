"""Trains one model on every fold, in one process, or several folds at once in processes of their own.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, test predictions by fold, history, curves, card, metrics). What is half
done lies in .work/train.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError, some
from pipeline.core.paths import work_folder
from pipeline.networks.hardware import name_hardware
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_file import load_model
from pipeline.training.results import gather_folds
from pipeline.training.setup import make_trainable
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.training.task import FoldTask


def run(root: Path, model: str) -> None:
    """Trains what is not trained yet and gathers the folds into predictions, card and metrics.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    load_model(root, model, load_competition(root).mirror)  # a mistake in it is told before any process is started
    context = read_context(root)
    made = retry_with_half_batches(lambda: _trained(root, model, context))
    tasks, hardware = [task for task, _ in made], {name for _, name in made}
    if len({task.fingerprint for task in tasks}) > 1:
        raise InputError(
            f"{model}: its folds were trained on unequal hardware ({some(sorted(hardware))}); set train.workers to 1"
        )
    gather_folds(root, tasks, context.data, active_name(root), hardware.pop())


def _trained(root: Path, model: str, context: TrainingContext) -> list[tuple[FoldTask, str]]:
    """Trains the folds, as far as they are not trained yet; returns their tasks, and on which hardware they ran."""
    workers = count_workers(context.workers)
    if workers > 1:
        return run_side_by_side(fold_trainer, (root, model), context.chosen_folds, workers)
    train = fold_trainer(root, model)
    return [train(fold) for fold in context.chosen_folds]


def fold_trainer(root: Path, model: str) -> Callable[[int], tuple[FoldTask, str]]:
    """Opens a model; returns what trains a fold of it and says as which task, on which hardware."""
    competition = load_competition(root)
    context = read_context(root)
    opened = make_trainable(load_model(root, model, competition.mirror), context)

    def train(fold: int) -> tuple[FoldTask, str]:
        task = FoldTask(
            model=model,
            fold=fold,
            recipe=opened.recipe,
            prepared=context.prepared,
            folds=context.folds,
            work=work_folder(root, "train"),
            fingerprint=opened.fingerprint,
            score=competition.metric,
            seed=context.seed,
            precision=opened.precision,
        )
        opened.train(task)
        return task, name_hardware()

    return train
