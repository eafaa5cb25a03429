"""Who works on a study: locks that the system frees when a process dies, however it dies."""

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
    """Marks a trial as this process's until its outcome is told.

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


def left(path: Path) -> str | None:
    """Returns what stands in a file whose lock nobody holds; None where somebody does.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with path.open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read()


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
    host, path, token = owner[0], Path(owner[1]), owner[2]
    here, cut_off = host == socket.gethostname(), trial.state == TrialState.FAIL
    try:
        found = left(path)
    except FileNotFoundError:
        # Cut off, its process has put it away; running, it is on another machine of the same name, or removed by hand.
        return late or (here and path.parent == folder) if cut_off else alone
    if cut_off:
        # What another repository's run cut off it begins again itself, in a moment.
        return late or (here and path.parent == folder and found is not None)
    return bool(here and found == token)
