"""A process that runs trials until its share is done, the study is, or the hours are over."""

import errno
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial, TrialState

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError, NoRoomError, one_line
from pipeline.core.paths import work_folder
from pipeline.core.processes import EXIT_ENDED, EndRequest, end_with_parent
from pipeline.networks import runtime
from pipeline.training.context import read_context
from pipeline.tuning import optuna_studies, storing
from pipeline.tuning.locks import claimed, owning
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import load_space
from pipeline.tuning.trials import Bench, OutOfTime, forget, run_trial

DATABASE_DOWN = 75  # exit code: the database does not answer
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Order:
    """What the processes of one run are told.

    Attributes:
        root: the repository folder.
        model: what is tuned.
        name: of the study.
        params: how is searched.
        url: of the storage, with its password; empty for the journal.
        deadline: of `time.time`; None for none.
        epochs: the longest training of the space.
    """

    root: Path
    model: str
    name: str
    params: TuneParams
    url: str
    deadline: float | None
    epochs: int

    @property
    def folder(self) -> Path:
        """Where locks lie."""
        return work_folder(self.root, "tune")

    def bench(self) -> Bench:
        """Reads what trials are run on."""
        competition = load_competition(self.root)
        space = load_space(self.root, self.model, competition.mirror)
        around = read_context(self.root)
        return Bench(self.root, self.model, space, around, competition.metric, self.params, self.deadline)

    def study(self) -> Study:
        """Opens the study.

        Raises:
            InputError: the database does not answer.
        """
        metric = load_competition(self.root).metric.metric

        def opened() -> Study:
            storage = storing.open_storage(self.root, self.model, self.url)
            return optuna_studies.open_study(storage, self.name, self.params, metric, self.epochs)

        return storing.patient(opened, self.url)


class _NoRoom(KeyboardInterrupt):
    """The disk refuses to be written: every trial would fail by it, so none must be blamed."""


def work(order: Order, told: Connection) -> None:
    """Runs trials; the entry of a process. Ends with an exit code, and says through ``told`` why it gives up.

    Args:
        order: what is tuned.
        told: takes the words of an error that ends the night.
    """
    ending = EndRequest()
    signal.signal(signal.SIGTERM, ending.receive)
    end_with_parent()
    storing.quiet()
    try:
        run_trials(order, ending)
    except (KeyboardInterrupt, InputError) as error:
        if isinstance(error, (InputError, _NoRoom)):
            told.send(str(error))
        raise SystemExit(EXIT_ENDED) from None
    except storing.DOWN:
        raise SystemExit(DATABASE_DOWN) from None
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        told.send(str(_no_room(error)))
        raise SystemExit(EXIT_ENDED) from None


def run_trials(order: Order, ending: EndRequest) -> None:
    """Runs trials in this process until its share is done, the study is, or the hours are over."""
    bench = order.bench()
    for _ in range(order.params.trials_per_process):
        study = order.study()
        claim = ExitStack()
        claim.enter_context(claimed(order.folder, order.model))
        with claim:
            if not _room(study, order.params):
                return
            crowded = _one(study, bench, order, claim, ending)
        forget(study, bench)
        if crowded:
            return  # a fresh process has all the memory


def _one(study: Study, bench: Bench, order: Order, claim: ExitStack, ending: EndRequest) -> bool:
    """Runs one trial; says whether it ran out of memory."""
    crowded, asked = False, list[Trial]()

    def objective(trial: Trial) -> tuple[float, ...]:
        nonlocal crowded
        asked.append(trial)
        try:
            held.enter_context(owning(order.folder, order.name, trial))
            claim.close()  # the next worker may count this trial now
            with ending.immediate():
                return run_trial(trial, study, bench)
        except (optuna.TrialPruned, UpdateFinishedTrialError, *storing.DOWN):
            raise
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _no_room(error) from None
            trial.set_user_attr(optuna_studies.REASON, _words(error))
            raise
        # Whatever a trial dies of is its own affair: it is kept with its reason, and the night goes on.
        except Exception as error:
            crowded = isinstance(error, NoRoomError)
            crowded = crowded or (isinstance(error, runtime.get_memory_errors()) and runtime.is_out_of_memory(error))
            trial.set_user_attr(optuna_studies.REASON, _words(error))
            raise

    with ExitStack() as held:  # longer than the objective: until Optuna has told the outcome
        try:
            with ending.deferred():  # Optuna asks and tells
                study.optimize(objective, n_trials=1, catch=(Exception,))
        except OutOfTime:
            return True
        except (UnboundLocalError, AssertionError) as error:  # how Optuna 5 ends when it cannot tell the outcome
            if not isinstance(error.__context__, storing.DOWN):
                raise
            raise SystemExit(DATABASE_DOWN) from None
        except (ValueError, UpdateFinishedTrialError):
            if not (asked and _taken_over(study, asked[0])):
                raise
    return crowded


def _taken_over(study: Study, trial: Trial) -> bool:
    """Says whether others have held a trial for dead and begun it again: this process had not been heard of."""
    found = study._storage.get_trial(trial._trial_id)
    return found.state == TrialState.FAIL and optuna_studies.REASON not in found.user_attrs


def _no_room(error: OSError) -> _NoRoom:
    return _NoRoom(f"{error}; make room or change the permissions, then run the command again")


def _words(error: Exception) -> str:
    said = one_line(error)
    return said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"


def _room(study: Study, params: TuneParams) -> bool:
    now = optuna_studies.tally(study)
    return params.n_trials is None or now.finished + len(now.running) < params.n_trials
