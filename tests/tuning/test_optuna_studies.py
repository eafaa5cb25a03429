"""Optuna studies: samplers and pruners by name."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from support.studies import make_spec, write_repository

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.tuning import (
    optuna_studies,
    trial_states,
)
from pipeline.tuning.params import TuneParams

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def params(**changes: Any) -> TuneParams:
    return parse(changes, TuneParams, "params.yaml: tune")


@pytest.mark.parametrize("name", ["tpe", "random", "cmaes"])
def test_samplers_by_name_suggest_within_the_space(name: str) -> None:
    study = optuna.create_study(sampler=optuna_studies.make_sampler(params(n_trials=3, sampler=name), 0))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=12)
    assert 0 <= study.best_value < 0.3


@pytest.mark.parametrize("name", ["successive_halving", "hyperband", "median", "none"])
def test_pruners_by_name_take_the_longest_training_into_account(name: str) -> None:
    pruner = optuna_studies.make_pruner(params(n_trials=3, pruner=name), 44)
    assert type(pruner).__name__.lower().startswith(name.replace("_", "").replace("none", "nop"))


def test_what_needs_pytorch_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tune\.sampler: gp needs PyTorch; install it with"):
        optuna_studies.make_sampler(params(n_trials=3, sampler="gp"), 0)


def test_several_workers_draw_different_settings(tmp_path: Path) -> None:
    spec = make_spec(write_repository(tmp_path, sampler="random"))
    drawn = [spec.open_study().ask().suggest_float("x", 0, 1) for _ in range(4)]
    assert len(set(drawn)) == 4


def test_folds_that_agree_by_luck_in_the_best_trial_do_not_make_the_spread_nothing() -> None:
    study = optuna.create_study(direction="maximize")
    for number in range(10):
        folds = {"0": 0.9, "1": 0.9} if number == 9 else {"0": 0.80 + number / 1000, "1": 0.84 + number / 1000}
        attributes = {trial_states.FOLDS: folds}
        study.add_trial(optuna.create_trial(value=sum(folds.values()) / 2, user_attrs=attributes))
    # Of ten trials two: variances 0 and 0.0004, times 1/2 + 1/1.
    assert optuna_studies.pool_fold_spread(study) == pytest.approx((1.5 * 0.0002) ** 0.5)


def test_a_trial_that_was_begun_again_competes_once() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna_studies.make_pruner(params(n_trials=9), 6))

    def reached(value: float) -> tuple[bool, optuna.Trial]:
        trial = study.ask()
        trial.report(value, 1)
        return trial.should_prune(), trial

    _, cut = reached(0.5)
    trial_states.requeue_trials(study, [study.get_trials()[cut.number]])
    for value in (0.5, 0.9, 0.8, 0.7):
        reached(value)
    # The best third of five is the best; were the one that was cut off a sixth, two would go on.
    assert reached(0.85)[0]
