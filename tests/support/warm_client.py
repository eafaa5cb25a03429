"""The Kaggle client in processes that have its libraries loaded: starting it afresh takes 0.7 CPU seconds a call."""

import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

# All that importing the client takes long for; the client itself logs in when it is imported.
_LIBRARIES = ["bleach", "dotenv", "google.protobuf.text_format", "requests", "slugify", "tqdm", "urllib3", "uuid"]


def warm(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Runs the real client that way, but for uploads: these are processes of their own, which inherit a lock.

    Args:
        monkeypatch: pytest's.
        folder: for the client's output.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LIBRARIES)

    def run(command: Sequence[str], timeout: float, pass_fds: Sequence[int], **settings: Any) -> Any:
        if pass_fds:
            return subprocess.run(command, timeout=timeout, pass_fds=pass_fds, **settings)
        out, err = folder / "client.out", folder / "client.err"
        process = context.Process(target=_run_client, args=(command[1:], dict(os.environ), str(Path.cwd()), out, err))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
        return subprocess.CompletedProcess(command, process.exitcode or 0, *texts)

    stands_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr("pipeline.kaggle.client.subprocess", stands_in)


def _run_client(arguments: Sequence[str], environment: dict[str, str], place: str, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    for path, number in (out, 1), (err, 2):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["kaggle", *arguments]
    importlib.import_module("kaggle.cli").main()
