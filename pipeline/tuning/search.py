"""The search: keeps workers at it until the budget is spent, whatever becomes of them; says how it goes.

Nothing is lost when it is killed. What was running then begins again from its last epoch when the command is run again.
"""

import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.core import processes
from pipeline.core.errors import InputError
from pipeline.core.metrics import Metric
from pipeline.core.processes import EXIT_ENDED
from pipeline.training.side_by_side import share_of_the_machine
from pipeline.tuning import optuna_studies, storing
from pipeline.tuning.locks import abandoned, claimed
from pipeline.tuning.worker import DATABASE_DOWN, Order, work

_POLL, _NOTE = 0.5, 20.0  # seconds: between two looks; between two notes of the time, and looks at other machines
_BARREN = 10  # deaths of workers in a row, while no trial comes to its end: then the search is
_DEATHS = 2  # of one trial, while this process lives: then the trial is to blame


@dataclass
class _Worker:
    process: BaseProcess
    told: Connection


@dataclass
class Night:
    """One run of a search.

    Attributes:
        order: what is tuned.
        study: the study.
        metric: the competition's.
        before: seconds that earlier runs searched.
    """

    order: Order
    study: Study
    metric: Metric
    before: float
    _began: float = field(default_factory=time.monotonic)
    _workers: dict[int, _Worker] = field(default_factory=dict)
    _told: set[int] = field(default_factory=set)
    _before: frozenset[int] = frozenset()
    _barren: int = 0
    _last: int | None = None
    _noted: float = field(default_factory=time.monotonic)

    def search(self) -> None:
        """Searches until the budget is spent.

        Raises:
            processes.EndedError: Ctrl-C or SIGTERM, where `processes.asked_to_end` is in force.
            InputError: the same failure ten times in a row, a disk that cannot be written, a database that is down.
        """
        self._told = {trial.number for trial in self._finished()}
        self._before = frozenset(self._told)
        self._pick_up()
        try:
            while not self._over():
                self._employ()
                time.sleep(_POLL)
                self._look_after()
        finally:
            self._dismiss()
            self._pick_up()
            self._tell()
            self._note()

    @property
    def seconds(self) -> float:
        """Seconds searched so far, earlier runs included."""
        return self.before + time.monotonic() - self._began

    def _over(self) -> bool:
        order, params = self.order, self.order.params
        tally = storing.patient(lambda: optuna_studies.tally(self.study), order.url)
        reason = optuna_studies.same_failures(self.study, self._before)
        if reason is not None:
            raise InputError(
                f"{order.model}: the last 10 trials all failed with: {reason}; correct that (the search space is in "
                f"configs/models/{order.model}.yaml), then run the command again; the study is kept"
            )
        if params.n_trials is not None and tally.finished >= params.n_trials:
            return True
        if order.deadline is not None and time.time() > order.deadline:
            return True
        if params.terminator and len(tally.complete) >= 20 and optuna_studies.terminates(self.study):
            print(f"{order.model}: less is left to gain than folds differ; the search ends", flush=True)
            return True
        return False

    def _employ(self) -> None:
        for slot in range(self.order.params.workers):
            if slot not in self._workers and self._needed():
                here, there = multiprocessing.Pipe(duplex=False)
                with share_of_the_machine(slot, self.order.params.workers):
                    process = processes.start_process(work, (self.order, there), f"worker {slot}")
                there.close()
                self._workers[slot] = _Worker(process, here)

    def _needed(self) -> bool:
        tally = optuna_studies.tally(self.study)
        most = self.order.params.n_trials
        return most is None or tally.finished + max(len(tally.running), len(self._workers)) < most

    def _look_after(self) -> None:
        for slot, worker in list(self._workers.items()):
            if worker.process.is_alive():
                continue
            del self._workers[slot]
            worker.process.join()
            said = _words_of(worker)
            code = worker.process.exitcode
            if said:
                raise InputError(said)
            if code == DATABASE_DOWN:
                storing.patient(lambda: self.study.get_trials(deepcopy=False), self.order.url)
            if code not in (0, EXIT_ENDED):
                self._barren, self._last = self._barren + 1, code
            if code not in (0, EXIT_ENDED, DATABASE_DOWN):
                storing.patient(partial(self._blame, code), self.order.url)
        self._pick_up()
        self._tell()
        if self._barren >= _BARREN:
            raise InputError(
                f"{self.order.model}: {_BARREN} processes in a row ended {_how(self._last)} before a "
                "trial came to its end; what they said stands above; the study is kept"
            )
        if time.monotonic() - self._noted > _NOTE:
            self._note()

    def _blame(self, code: int | None) -> None:
        """Counts the deaths of the trials whose process died by itself; the second one is held against the trial."""
        for trial in self._gone():
            if trial.state != TrialState.RUNNING:
                continue
            deaths = int(trial.user_attrs.get(optuna_studies.DEATHS, 0)) + 1
            handle = Trial(self.study, trial._trial_id)
            with suppress(UpdateFinishedTrialError):  # it was told a moment ago
                handle.set_user_attr(optuna_studies.DEATHS, deaths)
                if deaths >= _DEATHS:
                    handle.set_user_attr(optuna_studies.REASON, f"its process died {deaths} times, {_how(code)}")
                    optuna_studies.fail(self.study, trial)

    def _pick_up(self) -> None:
        def attempt() -> None:
            if self._gone():
                with claimed(self.order.folder, self.order.model):
                    optuna_studies.requeue(self.study, self._gone())

        storing.patient(attempt, self.order.url)

    def _gone(self) -> list[FrozenTrial]:
        """Trials that were running in a process that is gone, or were cut off and not begun again."""
        alone = not self.order.url and not self._workers
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [
            trial
            for trial in (*running, *optuna_studies.cut_off(self.study))
            if abandoned(trial, self.order.folder, alone)
        ]

    def _note(self) -> None:
        """Keeps the time searched, for a run that is killed; takes over what other machines have dropped."""

        def attempt() -> None:
            others = float(self.study.user_attrs.get(optuna_studies.SEARCHED, 0.0))  # on other machines
            self.study.set_user_attr(optuna_studies.SEARCHED, max(others, self.seconds))
            if self.order.url:
                with claimed(self.order.folder, self.order.model):
                    fail_stale_trials(self.study)

        storing.patient(attempt, self.order.url)
        self._noted = time.monotonic()

    def _dismiss(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            processes.end_process(worker.process)
        self._workers.clear()

    def _finished(self) -> list[FrozenTrial]:
        tally = optuna_studies.tally(self.study)
        trials = [*tally.complete, *tally.pruned, *tally.failed]
        return sorted(trials, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete))

    def _tell(self) -> None:
        for trial in storing.patient(self._finished, self.order.url):
            if trial.number not in self._told:
                self._told.add(trial.number)
                self._barren = 0
                print(
                    f"{self.order.model} trial {trial.number}: {_outcome(trial, self.metric)} | {self._line()}",
                    flush=True,
                )

    def _line(self) -> str:
        tally, params = optuna_studies.tally(self.study), self.order.params
        leader = optuna_studies.best(tally.complete, self.metric)
        counts = f"{len(tally.complete)} done, {len(tally.pruned)} pruned, {len(tally.failed)} failed"
        best = f"best {leader.values[0]:.4f} (trial {leader.number})" if leader else "no score yet"
        return f"{counts} | {best} | {_left(tally.finished, self.seconds, params.n_trials, self.order.deadline)}"


