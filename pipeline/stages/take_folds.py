"""Puts folds that `batch` trained on another machine where `train` finds them. Run by hand.

Reads: a parcel of folds. Writes: the folds' folders below .work/train
"""

from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.errors import InputError, some
from pipeline.training.machines.parcels import list_problems, name_sent, place_folds
from pipeline.training.model_folds import ModelFolds


def run(root: Path, parcel: Path) -> None:
    """Puts what is done, or further than here, in place; `dvc repro` gathers it.

    Args:
        root: the repository.
        parcel: what `batch` wrote.

    Raises:
        InputError: the parcel is cut off or damaged (nothing is put in place), or some of its folds failed or are of
            other code, settings or data (the others are in place).
    """
    if not parcel.is_file():
        raise InputError(f"{parcel} does not exist; give the file that `batch --out` wrote")
    tasks = []
    for model in active_models(root):
        folds = ModelFolds(root, model)
        try:
            tasks += folds.make_tasks()
        except InputError as error:  # of a teacher that is not trained yet: its folds cannot be in the parcel
            print(f"{model} is left out: {error}")
    about, placed = place_folds(root, parcel, tasks)
    for fold in placed:
        further = f", epoch {fold.epoch}" if fold.epoch else ""
        print(f"{fold.model} fold {fold.fold}: {fold.outcome}{further}")
    here = {name_sent(task.model, task.fold, task.seed): task.fingerprint for task in tasks}
    firsts = dict[str, str]()
    for task in tasks:  # the first seed comes first
        firsts.setdefault(name_sent(task.model, task.fold, None), task.fingerprint)
    here |= firsts
    sent = {str(name): str(fingerprint) for name, fingerprint in about.get("fingerprints", {}).items()}
    other = sorted(name for name, fingerprint in sent.items() if here.get(name) != fingerprint)
    problems = list_problems(about)
    if other:
        problems.append(
            f"{some(other, 3)}: trained with other code, settings or data than are here now; put them back as they "
            "were, and take the same file again"
        )
    if problems:
        raise InputError("; ".join(problems))
