"""Locks of studies and trials, which the system frees when a process dies, however it dies."""

import fcntl
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.tuning.storages import GRACE

OWNER = "owner"


@contextmanager
def lock_journal(folder: Path, model: str) -> Iterator[None]:
    """Holds a model's journal for one search.

    Raises:
        InputError: another search holds it.
    """
    try:
        with locked(folder / f"{model}.search", wait=False):
            yield
    except BlockingIOError:
        raise InputError(
            f"{model} is being tuned in this folder already; wait for that search, end it, or let both use a database "
            "(tune.storage in params.yaml)"
        ) from None


@contextmanager
def lock_queue(folder: Path, model: str) -> Iterator[None]:
    """Lets one process of this repository at a time count trials, begin one, or queue one again."""
    with locked(folder / f"{model}.queue"):
        yield


@contextmanager
def own_trial(folder: Path, study: str, trial: Trial) -> Iterator[None]:
    """Marks a trial as this process's until its outcome is recorded.

    The token tells this lock from one under the same path on another machine of the same name, as containers have.
    """
    path, token = folder / f"{study}-{trial.number}.lock", secrets.token_hex(8)
    with locked(path):
        path.write_text(token, encoding="utf-8")
        trial.set_user_attr(OWNER, [socket.gethostname(), str(path), token])
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def read_unlocked(path: Path) -> str | None:
    """Returns the content of a file that no process has locked; None where one has.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with path.open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read()


def is_abandoned(trial: FrozenTrial, folder: Path, exclusive: bool) -> bool:
    """Says whether no process works on a trial that is running or was interrupted.

    Args:
        trial: running or interrupted.
        folder: of this repository's locks.
        exclusive: no other process uses the study: then a trial that nobody holds was left by one that died.
    """
    since = trial.datetime_complete or trial.datetime_start
    # Whoever else could take care of it had the time to.
    late = since is not None and (datetime.now() - since).total_seconds() > GRACE
    owner = trial.user_attrs.get(OWNER)
    if owner is None:
        return exclusive or late
    host, path, token = owner[0], Path(owner[1]), owner[2]
    here, interrupted = host == socket.gethostname(), trial.state == TrialState.FAIL
    try:
        content = read_unlocked(path)
    except FileNotFoundError:
        # Interrupted, its process removed the lock; running, it is on another machine of the same name, or the lock
        # was removed by hand.
        return late or (here and path.parent == folder) if interrupted else exclusive
    if interrupted:
        # Trials that another repository's search interrupted are queued again by that search, in a moment.
        return late or (here and path.parent == folder and content is not None)
    # Of a study of our own that nobody holds, whatever the machine was called when it began: containers change names.
    return content is not None and (exclusive or bool(here and content == token))
