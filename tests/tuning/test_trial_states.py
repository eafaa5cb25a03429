"""States of trials: the best one, and interrupted ones queued again once."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from support.studies import complete, make_spec, write_repository

from pipeline.core.metrics import get_metric
from pipeline.tuning import (
    trial_states,
)
from pipeline.tuning.locks import OWNER

ACCURACY = get_metric("accuracy")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_the_log_loss_decides_between_equal_scores_and_then_the_lower_number() -> None:
    study = optuna.create_study(direction="maximize")
    for value, loss in ((0.8, 0.1), (0.9, 0.5), (0.9, 0.4), (0.9, 0.4)):
        study.add_trial(complete(value, loss))
    leader = trial_states.find_best_trial(study.get_trials(), ACCURACY)
    assert leader is not None
    assert leader.number == 2


def test_trials_that_were_cut_off_begin_again_once(tmp_path: Path) -> None:
    spec = make_spec(write_repository(tmp_path))
    study = spec.open_study()
    trial = study.ask()
    trial.set_user_attr(OWNER, ["elsewhere", "/nowhere", "token"])
    gone = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    trial_states.requeue_trials(study, gone)
    trial_states.requeue_trials(study, trial_states.list_interrupted(study))
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [each.user_attrs for each in waiting] == [{}]
    assert trial_states.tally_trials(study).finished == 0


def test_a_trial_whose_outcome_was_recorded_a_moment_ago_is_not_interrupted(tmp_path: Path) -> None:
    study = make_spec(write_repository(tmp_path)).open_study()
    trial = study.ask()
    (running,) = study.get_trials(states=(TrialState.RUNNING,))
    study.tell(trial, 0.5)
    trial_states.requeue_trials(study, [running])
    assert [each.state for each in study.get_trials()] == [TrialState.COMPLETE]


def test_beginning_again_leaves_the_history_of_the_trial_that_was_cut_off(tmp_path: Path) -> None:
    study = make_spec(write_repository(tmp_path)).open_study()
    for _ in range(2):
        study.ask()
        trial_states.requeue_trials(study, study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
    histories = [trial.system_attrs.get("retry_history") for trial in study.get_trials()]
    assert histories == [None, [0], [0, 1]]
