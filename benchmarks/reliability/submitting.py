"""Submissions under random interleavings of kills, lost networks, full disks, Ctrl-C, repetitions, company, new files.

The pipeline's own code runs; the client is replaced by calls of the stand-in for Kaggle, so that a kill can happen
between any two of its steps. A kill is an exception that nothing catches.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.kaggle_server import KaggleServer

from pipeline.core import cards
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.paths import submission_path
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
        self.created: Counter[str] = Counter()  # by digest, as insisted
        self.insisted: Counter[str] = Counter()
        self.sent: dict[str, str] = {}  # digest by number
        self.history: list[str] = []
        self._plan = threading.local()
        self._serving = threading.Lock()
        self._orphans: list[threading.Thread] = []
        submission_log.log_path(root).unlink(missing_ok=True)
        shutil.rmtree(root / "submissions" / "sent", ignore_errors=True)
        self._train(0)

    def _train(self, version: int) -> None:
        """Puts a version of a model's submission and card in place."""
        for path, content in _make_versions(self.root)[version].items():
            path.write_bytes(content)

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
                self._submit(name, None, False, "none", 0)
            board.run(self.root, refresh=True)
        return self._judge()

    def _act(self) -> None:
        if self.random.random() < 0.3:
            self._train(version := self.random.randint(0, 1))
            self.history.append(f"version {version} of one")
        moves = []
        for _ in range(self.random.choice([1, 1, 2])):
            name, again = self.random.choice(["ensemble", "ensemble", "one"]), self.random.random() < 0.15
            message = self.random.choice([None, None, "mine"])
            moves.append((name, message, again, self.random.choice(FAULTS), self.random.randint(0, _STEPS)))
            self.insisted[sha256(submission_path(self.root, name))] += again
        self.server.lag = self.random.choice([0, 0, 1, 3])
        self.history.append(f"{moves}, lag {self.server.lag}")
        threads = [threading.Thread(target=self._submit, args=move) for move in moves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _submit(self, name: str, message: str | None, again: bool, fault: str, step: int) -> None:
        self._plan.fault, self._plan.left = fault, step
        with contextlib.suppress(InputError, OSError, KeyboardInterrupt, Killed):
            submit.run(self.root, name, message, again, ScoreWait(timeout=0.01, pause=0.001))

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
            content = _find_file(arguments).read_bytes()
            self._orphans.append(threading.Thread(target=self._finish, args=(list(arguments), content, os.dup(lock))))
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

    def _finish(self, arguments: list[str], content: bytes, lock: int) -> None:
        """Goes on as a client whose parent was killed; the lock is its own, too."""
        time.sleep(0.005)
        self._answer(arguments, content)
        os.close(lock)

    def _answer(self, arguments: Sequence[str], content: bytes | None = None) -> ClientOutput:
        body: dict[str, Any] = {"competitionName": self.server.slug}
        with self._serving:
            if arguments[0] == "submission-limits":
                return ClientOutput(0, json.dumps(self.server.answer("GetSubmissionLimits", body)), "")
            if arguments[0] == "submissions":
                listed = self.server.answer("ListSubmissions", {**body, "pageSize": 200})["submissions"]
                empty = {"publicScore": "", "privateScore": ""}
                return ClientOutput(0, json.dumps([{**empty, **each} for each in listed]), "")
            path = _find_file(arguments)
            content = path.read_bytes() if content is None else content
            token = self.server.answer("StartSubmissionUpload", {**body, "fileName": path.name})["token"]
            self.server.uploads[token] = content
            message = arguments[-1].removeprefix("--message=")
            self.server.answer("CreateSubmission", {**body, "blobFileTokens": token, "submissionDescription": message})
            digest = hashlib.sha256(content).hexdigest()
            self.created[digest] += 1
            self.sent[str(max(each["ref"] for each in self.server.submissions))] = digest
            return ClientOutput(0, f"Successfully submitted to {self.server.slug}", "")

    def _judge(self) -> str | None:
        problems = []
        for digest, times in self.created.items():
            if times > 1 + self.insisted[digest]:
                problems.append(f"{digest[:8]} sent {times} times, {self.insisted[digest]} of them on request")
        logged = {entry.ref: entry.sha256 for entry in submission_log.read_log(self.root) if entry.ref is not None}
        if unlogged := self.sent.keys() - logged:
            problems.append(f"unlogged: {unlogged}")
        if other := {ref for ref, digest in self.sent.items() if logged.get(ref, digest) != digest}:
            problems.append(f"logged as another file: {other}")
        return f"{'; '.join(problems)}; {self.history}" if problems else None


@cache
def _make_versions(root: Path) -> list[dict[Path, bytes]]:
    """Makes two submissions of one model, as before and after a training, each with its card."""
    path = submission_path(root, "one")
    card = path.with_suffix(".json")
    first = {path: path.read_bytes(), card: card.read_bytes()}
    head, *rows = path.read_text().splitlines()
    labels = [row.partition(",")[2] for row in rows]
    other = next(label for label in labels if label != labels[0])
    path.write_text("\n".join([head, f"{rows[0].partition(',')[0]},{other}", *rows[1:], ""]))
    known = cards.read_card(card, cards.SubmissionCard)
    cards.write_card(card, known.model_copy(update={"sha256": sha256(path), "cv": 0.125}))
    return [first, {path: path.read_bytes(), card: card.read_bytes()}]


def _find_file(arguments: Sequence[str]) -> Path:
    return Path(arguments[arguments.index("-f") + 1])
