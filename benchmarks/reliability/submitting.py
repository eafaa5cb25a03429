"""Submissions under random interleavings of kills, lost networks, full disks, Ctrl-C, repetitions and company.

The pipeline's own code runs; the client is replaced by calls of the stand-in for Kaggle, so that a kill can happen
between any two of its steps. A kill is an exception that nothing catches.
"""

import contextlib
import io
import json
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.kaggle_server import KaggleServer

from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.submitting import ScoreWait
from pipeline.stages import board, submit

FAULTS = ("none", "kill", "orphan", "lost before", "lost after", "ctrl-c before", "ctrl-c after", "disk full")
_LOST = ClientOutput(1, "", "requests.exceptions.ConnectionError: Remote end closed connection without response")
_WRITE = submission_log._write
_STEPS = 9  # calls of the client and writes of the log in one submission, and one more


class Killed(BaseException):
    """The process is gone."""


class Interleaving:
    """One random history of one file, and what must be true at its end."""

    def __init__(self, root: Path, seed: int) -> None:
        """Takes a repository with submissions, whose log is removed."""
        self.root, self.random = root, random.Random(seed)
        self.server = KaggleServer(score_after=1)
        self.server.limits["numAllowedNow"] = 1000
        self.created: Counter[str] = Counter()  # by file name
        self.insisted: Counter[str] = Counter()
        self.history: list[str] = []
        self._plan = threading.local()
        self._serving = threading.Lock()
        self._orphans: list[threading.Thread] = []
        submission_log.log_path(root).unlink(missing_ok=True)
        shutil.rmtree(root / "submissions" / "sent", ignore_errors=True)

    def play(self) -> str | None:
        """Plays the history; returns what does not hold."""
        patches = (
            patch("pipeline.kaggle.submission_upload.run_client", self._run_client),
            patch("pipeline.kaggle.submission_log._write", self._write_log),
            patch("pipeline.stages.board.draw_agreements"),  # most of the time
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        )
        with contextlib.ExitStack() as stack:
            for each in patches:
                stack.enter_context(each)
            for _ in range(self.random.randint(1, 5)):
                self._act()
            self.server.lag = 0
            for orphan in self._orphans:
                orphan.join()
            for name in ("ensemble", "one"):
                self._submit(name, False, "none", 0)
            board.run(self.root, refresh=True)
        return self._judge()

    def _act(self) -> None:
        moves = []
        for _ in range(self.random.choice([1, 1, 2])):
            name, again = self.random.choice(["ensemble", "ensemble", "one"]), self.random.random() < 0.15
            moves.append((name, again, self.random.choice(FAULTS), self.random.randint(0, _STEPS)))
            self.insisted[name] += again
        self.server.lag = self.random.choice([0, 0, 1, 3])
        self.history.append(f"{moves}, lag {self.server.lag}")
        threads = [threading.Thread(target=self._submit, args=move) for move in moves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _submit(self, name: str, again: bool, fault: str, step: int) -> None:
        self._plan.fault, self._plan.left = fault, step
        with contextlib.suppress(InputError, OSError, KeyboardInterrupt, Killed):
            submit.run(self.root, name, None, again, ScoreWait(timeout=0.01, pause=0.001))

    def _due(self) -> str:
        """Counts a step; returns the fault that is due now."""
        self._plan.left -= 1
        return str(self._plan.fault) if self._plan.left == -1 else "none"

    def _write_log(self, root: Path, entries: tuple[submission_log.LogEntry, ...]) -> None:
        fault = self._due()
        if fault == "disk full":
            raise OSError(28, "No space left on device")
        if fault == "orphan":
            raise Killed
        if fault == "kill":
            if self._plan.left % 2:
                raise Killed
            _WRITE(root, entries)
            raise Killed
        _WRITE(root, entries)

    def _run_client(self, arguments: Sequence[str], seconds: float = 120.0, lock: int | None = None) -> ClientOutput:
        fault = self._due()
        if fault == "orphan" and arguments[0] == "submit" and lock is not None:
            self._orphans.append(threading.Thread(target=self._finish, args=(list(arguments), os.dup(lock))))
            self._orphans[-1].start()
        if fault in ("kill", "orphan"):
            raise Killed
        if fault == "ctrl-c before":
            raise KeyboardInterrupt
        if fault == "lost before":
            return _LOST
        output = self._answer(arguments)
        if fault == "ctrl-c after":
            raise KeyboardInterrupt
        return _LOST if fault == "lost after" else output

    def _finish(self, arguments: list[str], lock: int) -> None:
        """Goes on as a client whose parent was killed; the lock is its own, too."""
        time.sleep(0.005)
        self._answer(arguments)
        os.close(lock)

    def _answer(self, arguments: Sequence[str]) -> ClientOutput:
        body: dict[str, Any] = {"competitionName": self.server.slug}
        with self._serving:
            if arguments[0] == "submission-limits":
                return ClientOutput(0, json.dumps(self.server.answer("GetSubmissionLimits", body)), "")
            if arguments[0] == "submissions":
                listed = self.server.answer("ListSubmissions", {**body, "pageSize": 200})["submissions"]
                empty = {"publicScore": "", "privateScore": ""}
                return ClientOutput(0, json.dumps([{**empty, **each} for each in listed]), "")
            path = Path(arguments[arguments.index("-f") + 1])
            token = self.server.answer("StartSubmissionUpload", {**body, "fileName": path.name})["token"]
            self.server.uploads[token] = path.read_bytes()
            message = arguments[-1].removeprefix("--message=")
            self.server.answer("CreateSubmission", {**body, "blobFileTokens": token, "submissionDescription": message})
            self.created[path.stem] += 1
            return ClientOutput(0, f"Successfully submitted to {self.server.slug}", "")

    def _judge(self) -> str | None:
        problems = []
        for name, times in self.created.items():
            if times > 1 + self.insisted[name]:
                problems.append(f"{name} sent {times} times, {self.insisted[name]} of them on request")
        unlogged = {str(each["ref"]) for each in self.server.submissions} - set(self._logged())
        if unlogged:
            problems.append(f"unlogged: {unlogged}")
        return f"{'; '.join(problems)}; {self.history}" if problems else None

    def _logged(self) -> Iterator[str]:
        for entry in submission_log.read_log(self.root):
            if entry.ref is not None:
                yield entry.ref
