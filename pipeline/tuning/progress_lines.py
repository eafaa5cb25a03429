"""Progress lines of a search: the outcome of a trial, the state of the study, and an estimate of the time left."""

import time

from optuna.trial import FrozenTrial, TrialState

from pipeline.core.measures.metric import Metric
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_states import REASON, SECONDS, Tally, find_best_trial


def describe_trial(trial: FrozenTrial, metric: Metric) -> str:
    """Describes the outcome of a finished trial.

    Args:
        trial: complete, pruned or failed with a reason.
        metric: the competition's.
    """
    if trial.state == TrialState.FAIL:
        outcome = f"failed: {trial.user_attrs[REASON]}"
    elif trial.state == TrialState.PRUNED:
        reached = list(trial.intermediate_values.values())
        outcome = f"pruned at {metric.name} {reached[-1]:.4f}" if reached else "pruned"
    else:
        outcome = f"{metric.name} {trial.values[0]:.4f}, {trial.user_attrs.get(SECONDS, 0.0):,.0f} s"
    return f"{trial.number}: {outcome}"


def describe_progress(tally: Tally, metric: Metric, seconds: float, spec: StudySpec) -> str:
    """Describes how far a study is.

    Args:
        tally: its trials by state.
        metric: the competition's.
        seconds: searched so far, earlier runs included.
        spec: the study, with its budget.
    """
    leader = find_best_trial(tally.complete, metric)
    counts = f"{len(tally.complete)} complete, {len(tally.pruned)} pruned, {len(tally.failed)} failed"
    best = f"best {leader.values[0]:.4f} (trial {leader.number})" if leader else "no score yet"
    return f"{counts} | {best} | {_estimate_time_left(tally.finished, seconds, spec)}"


def _estimate_time_left(finished: int, seconds: float, spec: StudySpec) -> str:
    """The shorter of the time to the deadline and the time of the trials left, at the pace so far."""
    estimates = [] if spec.deadline is None else [spec.deadline - time.time()]
    if spec.params.n_trials is not None and finished:
        estimates.append(seconds / finished * (spec.params.n_trials - finished))
    left = max(0.0, min(estimates, default=0.0))
    return f"{int(left // 3600)}:{int(left % 3600 // 60):02} h left"
