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
_LOOKS = 3
_STATUS: dict[str, ListedStatus] = {"COMPLETE": "scored", "ERROR": "failed"}


@dataclass(frozen=True)
class SubmissionLimits:
    """How many submissions a team has made and may still make.

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
    """Asks how many submissions are left today.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    failed = f"Kaggle does not say how many submissions are left for {slug}"
    answer = run_client(["submission-limits", "-c", slug, "--json"])
    said = _json(answer, slug, failed)
    # Zeros are left out of the answer; all of them are zero before the first submission, which is allowed.
    today, total, left = (int(said.get(name, 0)) for name in ("numToday", "numTotal", "numAllowedNow"))
    return SubmissionLimits(today, left if total or today or left else None)


def list_submissions(slug: str, newest: int = 50) -> tuple[ListedSubmission, ...]:
    """Lists the newest submissions, newest first.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    answer = run_client(["submissions", "-c", slug, "--format", "json", "--page-size", str(newest)])
    if answer.code == 0 and "No submissions found" in answer.out:
        return ()
    return tuple(map(_submitted, _json(answer, slug, f"Kaggle does not list the submissions to {slug}")))


def make_submissions_url(slug: str) -> str:
    """Returns the address where a person sees their submissions."""
    return f"https://www.kaggle.com/competitions/{slug}/submissions"


def upload_submission(slug: str, csv: Path, message: str, pause: float) -> ListedSubmission:
    """Hands a file in and returns it as Kaggle lists it.

    Ctrl-C stops the client, but not what Kaggle has begun: the list is looked at all the same, as what was spent must
    be logged.

    Args:
        slug: the competition.
        csv: the file; Kaggle shows its name.
        message: its description.
        pause: seconds between looks at the list, which may lag behind.

    Raises:
        InputError: Kaggle did not take it, or nobody can tell; the message says which.
    """
    before = {submission.ref for submission in list_submissions(slug)}
    unsure = f"it is not known whether Kaggle took {csv.name}; look at {make_submissions_url(slug)} before trying again"
    try:
        answer = run_client(["submit", "-q", "-c", slug, "-f", str(csv), f"--message={message}"], _UPLOAD_SECONDS)
    except KeyboardInterrupt:
        print(f"interrupted: looking whether Kaggle took {csv.name}", file=sys.stderr)
        if (found := _find(slug, before, csv.name, message, 1, pause)) is not None:
            return found
        raise InputError(f"interrupted, and not on Kaggle's list yet: {unsure}") from None
    failed = f"Kaggle did not take {csv.name}"
    taken = answer.code == 0 and "Could not submit" not in answer.out
    try:
        found = _find(slug, before, csv.name, message, _LOOKS if taken or answer.lost else 1, pause)
    except InputError as error:
        if answer.code and not answer.lost:
            raise explain_refusal(answer.lines, slug, failed) from error
        raise InputError(f"{unsure} ({error})") from error
    if found is not None:
        return found
    if answer.lost:  # the list may lag behind for longer than we looked
        failed = f"Kaggle does not list {csv.name}, so it did not take it or lists it later (see its page)"
    if answer.code:
        raise explain_refusal(answer.lines, slug, failed)
    if taken:
        raise InputError(f"{unsure} (it said yes, but does not list it)")
    raise InputError(f"{failed}: the upload failed, and no submission was spent; try again")


def _find(slug: str, before: set[str], name: str, message: str, looks: int, pause: float) -> ListedSubmission | None:
    """Looks for what came since: with our message, or else under our file's name and alone."""
    for look in range(looks):
        if look:
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


def _submitted(item: dict[str, Any]) -> ListedSubmission:
    return ListedSubmission(
        ref=str(item["ref"]),
        file=item["fileName"] or "",
        description=item["description"] or "",
        status=_STATUS.get(str(item["status"]).rpartition(".")[2], "pending"),
        public=_score(item["publicScore"]),
        private=_score(item["privateScore"]),
    )


def _score(text: str | None) -> float | None:
    """Reads a score; Kaggle leaves it empty until there is one."""
    try:
        score = float(text or "")
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def _json(answer: ClientOutput, slug: str, failed: str) -> Any:
    if answer.code:
        raise explain_refusal(answer.lines, slug, failed)
    try:
        return json.loads(answer.out)
    except ValueError as error:
        raise explain_refusal(
            answer.lines, slug, f"{failed}, in words that the pipeline does not understand"
        ) from error
