"""Failures of trials: counted alike when they differ in numbers alone."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from support.studies import complete

from pipeline.tuning import (
    failures,
    trial_states,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_failures_that_differ_in_numbers_alone_are_alike() -> None:
    study = optuna.create_study()
    for number in range(10):
        words = (
            f"one trial {number} fold 0: in epoch {1 + number % 3} the loss (in the first 16 of 180 steps) became NaN"
        )
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={trial_states.REASON: words}))
    assert "one trial 9 fold 0" in str(failures.find_repeated_failure(study))
    reasons = ["trial 1: lost 1.5e-3", "trial 22: lost 7", "trial 3: found 7"]
    assert failures.count_reasons(reasons) == {reasons[0]: 2, reasons[2]: 1}
    died = ["its process died 2 times, by signal 9", "its process died 2 times, by signal 11"]
    assert failures.count_reasons(died) == dict.fromkeys(died, 1)


def test_ten_failures_alike_are_reported_but_not_nine_or_others_in_between() -> None:
    study = optuna.create_study()
    for _ in range(9):
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={trial_states.REASON: "too wide"}))
    assert failures.find_repeated_failure(study) is None
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={trial_states.REASON: "too wide"}))
    assert failures.find_repeated_failure(study) == "too wide"
    study.add_trial(complete(1.0))
    assert failures.find_repeated_failure(study) is None


def test_failures_of_an_earlier_run_do_not_end_the_next(tmp_path: Path) -> None:
    study = optuna.create_study()
    for _ in range(10):
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={trial_states.REASON: "no memory"}))
    assert failures.find_repeated_failure(study) == "no memory"
    assert failures.find_repeated_failure(study, range(10)) is None
