"""Submits to Kaggle, waits for the score and logs both. Run by hand: no stage of dvc.yaml.

Reads: submissions/<name>.{csv,json}, data/prepared/{classes.json,sample_submission.csv}, submissions/{log.csv,sent}
Writes: submissions/log.csv, submissions/sent/<sha256>.csv; holds the lock .work/submit/lock
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.competition import Competition, load_competition
from pipeline.core.errors import InputError, some
from pipeline.kaggle import sending, submission_log, submission_upload, submitting
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submission_upload import ListedSubmission, Upload
from pipeline.kaggle.submitting import CheckedSubmission, ScoreWait


def run(root: Path, name: str, message: str | None, again: bool, wait: ScoreWait) -> None:
    """Checks a submission, prints it, submits it, waits for its score and logs it.

    Args:
        root: the repository.
        name: a submission: a model or ``ensemble``.
        message: what Kaggle shows beside it; None: score, members and commit.
        again: submit a file that was submitted before.
        wait: the longest wait for the score, and the pause between two requests.

    Raises:
        InputError: the submission does not fit, was submitted before, none is left today, or Kaggle did not accept
            it: the log and the CSV are as they were. Where it is unknown whether Kaggle accepted it, its line stays in
            the log as ``sending`` (``pending``, if the client reported success).
    """
    competition = load_competition(root)
    slug = submitting.require_slug(root, competition)
    with sending.lock_sending(root) as lock:
        new = submitting.read_checked_submission(root, name, competition)
        sent = _send_once(root, competition, slug, new, _Wishes(message, again, wait.pause, lock))
    print("logged in submissions/log.csv")
    scored = submitting.wait_for_score(slug, sent, wait)
    submission_log.update_entries(root, lambda entry: submitting.add_score(entry, [scored]))
    _print_score(new, slug, scored)


@dataclass(frozen=True)
class _Wishes:
    """What the caller wants of one upload, and the lock that it happens under."""

    message: str | None
    again: bool
    pause: float
    lock: int


def _send_once(
    root: Path, competition: Competition, slug: str, new: CheckedSubmission, wishes: _Wishes
) -> ListedSubmission:
    """Sends a submission unless Kaggle has it, or may have it."""
    active = active_name(root)
    entries = submission_log.read_log(root, active)
    if not wishes.again:
        sending.refuse_repeated(entries, new.card.sha256)
    text = submission_log.clean_message(wishes.message or "") or submitting.make_default_message(new.card)
    draft = _draft(active, new, text)
    listing = submission_upload.list_submissions(slug, sending.NEWEST)
    entries = sending.settle_log(root, listing, active)
    if not wishes.again:
        sending.refuse_repeated(entries, new.card.sha256)
        sending.refuse_unsettled(entries, listing, draft, slug)
    _print_submission(new, slug, submitting.describe_difference(root, new, entries, competition.submission), text)
    _require_one_left(slug)
    # A list that lags behind may lack what is logged.
    known = frozenset([*(submitted.ref for submitted in listing), *(entry.ref for entry in entries if entry.ref)])
    try:
        sent = sending.send_logged(root, Upload(slug, new.path, text, known, wishes.pause, wishes.lock), draft)
    except submission_upload.UnlistedError:
        submitting.keep_copy(root, new)
        raise
    submitting.keep_copy(root, new)
    return sent


def _print_submission(new: CheckedSubmission, slug: str, difference: str, message: str) -> None:
    card = new.card
    nested = "none" if card.nested_cv is None else f"{card.nested_cv:.5f}"
    print(f"{card.name} -> {slug} ({card.rows:,} rows, checked against the sample)")
    print(f"members: {', '.join(card.members)}")
    print(f"{card.metric}: out-of-fold {card.cv:.5f}, nested {nested}")
    if card.peeked:
        print(f"these scores may be optimistic: {some(card.peeked)}")
    print(difference)
    print(f"message: {message}")


def _require_one_left(slug: str) -> None:
    limits = submission_upload.read_limits(slug)
    if limits.left is None:
        print("submissions left today: Kaggle says so after the first one")
        return
    print(f"submissions left today: {limits.left} ({limits.today} made)")
    if limits.left <= 0:
        raise InputError(f"no submission to {slug} is left today; Kaggle's limit resets at 00:00 UTC")


def _draft(active: str, new: CheckedSubmission, message: str) -> LogEntry:
    card = new.card
    return LogEntry(
        time=submission_log.format_now(),
        name=card.name,
        message=message,
        git_commit=card.git_commit,
        oof=card.cv,
        nested_cv=card.nested_cv,
        competition=active,
        status="sending",
        sha256=card.sha256,
    )


def _print_score(new: CheckedSubmission, slug: str, scored: ListedSubmission) -> None:
    page = submission_upload.make_submissions_url(slug)
    if scored.status == "failed":
        raise InputError(f"Kaggle accepted {new.path.name} but could not score it; see the reason at {page}")
    if scored.status == "unscored":
        raise InputError(f"Kaggle has scored {new.path.name}, but lists no finite score; see {page}")
    if scored.status != "scored":
        word = "" if scored.status == "pending" else f" (Kaggle calls it {scored.status!r})"
        print(f"no score yet{word}; fetch it later with `python -m pipeline board --refresh`, or see {page}")
        return
    private = "" if scored.private is None else f", private {scored.private:g}"
    public = "none" if scored.public is None else f"{scored.public:g}"
    print(f"score: public {public}{private} (out-of-fold {new.card.cv:.5f})")
