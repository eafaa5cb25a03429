"""Trains a list of folds for some seconds, and keeps what is done and half done as one file. Run on rented machines.

Reads: the list of tasks; what `fold` reads. Writes: the folds' folders below .work/train, and the parcel after each
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.core.bounds import Seed
from pipeline.core.config import Section
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import read_json, require_file_place
from pipeline.core.paths import work_folder
from pipeline.core.processes import make_guarded_command
from pipeline.training.finished import list_fold_files
from pipeline.training.machines.parcels import name_sent, verify_arrival, write_parcel
from pipeline.training.task import find_fold_folder

_GRACE = 60.0  # seconds that a fold gets to end
_LOOK = 0.2  # seconds between two looks
_MEANINGS = {0: "done", 65: "wrong input", 75: "unfinished"}


class SentTask(Section):
    """One fold to train: model, number, seed (None: that of params.yaml) and the fingerprint that it must have."""

    model: str
    fold: int = Field(ge=0)
    seed: Seed | None = None
    fingerprint: str = Field(pattern="^[0-9a-f]{16,64}$")


@dataclass
class _Running:
    """A fold that is trained now; ``ended`` where its time was over."""

    task: SentTask
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    ended: bool = False


def run(root: Path, listing: Path, out: Path, seconds: float) -> None:
    """Trains until all are done or the time is over; the parcel is whole at any moment.

    Args:
        root: the repository folder.
        listing: a JSON list of `SentTask`.
        out: the parcel, replaced after each fold that ends.
        seconds: after which folds are ended; their last whole epoch is kept.

    Raises:
        InputError: the list does not fit, or a file of the bundle that this repository came in is not what was sent.
    """
    require_file_place(out, "--out")
    verify_arrival(root)
    tasks = _read_tasks(listing)
    end, slots = time.monotonic() + seconds, _list_slots()
    waiting, running, outcomes = list(tasks), dict[int, _Running](), dict[str, str]()
    while waiting or running:
        for slot in range(len(slots)):
            if waiting and slot not in running and time.monotonic() < end:
                task = waiting.pop(0)
                running[slot] = _start(root, task, slots[slot])
        over = time.monotonic() >= end
        for slot, each in list(running.items()):
            if over:
                each.ended = _end(each.process)
            if each.process.poll() is not None:
                del running[slot]
                outcomes[_name(each.task)] = _describe(each)
                seed = f" seed {each.task.seed}" if each.task.seed else ""
                print(f"{each.task.model} fold {each.task.fold}{seed}: {outcomes[_name(each.task)]}", flush=True)
                still = [one.task for one in running.values()]  # their files change while they would be packed
                _write(root, out, [task for task in tasks if task not in still], outcomes)
        if over:
            break
        time.sleep(_LOOK)
    _write(root, out, tasks, outcomes)
    print(f"{list(outcomes.values()).count('done')} of {len(tasks)} folds done: {out}")


def _read_tasks(listing: Path) -> list[SentTask]:
    try:
        return TypeAdapter(list[SentTask]).validate_python(read_json(listing, "give a list of tasks"))
    except ValidationError as error:
        raise InputError(f"{listing} is no list of tasks: {one_line(error)}; see `pipeline tasks --json`") from error


def _list_slots() -> list[dict[str, str]]:
    """Lists what trains one fold at a time: each GPU that this process may use, or else the processor."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [{"CUDA_VISIBLE_DEVICES": name.strip()} for name in given.split(",") if name.strip()] or [{}]
    tool = shutil.which("nvidia-smi")
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False).stdout if tool else ""
    gpus = [line for line in listed.splitlines() if line.startswith("GPU ")]
    return [{"CUDA_VISIBLE_DEVICES": str(number)} for number in range(len(gpus))] or [{}]


def _start(root: Path, task: SentTask, slot: dict[str, str]) -> _Running:
    command = make_guarded_command("pipeline", "fold", task.model, str(task.fold), "--fingerprint", task.fingerprint)
    command += [] if task.seed is None else ["--seed", str(task.seed)]
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the fold has ended
    return _Running(task, subprocess.Popen(command, cwd=root, env=os.environ | slot, stderr=errors), errors)


def _end(process: subprocess.Popen[bytes]) -> bool:
    """Ends a fold; says whether it was still at work."""
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return True


def _describe(running: _Running) -> str:
    """Says how a fold ended, with the error that it printed, if any."""
    with running.errors:
        running.errors.seek(0)
        text = running.errors.read().decode("utf-8", errors="replace")
    print(text, end="", file=sys.stderr, flush=True)
    code = running.process.returncode
    if running.ended and code != 0:
        return _MEANINGS[75]
    meaning = _MEANINGS.get(code, f"ended by signal {-code} (out of memory?)" if code < 0 else f"ended with {code}")
    reasons = [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")]
    return meaning if code == 0 or not reasons else f"{meaning}: {reasons[-1]}"


def _name(task: SentTask) -> str:
    return name_sent(task.model, task.fold, task.seed)


def _write(root: Path, out: Path, tasks: list[SentTask], outcomes: dict[str, str]) -> None:
    work = work_folder(root, "train")
    folders = [find_fold_folder(work, task.model, task.fingerprint, task.fold) for task in tasks]
    files = {file.relative_to(root).as_posix(): file for folder in folders for file in list_fold_files(folder)}
    fingerprints = {_name(task): task.fingerprint for task in tasks}
    write_parcel(out, files, {"outcomes": outcomes, "fingerprints": fingerprints})
