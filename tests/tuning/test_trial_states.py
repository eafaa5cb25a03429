"""States of trials: the best one, and interrupted ones queued again once."""

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from support.studies import complete, make_spec, write_repository

from pipeline.core.metrics import get_metric
from pipeline.tuning import (
    paired_pruning,
    trial_states,
    trials,
)
from pipeline.tuning.locks import OWNER
from pipeline.tuning.optuna_studies import pool_fold_spread
from pipeline.tuning.progress_lines import describe_progress
from pipeline.tuning.storages import open_storage

ACCURACY = get_metric("accuracy")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_the_log_loss_decides_between_equal_scores_and_then_the_lower_number() -> None:
    study = optuna.create_study(direction="maximize")
    for value, loss in ((0.8, 0.1), (0.9, 0.5), (0.9, 0.4), (0.9, 0.4)):
        study.add_trial(complete(value, loss))
    leader = trial_states.find_best_trial(study.get_trials(), ACCURACY)
    assert leader is not None
    assert leader.number == 2


@pytest.mark.parametrize("kept", ["memory", "journal"])
@pytest.mark.parametrize(("losses", "best"), [((0.4, 0.4), 0), ((0.5, 0.4), 1), ((0.4, 0.5), 0)])
def test_all_that_read_the_best_trial_break_ties_alike_wherever_it_is_kept(
    tmp_path: Path, kept: str, losses: tuple[float, float], best: int
) -> None:
    # Optuna 5.0.0: of equal trials `best_trial` is the first that finished in memory, the lowest number in a journal.
    storage = optuna.storages.InMemoryStorage() if kept == "memory" else open_storage(tmp_path, "one", "")
    study = optuna.create_study(storage=storage, direction="maximize")
    folders = [tmp_path / ".work" / "train" / f"one-{number}" for number in range(2)]
    for trial in [study.ask() for _ in folders][::-1]:  # the second finishes first
        folders[trial.number].mkdir(parents=True)
        attributes = {
            trial_states.LOG_LOSS: losses[trial.number],
            trial_states.FOLDS: {"0": 0.9 - 0.1 * (trial.number == best), "1": 0.9},
            paired_pruning.BLOCKS: [0.1 + 0.8 * (trial.number == best)] * 12,
            trials.FOLDER: folders[trial.number].name,
        }
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        study.tell(trial, 0.9)
    assert study.best_trial.number == (1 if kept == "memory" else 0)

    budget = SimpleNamespace(deadline=None, params=SimpleNamespace(n_trials=None))
    progress = describe_progress(trial_states.tally_trials(study), ACCURACY, 1.0, budget)  # type: ignore[arg-type]
    assert f"(trial {best})" in progress
    assert pool_fold_spread(study) == pytest.approx((1.5 * 0.0025) ** 0.5)
    other = study.ask()
    other.set_user_attr(paired_pruning.BLOCKS, list(np.linspace(0.4, 0.6, 12)))
    assert paired_pruning.is_worse_than_best(study, other, ACCURACY)
    space = SimpleNamespace(default_params=lambda: {"none": "of them"})
    context = SimpleNamespace(root=tmp_path, model="one", metric=ACCURACY, space=space)
    trials.remove_unneeded_trainings(study, context)  # type: ignore[arg-type]
    assert [folder.is_dir() for folder in folders] == [best == 0, best == 1]


def test_nothing_reads_the_best_trial_by_way_of_optuna() -> None:
    files = sorted((Path(trial_states.__file__).parents[1]).rglob("*.py"))
    names = {
        f"{path.name} {node.attr}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"best_trial", "best_value", "best_values", "best_params"}
    }
    assert not names


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
