"""Studies: their names, samplers and pruners, and what has become of their trials.

Reference: Akiba et al. 2019, Optuna, https://arxiv.org/abs/1907.10902; Bergstra et al. 2011 and Watanabe 2023 (TPE),
https://arxiv.org/abs/2304.11127; Li et al. 2018 (successive halving, asynchronous), https://arxiv.org/abs/1810.05934;
Li et al. 2018, Hyperband, https://arxiv.org/abs/1603.06560
"""

import copy
import importlib.util
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.core.errors import InputError
from pipeline.core.metrics import Metric
from pipeline.tuning.params import TuneParams

REASON, SETTINGS, LOG_LOSS, SECONDS, SAVED = "reason", "settings", "log_loss", "seconds", "saved_seconds"
SEARCHED, DEATHS = "searched_seconds", "deaths"
_REDUCTION = 3
_SAME_FAILURES = 10


@dataclass(frozen=True)
class Tally:
    """What has become of the trials of a study; those that were begun again count once.

    Attributes:
        complete: with a score.
        pruned: stopped as hopeless.
        failed: with a reason.
        running: at the moment.
    """

    complete: tuple[FrozenTrial, ...]
    pruned: tuple[FrozenTrial, ...]
    failed: tuple[FrozenTrial, ...]
    running: tuple[FrozenTrial, ...]

    @property
    def finished(self) -> int:
        """Trials that count."""
        return len(self.complete) + len(self.pruned) + len(self.failed)


def sampler(params: TuneParams, begun: int) -> BaseSampler:
    """Returns the sampler of the next trial.

    Its seed depends on how many trials are finished or running, so that one worker draws the same trials however often
    it was killed, and several draw different ones.

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


def pruner(params: TuneParams, epochs: int) -> BasePruner:
    """Returns the pruner within a fold; a step is an epoch, those of the folds before counted too.

    Args:
        params: which one.
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
    """Successive halving in which a trial that was cut off and begun again competes once."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Says whether the trial is behind those that came as far."""
        return super().prune(cast(Study, _WithoutCutOff(study)), trial)


class _WithoutCutOff:
    """A study as far as a pruner asks for it; lists no trial that was begun again under another number."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        """Lists the trials that compete."""
        begun = _begun_again(self._study)
        return [trial for trial in self._study.get_trials(deepcopy=deepcopy) if trial.number not in begun]


def require_torch(what: str) -> None:
    """Refuses what Optuna can only do with PyTorch, which is large and otherwise not needed here.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f"{what} needs PyTorch; install it with `.tools/bin/uv pip install --python .venv/bin/python torch`, or "
            "choose sampler tpe and terminator: false"
        )


def tally(study: Study) -> Tally:
    """Sorts the trials of a study by what has become of them."""
    trials = study.get_trials(deepcopy=False)
    by_state = {state: tuple(trial for trial in trials if trial.state == state) for state in TrialState}
    # What failed without a reason was cut off, and is begun again.
    failed = tuple(trial for trial in by_state[TrialState.FAIL] if REASON in trial.user_attrs)
    return Tally(by_state[TrialState.COMPLETE], by_state[TrialState.PRUNED], failed, by_state[TrialState.RUNNING])


def requeue(study: Study, trials: Sequence[FrozenTrial]) -> None:
    """Has trials that were cut off begin again with the same settings, each once.

    Args:
        study: theirs.
        trials: failed without a reason, or still said to be running by a process that is gone.
    """
    begun = _begun_again(study)
    for trial in trials:
        if trial.state == TrialState.RUNNING and not fail(study, trial):
            continue
        if trial.number not in begun:
            begin_again(study, trial)


def fail(study: Study, trial: FrozenTrial) -> bool:
    """Tells that a trial has failed; False where its outcome was told before, by its own process or another."""
    try:
        return study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False


def begin_again(study: Study, trial: FrozenTrial) -> None:
    """Queues a trial with the settings of one that was cut off.

    What else the old one held is not its own: not the owner of its process, above all.
    """
    bare = copy.copy(trial)
    bare.user_attrs = {name: value for name, value in trial.user_attrs.items() if name == DEATHS}
    bare.system_attrs = copy.deepcopy(trial.system_attrs)  # the callback writes into them
    RetryHeartbeatStaleTrialCallback()(study, bare)


