"""Processes: started without Ctrl-C, ended on request, and never outliving the one that started them."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from pipeline.core.room import WatchedProcess, watch_imports

GRACE = 60.0  # seconds that a process gets to end
_LOOK = 1.0  # seconds between two looks at the processes above
EXIT_ENDED = 130  # exit code of a process that was requested to end


# Watches the number of the process above, which changes when that one is gone.
_GUARD = """\
import os, signal, threading, time

def end_with_starter():
    while os.getppid() == {starter}:
        time.sleep({look})
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_starter, daemon=True).start()
"""
_RUN = """\
import runpy, sys

module = sys.argv[1]
sys.argv[:2] = ["-m"]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class EndedError(Exception):
    """This process was requested to end, by Ctrl-C or SIGTERM."""


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into `EndedError` for a while."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # once is enough: what follows must come to its end
        raise EndedError

    kept = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


class EndRequest:
    """A request to end this process: an exception at once, or as soon as a critical section is over."""

    def __init__(self) -> None:
        """There is no request yet."""
        self._received, self._at_once = False, True

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal; only the first one counts.

        Raises:
            KeyboardInterrupt: no block defers it.
        """
        before, self._received = self._received, True
        if self._at_once and not before:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Holds a request back until the block is over."""
        self._at_once = False
        try:
            yield
        finally:
            self._at_once = True
        self._obey()

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Obeys at once, within `deferred`."""
        self._at_once = True
        try:
            self._obey()
            yield
        finally:
            self._at_once = False

    def _obey(self) -> None:
        if self._received:
            raise KeyboardInterrupt


def start_process(target: Callable[..., None], arguments: tuple[Any, ...], name: str) -> BaseProcess:
    """Starts a process that ignores Ctrl-C: a terminal sends it to all, but only this process decides."""
    process = WatchedProcess(target=target, args=arguments, name=name)  # TensorFlow does not survive a fork
    resource_tracker.ensure_running()  # or it would undo the mask
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the process inherits
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
    return process


def end_process(process: BaseProcess) -> None:
    """Terminates a process, and kills it if it does not end in time."""
    process.terminate()
    process.join(GRACE)
    if process.is_alive():
        process.kill()
        process.join()


def make_guarded_command(module: str, *arguments: str) -> list[str]:
    """Returns the command that runs a Python module and ends it, as SIGTERM does, when this process is gone."""
    return [sys.executable, "-c", make_guard() + _RUN, module, *arguments]


def make_guard() -> str:
    """Returns the Python code by which a process that we start ends when we are gone, be it of a kill."""
    return _GUARD.format(starter=os.getpid(), look=_LOOK)


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone, for the next run would train the same trials."""
    threading.Thread(target=_watch_parent, daemon=True).start()


def end_at_once_with_parent() -> None:
    """Ends a pool's worker whose parent was killed: it holds both ends of its own queue and would wait for ever.

    It looks for the room of libraries, too: a process that is spawned inherits no such look.
    """
    watch_imports()
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def seconds_since_start() -> float:
    """Returns how long this process is there, its imports included; 0 where a clock jumped."""
    seconds = time.time() - psutil.Process().create_time()
    return seconds if 0 <= seconds < GRACE else 0.0


def end_with_dvc() -> None:
    """Ends this process, as SIGTERM does, when the DVC that started it is gone, be it killed or terminated.

    DVC leaves its stages running then, and the next run would find them at work.
    """
    above = _up_to_dvc()
    if not above and _is_orphan():
        os.kill(os.getpid(), signal.SIGTERM)  # it was gone before we looked
    if above:
        threading.Thread(target=_watch_all, args=(above,), daemon=True).start()


def _is_orphan() -> bool:
    """Says whether a stage has lost its DVC: then the leader of its session is no longer above it.

    In a shell that a stage has opened the leader is that shell, or what started it.
    """
    if "DVC_STAGE" not in os.environ or sys.platform == "win32":
        return False
    if os.getppid() == 1:  # also where a container's first process leads the session
        return True
    above = {each.pid for each in psutil.Process().parents()}
    return os.getsid(0) not in above | {os.getpid(), 0}  # 0 is a leader outside of this container


def end_dvc() -> None:
    """Terminates the DVC that started this process: one that keeps going would begin the next stage after Ctrl-C."""
    with suppress(psutil.NoSuchProcess):
        for dvc in _up_to_dvc()[-1:]:
            dvc.terminate()


def sweep_dvc_lock(root: Path) -> Path | None:
    """Removes DVC's table of who reads and writes what, where a kill has cut it; returns its path then.

    DVC (3.67) writes it in place. Where a write was cut, every `dvc repro` that follows ends in "JSON structure is
    corrupted", and nobody says that the file can go: it holds what runs at the moment, and nothing does.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    for pause in (_LOOK, 0.0):  # another DVC may be in the midst of its write
        try:
            json.loads(path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return None
        except ValueError:
            time.sleep(pause)
        else:
            return None
    path.unlink(missing_ok=True)
    return path


def _up_to_dvc() -> list[psutil.Process]:
    """The processes between this one and the DVC that started it (shells, mostly), and that; none without DVC."""
    if "DVC_STAGE" not in os.environ:
        return []
    above = psutil.Process().parents()
    with suppress(psutil.Error):
        for place, each in enumerate(above):
            if any(Path(word).name == "dvc" for word in each.cmdline()[:4]):
                return above[: place + 1]
    return []


def _watch_all(above: list[psutil.Process]) -> None:
    with suppress(psutil.NoSuchProcess):
        while all(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in above):
            time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGTERM)


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(EXIT_ENDED)
