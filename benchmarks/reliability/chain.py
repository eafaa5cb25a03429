"""`dvc repro` of a tiny competition, killed or interrupted at random moments and run again: the same bits in the end.

A moment lies in one of the next three stages that a run comes to, or before the first: all are hit about equally often,
whatever they take, and no time goes by in stages that others are waited for. What is broken off goes on until a run
comes to its end, which is compared with an unbroken one, and begins anew.

A kill takes DVC alone, and its stage must end by itself, or everything at once, as a power cut does. An interruption is
Ctrl-C in the terminal of all, or SIGTERM to DVC. A lock file of DVC's own that a kill has cut is removed before the
next run, as `python -m pipeline run` and `clean-up` do.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from support.cloned import RECIPES, Repository, lay, make_environment
from support.trained import HOG

from pipeline.core.lock_file import mend_lock_file
from pipeline.core.processes import sweep_dvc_lock

GRACE = 20.0  # seconds that a stage may live on after its DVC
_KINDS = ("folds/folds.csv", "folds/**/*.parquet", "folds/*/checkpoints/*", "submissions/*.csv")
_STAGE = re.compile(rb"^Running stage '(.+)':", re.M)
_LOOK = 0.02  # seconds between two looks at the log
_RECIPES = {"tiny_cnn": RECIPES["tiny_cnn"], "tiny_hog": HOG}  # with a network and without, which starts sooner
_RESULTS = (".work", "data", "reports", "submissions", "folds", ".dvc/cache", ".dvc/tmp", "dvc.lock")


class Chain:
    """A repository whose `dvc repro` is broken off again and again.

    Attributes:
        seconds: that an unbroken run takes; by stage, and until the first of them under an empty name.
    """

    def __init__(self, folder: Path) -> None:
        """Runs everything once, unbroken."""
        self._repository: Repository = lay(folder, _RECIPES)
        self._log = folder / "log.txt"
        self._environment = make_environment(self._repository.home) | {
            "RELIABILITY_TRIAL": str(folder),
            "PYTHONUNBUFFERED": "1",  # the log has DVC's lines when they are printed
        }
        self.seconds: dict[str, float] = {}
        process, stage, since = self._start(), "", time.monotonic()
        while process.poll() is None:
            time.sleep(_LOOK)
            begun = self._list_stages()[-1:] or [""]
            if begun[0] != stage:
                self.seconds[stage], stage, since = time.monotonic() - since, begun[0], time.monotonic()
        self.seconds[stage] = time.monotonic() - since
        if process.returncode:
            raise SystemExit(f"an unbroken run fails: {self._explain()}")
        self._wanted = self._hash_results()
        self._clear()

    def break_off(self, seed: int) -> str | None:
        """Kills a run (even seeds) or interrupts it (odd ones) at a random moment; returns what does not hold."""
        rng = random.Random(f"chain {seed}")
        gently = bool(rng.random() < 0.5)
        if seed % 2:
            problem = self._break(rng, lambda process: self._interrupt(process, gently))
        else:
            problem = self._break(rng, lambda process: self._kill(process, gently))
        words = (("SIGTERM", "Ctrl-C") if seed % 2 else ("all killed", "DVC killed"))[gently]
        return problem and f"{words} {problem}"

    def close(self) -> str | None:
        """Lets the last run finish; returns what does not hold."""
        return self._finish() or self._compare()

    def _break(self, rng: random.Random, end: Callable[["subprocess.Popen[bytes]"], str | None]) -> str | None:
        ahead, share = rng.choice([0, 1, 1, 2, 2, 3, 3]), rng.random()
        process, stages = self._start(), list[str]()
        while process.poll() is None and len(stages) < ahead:
            time.sleep(_LOOK)
            stages = self._list_stages()
        stage = stages[-1] if stages else ""
        moment = share * self.seconds.get(stage, 1.0)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            problem = end(process) or self._await_end()
            return f"{moment:.2f} s into {stage or 'DVC'}: {problem}" if problem else None
        return (self._explain() if process.returncode else None) or self._compare() or self._break(rng, end)

    def _start(self) -> "subprocess.Popen[bytes]":
        # As `python -m pipeline run` and `clean-up` do.
        sweep_dvc_lock(self._repository.root)
        mend_lock_file(self._repository.root)
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dvc", "repro"],
                cwd=self._repository.root,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _list_stages(self) -> list[str]:
        """Lists the stages that a run has begun so far."""
        return [name.decode() for name in _STAGE.findall(self._log.read_bytes())]

    def _kill(self, process: "subprocess.Popen[bytes]", alone: bool) -> None:
        for pid in [process.pid] if alone else [process.pid, *self._list_alive()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()

    def _interrupt(self, process: "subprocess.Popen[bytes]", terminal: bool) -> str | None:
        if terminal:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._kill(process, alone=False)
            return f"DVC was there {GRACE:g} s after {'Ctrl-C' if terminal else 'SIGTERM'}"
        return None

    def _await_end(self) -> str | None:
        """Waits for the stage to end by itself."""
        end = time.monotonic() + GRACE
        while alive := self._list_alive():
            if time.monotonic() > end:
                words = [" ".join(psutil.Process(pid).cmdline()[-3:]) for pid in alive]
                for pid in alive:
                    os.kill(pid, signal.SIGKILL)
                return f"orphans: {words}"
            time.sleep(0.1)
        return None

    def _list_alive(self) -> list[int]:
        found = []
        for each in psutil.process_iter():
            try:
                marked = each.environ().get("RELIABILITY_TRIAL") == self._environment["RELIABILITY_TRIAL"]
                if marked and each.pid != os.getpid() and each.status() != psutil.STATUS_ZOMBIE:
                    found.append(each.pid)
            except psutil.Error:
                continue
        return found

    def _finish(self) -> str | None:
        return self._explain() if self._start().wait() else None

    def _explain(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"a run that follows fails: {' | '.join(lines[-4:])}"

    def _compare(self) -> str | None:
        """Compares a finished run with the unbroken one, and clears it."""
        there = self._hash_results()
        other = sorted(name for name in there.keys() | self._wanted if there.get(name) != self._wanted.get(name))
        left = [str(path) for path in self._repository.root.rglob(".tmp-*")]
        self._clear()
        if other:
            return f"other bits: {other}"
        return f"left: {left}" if left else None

    def _hash_results(self) -> dict[str, str]:
        root = self._repository.root
        files = sorted(file for kind in _KINDS for file in root.glob(kind))
        return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def _clear(self) -> None:
        for name in _RESULTS:
            path = self._repository.root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
