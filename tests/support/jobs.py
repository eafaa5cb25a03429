"""Jobs for processes that are started by tests; nothing here loads a backend."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.core.errors import InputError, NoRoomError

Seen = tuple[int, int, tuple[int, ...]]


def opened(folder: str) -> Callable[[int], Seen]:
    """Says which process did a job, and on which cores."""

    def do(job: int) -> Seen:
        Path(folder, str(job)).touch()
        while job < 2 and len(list(Path(folder).iterdir())) < 2:  # the first two wait for each other
            time.sleep(0.01)
        return job, os.getpid(), tuple(sorted(os.sched_getaffinity(0)))

    return do


def failing(when: int, how: str) -> Callable[[int], int]:
    """Fails at one of the jobs; the others last."""

    def do(job: int) -> int:
        if job != when:
            time.sleep(60)
        if how == "input":
            raise InputError(f"job {job} has no such thing")
        if how == "room":
            raise NoRoomError("memory ran out", 2, 64)
        os.kill(os.getpid(), signal.SIGKILL)
        return job

    return do


def lasting(folder: str) -> Callable[[int], None]:
    """Never comes to an end."""

    def do(job: int) -> None:
        Path(folder, str(os.getpid())).touch()
        time.sleep(600)

    return do


def marking(folder: str) -> Callable[[str], str]:
    """Marks each job that was begun; fails, dies or lasts where its name says so, else returns the name."""

    def do(job: str) -> str:
        Path(folder, job).touch()
        if job.startswith("fails"):
            raise InputError(f"{job} has no such thing")
        if job.startswith("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.startswith("lasts"):
            time.sleep(600)
        until = time.monotonic() + 60
        while job.startswith("waits") and len(list(Path(folder).iterdir())) < int(job.rpartition(" ")[2]):
            assert time.monotonic() < until
            time.sleep(0.01)
        return job

    return do
