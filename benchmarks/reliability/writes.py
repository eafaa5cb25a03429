"""Kills inside writes: the old file or the new one is there, never half of one, and the next write sweeps the rest."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.fabricated import CLASSES, index, random_probs

from pipeline.core import digests, files, predictions, tables
from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log
from pipeline.kaggle.submission_log import LogEntry
from pipeline.training import state

_FILLER = "x" * 20_000


@dataclass(frozen=True)
class Written:
    """A kind of file: written in any version, and read back as the number of that version."""

    name: str
    write: Callable[[Path, int], object]
    read: Callable[[Path], int]


def _write_predictions(path: Path, version: int) -> None:
    ids = tuple(f"{version}-{row}" for row in range(400))
    predictions.write_predictions(path, predictions.Predictions(ids, random_probs(400, 3, version), CLASSES))


def _write_state(path: Path, version: int) -> None:
    arrays = [np.full(20_000, version, dtype=np.float32)]
    state.write_state(path, state.State(state.TrainingProgress(epoch=version, seconds=1.0), arrays, arrays, []))


def _read_state(path: Path) -> int:
    known = state.read_state(path, "model fold 0")
    if known is None or any((array != known.progress.epoch).any() for array in (*known.model, *known.optimizer)):
        raise InputError(f"{path} is half a state")
    return known.progress.epoch


def _append_entry(path: Path, version: int) -> None:
    entry = LogEntry(
        time=f"2026-11-29T12:00:{version % 60:02d}Z", name="one", message=str(version), oof=0.5, competition="tiny",
        status="pending", ref=str(version), sha256="0" * 64,
    )  # fmt: skip
    submission_log.append_entry(path.parents[1], entry)


def _read_log(path: Path) -> int:
    entries = submission_log.read_log(path.parents[1])
    if [entry.message for entry in entries] != [str(number) for number in range(len(entries))]:
        raise InputError(f"{path} has lost a line")
    return len(entries) - 1


def _write_index(path: Path, version: int) -> None:
    ids = [f"{version}-{row}" for row in range(200)]
    tables.write_index(path, index(ids, np.arange(200) % 3))


KINDS = (
    Written(
        "oof.parquet",
        _write_predictions,
        lambda path: int(predictions.read_predictions(path, CLASSES).ids[0].partition("-")[0]),
    ),
    Written("state.npz", _write_state, _read_state),
    Written(
        "done.json",
        lambda path, version: digests.write_signed_json(path, {"version": version, "filler": _FILLER}),
        lambda path: int(digests.read_signed_json(path, "")["version"]),
    ),
    Written("submissions/log.csv", _append_entry, _read_log),
    Written("train.csv", _write_index, lambda path: int(tables.read_index(path)["id"][0].partition("-")[0])),
    Written(
        "report.html",
        lambda path, version: files.write_text(path, f"{version} {_FILLER}"),
        lambda path: int(path.read_text().partition(f" {_FILLER}")[0]),
    ),
)


def kill_write(folder: Path, seed: int) -> str | None:
    """Kills a process that writes a file again and again; returns what does not hold.

    Args:
        folder: an empty one.
        seed: of the kind of file and the moment.
    """
    rng = random.Random(f"write {seed}")
    kind = KINDS[seed % len(KINDS)]
    path = folder / kind.name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.write(path, 0)
    child = os.fork()
    if not child:
        try:
            for version in range(1, 10**6):
                kind.write(path, version)
        finally:
            os._exit(1)
    time.sleep(rng.uniform(0.005, 0.08))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return f"{kind.name}: the process ended by itself"
    try:
        version = kind.read(path)
    except Exception as error:  # whatever a reader raises of a file that a killed writer left is a failure
        return f"{kind.name}: {type(error).__name__}: {error}"
    kind.write(path, version + 1)
    if kind.read(path) != version + 1:
        return f"{kind.name}: the next write went wrong"
    rests = [each.name for each in folder.rglob(".tmp-*")]
    return f"{kind.name}: left {rests}" if rests else None
