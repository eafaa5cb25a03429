"""Who works on a study: locks that the system frees when a process dies, however it dies."""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.errors import InputError
from pipeline.tuning.storing import GRACE

OWNER = "owner"


@contextmanager
def alone(folder: Path, model: str) -> Iterator[None]:
    """Holds a model's journal for one run.

    Raises:
        InputError: another run holds it.
    """
    try:
        with locked(folder / f"{model}.night", wait=False):
            yield
    except BlockingIOError:
        raise InputError(
            f"{model} is being tuned here already; wait for it, end it, or let both use a database (tune.storage in "
            "params.yaml)"
        ) from None


@contextmanager
def claimed(folder: Path, model: str) -> Iterator[None]:
    """Lets one process of this repository at a time count trials, begin one, or begin one again."""
    with locked(folder / f"{model}.claim"):
        yield


@contextmanager
def owning(folder: Path, study: str, trial: Trial) -> Iterator[None]:
    """Marks a trial as this process's until its outcome is told."""
    path = folder / f"{study}-{trial.number}.lock"
    with locked(path):
        trial.set_user_attr(OWNER, [socket.gethostname(), str(path)])
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Holds a file's lock.

    Raises:
        BlockingIOError: somebody else holds it, and we do not wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
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


def abandoned(trial: FrozenTrial, folder: Path, alone: bool) -> bool:
    """Says whether nobody works on a trial that is running or was cut off.

    Args:
        trial: which one.
        folder: where this repository's locks lie.
        alone: nobody else uses the study: then a trial without an owner died before it had one.
    """
    since = trial.datetime_complete or trial.datetime_start
    # Whoever else could take care of it had the time to.
    late = since is not None and (datetime.now() - since).total_seconds() > GRACE
    owner = trial.user_attrs.get(OWNER)
    if owner is None:
        return alone or late
    host, path = owner
    cut_off = trial.state == TrialState.FAIL
    if host == socket.gethostname() and is_free(Path(path)):
        # What another repository's run cut off it begins again itself, in a moment.
        return late or not cut_off or Path(path).parent == folder
    return cut_off and late
