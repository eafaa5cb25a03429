"""Trials: scored as `train` scores, reused, pruned, and their trainings kept or removed."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from support.studies import DEFAULT, complete, make_context, make_spec, run_search, set_tune, write_repository

from pipeline.core import cards
from pipeline.core.metrics import get_metric
from pipeline.stages import train
from pipeline.tuning import (
    trial_states,
    trials,
)

ACCURACY = get_metric("accuracy")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def outcomes(study: optuna.Study) -> list[tuple[dict[str, Any], Any]]:
    return [(trial.params, trial.values) for trial in study.get_trials() if trial.state == TrialState.COMPLETE]


@pytest.mark.slow
def test_the_default_is_trial_0(studied_root: Path) -> None:
    study = make_spec(studied_root).open_study()
    assert study.get_trials()[0].params == DEFAULT
    assert len(study.get_trials()) == 4


@pytest.mark.slow
def test_a_trial_scores_what_train_would_score(studied_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    train.run(root, "one")
    card = cards.read_card(root / "folds" / "one" / "card.json", cards.ModelCard)
    assert make_spec(studied_root).open_study().get_trials()[0].value == card.fold_scores["0"]


@pytest.mark.slow
def test_a_fold_that_train_finished_is_not_trained_again(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=1, folds=[0, 1])
    train.run(root, "one")
    before = {path: path.stat().st_mtime_ns for path in (root / ".work" / "train").rglob("*")}
    study = run_search(root)
    assert study.get_trials()[0].state == TrialState.COMPLETE
    assert {path: path.stat().st_mtime_ns for path in (root / ".work" / "train").rglob("*")} == before


@pytest.mark.slow
def test_train_finishes_what_the_search_trained_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_repository(tmp_path, n_trials=1)
    run_search(root)
    assert "trial 0 fold 0 epoch 4/4" in capsys.readouterr().out
    set_tune(root, train={"folds": [0]})
    train.run(root, "one")
    assert "epoch" not in capsys.readouterr().out
    card = cards.read_card(root / "folds" / "one" / "card.json", cards.ModelCard)
    assert card.pooled == make_spec(root).open_study().get_trials()[0].value


@pytest.mark.slow  # one that is interrupted shows it, too
def test_two_searches_with_one_seed_try_the_same_and_score_the_same(studied_root: Path, tmp_path: Path) -> None:
    again = run_search(write_repository(tmp_path))
    assert outcomes(again) == outcomes(make_spec(studied_root).open_study())


@pytest.mark.slow
def test_a_search_that_was_interrupted_tries_the_same_as_one_that_was_not(studied_root: Path, tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=2)
    run_search(root)
    set_tune(root, n_trials=4, trials_per_process=1)
    assert outcomes(run_search(root)) == outcomes(make_spec(studied_root).open_study())


def test_unfinished_trainings_of_the_best_and_the_default_alone_are_kept(studied_root: Path) -> None:
    study = make_spec(studied_root).open_study()
    leader = trial_states.find_best_trial(trial_states.tally_trials(study).complete, ACCURACY)
    assert leader is not None
    wanted = {study.get_trials()[0].user_attrs[trials.FOLDER], leader.user_attrs[trials.FOLDER]}
    assert {path.name for path in (studied_root / ".work" / "train").iterdir()} == wanted


@pytest.mark.slow
def test_settings_that_were_tried_are_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_repository(tmp_path, n_trials=2)
    spec = make_spec(root)
    spec.open_study().enqueue_trial(DEFAULT)
    study = run_search(root)
    first, second = study.get_trials()
    assert (first.params, first.values) == (second.params, second.values)
    assert second.user_attrs["same_as"] == 0
    assert "trial 1" not in capsys.readouterr().out


@pytest.mark.slow
def test_trials_are_pruned_by_their_epochs_but_never_the_default(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=3, pruner="median")
    spec = make_spec(root)
    study = spec.open_study()
    for value in (0.9, 0.95, 0.9, 0.95):
        study.add_trial(complete(value))
        steps = dict.fromkeys(range(1, 5), value)
        study.add_trial(
            optuna.create_trial(value=value, intermediate_values=steps, user_attrs={trial_states.LOG_LOSS: 0.1})
        )
    set_tune(root, n_trials=10, pruner="median")
    study = run_search(root)
    own = [trial for trial in study.get_trials() if trial.params]
    assert own[0].state == TrialState.COMPLETE
    assert [trial.state for trial in own[1:]] == [TrialState.PRUNED]
    assert own[1].user_attrs[trial_states.SAVED] > 0


def test_a_trial_whose_scores_become_nan_is_ended_where_the_median_pruner_keeps_it(tmp_path: Path) -> None:
    # Optuna 5.0.0: MedianPruner compares a trial's best score so far, and NaN after numbers leaves that as it was.
    root = write_repository(tmp_path, pruner="median")
    study, context = make_spec(root).open_study(), make_context(root)
    for _ in range(5):
        steps = dict.fromkeys(range(1, 5), 0.5)
        study.add_trial(optuna.create_trial(value=0.5, intermediate_values=steps))
    study.ask()  # the default, which is queued
    trial = study.ask()
    report = trials._EpochReporter(trial, context, 0, (), SimpleNamespace(), prunes=True)
    report._epochs = report._span = 4
    report({"epoch": 1, "valid_score": 0.9})
    with pytest.raises(optuna.TrialPruned, match="behind after 2 of 4 epochs"):
        report({"epoch": 2, "valid_score": float("nan")})
    assert not trial.should_prune()


@pytest.mark.slow
def test_the_default_competes_though_it_is_never_stopped(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=1, pruner="successive_halving")
    (trial,) = run_search(root).get_trials()
    assert trial.state == TrialState.COMPLETE
    assert "completed_rung_0" in trial.system_attrs


@pytest.mark.slow
def test_nothing_is_stopped_between_folds_when_seconds_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tuning.trials.is_worse_than_best", lambda *_: True)
    one = run_search(write_repository(tmp_path / "one", n_trials=2, folds=[0, 1]))
    both = run_search(write_repository(tmp_path / "two", n_trials=2, folds=[0, 1], objectives=["score", "seconds"]))
    assert [trial.state for trial in one.get_trials()] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert [trial.state for trial in both.get_trials()] == [TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_folder_that_is_not_of_the_models_trainings_is_never_removed(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    study = make_spec(root).open_study()
    for name in ("..", ".", "other-1234", "/"):
        attrs = {trials.FOLDER: name, trial_states.LOG_LOSS: 1.0}
        study.add_trial(optuna.create_trial(value=0.5, user_attrs=attrs))
    study.add_trial(complete(0.9))
    other = root / ".work" / "train" / "other-1234"
    other.mkdir(parents=True)
    trials.remove_unneeded_trainings(study, make_context(root))
    assert other.is_dir()
    assert (root / ".work" / "tune").is_dir()
