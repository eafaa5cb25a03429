"""Processes: they get their share of the machine, end when asked to, and never outlive the one that started them."""

import multiprocessing
import os
import signal
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

PATIENCE = 60.0  # seconds that a process gets to end
_LOOK = 1.0  # seconds between two looks at the processes above
ENDED = 130  # exit code: asked to end


class EndedError(Exception):
    """Somebody asked to end, by Ctrl-C or SIGTERM."""


@contextmanager
def asked_to_end() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into `EndedError` for a while."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # once is enough: what follows must come to its end
        raise EndedError

    kept = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


class Ending:
    """Whether this process was asked to end: an exception at once, or as soon as what must not be torn is done."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked, self._at_once = False, True

    def heard(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal; only the first one counts.

        Raises:
            KeyboardInterrupt: it is obeyed at once.
        """
        asked, self._asked = self._asked, True
        if self._at_once and not asked:
            raise KeyboardInterrupt

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Obeys afterwards."""
        self._at_once = False
        try:
            yield
        finally:
            self._at_once = True
        self._obey()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Obeys at once, within `put_off`."""
        self._at_once = True
        try:
            self._obey()
            yield
        finally:
            self._at_once = False

    def _obey(self) -> None:
        if self._asked:
            raise KeyboardInterrupt


def start(target: Callable[..., None], arguments: tuple[Any, ...], name: str) -> BaseProcess:
    """Starts a process that Ctrl-C does not reach: a terminal sends it to all, but only this process decides."""
    process = multiprocessing.get_context("spawn").Process(  # TensorFlow does not survive a fork
        target=target, args=arguments, name=name
    )
    resource_tracker.ensure_running()  # or it would undo the mask
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the process inherits
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
    return process


def end(process: BaseProcess) -> None:
    """Asks a process to end, and sees to it."""
    process.terminate()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def follow_parent() -> None:
    """Ends this process when the one that started it is gone, for the next run would train the same trials."""
    threading.Thread(target=_follow, daemon=True).start()


def follow_dvc() -> None:
    """Ends this process, as SIGTERM does, when the DVC that started it is gone, be it killed or asked to end.

    DVC leaves its stages running then, and the next run would find them at work.
    """
    above = _up_to_dvc()
    if above:
        threading.Thread(target=_follow_all, args=(above,), daemon=True).start()


def end_dvc() -> None:
    """Asks the DVC that started this process to end: one that keeps going would begin the next stage after Ctrl-C."""
    with suppress(psutil.NoSuchProcess):
        for dvc in _up_to_dvc()[-1:]:
            dvc.terminate()


def _up_to_dvc() -> list[psutil.Process]:
    """The processes between this one and the DVC that started it (shells, mostly), and that; none without DVC."""
    if "DVC_STAGE" not in os.environ:
        return []
    above = psutil.Process().parents()
    with suppress(psutil.Error):
        for place, each in enumerate(above):
            if any(Path(word).name == "dvc" for word in each.cmdline()[:3]):
                return above[: place + 1]
    return []


def _follow_all(above: list[psutil.Process]) -> None:
    with suppress(psutil.NoSuchProcess):
        while all(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in above):
            time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGTERM)


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(ENDED)
