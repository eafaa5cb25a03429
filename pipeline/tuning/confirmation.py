"""Confirmation of a study: its best settings and the default, on folds or a seed that the search did not use.

The score of the best of many trials is too optimistic on the folds that selected it; on others it is not.
Reference: Cawley and Talbot 2010, https://jmlr.org/papers/v11/cawley10a.html
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core import paired, tables
from pipeline.core.arrays import Probs
from pipeline.core.errors import DivergedError, InputError
from pipeline.core.scores import LabelledRows
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.recipes.model_yaml import Settings
from pipeline.training.setup import make_trainable
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.tuning.storages import silence_optuna
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_context import TrialContext, make_fold_task, read_valid_predictions


class BestFailedError(Exception):
    """The best settings of a search could not be trained on the unseen folds."""


class DefaultFailedError(Exception):
    """The unchanged recipe could not be trained on the unseen folds, so that there is no comparison."""


@dataclass(frozen=True)
class Confirmation:
    """Scores of the default and of the best trial's settings, on rows that selected neither.

    Attributes:
        folds: the rows' folds.
        seed: of the trainings.
        rows: number of rows.
        default: score of the unchanged model.
        tuned: score of the best trial's settings.
        gain: how much better the latter is, positive when it is, with its paired 95 % bootstrap interval.
    """

    folds: tuple[int, ...]
    seed: int
    rows: int
    default: float
    tuned: float
    gain: paired.Gain


def choose_unseen_folds(searched: Sequence[int], n_folds: int, seed: int) -> tuple[tuple[int, ...], int]:
    """Returns the folds that the search did not use and the seed of `train`; all with another seed where it used all.

    With the seed of `train`, folds that are trained here need not be trained again.
    """
    others = tuple(fold for fold in range(n_folds) if fold not in searched)
    return (others, seed) if others else (tuple(range(n_folds)), seed + 1)


def confirm_best(spec: StudySpec, context: TrialContext, settings: Settings) -> Confirmation:
    """Trains the default and the settings on the unseen folds, resumably, and compares them.

    Raises:
        BestFailedError: the settings could not be trained.
        DefaultFailedError: the default's training diverged, the settings' did not.
        InputError: the default could not be trained for another reason.
    """
    training, metric = context.training, context.metric
    folds, seed = choose_unseen_folds(spec.params.folds, context.n_folds, training.seed)
    workers = count_workers(training.workers)
    diverged: DivergedError | None = None
    predictions = []
    try:
        predictions.append(_predict_folds(spec, {}, folds, seed, workers))
    except DivergedError as error:
        diverged = error
    try:
        predictions.append(_predict_folds(spec, settings, folds, seed, workers))
    except InputError as error:
        raise BestFailedError(str(error)) from None
    if diverged is not None:
        raise DefaultFailedError(str(diverged))
    default, tuned = predictions
    rows = np.concatenate([training.data.rows(fold)[1] for fold in folds])
    truth = training.data.truth[rows]
    group_of = tables.read_folds(training.folds).set_index("id")["group"]
    groups = group_of.reindex([training.data.ids[row] for row in rows]).to_numpy(dtype=np.int64)
    return Confirmation(
        folds=folds,
        seed=seed,
        rows=len(rows),
        default=metric.score(truth, default),
        tuned=metric.score(truth, tuned),
        gain=paired.measure_gain(LabelledRows(truth, groups), tuned, default, metric),
    )


def _predict_folds(spec: StudySpec, settings: Settings, folds: tuple[int, ...], seed: int, workers: int) -> Probs:
    """Trains in processes of their own, which free their memory, and predicts the valid rows, fold by fold."""
    arguments = (spec, settings, seed)
    return retry_with_half_batches(
        lambda: np.concatenate(run_side_by_side(make_fold_scorer, arguments, folds, workers))
    )


def make_fold_scorer(spec: StudySpec, settings: Settings, seed: int) -> Callable[[int], Probs]:
    """Prepares a model with some settings; returns a function that trains a fold of it and predicts its valid rows."""
    silence_optuna()
    context = spec.read_context()
    trainable = make_trainable(context.space.make_recipe(settings), dataclasses.replace(context.training, seed=seed))

    def score_fold(fold: int) -> Probs:
        name = f"{spec.model} {'best trial' if settings else 'default'}, unseen"
        task = make_fold_task(context, trainable, fold, seed, name)
        trainable.score(task, lambda row: None)
        return read_valid_predictions(task, context.training)[1]

    return score_fold
