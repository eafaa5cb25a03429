"""The search: keeps workers at it until the budget is spent, whatever becomes of them; says how it goes.

Nothing is lost when it is killed. What was running then begins again from its last epoch when the command is run again.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline import runtime
from pipeline.errors import InputError
from pipeline.metrics import Metric
from pipeline.tuning import storing, studies
from pipeline.tuning.worker import DATABASE_DOWN, ENDED, Order, abandoned, is_free, locked, work

_POLL = 0.5  # seconds
_PATIENCE = 60.0  # seconds that workers get to end
_DEATHS = 2  # of one trial, while this process lives: then the trial is to blame


class EndedError(Exception):
    """Somebody asked to end, by Ctrl-C or SIGTERM."""


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

    def search(self) -> None:
        """Searches until the budget is spent.

        Raises:
            EndedError: Ctrl-C or SIGTERM.
            InputError: the same failure ten times in a row, a disk that cannot be written, a database that is down.
        """
        self._told = {trial.number for trial in self._finished()}
        with _asked_to_end(), self._alone():
            self._pick_up(alone=not self.order.url)
            try:
                while not self._over():
                    self._employ()
                    time.sleep(_POLL)
                    self._look_after()
            finally:
                self._dismiss()
                self._pick_up(alone=not self.order.url)
                self._tell()
                storing.patient(lambda: self.study.set_user_attr(studies.SEARCHED, self.seconds), self.order.url)

    @property
    def seconds(self) -> float:
        """Seconds searched so far, earlier runs included."""
        return self.before + time.monotonic() - self._began

    def _over(self) -> bool:
        order, params = self.order, self.order.params
        tally = storing.patient(lambda: studies.tally(self.study), order.url)
        reason = studies.same_failures(self.study)
        if reason is not None:
            raise InputError(
                f"{order.model}: the last 10 trials all failed with: {reason}; correct that (the search space is in "
                f"configs/models/{order.model}.yaml), then run the command again; the study is kept"
            )
        if params.n_trials is not None and tally.finished >= params.n_trials:
            return True
        if order.deadline is not None and time.time() > order.deadline:
            return True
        if params.terminator and len(tally.complete) >= 20 and studies.terminates(self.study):
            print(f"{order.model}: less is left to gain than folds differ; the search ends", flush=True)
            return True
        return False

    def _employ(self) -> None:
        for slot in range(self.order.params.workers):
            if slot not in self._workers and self._needed():
                here, there = multiprocessing.Pipe(duplex=False)
                context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
                process = context.Process(target=work, args=(self.order, there), name=f"worker {slot}")
                with _share_of_the_machine(slot, self.order.params.workers):
                    process.start()
                there.close()
                self._workers[slot] = _Worker(process, here)

    def _needed(self) -> bool:
        tally = studies.tally(self.study)
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
            if code not in (0, ENDED, DATABASE_DOWN):
                self._blame(code)
            self._pick_up(alone=not self.order.url and not self._workers)
        self._tell()

    def _blame(self, code: int | None) -> None:
        """Counts the deaths of the trials whose process died by itself; the second one is held against the trial."""
        for trial in self._gone(alone=not self.order.url and not self._workers):
            if trial.state != TrialState.RUNNING:
                continue
            deaths = int(trial.user_attrs.get(studies.DEATHS, 0)) + 1
            handle = Trial(self.study, trial._trial_id)
            handle.set_user_attr(studies.DEATHS, deaths)
            if deaths >= _DEATHS:
                how = f"signal {-code} (out of memory?)" if code is not None and code < 0 else f"exit code {code}"
                handle.set_user_attr(studies.REASON, f"its process died {deaths} times, by {how}")
                self.study.tell(trial.number, state=TrialState.FAIL)

    def _pick_up(self, alone: bool) -> None:
        def attempt() -> None:
            studies.requeue(self.study, self._gone(alone))

        storing.patient(attempt, self.order.url)

    def _gone(self, alone: bool) -> list[FrozenTrial]:
        """Trials that were running in a process that is gone, or were cut off and not begun again."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in (*running, *studies.cut_off(self.study)) if abandoned(trial, alone)]

    def _dismiss(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _finished(self) -> list[FrozenTrial]:
        tally = studies.tally(self.study)
        trials = [*tally.complete, *tally.pruned, *tally.failed]
        return sorted(trials, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete))

    def _tell(self) -> None:
        for trial in storing.patient(self._finished, self.order.url):
            if trial.number not in self._told:
                self._told.add(trial.number)
                print(
                    f"{self.order.model} trial {trial.number}: {_outcome(trial, self.metric)} | {self._line()}",
                    flush=True,
                )

    def _line(self) -> str:
        tally, params = studies.tally(self.study), self.order.params
        leader = studies.best(tally.complete, self.metric)
        counts = f"{len(tally.complete)} done, {len(tally.pruned)} pruned, {len(tally.failed)} failed"
        best = f"best {leader.values[0]:.4f} (trial {leader.number})" if leader else "no score yet"
        return f"{counts} | {best} | {_left(tally.finished, self.seconds, params.n_trials, self.order.deadline)}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the journal for this run; a database may be shared."""
        path = self.order.folder / f"{self.order.model}.night"
        with ExitStack() as held:
            if not self.order.url:
                if path.exists() and not is_free(path):
                    raise InputError(
                        f"{self.order.model} is being tuned here already; wait for it, end it, or let both use a "
                        "database (tune.storage in params.yaml)"
                    )
                held.enter_context(locked(path))
                storing.mend_journal(storing.journal_path(self.order.root, self.order.model))
            yield


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into `EndedError` for a while."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # once is enough: what follows must come to its end
        raise EndedError

    kept = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


@contextmanager
def _share_of_the_machine(slot: int, workers: int) -> Iterator[None]:
    """Lets a process that starts now inherit its GPU, or its part of the cores."""
    if workers == 1:
        yield
        return
    gpus = runtime.count_gpus()
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(number) for number in range(gpus)]
        os.environ["CUDA_VISIBLE_DEVICES"] = names[slot % len(names)]
        try:
            yield
        finally:
            if visible is None:
                del os.environ["CUDA_VISIBLE_DEVICES"]
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = visible
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[slot::workers] or [cores[slot % len(cores)]])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _words_of(worker: _Worker) -> str:
    try:
        return str(worker.told.recv()) if worker.told.poll() else ""
    except EOFError:
        return ""


def _outcome(trial: FrozenTrial, metric: Metric) -> str:
    if trial.state == TrialState.FAIL:
        return f"failed: {trial.user_attrs[studies.REASON]}"
    if trial.state == TrialState.PRUNED:
        reached = list(trial.intermediate_values.values())
        return f"pruned at {metric.name} {reached[-1]:.4f}" if reached else "pruned"
    return f"{metric.name} {trial.values[0]:.4f}, {trial.user_attrs.get(studies.SECONDS, 0.0):,.0f} s"


def _left(finished: int, seconds: float, n_trials: int | None, deadline: float | None) -> str:
    estimates = [] if deadline is None else [deadline - time.time()]
    if n_trials is not None and finished:
        estimates.append(seconds / finished * (n_trials - finished))
    left = max(0.0, min(estimates, default=0.0))
    return f"{int(left // 3600)}:{int(left % 3600 // 60):02} h left"