def cut_off(study: Study) -> tuple[FrozenTrial, ...]:
    """Returns the trials that failed without a reason and were not begun again."""
    begun = _begun_again(study)
    trials = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return tuple(trial for trial in trials if REASON not in trial.user_attrs and trial.number not in begun)


def _begun_again(study: Study) -> set[int]:
    trials = study.get_trials(deepcopy=False)
    return {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}


def best(trials: Sequence[FrozenTrial], metric: Metric) -> FrozenTrial | None:
    """Returns the complete trial with the best score; the log loss decides between equals, then who came first."""
    sign = -1 if metric.greater_is_better else 1
    return min(
        trials,
        key=lambda trial: (sign * trial.values[0], trial.user_attrs.get(LOG_LOSS, float("inf")), trial.number),
        default=None,
    )


def same_failures(study: Study, before: Collection[int] = (), limit: int = _SAME_FAILURES) -> str | None:
    """Returns the reason of the last failure, where the last ``limit`` trials failed alike.

    Args:
        study: theirs.
        before: numbers of trials that do not count: what they failed by may be mended.
        limit: how many.
    """
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished() and trial.number not in before]
    ended = sorted((trial for trial in ended if trial.datetime_complete), key=lambda trial: trial.datetime_complete)  # type: ignore[arg-type, return-value]
    counted = [trial for trial in ended if trial.state != TrialState.FAIL or REASON in trial.user_attrs][-limit:]
    reasons = [str(trial.user_attrs.get(REASON, "")) for trial in counted]
    alike = len(reasons) == limit and len({_kind(reason) for reason in reasons}) == 1
    return reasons[-1] if alike and reasons[-1] else None


def counted_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Counts reasons that differ in nothing but numbers as one, which the first of them stands for."""
    firsts, counts = dict[str, str](), Counter[str]()
    for reason in reasons:
        counts[firsts.setdefault(_kind(reason), reason)] += 1
    return dict(counts)


def _kind(reason: str) -> str:
    """A reason without its numbers, which name the trial, the fold, the epoch and the step; signals tell apart."""
    return re.sub(r"(?<!signal )(?<!exit code )(?<!\d)\d[\d.,]*(e[+-]?\d+)?", "#", reason)


def terminates(study: Study) -> bool:
    """Says whether less is left to gain than the folds of the best trial differ.

    Reference: Makarova et al. 2022, Automatic Termination for Hyperparameter Optimization,
    https://arxiv.org/abs/2104.08166
    """
    with _still_there():
        from optuna.terminator import CrossValidationErrorEvaluator, RegretBoundEvaluator, Terminator

        judge = Terminator(RegretBoundEvaluator(), CrossValidationErrorEvaluator(), min_n_trials=20)
        return judge.should_terminate(study)


def report_folds(trial: Trial, scores: list[float]) -> None:
    """Tells Optuna's terminator how much folds differ."""
    with _still_there():
        from optuna.terminator import report_cross_validation_scores

        report_cross_validation_scores(trial, scores)


@contextmanager
def _still_there() -> Iterator[None]:
    """Optuna 5, which is locked, has its terminator and warns that Optuna 6 will not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`optuna.terminator` module", category=FutureWarning)
        yield


def open_study(
    storage: optuna.storages.BaseStorage, name: str, params: TuneParams, metric: Metric, epochs: int
) -> Study:
    """Opens a study, or creates it.

    Args:
        storage: where it lives.
        name: its name, with the fingerprint of all that its scores depend on.
        params: how it searches.
        metric: the competition's.
        epochs: the longest training of the space.
    """
    first = StudyDirection.MAXIMIZE if metric.greater_is_better else StudyDirection.MINIMIZE
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[first, StudyDirection.MINIMIZE][: len(params.objectives)],
        load_if_exists=True,
        pruner=pruner(params, epochs),
    )
    now = tally(study)
    study.sampler = sampler(params, now.finished + len(now.running))
    return study
