"""Pruning between folds: by blocks of rows, which are the same in every trial."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from support.studies import complete

from pipeline.core.metrics import get_metric
from pipeline.tuning import (
    paired_pruning,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_a_trial_that_is_worse_on_most_blocks_is_worse_than_the_best(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(complete(0.9, blocks=[0.9] * 12))
    worse, equal = study.ask(), study.ask()
    worse.set_user_attr(paired_pruning.BLOCKS, list(np.linspace(0.7, 0.85, 12)))
    equal.set_user_attr(paired_pruning.BLOCKS, [0.88, 0.92] * 6)
    assert paired_pruning.is_worse_than_best(study, worse, get_metric("accuracy"))
    assert not paired_pruning.is_worse_than_best(study, equal, get_metric("accuracy"))


def test_blocks_are_scores_of_the_same_rows_in_every_trial() -> None:
    labels = np.arange(300) % 3
    probs = np.eye(3, dtype=np.float32)[labels]
    probs[::5] = 1 / 3
    blocks = paired_pruning.score_blocks(get_metric("accuracy"), labels, probs)
    assert len(blocks) == 7
    assert blocks == paired_pruning.score_blocks(get_metric("accuracy"), labels, probs)
    assert paired_pruning.score_blocks(get_metric("accuracy"), labels[:20], probs[:20]) == []


def test_an_easy_fold_after_a_hard_one_does_not_save_a_trial_that_is_worse_on_every_block() -> None:
    # Optuna 5.0.0: WilcoxonPruner keeps a trial whose mean beats the mean of all of the best trial's steps.
    random = np.random.default_rng(0)
    easy, hard = 0.90 + random.normal(0, 0.005, 25), 0.87 + random.normal(0, 0.005, 25)
    study = optuna.create_study(direction="maximize")
    study.add_trial(complete(0.89, blocks=[*easy, *hard]))
    trial = study.ask()
    trial.set_user_attr(paired_pruning.BLOCKS, list(easy - 0.01 + random.normal(0, 1e-4, 25)))
    assert np.mean(trial.user_attrs[paired_pruning.BLOCKS]) > np.mean([*easy, *hard])
    assert paired_pruning.is_worse_than_best(study, trial, get_metric("accuracy"))


@pytest.mark.parametrize(("theirs", "own", "expected"), [(0.2, 0.5, True), (0.5, 0.2, False)])
def test_between_folds_a_loss_is_better_when_it_is_less(theirs: float, own: float, expected: bool) -> None:
    study = optuna.create_study(direction="minimize")
    study.add_trial(complete(theirs, blocks=[theirs] * 12))
    trial = study.ask()
    trial.set_user_attr(paired_pruning.BLOCKS, list(np.linspace(own, own + 0.1, 12)))
    assert paired_pruning.is_worse_than_best(study, trial, get_metric("log_loss")) is expected
