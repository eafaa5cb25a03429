"""Submissions ready to be uploaded to the stand-in for Kaggle, and what is read off afterwards."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import competition, train_fake, write_repository
from support.kaggle_server import SECRETS

from pipeline.core import files
from pipeline.core.cards import SubmissionCard, read_card
from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log, submitting
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submitting import ScoreWait
from pipeline.stages import ensemble as ensemble_stage
from pipeline.stages import submission as submission_stage
from pipeline.stages import submit as stage

QUICK = ScoreWait(timeout=20.0, pause=0.05)


def make_submissions(root: Path, submission: dict[str, Any]) -> Path:
    write_repository(root, submission)
    describe(root, submission, kaggle="tiny-pets")
    train_fake(root, "one", seed=1)
    train_fake(root, "two", seed=3)
    ensemble_stage.run(root)
    for name in ("one", "two", "ensemble"):
        submission_stage.run(root, name)
    return root


def describe(root: Path, submission: dict[str, Any], **more: str) -> None:
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", {**competition(submission), **more})


def submit(root: Path, name: str = "ensemble", message: str | None = None, again: bool = False) -> None:
    stage.run(root, name, message, again, QUICK)


def refused(root: Path, name: str = "ensemble", opened: str = "", **options: Any) -> str:
    """Submits what must be refused, and holds that to what holds for every refusal; returns the error.

    ``opened``: the status of the one line that an unknown outcome leaves in the log.
    """
    before = {path: path.read_bytes() for path in (root / "submissions").rglob("*") if path.is_file()}
    with pytest.raises(InputError) as caught:
        submit(root, name, **options)
    after = {path: path.read_bytes() for path in (root / "submissions").rglob("*") if path.is_file()}
    if not opened:
        assert after == before
    assert not opened or (logged(root).status, logged(root).ref) == (opened, None)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return str(caught.value)


def logged(root: Path) -> LogEntry:
    (only,) = submission_log.read_log(root)
    return only


def card(root: Path, name: str = "ensemble") -> SubmissionCard:
    return read_card(root / "submissions" / f"{name}.json", SubmissionCard)


def submitted_before(root: Path, name: str) -> None:
    """Leaves what an earlier submission leaves."""
    known = card(root, name)
    entry = LogEntry(
        time="2026-11-20T12:00:00Z",
        name=name,
        message="",
        public_lb=0.8,
        competition="tiny",
        status="scored",
        ref="1",
        sha256=known.sha256,
    )
    submission_log.append_entry(root, entry)
    sent = submitting.sent_path(root, known.sha256)
    sent.parent.mkdir()
    shutil.copyfile(root / "submissions" / f"{name}.csv", sent)
