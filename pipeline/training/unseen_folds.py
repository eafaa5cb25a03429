"""Predictions of training rows by models that saw neither their fold nor one more: what is known without its labels.

Out-of-fold predictions of the training rows of fold k come from models that have learnt fold k's labels; these do not.
Two folds share a training on all the others, so n folds take n (n - 1) / 2 trainings.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from pipeline.core.arrays import Rows, Values
from pipeline.core.competition import Score
from pipeline.core.errors import InputError, some
from pipeline.core.paths import work_folder
from pipeline.core.predictions import read_predictions
from pipeline.core.tables import read_folds, write_folds
from pipeline.training.context import TrainingContext
from pipeline.training.data import load_data
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.model_file import ModelRecipe
from pipeline.training.opening import define_fold_task, open_model

Pair = tuple[int, int]


def list_pairs(n_folds: int) -> list[Pair]:
    """Lists the pairs of folds, each once.

    Raises:
        InputError: fewer than three folds leave nothing to train on.
    """
    if n_folds < 3:
        raise InputError(
            f"two folds are left out at a time, so 3 folds are needed, got {n_folds}; raise split.n_splits"
        )
    return list(combinations(range(n_folds), 2))


def require_clean(model: str, recipe: ModelRecipe) -> None:
    """Refuses a model whose training looks at rows that it leaves out.

    Raises:
        InputError: it chooses something on them, or learns from predictions of others, which have learnt their labels.
    """
    learnt = [*recipe.oof_files, *recipe.teachers]
    found = [*recipe.peeked, *([f"predictions of others: {some(learnt)}"] if learnt else [])]
    if found:
        raise InputError(
            f"{model} learns from rows that it leaves out ({'; '.join(found)}); take a model that does not, or take "
            "out of its file what asks for that: training.select, average.best, patience, the schedule plateau, "
            "distill or pseudo, balance.weak"
        )


def predict_pair(model: str, recipe: ModelRecipe, context: TrainingContext, score: Score, pair: Pair) -> Values:
    """Trains a model without two folds, or finds it trained; returns what it predicts of both: (n_rows, n_columns).

    Its rows are those of `list_pair_rows`.

    Args:
        model: its name.
        recipe: how it is trained.
        context: what its training depends on beside that.
        score: the metric shown while training.
        pair: the two folds.
    """
    folder = work_folder(context.root, "doubt") / f"without{pair[0]}and{pair[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    table = read_folds(context.folds)
    fold_of = table["fold"].where(table["fold"] != pair[1], pair[0])
    write_folds(folder / "folds.csv", table.assign(fold=fold_of - (fold_of > pair[1])))
    data = load_data(context.prepared, folder / "folds.csv")
    merged = replace(context, folds=folder / "folds.csv", data=data, chosen_folds=(pair[0],))

    def train() -> Path:
        opened = open_model(recipe, merged)
        task = define_fold_task(opened, model, pair[0], merged, score)
        named = replace(task, display_name=f"{model} without fold {pair[1]}:")
        opened.score(named, lambda _: None)
        return named.folder / "valid.parquet"

    path = retry_with_half_batches(train)
    ids = [context.data.ids[row] for row in list_pair_rows(context, pair)]
    return read_predictions(path, context.data.target).aligned(ids, str(path))


def list_pair_rows(context: TrainingContext, pair: Pair) -> Rows:
    """Lists the rows of two folds, in order."""
    return np.flatnonzero(np.isin(context.data.fold_of, pair))
