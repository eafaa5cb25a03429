"""Workers: errors of trials are recorded, errors of the machine end the search."""

import dataclasses
import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from support.studies import DEFAULT, SEARCH, make_spec, run_search, write_repository

from pipeline.core.processes import EndRequest
from pipeline.tuning import (
    trial_states,
)
from pipeline.tuning.locks import is_abandoned
from pipeline.tuning.worker import DATABASE_DOWN, run_trials

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.slow
def test_a_training_that_diverges_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    search = SEARCH | {"training.optimizer.learning_rate": {"kind": "float", "low": 0.05, "high": 1e30, "log": True}}
    root = write_repository(tmp_path, search, n_trials=2)
    spec = make_spec(root)
    spec.open_study().enqueue_trial({"training.optimizer.learning_rate": 1e30, "network.units": "[8]"})
    study = run_search(root)
    assert [trial.state for trial in study.get_trials()] == [TrialState.COMPLETE, TrialState.FAIL]
    assert "became NaN or infinite" in study.get_trials()[1].user_attrs[trial_states.REASON]


def test_settings_that_do_not_agree_are_recorded(tmp_path: Path) -> None:
    epochs = {"training.epochs": {"kind": "int", "low": 1, "high": 4}}
    warmup = {
        "training.schedule": {"kind": "categorical", "choices": [{"name": "constant"}, {"name": "cosine"}]},
        "training.schedule.warmup_epochs": {
            "kind": "int",
            "low": 0,
            "high": 3,
            "when": {"training.schedule.name": "cosine"},
        },
    }
    root = write_repository(tmp_path, epochs | warmup, n_trials=2)
    cosine = '{"name": "cosine"}'
    wrong = {"training.epochs": 2, "training.schedule": cosine, "training.schedule.warmup_epochs": 3}
    make_spec(root).open_study().enqueue_trial(wrong)
    reason = run_search(root).get_trials()[1].user_attrs[trial_states.REASON]
    assert "warmup_epochs must be less than epochs (2)" in reason


@pytest.mark.slow
def test_a_full_disk_blames_no_trial_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_repository(tmp_path, n_trials=2)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", str(root))

    monkeypatch.setattr("pipeline.tuning.trials.make_trainable", full)
    spec = make_spec(root)
    with pytest.raises(KeyboardInterrupt, match=r"No space left on device.*make room .* run the command again"):
        run_trials(spec, EndRequest())
    (failed,) = trial_states.list_interrupted(spec.open_study())
    trial_states.requeue_trials(spec.open_study(), [failed])
    monkeypatch.undo()
    study = run_search(root)
    assert trial_states.tally_trials(study).complete[0].params == DEFAULT


def test_a_score_that_is_no_number_fails_the_trial_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(write_repository(tmp_path, n_trials=1))
    monkeypatch.setattr(
        "pipeline.tuning.trials.make_trainable", lambda *_: SimpleNamespace(recipe=None, score=lambda *_: 1.0)
    )
    monkeypatch.setattr(
        "pipeline.tuning.trials.make_fold_task", lambda *_: SimpleNamespace(folder=tmp_path / "a" / "b")
    )
    monkeypatch.setattr(
        "pipeline.tuning.trials.read_valid_predictions",
        lambda *_: (np.zeros(2, int), np.full((2, 3), 1 / 3, np.float32)),
    )
    monkeypatch.setattr(
        "pipeline.core.competition.Score.metric_for",
        lambda *_: SimpleNamespace(
            name="accuracy", greater_is_better=True, rows=None, beside=(), score=lambda *_: float("nan")
        ),
    )
    run_trials(spec, EndRequest())
    assert (
        trial_states.tally_trials(spec.open_study()).failed[0].user_attrs[trial_states.REASON] == "its accuracy is nan"
    )


def test_a_database_that_fails_during_a_trial_has_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(write_repository(tmp_path, n_trials=1))

    def gone(*_: Any) -> Any:
        raise sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection"))

    def silent(*_: Any, **__: Any) -> Any:
        raise sqlalchemy.exc.OperationalError("update", {}, Exception("server closed the connection"))

    monkeypatch.setattr("pipeline.tuning.worker.run_trial", gone)
    monkeypatch.setattr("optuna.study._optimize._tell_with_warning", silent)
    with pytest.raises(SystemExit) as ended:
        run_trials(spec, EndRequest())
    assert ended.value.code == DATABASE_DOWN


def test_a_trial_is_owned_until_its_outcome_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(write_repository(tmp_path, n_trials=1))
    gone = []

    def tell(study: optuna.Study, **more: Any) -> Any:
        (trial,) = study.get_trials(states=(TrialState.RUNNING,))
        gone.append(is_abandoned(trial, spec.locks_folder, exclusive=True))
        return original(study=study, **more)

    original = optuna.study._tell._tell_with_warning
    monkeypatch.setattr("optuna.study._optimize._tell_with_warning", tell)
    monkeypatch.setattr("pipeline.tuning.worker.run_trial", lambda *_: (0.5,))
    run_trials(spec, EndRequest())
    assert gone == [False]


def test_a_trial_that_others_took_over_ends_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(write_repository(tmp_path, n_trials=1))

    def taken(trial: optuna.Trial, study: optuna.Study, *_: Any) -> tuple[float, ...]:
        trial_states.requeue_trials(study, study.get_trials(states=(TrialState.RUNNING,)))
        trial.set_user_attr("too", "late")
        return (0.5,)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.tuning.worker.run_trial", taken)
        patched.setattr(
            "pipeline.tuning.worker.remove_unneeded_trainings", lambda *_: patched.undo()
        )  # the second one runs as it is
        patched.setattr(
            "pipeline.tuning.worker._has_trials_left", lambda study, params: not trial_states.list_interrupted(study)
        )
        spec = dataclasses.replace(spec, params=spec.params.model_copy(update={"trials_per_process": 1}))
        run_trials(spec, EndRequest())
    states = [trial.state for trial in spec.open_study().get_trials()]
    assert states == [TrialState.FAIL, TrialState.WAITING]
