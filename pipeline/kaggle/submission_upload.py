"""Uploads to Kaggle: a file is submitted, and the submissions and the limits are read, by the command line client.

A failed upload leaves the client with exit status 0, and a connection may break after Kaggle has taken a submission:
what counts is what Kaggle lists afterwards.
"""

import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.core.errors import InputError
from pipeline.kaggle.client import ClientOutput, run_client
from pipeline.kaggle.client_errors import explain_refusal

ListedStatus = Literal["pending", "scored", "failed"]

_UPLOAD_SECONDS = 1800.0
_ATTEMPTS = 3
_STATUS: dict[str, ListedStatus] = {"COMPLETE": "scored", "ERROR": "failed"}


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
    """A submission as Kaggle lists it."""

    ref: str
    file: str
    description: str
    status: ListedStatus
    public: float | None
    private: float | None


def read_limits(slug: str) -> SubmissionLimits:
    """Reads how many submissions are left today.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    failed = f"Kaggle does not return the submission limits of {slug}"
    output = run_client(["submission-limits", "-c", slug, "--json"])
    counts = _parse_json(output, slug, failed)
    # Zeros are left out of the output; all of them are zero before the first submission, which is allowed.
    today, total, left = (int(counts.get(name, 0)) for name in ("numToday", "numTotal", "numAllowedNow"))
    return SubmissionLimits(today, left if total or today or left else None)


def list_submissions(slug: str, newest: int = 50) -> tuple[ListedSubmission, ...]:
    """Lists the newest submissions, newest first.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    output = run_client(["submissions", "-c", slug, "--format", "json", "--page-size", str(newest)])
    if output.code == 0 and "No submissions found" in output.out:
        return ()
    return tuple(map(_parse_submission, _parse_json(output, slug, f"Kaggle does not list the submissions to {slug}")))


def make_submissions_url(slug: str) -> str:
    """Returns the URL of the page that lists one's submissions."""
    return f"https://www.kaggle.com/competitions/{slug}/submissions"


def upload_submission(slug: str, csv: Path, message: str, pause: float) -> ListedSubmission:
    """Uploads a file as a submission and returns it as Kaggle lists it.

    Ctrl-C stops the client, but not what Kaggle has begun: the list is read all the same, as a submission
    that was made must be logged.

    Args:
        slug: the competition.
        csv: the file; Kaggle shows its name.
        message: its description.
        pause: seconds between two requests for the list, which may lag behind.

    Raises:
        InputError: Kaggle did not accept it, or that is unknown; the message says which.
    """
    before = {submission.ref for submission in list_submissions(slug)}
    unknown = f"it is unknown whether Kaggle accepted {csv.name}; see {make_submissions_url(slug)} before trying again"
    try:
        output = run_client(["submit", "-q", "-c", slug, "-f", str(csv), f"--message={message}"], _UPLOAD_SECONDS)
    except KeyboardInterrupt:
        print(f"interrupted: checking whether Kaggle accepted {csv.name}", file=sys.stderr)
        if (submitted := _find_new(slug, before, csv.name, message, 1, pause)) is not None:
            return submitted
        raise InputError(f"interrupted, and not on Kaggle's list yet: {unknown}") from None
    failed = f"Kaggle did not accept {csv.name}"
    accepted = output.code == 0 and "Could not submit" not in output.out
    try:
        submitted = _find_new(
            slug, before, csv.name, message, _ATTEMPTS if accepted or output.connection_lost else 1, pause
        )
    except InputError as error:
        if output.code and not output.connection_lost:
            raise explain_refusal(output.lines, slug, failed) from error
        raise InputError(f"{unknown} ({error})") from error
    if submitted is not None:
        return submitted
    if output.connection_lost:  # the list may lag behind for longer than all attempts
        failed = f"Kaggle does not list {csv.name}, so it did not accept it or will list it later (see its page)"
    if output.code:
        raise explain_refusal(output.lines, slug, failed)
    if accepted:
        raise InputError(f"{unknown} (it reported success, but does not list it)")
    raise InputError(f"{failed}: the upload failed, and no submission was used; try again")


def _find_new(
    slug: str, before: set[str], name: str, message: str, attempts: int, pause: float
) -> ListedSubmission | None:
    """Finds the submission that is new on the list: with our message, or else the only one of our file's name."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause)
        new = [
            submission
            for submission in list_submissions(slug)
            if submission.ref not in before and submission.file == name
        ]
        ours = [submission for submission in new if submission.description.split() == message.split()]
        if ours or len(new) == 1:
            return (ours or new)[0]
    return None


def _parse_submission(item: dict[str, Any]) -> ListedSubmission:
    return ListedSubmission(
        ref=str(item["ref"]),
        file=item["fileName"] or "",
        description=item["description"] or "",
        status=_STATUS.get(str(item["status"]).rpartition(".")[2], "pending"),
        public=_parse_score(item["publicScore"]),
        private=_parse_score(item["privateScore"]),
    )


def _parse_score(text: str | None) -> float | None:
    """Parses a score; Kaggle leaves it empty until there is one."""
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def _parse_json(output: ClientOutput, slug: str, failed: str) -> Any:
    if output.code:
        raise explain_refusal(output.lines, slug, failed)
    try:
        return json.loads(output.out)
    except ValueError as error:
        raise explain_refusal(output.lines, slug, f"{failed}, as its answer is not JSON") from error
