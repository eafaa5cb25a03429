"""Pruning between folds: a trial against the best one, by a paired test on blocks of the rows that both scored."""

import numpy as np
import optuna
from optuna.pruners import WilcoxonPruner
from optuna.study import Study, StudyDirection
from optuna.trial import Trial, TrialState

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.tuning.trial_states import find_best_trial

BLOCKS = "blocks"
_ROWS_OF_BLOCK, _MOST_BLOCKS, _P = 40, 25, 0.05


def score_blocks(metric: Metric, truth: Truth, values: Values) -> list[float]:
    """Scores blocks of the rows of a fold, which are the same rows in every trial and so paired between trials.

    Empty where the metric cannot score so few rows.
    """
    count = min(_MOST_BLOCKS, len(truth) // _ROWS_OF_BLOCK)
    order = np.random.default_rng(0).permutation(len(truth))
    try:
        return [metric.score(truth[part], values[part]) for part in np.array_split(order, count)] if count else []
    except InputError:
        return []


def is_worse_than_best(study: Study, trial: Trial, metric: Metric) -> bool:
    """Says whether a trial is worse than the best, by Wilcoxon's signed-rank test on the blocks scored so far.

    A fold's score is one number, and a test of five numbers has little power; its rows are many.
    Reference: Wilcoxon 1945, https://doi.org/10.2307/3001968
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    leader = find_best_trial(complete, metric)
    own, best = trial.user_attrs.get(BLOCKS, []), leader.user_attrs.get(BLOCKS, []) if leader else []
    if len(own) < 2 or len(best) < len(own):
        return False
    best = best[: len(own)]  # Optuna 5 keeps a trial whose mean beats the best trial's over all its steps, not the same
    greater = metric.greater_is_better
    pairs = optuna.create_study(direction=StudyDirection.MAXIMIZE if greater else StudyDirection.MINIMIZE)
    pairs.add_trial(optuna.create_trial(value=float(np.mean(best)), intermediate_values=dict(enumerate(best))))
    running = optuna.create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(own)))
    return WilcoxonPruner(p_threshold=_P).prune(pairs, running)
