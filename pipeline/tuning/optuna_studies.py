"""Optuna studies: opened with their sampler and pruner, ended by their terminator.

Reference: Akiba et al. 2019, Optuna, https://arxiv.org/abs/1907.10902; Bergstra et al. 2011 and Watanabe 2023 (TPE),
https://arxiv.org/abs/2304.11127; Li et al. 2018 (successive halving, asynchronous), https://arxiv.org/abs/1810.05934;
Li et al. 2018, Hyperband, https://arxiv.org/abs/1603.06560
"""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.tuning.params import TuneParams
from pipeline.tuning.trial_states import FOLDS, list_retried_numbers, rank_trials, tally_trials

_REDUCTION = 3


def open_study(
    storage: optuna.storages.BaseStorage, name: str, params: TuneParams, metric: Metric, epochs: int
) -> Study:
    """Opens a study, or creates it.

    Args:
        storage: where it is kept.
        name: its name, with the fingerprint of all that its scores depend on.
        params: the ``tune`` section.
        metric: the competition's.
        epochs: the longest training of the space.
    """
    first = StudyDirection.MAXIMIZE if metric.greater_is_better else StudyDirection.MINIMIZE
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[first, StudyDirection.MINIMIZE][: len(params.objectives)],
        load_if_exists=True,
        pruner=make_pruner(params, epochs),
    )
    tally = tally_trials(study)
    study.sampler = make_sampler(params, tally.finished + len(tally.running))
    return study


def make_sampler(params: TuneParams, begun: int) -> BaseSampler:
    """Returns the sampler of the next trial.

    Its seed depends on how many trials are finished or running, so that one worker draws the same trials however often
    it was killed, and several draw different ones.

    Args:
        params: the ``tune`` section.
        begun: number of trials that are finished or running.

    Raises:
        InputError: it needs PyTorch, which is not installed.
    """
    seed = (params.seed + 1) * 1_000_003 + begun
    if params.sampler == "random":
        return RandomSampler(seed=seed)
    if params.sampler == "gp":
        require_torch("tune.sampler: gp")
        return GPSampler(seed=seed)
    if params.sampler == "cmaes":
        return CmaEsSampler(seed=seed)
    return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


def make_pruner(params: TuneParams, epochs: int) -> BasePruner:
    """Returns the pruner within a fold; a step is an epoch, those of the folds before counted too.

    Args:
        params: the ``tune`` section.
        epochs: the longest training of the space.
    """
    first = max(1, epochs // (2 * _REDUCTION))
    if params.two or params.pruner == "none":
        return NopPruner()
    if params.pruner == "hyperband":
        return HyperbandPruner(min_resource=first, max_resource=epochs * len(params.folds), reduction_factor=_REDUCTION)
    if params.pruner == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=first - 1)
    return SuccessiveHalvingOnce(min_resource=first, reduction_factor=_REDUCTION)


class SuccessiveHalvingOnce(SuccessiveHalvingPruner):
    """Successive halving in which a trial that was interrupted and run again competes once."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Says whether the trial is worse than those that reached as many epochs."""
        return super().prune(cast(Study, _WithoutInterrupted(study)), trial)


class _WithoutInterrupted:
    """The part of a study that a pruner needs, without trials that were run again under another number."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        """Lists the trials that compete."""
        retried = list_retried_numbers(self._study)
        return [trial for trial in self._study.get_trials(deepcopy=deepcopy) if trial.number not in retried]


def require_torch(setting: str) -> None:
    """Checks that PyTorch, which is large and otherwise not needed here, is installed for a setting.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f"{setting} needs PyTorch; install it with `.tools/bin/uv pip install --python .venv/bin/python torch`, or "
            "choose sampler tpe and terminator: false"
        )


def should_terminate(study: Study) -> bool:
    """Says whether the expected gain is less than the spread between the folds of the best trials.

    Optuna takes the best trial's folds alone; two that agree by luck make the spread nothing, and no study ends. The
    variance is pooled over the best fifth of the trials.
    Reference: Makarova et al. 2022, Automatic Termination for Hyperparameter Optimization,
    https://arxiv.org/abs/2104.08166
    """
    with _terminator_imported():
        from optuna.terminator import RegretBoundEvaluator, StaticErrorEvaluator, Terminator

        spread = StaticErrorEvaluator(pool_fold_spread(study))
        terminator = Terminator(RegretBoundEvaluator(), spread, min_n_trials=20)
        return terminator.should_terminate(study)


def pool_fold_spread(study: Study) -> float:
    """Measures the error of a trial's score by how much folds differ, pooled over the best fifth of the trials.

    Reference: Nadeau and Bengio 2003, Inference for the Generalization Error,
    https://doi.org/10.1023/A:1024068626366, the correction that Optuna's evaluator applies, too.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = rank_trials(complete, study.direction == StudyDirection.MAXIMIZE)[: max(1, len(complete) // 5)]
    scores = [list(trial.user_attrs[FOLDS].values()) for trial in best]
    corrected = [(1 / len(each) + 1 / (len(each) - 1)) * np.var(each) for each in scores]
    return float(np.sqrt(np.mean(corrected)))


@contextmanager
def _terminator_imported() -> Iterator[None]:
    """Silences the warning of Optuna 5, which is locked, that Optuna 6 will have no terminator."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`optuna.terminator` module", category=FutureWarning)
        yield
