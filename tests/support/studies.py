"""A small model with a search space, and what a study of it is run with."""

from pathlib import Path
from typing import Any

from optuna.study import Study
from support import tiny
from support.fabricated import write_params
from support.trainings import repository, settings

from pipeline.core.competition import load_competition
from pipeline.core.config import load_params
from pipeline.core.processes import EndRequest
from pipeline.training.context import read_context
from pipeline.tuning import optuna_studies, storing
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import load_space
from pipeline.tuning.trials import Bench
from pipeline.tuning.worker import Order, run_trials

SEARCH: dict[str, Any] = {
    "training.optimizer.learning_rate": {"kind": "float", "low": 0.001, "high": 0.2, "log": True},
    "network.units": {"kind": "categorical", "choices": [[8], [16], [32]]},
}
TUNE: dict[str, Any] = {"n_trials": 4, "pruner": "none"}


def studied(root: Path, search: dict[str, Any] = SEARCH, train: dict[str, Any] | None = None, **tune: Any) -> Path:
    """Writes a repository with one small model, its search space and the ``tune`` section; returns ``root``."""
    repository(root)
    set_tune(root, train, **tune)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings() | {"search": search})
    return root


def set_tune(root: Path, train: dict[str, Any] | None = None, **tune: Any) -> None:
    """Writes params.yaml."""
    trained = {"seed": 0, "folds": None, "precision": "float32"} | (train or {})
    write_params(root, ["one"], train=trained, tune=TUNE | tune)


def order(root: Path, deadline: float | None = None, url: str = "") -> Order:
    """Returns what workers are told, with the default already queued."""
    params = load_params(root, "tune", TuneParams)
    bench = bench_of(root)
    told = Order(root, "one", bench.study_name, params, url, deadline, bench.epochs)
    told.study().enqueue_trial(bench.space.default_params(), skip_if_exists=True)
    return told


def bench_of(root: Path) -> Bench:
    """Returns what trials are run on."""
    competition, params = load_competition(root), load_params(root, "tune", TuneParams)
    space = load_space(root, "one", competition.mirror)
    return Bench(root, "one", space, read_context(root), competition.metric, params, None)


def searched(root: Path) -> Study:
    """Runs the trials of params.yaml in this process and returns the study."""
    storing.quiet()
    told = order(root)
    while optuna_studies.tally(told.study()).finished < (told.params.n_trials or 0):
        run_trials(told, EndRequest())
    return told.study()
