"""Locks: they tell which trials are abandoned, and hold a journal for one search."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.tuning.locks import OWNER, is_abandoned, lock_journal

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_a_trial_belongs_to_a_living_process_as_long_as_that_holds_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "trial.lock"
    trial = optuna.create_trial(value=1.0, user_attrs={OWNER: [os.uname().nodename, str(path), "token"]})
    with locked(path):
        path.write_text("token")
        assert not is_abandoned(trial, tmp_path, exclusive=True)
    assert is_abandoned(trial, tmp_path, exclusive=False)
    other = optuna.create_trial(value=1.0, user_attrs={OWNER: ["another-host", str(path), "token"]})
    assert not is_abandoned(other, tmp_path, exclusive=False)
    assert is_abandoned(optuna.create_trial(value=1.0), tmp_path, exclusive=True)


def test_a_lock_of_another_machine_of_this_name_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "trial.lock"
    trial = optuna.create_trial(value=1.0, user_attrs={OWNER: [os.uname().nodename, str(path), "theirs"]})
    assert not is_abandoned(trial, tmp_path, exclusive=False)  # it lies on their disk
    path.write_text("ours")
    assert not is_abandoned(trial, tmp_path, exclusive=False)


@pytest.mark.parametrize(("host", "token"), [("renamed-container", "token"), (os.uname().nodename, "damaged")])
def test_a_trial_that_nobody_holds_is_abandoned_where_nobody_else_uses_the_study(
    tmp_path: Path, host: str, token: str
) -> None:
    path = tmp_path / "trial.lock"
    trial = optuna.create_trial(state=TrialState.RUNNING, user_attrs={OWNER: [host, str(path), "token"]})
    path.write_text(token)
    assert is_abandoned(trial, tmp_path, exclusive=True)
    assert not is_abandoned(trial, tmp_path, exclusive=False)


def test_trials_of_another_machine_are_abandoned_after_a_while(tmp_path: Path) -> None:
    def cut(seconds: float, **attrs: Any) -> bool:
        trial = optuna.create_trial(state=TrialState.FAIL, user_attrs=attrs)
        trial.datetime_complete = datetime.now() - timedelta(seconds=seconds)
        return is_abandoned(trial, tmp_path, exclusive=False)

    elsewhere, beside = ["another-host", "/x.lock", ""], [os.uname().nodename, "/other/.work/tune/x.lock", ""]
    assert not cut(1, owner=elsewhere)
    assert not cut(1, owner=beside)
    assert not cut(1)
    assert cut(1, owner=[os.uname().nodename, str(tmp_path / "x.lock"), ""])
    assert cut(100, owner=elsewhere)
    assert cut(100, owner=beside)
    assert cut(100)


def test_a_journal_is_held_by_one_run(tmp_path: Path) -> None:
    with (
        lock_journal(tmp_path, "one"),
        pytest.raises(InputError, match="one is being tuned in this folder already"),
        lock_journal(tmp_path, "one"),
    ):
        pass
