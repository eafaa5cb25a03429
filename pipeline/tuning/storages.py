"""Storages of studies: a journal file by default, any database through a URL.

Reference: https://optuna.readthedocs.io/en/stable/reference/storages.html
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from pipeline.core.errors import InputError, one_line
from pipeline.core.paths import work_folder
from pipeline.tuning.journal import Journal
from pipeline.tuning.trial_states import retry_trial

DATABASE_ERRORS = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    optuna.exceptions.StorageInternalError,
)
HEARTBEAT, GRACE = 20, 60  # seconds
Result = TypeVar("Result")
_PUBLIC = {"host", "port", "dbname"}  # of a URL's query, which may hold passwords and keys
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
_SETUP_WAITS = (0.5, 1.0, 2.0, 4.0)


def silence_optuna() -> None:
    """Silences Optuna's log lines and its warnings that an interface may still change."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def journal_path(root: Path, model: str) -> Path:
    """Returns the path of the journal of a model's studies."""
    return work_folder(root, "tune") / f"{model}.journal"


def open_storage(root: Path, model: str, url: str, waits: tuple[float, ...] = _WAITS) -> BaseStorage:
    """Opens the storage of a model's studies.

    Args:
        root: the repository folder.
        model: its name.
        url: of a database; empty for the journal file.
        waits: seconds between attempts at a database that does not answer.

    Raises:
        InputError: the journal is damaged, the database stays down, or SQLAlchemy knows no such URL.
    """
    if not url:
        path = journal_path(root, model)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(Journal(path))
    return retry_while_down(lambda: _set_up_database(url), url, waits)


def retry_while_down(attempt: Callable[[], Result], url: str, waits: tuple[float, ...] = _WAITS) -> Result:
    """Tries again while a database is down.

    Raises:
        InputError: it stays down.
    """
    for wait in (*waits, None):
        try:
            return attempt()
        except DATABASE_ERRORS as error:
            if wait is None:
                raise InputError(
                    f"the database {mask_url(url)} does not answer ({_describe_cause(error)}); start it, or correct "
                    "tune.storage in params.yaml, then run the command again; finished trials are kept"
                ) from error
            print(f"the database {mask_url(url)} does not answer; trying again in {wait:.0f} s", flush=True)
            time.sleep(wait)
    raise AssertionError("unreachable")


def mask_url(url: str) -> str:
    """Returns a storage's URL without its secrets, or words for the journal file."""
    if not url:
        return "a journal file"
    try:
        parsed = sqlalchemy.engine.make_url(url)
        query = {name: value for name, value in parsed.query.items() if name.lower() in _PUBLIC}
        return parsed.set(query=query).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return "(unreadable)"


def _set_up_database(url: str) -> RDBStorage:
    for wait in (*_SETUP_WAITS, None):
        try:
            return _open_database(url)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError) as error:
            if wait is None:
                raise InputError(
                    f"the database {mask_url(url)} cannot be set up ({_describe_cause(error)}); correct tune.storage "
                    "in params.yaml, or the permissions of its user"
                ) from error
            time.sleep(wait)  # another machine is creating the tables
    raise AssertionError("unreachable")


def _open_database(url: str) -> RDBStorage:
    try:
        return RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=retry_trial,
        )
    except (ImportError, sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise InputError(
            f"tune.storage is no URL of a database ({_describe_cause(error)}); give one such as sqlite:///studies.db "
            "or postgresql://user@host/name"
        ) from error


def _describe_cause(error: Exception) -> str:
    """Describes the cause without the URL: SQLAlchemy's messages do not hold it, Optuna's wrap SQLAlchemy's."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ else error
    original = getattr(cause, "orig", None)
    return one_line(original if isinstance(original, Exception) else cause if isinstance(cause, Exception) else error)
