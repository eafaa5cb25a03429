"""The Kaggle client in processes that have its libraries loaded: starting it afresh takes 0.7 CPU seconds a call.

It does not wait, either, before it tries again what failed.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # each process of a client imports this file: pytest would be most of its start
    import pytest

# All that importing the client takes long for; the client itself logs in when it is imported.
_LIBRARIES = ["argparse", "bleach", "dateutil.relativedelta", "dotenv", "google.protobuf.text_format", "kagglesdk"]
_LIBRARIES += ["packaging.version", "requests", "slugify", "tarfile", "tqdm", "urllib3", "uuid"]


class _Inherited:
    """A file descriptor that a process keeps open to its end, as one that inherits it does."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _take_over, (DupFd(self.number),)


def _take_over(given: Any) -> _Inherited:
    return _Inherited(given.detach())


def warm(monkeypatch: "pytest.MonkeyPatch", folder: Path) -> None:
    """Runs the real client that way.

    Args:
        monkeypatch: pytest's.
        folder: for the client's output.
    """

    def run(command: Sequence[str], timeout: float, pass_fds: Sequence[int], **settings: Any) -> Any:
        out, err = folder / "client.out", folder / "client.err"
        process = _start(command[1:], out, err, pass_fds)
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
        return subprocess.CompletedProcess(command, process.exitcode or 0, *texts)

    stands_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr("pipeline.kaggle.client.subprocess", stands_in)


def warm_downloads(monkeypatch: "pytest.MonkeyPatch", folder: Path) -> None:
    """Runs the client of downloads that way; takes what `warm` takes."""

    class Popen:
        """Of `subprocess.Popen`, what a download uses."""

        returncode: int | None = None

        def __init__(self, command: Sequence[str], **_: Any) -> None:
            self.out = folder / "download.out"
            self.process = _start(command[command.index("kaggle") + 1 :], self.out, self.out)

        def communicate(self, timeout: float) -> tuple[str, None]:
            self.process.join(timeout)
            if self.process.is_alive():
                raise subprocess.TimeoutExpired("kaggle", timeout)
            self.returncode = self.process.exitcode
            return self.out.read_text(encoding="utf-8", errors="replace"), None

        def kill(self) -> None:
            self.process.kill()

        def __enter__(self) -> "Popen":
            return self

        def __exit__(self, *_: object) -> None:
            self.process.join()

    names = {name: getattr(subprocess, name) for name in ("PIPE", "STDOUT", "TimeoutExpired")}
    monkeypatch.setattr("pipeline.kaggle.download.subprocess", SimpleNamespace(Popen=Popen, **names))


def _start(arguments: Sequence[str], out: Path, err: Path, pass_fds: Sequence[int] = ()) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)
    held = [_Inherited(number) for number in pass_fds]
    given = (arguments, dict(os.environ), str(Path.cwd()), out, err, held)
    process = context.Process(target=_run_client, args=given)
    process.start()
    return process


def _run_client(
    arguments: Sequence[str], environment: dict[str, str], place: str, out: Path, err: Path, held: list[_Inherited]
) -> None:
    assert all(os.fstat(each.number) for each in held)
    pause = time.sleep
    time.sleep = lambda seconds: pause(min(float(seconds), 0.01))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    for path, number in (out, 1), (err, 2):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), number)
    sys.argv = ["kaggle", *arguments]
    importlib.import_module("kaggle.cli").main()
