"""Uploads to Kaggle: a file is submitted, and the submissions and the limits are read, by the command line client.

A failed upload leaves the client with exit status 0, and a connection may break after Kaggle has taken a submission:
what counts is what Kaggle lists afterwards.
"""

import math
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.kaggle.client import run_client
from pipeline.kaggle.client_answers import ListedItem, parse_counts, parse_items
from pipeline.kaggle.client_errors import explain_refusal
from pipeline.kaggle.code_submission import NotebookVersion

_UPLOAD_SECONDS = 1800.0
_ATTEMPTS = 3
_STATUS = {"PENDING": "pending", "COMPLETE": "scored", "ERROR": "failed"}


@dataclass(frozen=True)
class SubmissionLimits:
    """The submissions that a team has made and may still make.

    Attributes:
        today: made since 00:00 UTC.
        left: still allowed today; None where Kaggle does not know yet, before a team's first submission.
    """

    today: int
    left: int | None


@dataclass(frozen=True)
class ListedSubmission:
    """A submission as Kaggle lists it.

    ``status``: ``pending``, ``scored``, ``unscored`` (complete, without a finite score), ``failed``; else Kaggle's.
    """

    ref: str
    file: str
    description: str
    status: str
    public: float | None
    private: float | None

    @property
    def final(self) -> bool:
        """Whether no score is to come any more."""
        return self.status in ("scored", "unscored", "failed")


@dataclass(frozen=True)
class Upload:
    """An upload to come.

    Attributes:
        slug: the competition.
        csv: the file, whose name Kaggle shows; or the version of a notebook.
        message: its description.
        known: the numbers of the submissions that Kaggle listed before.
        others: messages of earlier uploads that Kaggle may list from now on.
        pause: seconds between two requests for the list, which may lag behind.
        lock: file descriptor that the client inherits: the lock lasts as long as one of us is at work.
    """

    slug: str
    csv: Path | NotebookVersion
    message: str
    known: frozenset[str]
    pause: float
    lock: int
    others: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Its name in messages."""
        if isinstance(self.csv, Path):
            return self.csv.name
        return f"version {self.csv.number} of {self.csv.ref}"

    @property
    def arguments(self) -> list[str]:
        """The client's arguments."""
        if isinstance(self.csv, Path):
            source = ["-f", str(self.csv)]
        else:
            source = ["-f", self.csv.output, "-k", self.csv.ref, "-v", str(self.csv.number)]
        return ["submit", "-q", "-c", self.slug, *source, f"--message={self.message}"]

    def is_of(self, submission: ListedSubmission) -> bool:
        """Says whether a listed submission may be this one; Kaggle chooses the file name of a notebook's version."""
        if isinstance(self.csv, Path):
            return submission.file == self.csv.name
        return submission.description.startswith(self.csv.lead)


class UnlistedError(InputError):
    """Kaggle may have accepted a submission, or reported that it did, and does not list it.

    Attributes:
        accepted: whether success was reported.
    """

    def __init__(self, message: str, accepted: bool = False) -> None:
        """Keeps the message, and whether success was reported."""
        super().__init__(message)
        self.accepted = accepted


def read_limits(slug: str) -> SubmissionLimits:
    """Reads how many submissions are left today.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    failed = f"Kaggle does not return the submission limits of {slug}"
    output = run_client(["submission-limits", "-c", slug, "--json"])
    counts = parse_counts(output, slug, failed)
    return SubmissionLimits(counts.today, counts.left if counts.total or counts.today or counts.left else None)


def list_submissions(slug: str, newest: int = 50) -> tuple[ListedSubmission, ...]:
    """Lists the newest submissions, newest first.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    output = run_client(["submissions", "-c", slug, "--format", "json", "--page-size", str(newest)])
    if output.code == 0 and "No submissions found" in output.out:
        return ()
    listed = parse_items(output, slug, f"Kaggle does not list the submissions to {slug}")
    return tuple(map(_parse_submission, listed))


def make_submissions_url(slug: str) -> str:
    """Returns the URL of the page that lists one's submissions."""
    return f"https://www.kaggle.com/competitions/{slug}/submissions"


def upload_submission(upload: Upload) -> ListedSubmission:
    """Uploads a file, or names a version of a notebook, as a submission and returns it as Kaggle lists it.

    Ctrl-C stops the client, but not what Kaggle has begun: the list is read all the same, as a submission
    that was made must be logged.

    Raises:
        UnlistedError: it is unknown whether Kaggle accepted it.
        InputError: Kaggle did not accept it.
    """
    slug, name = upload.slug, upload.name
    unknown = f"it is unknown whether Kaggle accepted {name}; see {make_submissions_url(slug)} before trying again"
    try:
        output = run_client(upload.arguments, _UPLOAD_SECONDS, upload.lock)
    except KeyboardInterrupt:
        print(f"interrupted: checking whether Kaggle accepted {name}", file=sys.stderr)
        with suppress(InputError):
            if (submitted := _find_new(upload, 1)) is not None:
                return submitted
        raise UnlistedError(f"interrupted, and not on Kaggle's list yet: {unknown}") from None
    failed = f"Kaggle did not accept {name}"
    accepted = output.code == 0 and "Could not submit" not in output.out
    uncertain = output.connection_lost or output.broken
    try:
        submitted = _find_new(upload, _ATTEMPTS if accepted or uncertain else 1)
    except InputError as error:
        if output.code and not uncertain:
            raise explain_refusal(output.lines, slug, failed) from error
        raise UnlistedError(f"{unknown} ({error})", accepted) from error
    if submitted is not None:
        return submitted
    if uncertain:  # the list may lag behind for longer than all attempts
        failed = f"Kaggle does not list {name}, so it did not accept it or will list it later (see its page)"
        raise UnlistedError(str(explain_refusal(output.lines, slug, failed)))
    if output.code:
        raise explain_refusal(output.lines, slug, failed)
    if accepted:
        raise UnlistedError(f"{unknown} (it reported success, but does not list it)", accepted)
    raise InputError(f"{failed}: the upload failed, and no submission was used; try again")


def _find_new(upload: Upload, attempts: int) -> ListedSubmission | None:
    """Finds the submission that is new on the list: with our message, or else the only one of our file's name.

    One with the message of an earlier upload, which the list lacked, is that upload.
    """
    for attempt in range(attempts):
        if attempt:
            time.sleep(upload.pause)
        new = [
            submission
            for submission in list_submissions(upload.slug)
            if submission.ref not in upload.known and upload.is_of(submission)
        ]
        ours = [submission for submission in new if submission.description.split() == upload.message.split()]
        rest = [submission for submission in new if submission.description not in upload.others]
        if ours or len(rest) == 1:
            return (ours or rest)[0]
    return None


def _parse_submission(item: ListedItem) -> ListedSubmission:
    public, word = _parse_score(item.public), str(item.status).rpartition(".")[2]
    status = _STATUS.get(word.upper()) or re.sub("[^a-z_]", "_", word.lower())[:40] or "unknown"
    return ListedSubmission(
        ref=item.ref,
        file=item.file or "",
        description=item.description or "",
        status="unscored" if status == "scored" and public is None else status,
        public=public,
        private=_parse_score(item.private),
    )


def _parse_score(text: str | None) -> float | None:
    """Parses a score; Kaggle leaves it empty until there is one."""
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if math.isfinite(score) else None
