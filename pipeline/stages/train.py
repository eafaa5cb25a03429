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
from pipeline.training.context import TrainingContext, read_context
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_file import ModelRecipe, load_model
from pipeline.training.opening import define_fold_task, describe_surroundings, open_model
from pipeline.training.results import gather_folds
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.training.task import FoldTask


def run(root: Path, model: str) -> None:
    """Trains what is not trained yet and gathers the folds into predictions, card and metrics.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    recipe = load_model(
        root, model, load_competition(root).mirror
    )  # a mistake in it is told before any process is started
    context = read_context(root)
    made = retry_with_half_batches(lambda: _trained(root, model, context, recipe))
    tasks, hardware = [task for task, _ in made], {name for _, name in made}
    if len({task.fingerprint for task in tasks}) > 1:
        raise InputError(
            f"{model}: its folds were trained on unequal hardware ({some(sorted(hardware))}); set train.workers to 1"
        )
    versions = describe_surroundings(recipe)[0] | {"hardware": hardware.pop()}
    gather_folds(root, tasks, context.data, active_name(root), versions)


def _trained(root: Path, model: str, context: TrainingContext, recipe: ModelRecipe) -> list[tuple[FoldTask, str]]:
    """Trains the folds, as far as they are not trained yet; returns their tasks, and on which hardware they ran."""
    workers = (context.workers or 1) if isinstance(recipe, HeadRecipe) else count_workers(context.workers)
    if workers > 1:
        return run_side_by_side(fold_trainer, (root, model), context.chosen_folds, workers)
    train = fold_trainer(root, model)
    return [train(fold) for fold in context.chosen_folds]


def fold_trainer(root: Path, model: str) -> Callable[[int], tuple[FoldTask, str]]:
    """Opens a model; returns what trains a fold of it and says as which task, on which hardware."""
    competition = load_competition(root)
    context = read_context(root)
    recipe = load_model(root, model, competition.mirror)
    opened = open_model(recipe, context)

    def train(fold: int) -> tuple[FoldTask, str]:
        task = define_fold_task(opened, model, fold, context, competition.metric)
        opened.train(task)
        return task, describe_surroundings(recipe)[1]

    return train
