"""States of a study's trials: counted, the best one, and interrupted ones queued again.

Attributes of trials and of the study are kept under the names below; a failed trial with a reason counts, one without
was interrupted and is run again.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.measures.metric import Metric

REASON, SETTINGS, LOG_LOSS, SECONDS, SAVED = "reason", "settings", "log_loss", "seconds", "saved_seconds"
SEARCHED, DEATHS, FOLDS = "searched_seconds", "deaths", "fold_scores"


@dataclass(frozen=True)
class Tally:
    """Trials of a study by state; those that were run again count once.

    Attributes:
        complete: with a score.
        pruned: stopped early.
        failed: with a reason.
        running: at the moment.
    """

    complete: tuple[FrozenTrial, ...]
    pruned: tuple[FrozenTrial, ...]
    failed: tuple[FrozenTrial, ...]
    running: tuple[FrozenTrial, ...]

    @property
    def finished(self) -> int:
        """Number of trials that count."""
        return len(self.complete) + len(self.pruned) + len(self.failed)


def tally_trials(study: Study) -> Tally:
    """Sorts the trials of a study by state."""
    trials = study.get_trials(deepcopy=False)
    by_state = {state: tuple(trial for trial in trials if trial.state == state) for state in TrialState}
    failed = tuple(trial for trial in by_state[TrialState.FAIL] if not is_interrupted(trial))
    return Tally(by_state[TrialState.COMPLETE], by_state[TrialState.PRUNED], failed, by_state[TrialState.RUNNING])


def find_best_trial(trials: Sequence[FrozenTrial], metric: Metric) -> FrozenTrial | None:
    """Returns the complete trial with the best score; the log loss breaks ties, then the lower number."""
    return next(iter(rank_trials(trials, metric.greater_is_better)), None)


def rank_trials(trials: Sequence[FrozenTrial], greater_is_better: bool) -> list[FrozenTrial]:
    """Sorts complete trials by score, the best first; the log loss breaks ties, then the lower number.

    Optuna's own best trial is, of equal ones, the first that finished in memory and the lowest number in a journal.
    """
    sign = -1 if greater_is_better else 1
    return sorted(
        trials,
        key=lambda trial: (sign * trial.values[0], trial.user_attrs.get(LOG_LOSS, float("inf")), trial.number),
    )


def is_interrupted(trial: FrozenTrial) -> bool:
    """Says whether a trial failed because its process ended, not for a reason of its own."""
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


def list_interrupted(study: Study) -> tuple[FrozenTrial, ...]:
    """Lists the interrupted trials that were not queued again."""
    retried = list_retried_numbers(study)
    trials = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return tuple(trial for trial in trials if is_interrupted(trial) and trial.number not in retried)


def list_retried_numbers(study: Study) -> set[int]:
    """Lists the numbers of the trials that were queued again, under another number."""
    trials = study.get_trials(deepcopy=False)
    return {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}


def requeue_trials(study: Study, trials: Sequence[FrozenTrial]) -> None:
    """Queues interrupted trials again with the same settings, each once.

    Args:
        study: theirs.
        trials: interrupted, or recorded as running although their process is gone.
    """
    retried = list_retried_numbers(study)
    for trial in trials:
        if trial.state == TrialState.RUNNING and not fail_trial(study, trial):
            continue
        if trial.number not in retried:
            retry_trial(study, trial)


def fail_trial(study: Study, trial: FrozenTrial) -> bool:
    """Records that a trial has failed; False where its own process or another recorded its outcome before."""
    try:
        return study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False


def retry_trial(study: Study, trial: FrozenTrial) -> None:
    """Queues a trial with the settings of an interrupted one, without its attributes: above all, not its owner."""
    bare = copy.copy(trial)
    bare.user_attrs = {name: value for name, value in trial.user_attrs.items() if name == DEATHS}
    bare.system_attrs = copy.deepcopy(trial.system_attrs)  # the callback writes into them
    RetryHeartbeatStaleTrialCallback()(study, bare)
