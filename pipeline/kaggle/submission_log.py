"""The log of submissions, ``submissions/log.csv``: what was submitted or graded, our score beside the leaderboard's.

It is not an output of DVC: nothing can make it again. Every change reads and checks all of it, and replaces it at once.
"""

import csv
import fcntl
import json
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pipeline.core.config import Section
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, one_line, some
from pipeline.core.files import atomic_path
from pipeline.core.paths import submissions_folder

if TYPE_CHECKING:  # half a second of start-up
    import pandas as pd


class LogEntry(Section):
    """One line of the log.

    ``oof`` and ``nested_cv`` are our own scores, ``public_lb`` and ``private_lb`` those of the leaderboard, in the
    competition's metric. ``ref`` is Kaggle's number of it. ``status``: ``sending`` was begun, and nobody knows yet
    whether Kaggle took it; ``pending`` has no score yet, ``scored`` has, ``failed`` could not be scored by Kaggle,
    ``unscored`` is complete without a finite score, ``graded`` was scored here; any other is a word of Kaggle's.
    """

    time: str
    name: str
    message: str
    git_commit: str | None = None
    oof: float | None = None
    nested_cv: float | None = None
    public_lb: float | None = None
    private_lb: float | None = None
    competition: str
    status: str = Field(pattern=r"^[a-z_]+$")
    ref: str | None = None
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def cv(self) -> float | None:
        """Our best guess of the leaderboard: the nested score, or else the out-of-fold one."""
        return self.oof if self.nested_cv is None else self.nested_cv


COLUMNS = tuple(LogEntry.model_fields)
CHECK = "check"  # of a line and all lines below it
_NUMBERS = ("oof", "nested_cv", "public_lb", "private_lb")
_OPTIONAL = ("git_commit", "ref", *_NUMBERS)
_MAX_CHARACTERS = 1000  # characters of a message: more are a mistake, and very many exceed the limit of a command line
# A cell that a spreadsheet reads as a formula: the log writes an apostrophe before it, which is no part of the text.
_FORMULA = re.compile(r"'*[=+\-@]")


def log_path(root: Path) -> Path:
    """Returns the path of the log."""
    return submissions_folder(root) / "log.csv"


def format_now() -> str:
    """Returns the time as the log has it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean_message(text: str) -> str:
    """Returns a message as the log and Kaggle have it: one line, without leading and trailing blanks.

    Raises:
        InputError: it is no text, or far too long.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"--message is not UTF-8 ({one_line(error)}); write it again") from error
    line = " ".join(text.split())
    if len(line) > _MAX_CHARACTERS:
        raise InputError(f"--message has {len(line):,} characters, at most {_MAX_CHARACTERS:,} are allowed; shorten it")
    return line


def read_log(root: Path, competition: str | None = None) -> tuple[LogEntry, ...]:
    """Reads the log, oldest first; without a log there are no entries.

    Args:
        root: the repository.
        competition: keeps its entries alone; None keeps all.

    Raises:
        InputError: a line is damaged; the message names it.
    """
    path = log_path(root)
    if not path.is_file():
        return ()
    table = read_table(path)
    if tuple(table.columns) not in (COLUMNS, (*COLUMNS, CHECK)):  # without: a log of an earlier version
        raise InputError(
            f"{path} has the columns {some(table.columns, 20)}, wanted {some(COLUMNS, 20)}; correct its header"
        )
    rows = table.to_dict("records")
    entries = [
        _parse({str(key): str(cell) for key, cell in row.items()}, path, number) for number, row in enumerate(rows)
    ]
    _require_checks(table, path)
    return tuple(entry for entry in entries if competition in (None, entry.competition))


def append_entry(root: Path, entry: LogEntry) -> None:
    """Adds a line.

    Raises:
        InputError: the log is damaged; it is left as it is.
    """
    with _lock_log(root):
        _write(root, (*read_log(root), entry))


def update_entries(root: Path, change: Callable[[LogEntry], LogEntry]) -> None:
    """Replaces every line by what ``change`` makes of it.

    Raises:
        InputError: the log is damaged; it is left as it is.
    """
    rewrite_entries(root, lambda entries: tuple(change(entry) for entry in entries))


def replace_entry(root: Path, old: LogEntry, new: LogEntry | None) -> None:
    """Replaces the last line that equals ``old``, or takes it out; without such a line nothing is changed.

    Raises:
        InputError: the log is damaged; it is left as it is.
    """

    def replace(entries: tuple[LogEntry, ...]) -> tuple[LogEntry, ...]:
        places = [place for place, entry in enumerate(entries) if entry == old]
        if not places:
            return entries
        return (*entries[: places[-1]], *([] if new is None else [new]), *entries[places[-1] + 1 :])

    rewrite_entries(root, replace)


def rewrite_entries(root: Path, change: Callable[[tuple[LogEntry, ...]], Sequence[LogEntry]]) -> None:
    """Replaces the whole log by what ``change`` makes of it; a log without lines is no file.

    Raises:
        InputError: the log is damaged; it is left as it is.
    """
    with _lock_log(root):
        entries = read_log(root)
        changed = tuple(change(entries))
        if not changed:
            log_path(root).unlink(missing_ok=True)
        elif changed != entries:
            _write(root, changed)


@contextmanager
def _lock_log(root: Path) -> Iterator[None]:
    """Keeps another process from changing the log between our reading and writing."""
    folder = log_path(root).parent
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(root: Path, entries: tuple[LogEntry, ...]) -> None:
    with atomic_path(log_path(root)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, CHECK))
        rows = [
            ["" if cell is None else str(cell) for cell in map(_cell, each.model_dump().values())] for each in entries
        ]
        writer.writerows([*row, check] for row, check in zip(rows, _compute_checks(rows), strict=True))


def _compute_checks(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the check of each line: its cells and the check of the line below, so that none can be cut off."""
    checks = [""]
    for row in reversed(rows):
        checks.append(f"{zlib.crc32(json.dumps([*row, checks[-1]]).encode()):08x}")
    return checks[:0:-1]


def _require_checks(table: "pd.DataFrame", path: Path) -> None:
    if CHECK not in table.columns or not (table[CHECK] != "").any():
        if not len(table):
            raise InputError(f"{path} has no lines; remove it")
        return
    rows = table[list(COLUMNS)].astype(str).to_numpy().tolist()
    for number, (noted, right) in enumerate(zip(table[CHECK], _compute_checks(rows), strict=True)):
        if noted != right:
            raise InputError(
                f"{path}, row {number + 1}: it, or a row below, is not as it was written (damaged, cut or edited by "
                f"hand); if it is right, empty the column {CHECK} of all rows"
            )


def _cell(value: object) -> object:
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _parse(cells: dict[str, str], path: Path, number: int) -> LogEntry:
    place = f"{path}, row {number + 1}"
    values: dict[str, object] = {
        name: None if name in _OPTIONAL and not cells[name] else _text(cells[name]) for name in COLUMNS
    }
    for name in _NUMBERS:
        if cells[name]:
            values[name] = _number(cells[name], f"{place}, column {name}")
    try:
        return LogEntry.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        column, got = problem["loc"][0], problem["input"]
        raise InputError(
            f"{place}, column {column}: {problem['msg']}, got {got!r}; correct or remove that row"
        ) from error


def _number(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{place}: {text!r} is not a number; correct or remove that row")
    return value
