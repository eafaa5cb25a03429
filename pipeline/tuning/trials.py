"""Trials: settings are suggested, each fold is trained and scored, and what falls behind is pruned.

A trial trains as `train` would: a fold that `train` or an earlier trial finished under the same fingerprint is not
trained again, and an interrupted fold continues from its last epoch.
"""

import shutil
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import Trial, TrialState

from pipeline.core.errors import InputError
from pipeline.core.paths import work_folder
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.setup import make_trainable
from pipeline.tuning.paired_pruning import BLOCKS, is_worse_than_best, score_blocks
from pipeline.tuning.trial_context import TrialContext, make_fold_task, read_valid_predictions
from pipeline.tuning.trial_states import FOLDS, LOG_LOSS, SAVED, SECONDS, SETTINGS, find_best_trial, is_interrupted

FOLDER = "folder"


class DeadlinePassed(KeyboardInterrupt):
    """The hours are spent; the trial continues when there are more."""


def run_trial(trial: Trial, study: Study, context: TrialContext) -> tuple[float, ...]:
    """Runs one trial.

    Returns:
        Its score and, with two objectives, its seconds.

    Raises:
        InputError: the settings do not agree, or the training has diverged.
        optuna.TrialPruned: it is worse than others.
        DeadlinePassed: the hours are spent.
    """
    settings = context.space.suggest_settings(trial)
    trial.set_user_attr(SETTINGS, settings)
    known = _copy_equal_trial(trial, study)
    if known is not None:
        return known
    params, metric, target = context.params, context.metric, context.training.data.target
    trainable = make_trainable(context.space.make_recipe(settings), context.training)
    default = trial.params == context.space.default_params()
    scores, losses, seconds = dict[str, float](), list[float](), 0.0
    for position, fold in enumerate(params.folds):
        task = make_fold_task(context, trainable, fold, context.training.seed, f"{context.model} trial {trial.number}")
        trial.set_user_attr(FOLDER, task.folder.parent.name)
        on_epoch = _EpochReporter(
            trial, context, position, tuple(scores.values()), trainable.recipe, prunes=not default
        )
        seconds += trainable.score(task, on_epoch)
        truth, values = read_valid_predictions(task, context.training)
        scores[str(fold)] = metric.score(truth, values)
        losses.append(float(target.measure_losses(truth, values).mean()))
        trial.set_user_attr(FOLDS, scores)
        trial.set_user_attr(SECONDS, seconds)
        trial.set_user_attr(BLOCKS, trial.user_attrs.get(BLOCKS, []) + score_blocks(metric, truth, values))
        left = len(params.folds) - position - 1
        prunes = params.across == "wilcoxon" and not params.two and not default
        if left and prunes and is_worse_than_best(study, trial, metric):
            trial.set_user_attr(SAVED, seconds / (position + 1) * left)
            raise optuna.TrialPruned(f"worse than the best on the rows of fold {fold}")
    score = float(np.mean(list(scores.values())))
    if not np.isfinite(score):
        raise InputError(f"its {metric.name} is {score}")
    trial.set_user_attr(LOG_LOSS, float(np.mean(losses)))
    return (score, seconds)[: len(params.objectives)]


def remove_unneeded_trainings(study: Study, context: TrialContext) -> None:
    """Removes the unfinished trainings of finished trials, but for the best and the default.

    Trainings that `train` finished stay, and so do those of running trials.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    leader = find_best_trial(complete, context.metric)
    kept = [leader] if leader else []
    default = context.space.default_params()
    kept += [trial for trial in trials if not trial.state.is_finished() or trial.params == default]
    stays = {trial.user_attrs.get(FOLDER) for trial in kept}
    for trial in trials:
        name = trial.user_attrs.get(FOLDER)
        if not trial.state.is_finished() or is_interrupted(trial) or name in stays:
            continue
        if not str(name).startswith(f"{context.model}-"):
            continue
        folder = work_folder(context.root, "train") / Path(str(name)).name
        if folder.is_dir() and not any(folder.glob("fold*/done.json")):
            shutil.rmtree(folder, ignore_errors=True)  # another worker may have been faster


class _EpochReporter:
    """Reports the epochs of one fold to Optuna; ends the training when it is pruned or the hours are spent."""

    def __init__(
        self,
        trial: Trial,
        context: TrialContext,
        position: int,
        scores_before: tuple[float, ...],
        recipe: object,
        prunes: bool,
    ) -> None:
        self._trial, self._context, self._position, self._scores_before = trial, context, position, scores_before
        self._prunes = prunes and not context.params.two
        self._epochs = recipe.training.all_epochs if isinstance(recipe, Recipe) else 1
        self._span = max(context.epochs, self._epochs)
        self._began, self._reported = time.monotonic(), 0

    def __call__(self, row: dict[str, float]) -> None:
        self._reported += 1
        epoch = int(row["epoch"])
        if "valid_score" in row and not self._context.params.two:
            value = float(np.mean([*self._scores_before, row["valid_score"]]))
            self._trial.report(value, self._position * self._span + epoch)
            # The pruner sees the default as well, so that others compete with it; the default is never pruned.
            # Optuna 5's median pruner compares the best score so far, and keeps a trial whose scores became NaN.
            lost = not np.isfinite(value) and self._context.params.pruner != "none"
            behind = epoch < self._epochs and (lost or self._trial.should_prune())
            if behind and self._prunes:
                seconds = (time.monotonic() - self._began) / self._reported
                left = self._epochs * (len(self._context.params.folds) - self._position) - epoch
                self._trial.set_user_attr(SAVED, seconds * left)
                raise optuna.TrialPruned(f"behind after {epoch} of {self._epochs} epochs")
        if self._context.deadline is not None and time.time() > self._context.deadline:
            raise DeadlinePassed


def _copy_equal_trial(trial: Trial, study: Study) -> tuple[float, ...] | None:
    """Returns the values of an earlier trial with the same settings; a pruned one is pruned again."""
    for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        if other.number == trial.number or other.params != trial.params:
            continue
        trial.set_user_attr("same_as", other.number)
        for name in (FOLDER, FOLDS, BLOCKS, LOG_LOSS):
            if name in other.user_attrs:
                trial.set_user_attr(name, other.user_attrs[name])
        if other.state == TrialState.PRUNED:
            raise optuna.TrialPruned(f"the same as trial {other.number}")
        return tuple(other.values)
    return None
