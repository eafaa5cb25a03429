"""DVC followed line by line: one line a stage on the terminal, all that is printed in a log."""

import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from pipeline.core.processes import EXIT_ENDED, EndedError, make_guarded_command, raise_on_signals
from pipeline.workspace.running import end_family, explain_end, make_stage_environment, prepare_dvc

_RUNNING = re.compile(r"Running stage '(.+)':")
_CACHED = re.compile(r"Stage '(.+)' is cached - skipping run")
_SAME = re.compile(r"Stage '(.+)' didn't change")
# What DVC says of itself, of Git and of remote storage: in the log alone.
_CHATTER = re.compile(
    r"> |Updating lock|Generating lock|To track the changes|git add |To enable auto|dvc config|Use `dvc push`|"
    "Verifying|WARNING: Process"
)
_LOUD = re.compile(r"(error|note|warning|ERROR|WARNING)\b:?|Data and pipelines are up to date")
_TICK = 0.2
_FIRST = 60.0  # seconds after which a stage that runs on prints a line where there is no terminal; then twice as many


class StageLines:
    """The lines of the terminal: one for each stage that ran, and what a person must know.

    Attributes:
        stage: the one that is running; empty between stages.
        last: the last line that it printed.
    """

    def __init__(self, out: TextIO, columns: int) -> None:
        """Takes the terminal, or a file, and its width."""
        self.stage, self.last = "", ""
        self._out, self._columns, self._live = out, columns, out.isatty()
        self._began = time.monotonic()
        self._next, self._same = _FIRST, 0

    def take(self, line: str) -> None:
        """Takes a line of DVC's output."""
        text = line.strip()
        if found := _RUNNING.match(text):
            self._end_stage()
            self.stage, self.last, self._began, self._next = found[1], "", time.monotonic(), _FIRST
        elif found := _CACHED.match(text):
            self._end_stage()
            self._print(f"{found[1]:<24} made before: taken from the cache")
        elif _SAME.match(text):
            self._end_stage()
            self._same += 1
        elif not text or _CHATTER.match(text):
            return
        elif _LOUD.match(text):
            self._print(explain_end(text), whole=True)
        else:
            self.last = text

    def tick(self) -> None:
        """Shows what is running: on a terminal the live line, elsewhere a line now and then."""
        if not self.stage:
            return
        gone = time.monotonic() - self._began
        words = f"{self.stage:<24} {gone:5.0f} s {self.last}"
        if self._live:
            self._out.write(f"\r\x1b[K{words[: self._columns - 1]}")
            self._out.flush()
        elif gone > self._next:
            self._next = 2 * gone
            self._print(words)

    def finish(self) -> None:
        """Ends the last line."""
        self._end_stage()
        if self._same:
            self._print(f"{self._same} stage{'s are as they were' if self._same > 1 else ' is as it was'}")

    def _end_stage(self) -> None:
        if self.stage:
            self._print(f"{self.stage:<24} {time.monotonic() - self._began:5.0f} s {self.last}")
        self.stage = ""

    def _print(self, text: str, whole: bool = False) -> None:
        text = text.rstrip()
        short = text if whole or len(text) <= self._columns else text[: self._columns - 1] + "…"
        self._out.write(f"{chr(13)}\x1b[K{short}\n" if self._live else f"{short}\n")
        self._out.flush()


def follow_stages(root: Path, targets: Sequence[str], log: Path) -> int:
    """Runs `dvc repro` of some stages, or of all; returns its exit code.

    Ctrl-C or SIGTERM ends it: the half-done work is kept, and the results of the stage that ran are again those of the
    last run that came to its end, as far as DVC has them.

    Args:
        root: the repository.
        targets: stages; none is all of them.
        log: a file for all that is printed; that of the run before is kept beside it, with ``.1`` at its end.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file():
        log.replace(log.with_name(log.name + ".1"))
    lines = StageLines(sys.stdout, shutil.get_terminal_size((80, 24)).columns)
    with log.open("w", encoding="utf-8") as file, raise_on_signals(), _start(root, targets) as process:
        try:
            code = _follow(process, lines, file)
        except EndedError:
            end_family(process)
            stage, last = lines.stage, lines.last
            lines.finish()
            _restore(root, stage)
            where = f" at {stage}{f' ({last})' if last else ''}" if stage else ""
            print(f"stopped{where}; what is done is kept, the same command goes on")
            return EXIT_ENDED
        stage = lines.stage
        lines.finish()
    if code:
        _restore(root, stage)
    return code


def _start(root: Path, targets: Sequence[str]) -> "subprocess.Popen[str]":
    """Starts DVC deaf to Ctrl-C: a terminal sends it to all processes, but only this one decides."""
    prepare_dvc(root)
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the process inherits
    try:
        return subprocess.Popen(
            make_guarded_command("dvc", "repro", *targets),
            cwd=root,
            env=make_stage_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _follow(process: "subprocess.Popen[str]", lines: StageLines, log: TextIO) -> int:
    taken: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            taken.put(line)
        taken.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        with suppress(queue.Empty):
            line = taken.get(timeout=_TICK)
            if line is None:
                return process.wait()
            log.write(line)
            log.flush()
            lines.take(line)
        lines.tick()


def _restore(root: Path, stage: str) -> None:
    """Puts back the results that DVC removed before a stage began, where an earlier run has made them."""
    if stage:
        command = [sys.executable, "-m", "dvc", "checkout", "-q", stage]
        subprocess.run(command, cwd=root, capture_output=True, check=False)
