"""Trains one model on every fold, with every seed, in one process, or several folds at once in processes of their own.

Reads: data/prepared, folds/folds.csv, configs/models/<model>.yaml. Writes: folds/predictions/<model>/ (OOF and test
predictions) and folds/<model>/ (checkpoints, test predictions by fold, history, curves, card, metrics). What is half
done lies in .work/train.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.config import read_params
from pipeline.core.errors import InputError
from pipeline.core.paths import work_folder
from pipeline.training.finished import is_finished
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_folds import ModelFolds, make_fold_trainer, read_fold_hardware, require_same_hardware
from pipeline.training.opening import describe_surroundings
from pipeline.training.recipes.standalone import StandaloneRecipe
from pipeline.training.results import gather_folds
from pipeline.training.seeds import are_alike
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.training.task import FoldTask, find_fold_folder

# Images times epochs: below the one a training takes less than a process to start, below the other less than a minute.
_FEW, _BRIEF = 10_000, 100_000


def run(root: Path, model: str, ahead: bool = False, following: Sequence[str] = ()) -> None:
    """Trains what is not trained yet, here or elsewhere, and gathers the folds into predictions, card and metrics.

    Args:
        root: the repository folder.
        model: its name.
        ahead: whether processes that have no more folds of it train folds of the other models of ``params.yaml``, as
            far as they get before its last fold is done; small ones to their end.
        following: further models that such processes train folds of, none to its end.

    Raises:
        InputError: no such model, a setting that does not fit, or a training that diverged.
    """
    folds = ModelFolds(root, model)  # a mistake in a file ends this before any process is started
    if not folds.recipe.is_random and (folds.recipe.seeds or folds.context.seeds) > 1:
        print(f"{model}: nothing in it is random, so other seeds would train the same again: it is trained once")
    tasks = retry_with_half_batches(lambda: _train_folds(root, folds, ahead, following))
    if not are_alike(tasks):
        raise InputError(
            f"{model}: its folds settled on unlike precisions or batch sizes, as the GPUs are of several kinds; set "
            "train.precision and batch_size, or train.workers to 1"
        )
    if folds.context.same_hardware:
        for task in tasks:
            require_same_hardware(task, tasks, read_fold_hardware(task))
    gather_folds(root, tasks, folds.context.data, active_name(root), describe_surroundings(folds.recipe)[0])


def _train_folds(root: Path, folds: ModelFolds, ahead: bool, following: Sequence[str] = ()) -> list[FoldTask]:
    """Trains the folds of all seeds, as far as they are not trained yet; returns their tasks."""
    wanted = _list_folds(folds)
    if (count := _count_processes(folds)) > 1:
        if _may_be_finished(root, wanted) and all(map(is_finished, tasks := folds.make_tasks())):
            return tasks
        others = _list_others(root, folds.model, active_models(root), count) if ahead else []
        brief = [_list_folds(other) for other in others if _count_seen(other) < _BRIEF]
        later = [other for other in others if _count_seen(other) >= _BRIEF]
        known = {folds.model, *(other.model for other in others)}
        later += _list_others(root, folds.model, [name for name in following if name not in known], count)
        spare = [*chain(*brief), *chain(*(_list_folds(other) for other in later))]
        return run_side_by_side(make_fold_trainer, (root,), wanted, count, spare, sum(map(len, brief)))
    train = make_fold_trainer(root)
    return [train(each) for each in wanted]


def _may_be_finished(root: Path, wanted: list[tuple[str, int, int]]) -> bool:
    """Whether as many folds as are wanted are done, under whatever settings: what these are takes time to settle.

    Processes would take seconds to find out that nothing is left to train.
    """
    folder = find_fold_folder(work_folder(root, "train"), wanted[0][0], "?" * 16, 0).parent
    return len(list(folder.parent.glob(f"{folder.name}/fold*/done.json"))) >= len(wanted)


def _list_folds(folds: ModelFolds) -> list[tuple[str, int, int]]:
    return [(folds.model, fold, seed) for seed in folds.seeds for fold in folds.context.chosen_folds]


def _list_others(root: Path, model: str, names: Sequence[str], count: int) -> list[ModelFolds]:
    """Lists the other networks among some models that get the same part of the machine.

    None that learns from others, which may not be trained yet, and none while searches may change their settings.
    """
    listed, section = list[ModelFolds](), read_params(root).get("tune")
    tunes = isinstance(section, dict) and section.get("n_trials", 0) != 0
    for name in () if tunes else names:
        with suppress(InputError):  # its own stage says so
            other = ModelFolds(root, name)
            if name != model and _is_alone(other) and _count_processes(other) == count:
                listed.append(other)
    return listed


def _is_alone(folds: ModelFolds) -> bool:
    """Whether a model is a network that learns from no other model, and trains more than a head."""
    from pipeline.training.recipes.recipe import Recipe  # starts the backend, as the model that is trained did

    recipe = folds.recipe
    return isinstance(recipe, Recipe) and not (
        recipe.teachers or recipe.oof_files or recipe.training.unfreeze == "head"
    )


def _count_seen(folds: ModelFolds) -> int:
    """Counts the images that all epochs of a network show."""
    assert not isinstance(folds.recipe, HeadRecipe | StandaloneRecipe)
    return len(folds.context.data.ids) * folds.recipe.training.epochs


def _count_processes(folds: ModelFolds) -> int:
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
    few = recipe.training.unfreeze == "head" or _count_seen(folds) < _FEW
    return count_workers(workers, 1 if few else len(_list_folds(folds)))
