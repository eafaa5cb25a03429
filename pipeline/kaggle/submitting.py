"""Submitting: the checked file, its message, its difference from the last one, and the wait for its score."""

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core import cards
from pipeline.core.active import active_name
from pipeline.core.answers import ProbabilitySubmission, Submission
from pipeline.core.competition import Competition
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.files import atomic_path, sha256
from pipeline.core.paths import competition_path, prepared_folder, submissions_folder
from pipeline.core.progress import track_progress
from pipeline.kaggle.answers.sheets import read_sheet
from pipeline.kaggle.submission_checks import check_submission_file
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submission_upload import ListedSubmission, list_submissions

_LISTED_MEMBERS = 8


@dataclass(frozen=True)
class CheckedSubmission:
    """A submission that may be uploaded: its file fits the sample, and its card describes that very file.

    Attributes:
        path: the CSV.
        card: its origin.
        frame: its cells, as text.
    """

    path: Path
    card: cards.SubmissionCard
    frame: pd.DataFrame


def read_checked_submission(root: Path, name: str, competition: Competition) -> CheckedSubmission:
    """Reads a submission and checks it again.

    Raises:
        InputError: there is none of that name, it belongs to another competition, it is not the file that its card
            describes, or it does not fit the sample.
    """
    folder = submissions_folder(root)
    path = folder / f"{name}.csv"
    if not path.is_file():
        known = [card.stem for card in folder.glob("*.json")]
        raise InputError(f"{path} does not exist; {near_names(name, known)}; `dvc repro` writes the submissions")
    card = cards.read_card(path.with_suffix(".json"), cards.SubmissionCard)
    if card.competition != active_name(root):
        raise InputError(
            f"{path} was made for {card.competition}, the active competition is {active_name(root)}; run `dvc repro`"
        )
    frame = check_submission_file(path, read_sheet(prepared_folder(root), competition))
    if sha256(path) != card.sha256:
        raise InputError(
            f"{path} was changed since it was written, so its card holds the score of another file; remove it and run "
            "`dvc repro`"
        )
    return CheckedSubmission(path, card, frame)


def require_slug(root: Path, competition: Competition) -> str:
    """Returns the Kaggle competition that submissions go to.

    Raises:
        InputError: there is none.
    """
    if competition.slug is None:
        raise InputError(
            f"{competition_path(root, active_name(root))} names no competition at Kaggle; add `kaggle: SLUG` there, or "
            "grade here: python -m pipeline score CSV --solution CSV"
        )
    return competition.slug


def make_default_message(card: cards.SubmissionCard) -> str:
    """Describes a submission in one line: its score by cross-validation, its members, its commit."""
    nested = "" if card.nested_cv is None else f", nested {card.nested_cv:.5f}"
    commit = card.git_commit[:10] if card.git_commit else "none"
    members = some(card.members, _LISTED_MEMBERS)
    warning = " (may be optimistic)" if card.peeked else ""
    return f"{card.name}: CV {card.metric} {card.cv:.5f}{nested}{warning}; members {members}; git {commit}"


def sent_path(root: Path, digest: str) -> Path:
    """Returns the path of the copy of a submitted file."""
    return submissions_folder(root) / "sent" / f"{digest}.csv"


def keep_copy(root: Path, sent: CheckedSubmission) -> None:
    """Keeps a copy of what was submitted, for comparisons: the file itself is written anew by the next run."""
    target = sent_path(root, sent.card.sha256)
    if not target.is_file():
        with atomic_path(target) as temporary:
            shutil.copyfile(sent.path, temporary)


def describe_difference(
    root: Path, new: CheckedSubmission, entries: tuple[LogEntry, ...], submission: Submission
) -> str:
    """Describes in one line how a submission differs from the last one at Kaggle."""
    sent = [entry for entry in entries if entry.status != "graded"]
    if not sent:
        return "the first submission"
    last = sent[-1]
    since = f"since the last submission ({last.name}, {last.time})"
    path = sent_path(root, last.sha256)
    if not path.is_file():
        return f"{since}: no copy of it is left to compare with"
    if sha256(path) != last.sha256:
        return f"{since}: its copy {path} is damaged"
    old = read_table(path)
    if old.columns.tolist() != new.frame.columns.tolist() or set(old[submission.id]) != set(new.frame[submission.id]):
        return f"{since}: ids or columns differ"
    values = [column for column in old.columns if column != submission.id]
    before = old.set_index(submission.id).loc[new.frame[submission.id], values].to_numpy()
    after = new.frame[values].to_numpy()
    changed = int((before != after).any(axis=1).sum())
    text = f"{since}: {changed:,} of {len(after):,} rows changed"
    if isinstance(submission, ProbabilitySubmission):
        # Every training changes all probabilities a little; a changed class is more informative.
        best = [np.asarray(cells, dtype=np.float64).argmax(axis=1) for cells in (before, after)]
        text += f", {int((best[0] != best[1]).sum()):,} of them to another class"
    return text


def add_score(entry: LogEntry, listing: Iterable[ListedSubmission]) -> LogEntry:
    """Returns an entry of the log with the status and scores that Kaggle lists; a known score is never lost."""
    for submitted in listing:
        if submitted.ref == entry.ref:
            scores = {"public_lb": submitted.public, "private_lb": submitted.private}
            known = {name: score for name, score in scores.items() if score is not None}
            return entry.model_copy(update={"status": submitted.status, **known})
    return entry


@dataclass(frozen=True)
class ScoreWait:
    """The wait for a score, in seconds: the longest, and the pause between two requests."""

    timeout: float = 600.0
    pause: float = 5.0


def wait_for_score(slug: str, submitted: ListedSubmission, wait: ScoreWait) -> ListedSubmission:
    """Waits until Kaggle has scored a submission, or the time is over; a request that fails meanwhile is only repeated.

    Returns:
        the submission as it was listed last, maybe still pending.
    """
    started = time.monotonic()
    reported = 0
    with track_progress("waiting for the score (seconds)", int(wait.timeout)) as advance:
        while not submitted.final and (left := wait.timeout - (time.monotonic() - started)) > 0:
            time.sleep(min(wait.pause, left))
            try:
                matches = [other for other in list_submissions(slug) if other.ref == submitted.ref]
            except InputError:
                matches = []  # a broken connection, or too many requests: the score comes later
            submitted = matches[0] if matches else submitted
            passed = int(time.monotonic() - started)
            advance(passed - reported)
            reported = passed
    return submitted