def _how(code: int | None) -> str:
    if code == DATABASE_DOWN:
        return "as the database refused what they wrote"
    return f"by signal {-code} (out of memory?)" if code is not None and code < 0 else f"by exit code {code}"


def _words_of(worker: _Worker) -> str:
    try:
        return str(worker.told.recv()) if worker.told.poll() else ""
    except EOFError:
        return ""


def _outcome(trial: FrozenTrial, metric: Metric) -> str:
    if trial.state == TrialState.FAIL:
        return f"failed: {trial.user_attrs[optuna_studies.REASON]}"
    if trial.state == TrialState.PRUNED:
        reached = list(trial.intermediate_values.values())
        return f"pruned at {metric.name} {reached[-1]:.4f}" if reached else "pruned"
    return f"{metric.name} {trial.values[0]:.4f}, {trial.user_attrs.get(optuna_studies.SECONDS, 0.0):,.0f} s"


def _left(finished: int, seconds: float, n_trials: int | None, deadline: float | None) -> str:
    estimates = [] if deadline is None else [deadline - time.time()]
    if n_trials is not None and finished:
        estimates.append(seconds / finished * (n_trials - finished))
    left = max(0.0, min(estimates, default=0.0))
    return f"{int(left // 3600)}:{int(left % 3600 // 60):02} h left"
