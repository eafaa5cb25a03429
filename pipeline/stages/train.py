"""Trains one model on every fold, with every seed, in one process, or several folds at once in processes of their own.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, test predictions by fold, history, curves, card, metrics). What is half
done lies in .work/train.
"""

from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.errors import InputError
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_folds import ModelFolds, make_fold_trainer, read_fold_hardware, require_same_hardware
from pipeline.training.opening import describe_surroundings
from pipeline.training.recipes.standalone import StandaloneRecipe
from pipeline.training.results import gather_folds
from pipeline.training.seeds import are_alike
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.training.task import FoldTask

_FEW = 10_000  # images times epochs


def run(root: Path, model: str) -> None:
    """Trains what is not trained yet, here or elsewhere, and gathers the folds into predictions, card and metrics.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    folds = ModelFolds(root, model)  # a mistake in a file ends this before any process is started
    if not folds.recipe.is_random and (folds.recipe.seeds or folds.context.seeds) > 1:
        print(f"{model}: nothing in it is random, so other seeds would train the same again: it is trained once")
    tasks = retry_with_half_batches(lambda: _train_folds(root, folds))
    if not are_alike(tasks):
        raise InputError(
            f"{model}: its folds settled on unlike precisions or batch sizes, as the GPUs are of several kinds; set "
            "train.precision and batch_size, or train.workers to 1"
        )
    if folds.context.same_hardware:
        for task in tasks:
            require_same_hardware(task, tasks, read_fold_hardware(task))
    gather_folds(root, tasks, folds.context.data, active_name(root), describe_surroundings(folds.recipe)[0])


def _train_folds(root: Path, folds: ModelFolds) -> list[FoldTask]:
    """Trains the folds of all seeds, as far as they are not trained yet; returns their tasks."""
    wanted = [(fold, seed) for seed in folds.seeds for fold in folds.context.chosen_folds]
    if (count := _count_processes(folds, len(wanted))) > 1:
        return run_side_by_side(make_fold_trainer, (root, folds.model), wanted, count)
    train = make_fold_trainer(root, folds.model)
    return [train(each) for each in wanted]


def _count_processes(folds: ModelFolds, jobs: int) -> int:
    """Returns how many folds train at once: several where that saves more than starts take.

    Features of a frozen network take all cores by themselves, and the heads on them seconds.
    """
    recipe, workers = folds.recipe, folds.context.workers
    if isinstance(recipe, HeadRecipe):
        return workers or 1
    if isinstance(recipe, StandaloneRecipe):
        return count_workers(workers)
    from pipeline.training.recipes.recipe import Recipe  # starts the backend, as this recipe did

    assert isinstance(recipe, Recipe)
    seen = len(folds.context.data.ids) * recipe.training.epochs
    return count_workers(workers, 1 if recipe.training.unfreeze == "head" or seen < _FEW else jobs)
