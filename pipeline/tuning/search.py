"""The search: starts workers until the budget is spent, replaces those that die, prints each finished trial.

Nothing is lost when it is killed: run again, it continues interrupted trials from their last epoch.
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
from pipeline.core.measures.metric import Metric
from pipeline.core.processes import EXIT_ENDED
from pipeline.training.side_by_side import share_machine
from pipeline.tuning.failures import find_repeated_failure
from pipeline.tuning.locks import is_abandoned, lock_queue
from pipeline.tuning.optuna_studies import should_terminate
from pipeline.tuning.progress_lines import describe_progress, describe_trial
from pipeline.tuning.storages import retry_while_down
from pipeline.tuning.study_spec import StudySpec
from pipeline.tuning.trial_states import (
    DEATHS,
    REASON,
    SEARCHED,
    fail_trial,
    list_interrupted,
    requeue_trials,
    tally_trials,
)
from pipeline.tuning.worker import DATABASE_DOWN, run_worker

_POLL, _SAVE_EVERY = 0.5, 20.0  # seconds: between two checks of the workers; between two savings of the time searched
_MOST_DEATHS_IN_A_ROW = 10  # of workers, while no trial finishes: then the search ends
_MOST_DEATHS_OF_A_TRIAL = 2  # while this process lives: then the trial has failed


@dataclass
class _Worker:
    process: BaseProcess
    errors: Connection


@dataclass
class Search:
    """One run of a search.

    Attributes:
        spec: the study, as it is passed to workers.
        study: the study, opened.
        metric: the competition's.
        before: seconds that earlier runs searched.
    """

    spec: StudySpec
    study: Study
    metric: Metric
    before: float
    _began: float = field(default_factory=time.monotonic)
    _workers: dict[int, _Worker] = field(default_factory=dict)
    _printed: set[int] = field(default_factory=set)
    _finished_before: frozenset[int] = frozenset()
    _deaths_in_a_row: int = 0
    _last_exit: int | None = None
    _saved_at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Searches until the budget is spent.

        Raises:
            processes.EndedError: Ctrl-C or SIGTERM, where `processes.raise_on_signals` is in force.
            InputError: the same failure ten times in a row, a disk that cannot be written, a database that is down.
        """
        self._printed = {trial.number for trial in self._list_finished()}
        self._finished_before = frozenset(self._printed)
        self._requeue_abandoned()
        try:
            while not self._is_over():
                self._start_workers()
                time.sleep(_POLL)
                self._check_workers()
        finally:
            self._stop_workers()
            self._requeue_abandoned()
            self._print_finished()
            self._save_seconds()

    @property
    def seconds(self) -> float:
        """Seconds searched so far, earlier runs included."""
        return self.before + time.monotonic() - self._began

    def _is_over(self) -> bool:
        spec, params = self.spec, self.spec.params
        tally = retry_while_down(lambda: tally_trials(self.study), spec.url)
        reason = find_repeated_failure(self.study, self._finished_before)
        if reason is not None:
            raise InputError(
                f"{spec.model}: the last 10 trials all failed with: {reason}; correct that (the search space is in "
                f"configs/models/{spec.model}.yaml), then run the command again; the study is kept"
            )
        if params.n_trials is not None and tally.finished >= params.n_trials:
            return True
        if spec.deadline is not None and time.time() > spec.deadline:
            return True
        if params.terminator and len(tally.complete) >= 20 and should_terminate(self.study):
            print(f"{spec.model}: the expected gain is less than the spread between folds; search ended", flush=True)
            return True
        return False

    def _start_workers(self) -> None:
        for slot in range(self.spec.params.workers):
            if slot not in self._workers and self._needs_worker():
                receiver, sender = multiprocessing.Pipe(duplex=False)
                with share_machine(slot, self.spec.params.workers):
                    process = processes.start_process(run_worker, (self.spec, sender), f"worker {slot}")
                sender.close()
                self._workers[slot] = _Worker(process, receiver)

    def _needs_worker(self) -> bool:
        tally = tally_trials(self.study)
        most = self.spec.params.n_trials
        return most is None or tally.finished + max(len(tally.running), len(self._workers)) < most

    def _check_workers(self) -> None:
        for slot, worker in list(self._workers.items()):
            if worker.process.is_alive():
                continue
            del self._workers[slot]
            worker.process.join()
            error = _receive_error(worker)
            code = worker.process.exitcode
            if error:
                raise InputError(error)
            if code == DATABASE_DOWN:
                retry_while_down(lambda: self.study.get_trials(deepcopy=False), self.spec.url)
            if code not in (0, EXIT_ENDED):
                self._deaths_in_a_row, self._last_exit = self._deaths_in_a_row + 1, code
            if code not in (0, EXIT_ENDED, DATABASE_DOWN):
                retry_while_down(partial(self._count_deaths, code), self.spec.url)
        self._requeue_abandoned()
        self._print_finished()
        if self._deaths_in_a_row >= _MOST_DEATHS_IN_A_ROW:
            raise InputError(
                f"{self.spec.model}: {_MOST_DEATHS_IN_A_ROW} processes in a row ended "
                f"{_describe_exit(self._last_exit)} before a trial finished; see their messages above; the study is "
                "kept"
            )
        if time.monotonic() - self._saved_at > _SAVE_EVERY:
            self._save_seconds()

    def _count_deaths(self, code: int | None) -> None:
        """Counts the deaths of the trials whose process died; with the second one the trial has failed."""
        for trial in self._list_abandoned():
            if trial.state != TrialState.RUNNING:
                continue
            deaths = int(trial.user_attrs.get(DEATHS, 0)) + 1
            handle = Trial(self.study, trial._trial_id)
            with suppress(UpdateFinishedTrialError):  # its outcome was recorded a moment ago
                handle.set_user_attr(DEATHS, deaths)
                if deaths >= _MOST_DEATHS_OF_A_TRIAL:
                    handle.set_user_attr(REASON, f"its process died {deaths} times, {_describe_exit(code)}")
                    fail_trial(self.study, trial)

    def _requeue_abandoned(self) -> None:
        def attempt() -> None:
            if self._list_abandoned():
                with lock_queue(self.spec.locks_folder, self.spec.model):
                    requeue_trials(self.study, self._list_abandoned())

        retry_while_down(attempt, self.spec.url)

    def _list_abandoned(self) -> list[FrozenTrial]:
        """Trials whose process is gone, as well as interrupted ones that were not queued again."""
        exclusive = not self.spec.url and not self._workers
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [
            trial
            for trial in (*running, *list_interrupted(self.study))
            if is_abandoned(trial, self.spec.locks_folder, exclusive)
        ]

    def _save_seconds(self) -> None:
        """Saves the time searched, for the next run; fails trials that other machines have abandoned."""

        def attempt() -> None:
            others = float(self.study.user_attrs.get(SEARCHED, 0.0))  # on other machines
            self.study.set_user_attr(SEARCHED, max(others, self.seconds))
            if self.spec.url:
                with lock_queue(self.spec.locks_folder, self.spec.model):
                    fail_stale_trials(self.study)

        retry_while_down(attempt, self.spec.url)
        self._saved_at = time.monotonic()

    def _stop_workers(self) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            processes.end_process(worker.process)
        self._workers.clear()

    def _list_finished(self) -> list[FrozenTrial]:
        tally = tally_trials(self.study)
        trials = [*tally.complete, *tally.pruned, *tally.failed]
        return sorted(trials, key=lambda trial: (trial.datetime_complete is None, trial.datetime_complete))

    def _print_finished(self) -> None:
        for trial in retry_while_down(self._list_finished, self.spec.url):
            if trial.number not in self._printed:
                self._printed.add(trial.number)
                self._deaths_in_a_row = 0
                tally = tally_trials(self.study)
                progress = describe_progress(tally, self.metric, self.seconds, self.spec)
                print(f"{self.spec.model} trial {describe_trial(trial, self.metric)} | {progress}", flush=True)


def _describe_exit(code: int | None) -> str:
    if code == DATABASE_DOWN:
        return "because the database refused their writes"
    return f"by signal {-code} (out of memory?)" if code is not None and code < 0 else f"by exit code {code}"


def _receive_error(worker: _Worker) -> str:
    try:
        return str(worker.errors.recv()) if worker.errors.poll() else ""
    except EOFError:
        return ""
