"""A small model with a search space, its study, and trials run in this process."""

from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from support import tiny
from support.fabricated import write_params
from support.trainings import repository, settings

from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.processes import EndRequest
from pipeline.training.context import read_context
from pipeline.tuning.paired_pruning import BLOCKS
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import load_space
from pipeline.tuning.storages import silence_optuna
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_context import TrialContext
from pipeline.tuning.trial_states import LOG_LOSS, tally_trials
from pipeline.tuning.worker import run_trials

SEARCH: dict[str, Any] = {
    "training.optimizer.learning_rate": {"kind": "float", "low": 0.001, "high": 0.2, "log": True},
    "network.units": {"kind": "categorical", "choices": [[8], [16], [32]]},
}
DEFAULT = {"training.optimizer.learning_rate": 0.05, "network.units": "[8]"}
TUNE: dict[str, Any] = {"n_trials": 4, "pruner": "none"}


def write_repository(
    root: Path, search: dict[str, Any] = SEARCH, train: dict[str, Any] | None = None, **tune: Any
) -> Path:
    """Writes a repository with one small model, its search space and the ``tune`` section; returns ``root``."""
    repository(root)
    set_tune(root, train, **tune)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings() | {"search": search})
    return root


def set_tune(root: Path, train: dict[str, Any] | None = None, **tune: Any) -> None:
    """Writes params.yaml."""
    trained = {"seed": 0, "folds": None, "precision": "float32"} | (train or {})
    write_params(root, ["one"], train=trained, tune=TUNE | tune)


def make_spec(root: Path, deadline: float | None = None, url: str = "") -> StudySpec:
    """Returns a study as workers get it, with the default already queued."""
    params = load_params(root, "tune", TuneParams)
    context = make_context(root)
    spec = StudySpec(root, "one", context.study_name, params, url, deadline, context.epochs)
    spec.open_study().enqueue_trial(context.space.default_params(), skip_if_exists=True)
    return spec


def make_context(root: Path) -> TrialContext:
    """Returns the context of trials."""
    competition, params = load_competition(root), load_params(root, "tune", TuneParams)
    space = load_space(root, "one", competition.mirror)
    return TrialContext(root, "one", space, read_context(root), competition.metric, params, None)


def run_search(root: Path) -> Study:
    """Runs the trials of params.yaml in this process and returns the study."""
    silence_optuna()
    spec = make_spec(root)
    while tally_trials(spec.open_study()).finished < (spec.params.n_trials or 0):
        run_trials(spec, EndRequest())
    return spec.open_study()


def complete(value: float, log_loss: float = 1.0, blocks: list[float] | None = None) -> optuna.trial.FrozenTrial:
    """Makes a complete trial with a score."""
    return optuna.create_trial(value=value, user_attrs={LOG_LOSS: log_loss, BLOCKS: blocks or []})
