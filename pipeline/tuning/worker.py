"""A process that runs trials until its share is done, the study is, or the hours are over."""

import errno
import fcntl
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from pipeline import runtime
from pipeline.competition import load_competition
from pipeline.errors import InputError, one_line
from pipeline.surroundings import surroundings
from pipeline.tuning import storing, studies
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import load_space
from pipeline.tuning.trials import Bench, OutOfTime, forget, run_trial

OWNER = "owner"
DATABASE_DOWN, ENDED = 75, 130  # exit codes: the database does not answer; asked to end
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
        return self.root / ".work" / "tune"

    def bench(self) -> Bench:
        """Reads what trials are run on."""
        competition = load_competition(self.root)
        space = load_space(self.root, self.model, competition.mirror)
        around = surroundings(self.root)
        return Bench(self.root, self.model, space, around, competition.metric, self.params, self.deadline)

    def study(self) -> Study:
        """Opens the study.

        Raises:
            InputError: the database does not answer.
        """
        metric = load_competition(self.root).metric.metric

        def opened() -> Study:
            storage = storing.open_storage(self.root, self.model, self.url)
            return studies.open_study(storage, self.name, self.params, metric, self.epochs)

        return storing.patient(opened, self.url)


class _NoRoom(KeyboardInterrupt):
    """The disk refuses to be written: every trial would fail by it, so none must be blamed."""


def work(order: Order, told: Connection) -> None:
    """Runs trials; the entry of a process. Ends with an exit code, and says through ``told`` why it gives up.

    Args:
        order: what is tuned.
        told: takes the words of an error that ends the night.
    """
    signal.signal(signal.SIGTERM, _end)
    storing.quiet()
    try:
        run_trials(order)
    except (KeyboardInterrupt, InputError) as error:
        if isinstance(error, (InputError, _NoRoom)):
            told.send(str(error))
        raise SystemExit(ENDED) from None
    except storing.DOWN:
        raise SystemExit(DATABASE_DOWN) from None


def run_trials(order: Order) -> None:
    """Runs trials in this process until its share is done, the study is, or the hours are over."""
    bench = order.bench()
    for _ in range(order.params.trials_per_process):
        study = order.study()
        claim = ExitStack()
        claim.enter_context(claimed(order))
        with claim:
            if not _room(study, order.params):
                return
            crowded = _one(study, bench, order, claim)
        forget(study, bench)
        if crowded:
            return  # a fresh process has all the memory


def _one(study: Study, bench: Bench, order: Order, claim: ExitStack) -> bool:
    """Runs one trial; says whether it ran out of memory."""
    crowded = False

    def objective(trial: Trial) -> tuple[float, ...]:
        nonlocal crowded
        with owning(order, trial):
            claim.close()  # the next worker may count this trial now
            try:
                return run_trial(trial, study, bench)
            except (optuna.TrialPruned, *storing.DOWN):
                raise
            except OSError as error:
                if error.errno in _NO_ROOM:
                    raise _NoRoom(f"{error}; make room or change the permissions, then run the command again") from None
                trial.set_user_attr(studies.REASON, _words(error))
                raise
            # Whatever a trial dies of is its own affair: it is kept with its reason, and the night goes on.
            except Exception as error:
                crowded = isinstance(error, runtime.out_of_memory()) and runtime.is_out_of_memory(error)
                trial.set_user_attr(studies.REASON, _words(error))
                raise

    try:
        study.optimize(objective, n_trials=1, catch=(Exception,))
    except OutOfTime:
        return True
    return crowded


def _words(error: Exception) -> str:
    said = one_line(error)
    return said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"


def _room(study: Study, params: TuneParams) -> bool:
    now = studies.tally(study)
    return params.n_trials is None or now.finished + len(now.running) < params.n_trials


@contextmanager
def claimed(order: Order) -> Iterator[None]:
    """Lets one worker of this machine at a time count trials and begin one."""
    with locked(order.folder / f"{order.model}.claim"):
        yield


@contextmanager
def owning(order: Order, trial: Trial) -> Iterator[None]:
    """Holds a lock as long as this process runs a trial: the system frees it when the process dies, however it dies."""
    path = order.folder / f"{order.name}-{trial.number}.lock"
    with locked(path):
        trial.set_user_attr(OWNER, [socket.gethostname(), str(path)])
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a file's lock, waiting for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_free(path: Path) -> bool:
    """Says whether nobody holds a file's lock."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def abandoned(trial: FrozenTrial, alone: bool) -> bool:
    """Says whether a trial, running or cut off, belongs to a process of this machine that is gone.

    Args:
        trial: which one.
        alone: nobody else uses the study: then a trial without an owner died before it had one.
    """
    owner = trial.user_attrs.get(OWNER)
    if owner is None:
        return alone
    host, path = owner
    return bool(host == socket.gethostname()) and is_free(Path(path))


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
