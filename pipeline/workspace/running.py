"""DVC or a verb as a process that has so many seconds: its output goes to a log, one line says how long is left."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.core.lock_file import mend_lock_file
from pipeline.core.processes import GRACE, make_guarded_command, sweep_dvc_lock

_TICK = 0.2
# What DVC says of a stage that was killed or that aborted, by itself or through a shell.
_KILLED = re.compile(r"exited with (?:-(?P<signal>9|6)|13(?P<shell>7|4))$")
_TAIL = 12  # lines of the log that an error is looked for in


@dataclass(frozen=True)
class Run:
    """What came of it.

    Attributes:
        code: exit code; None where the time was over and it was ended.
        seconds: it took.
        error: the last line that says what went wrong; empty where nothing did.
    """

    code: int | None
    seconds: float
    error: str = ""


def run_stages(root: Path, targets: Sequence[str], seconds: float, log: Path, tick: Callable[[float], None]) -> Run:
    """Runs `dvc repro` of some stages, or of all.

    Args:
        root: the repository.
        targets: stages; none is all of them.
        seconds: after which it is ended; its half-done work is kept and continued by the next run.
        log: a file to which its output is added.
        tick: called several times a second with the seconds that are gone.
    """
    return _run_module(root, ("dvc", "repro", *targets), seconds, log, tick)


def run_verb(root: Path, arguments: Sequence[str], seconds: float, log: Path, tick: Callable[[float], None]) -> Run:
    """Runs a verb of the command line with its arguments; the rest as `run_stages`."""
    return _run_module(root, ("pipeline", *arguments), seconds, log, tick)


def _run_module(root: Path, words: Sequence[str], seconds: float, log: Path, tick: Callable[[float], None]) -> Run:
    prepare_dvc(root)
    command = make_guarded_command(*words)
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(words)}\n")
        file.flush()
        begun = file.tell()
        process = subprocess.Popen(
            command, cwd=root, env=make_stage_environment(), stdout=file, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                gone = time.monotonic() - began
                if gone > seconds:
                    end_family(process)
                    return Run(None, time.monotonic() - began)
                tick(gone)
                time.sleep(_TICK)
        except BaseException:
            end_family(process)
            raise
    code = process.returncode
    return Run(code, time.monotonic() - began, _find_error(log, begun, code) if code else "")


def make_stage_environment() -> dict[str, str]:
    """Returns this process's environment with its Python first: stages call `python`, also where none is activated."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return os.environ | {"PATH": os.pathsep.join(folders)}


def prepare_dvc(root: Path) -> None:
    """Lets DVC work after a kill that cut its files, and in a folder without Git, as a downloaded ZIP is."""
    sweep_dvc_lock(root)
    if mend_lock_file(root) is not None:
        print("dvc.lock was cut by a kill: its whole stages are kept, and DVC takes the others from its run cache")
    folder = root / ".dvc"
    configs = [path for path in (folder / "config", folder / "config.local") if path.is_file()]
    if _has_git(root) or not configs or any("no_scm" in path.read_text("utf-8") for path in configs):
        return
    command = [sys.executable, "-m", "dvc", "config", "-q", "--local", "core.no_scm", "true"]
    subprocess.run(command, cwd=root, capture_output=True, check=False)


def _has_git(root: Path) -> bool:
    """Says whether Git's own folder is there: a copied worktree or submodule may name one that is not."""
    git = root / ".git"
    if git.is_file():
        git = root / git.read_text(encoding="utf-8", errors="replace").partition("gitdir:")[2].strip()
    return (git / "HEAD").is_file()


def explain_end(line: str) -> str:
    """Adds to DVC's line about a stage that a signal ended what mostly sends it; returns any other line as it is."""
    if not (found := _KILLED.search(line)):
        return line
    number = found["signal"] or {"7": "9", "4": "6"}[found["shell"]]
    who = "signal 6, a library's abort in words of its own" if number == "6" else "signal 9"
    return (
        f"{line}: {who}, which mostly means that memory ran out; end other programs, or lower "
        "training.batch_size in the model's file, prepare.workers or train.workers; the same command goes on"
    )


def end_family(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """Ends DVC and its stage, which keeps what is done; returns when both are gone."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        for each in psutil.wait_procs(family, GRACE)[1]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _find_error(log: Path, begun: int, code: int) -> str:
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(begun)
        lines = [line.strip() for line in file.read().splitlines() if line.strip()]
    for line in lines:
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    last = next((line for line in reversed(lines[-_TAIL:]) if "ERROR" in line), (lines or [""])[-1])
    return explain_end(last if code >= 0 else f"{last}; exited with {code}")
