"""Submits to Kaggle, waits for the score and logs both. Run by hand: no stage of dvc.yaml.

Reads: submissions/<name>.{csv,json} (for a notebook the card alone), data/prepared/{classes.json,
    sample_submission.csv}, submissions/{log.csv,sent}
Writes: submissions/log.csv, submissions/sent/<sha256>.csv; holds the lock .work/submit/lock
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.cards import SubmissionCard, read_card
from pipeline.core.competition import Competition, load_competition
from pipeline.core.errors import InputError, some
from pipeline.core.paths import submission_path
from pipeline.kaggle import sending, submission_log, submission_upload, submitting
from pipeline.kaggle.code_submission import NotebookVersion
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submission_upload import ListedSubmission, Upload
from pipeline.kaggle.submitting import CheckedSubmission, ScoreWait


@dataclass(frozen=True)
class _Subject:
    """What is submitted.

    Attributes:
        name: its name in the log.
        digest: what the log knows it by.
        sent: the checked file, or a saved version of a notebook.
        card: its origin and scores; None for a notebook that was made elsewhere.
    """

    name: str
    digest: str
    sent: CheckedSubmission | NotebookVersion
    card: SubmissionCard | None

    @property
    def label(self) -> str:
        """Its name in messages."""
        if isinstance(self.sent, CheckedSubmission):
            return self.sent.path.name
        return f"version {self.sent.number} of {self.sent.ref}"


def run(
    root: Path, name: str, message: str | None, again: bool, wait: ScoreWait, notebook: NotebookVersion | None = None
) -> None:
    """Checks a submission, prints it, submits it, waits for its score and logs it.

    Args:
        root: the repository.
        name: a submission: a model or ``ensemble``.
        message: what Kaggle shows beside it; None: score, members and commit.
        again: submit a file that was submitted before.
        wait: the longest wait for the score, and the pause between two requests.
        notebook: the version of a notebook that is submitted instead of the file; ``name`` is what it predicts with.

    Raises:
        InputError: the submission does not fit, was submitted before, none is left today, or Kaggle did not accept
            it: the log and the CSV are as they were. Where it is unknown whether Kaggle accepted it, its line stays in
            the log as ``sending`` (``pending``, if the client reported success).
    """
    competition = load_competition(root)
    slug = submitting.require_slug(root, competition)
    with sending.lock_sending(root) as lock:
        subject = _read_subject(root, name, competition, notebook)
        sent = _send_once(root, competition, slug, subject, _Wishes(message, again, wait.pause, lock))
    print("logged in submissions/log.csv")
    scored = submitting.wait_for_score(slug, sent, wait)
    submission_log.update_entries(root, lambda entry: submitting.add_score(entry, [scored]))
    _print_score(subject, slug, scored)


def _read_subject(root: Path, name: str, competition: Competition, notebook: NotebookVersion | None) -> _Subject:
    if notebook is None:
        new = submitting.read_checked_submission(root, name, competition)
        return _Subject(new.card.name, new.card.sha256, new, new.card)
    path = submission_path(root, name).with_suffix(".json")
    card = read_card(path, SubmissionCard) if path.is_file() else None
    if card is not None and card.competition != active_name(root):
        card = None
    return _Subject(name, notebook.sha256, notebook, card)


@dataclass(frozen=True)
class _Wishes:
    """What the caller wants of one upload, and the lock that it happens under."""

    message: str | None
    again: bool
    pause: float
    lock: int


def _send_once(root: Path, competition: Competition, slug: str, subject: _Subject, wishes: _Wishes) -> ListedSubmission:
    """Sends a submission unless Kaggle has it, or may have it."""
    active = active_name(root)
    entries = submission_log.read_log(root, active)
    if not wishes.again:
        sending.refuse_repeated(entries, subject.digest)
    draft = _draft(active, subject, _make_message(subject, wishes.message))
    listing = submission_upload.list_submissions(slug, sending.NEWEST)
    entries = sending.settle_log(root, listing, active)
    sending.refuse_confusable(entries, draft)
    if not wishes.again:
        sending.refuse_repeated(entries, subject.digest)
        sending.refuse_unsettled(entries, listing, draft, slug)
    _print_subject(subject, slug)
    if isinstance(subject.sent, CheckedSubmission):
        print(submitting.describe_difference(root, subject.sent, entries, competition.submission))
    print(f"message: {draft.message}")
    _require_one_left(slug)
    # A list that lags behind may lack what is logged.
    known = frozenset([*(submitted.ref for submitted in listing), *(entry.ref for entry in entries if entry.ref)])
    others = frozenset(entry.message for entry in entries if sending.is_open(entry)) - {draft.message}
    source = subject.sent.path if isinstance(subject.sent, CheckedSubmission) else subject.sent
    try:
        upload = Upload(slug, source, draft.message, known, wishes.pause, wishes.lock, others)
        sent = sending.send_logged(root, upload, draft)
    except submission_upload.UnlistedError:
        _keep_copy(root, subject)
        raise
    _keep_copy(root, subject)
    return sent


def _keep_copy(root: Path, subject: _Subject) -> None:
    if isinstance(subject.sent, CheckedSubmission):
        submitting.keep_copy(root, subject.sent)


def _make_message(subject: _Subject, own: str | None) -> str:
    text = submission_log.clean_message(own or "")
    if not text:
        text = subject.name if subject.card is None else submitting.make_default_message(subject.card)
    return f"{subject.sent.lead} {text}" if isinstance(subject.sent, NotebookVersion) else text


def _print_subject(subject: _Subject, slug: str) -> None:
    card = subject.card
    if isinstance(subject.sent, NotebookVersion):
        print(f"{subject.label} -> {slug} (Kaggle runs it again on the hidden images)")
    if card is None:
        print(f"no score here: {subject.name} has no submission of this competition in submissions/")
        return
    nested = "none" if card.nested_cv is None else f"{card.nested_cv:.5f}"
    if isinstance(subject.sent, CheckedSubmission):
        print(f"{card.name} -> {slug} ({card.rows:,} rows, checked against the sample)")
    print(f"members: {', '.join(card.members)}")
    print(f"{card.metric}: out-of-fold {card.cv:.5f}, nested {nested}")
    if card.peeked:
        print(f"these scores may be optimistic: {some(card.peeked)}")


def _require_one_left(slug: str) -> None:
    limits = submission_upload.read_limits(slug)
    if limits.left is None:
        print("submissions left today: Kaggle says so after the first one")
        return
    print(f"submissions left today: {limits.left} ({limits.today} made)")
    if limits.left <= 0:
        raise InputError(f"no submission to {slug} is left today; Kaggle's limit resets at 00:00 UTC")


def _draft(active: str, subject: _Subject, message: str) -> LogEntry:
    card = subject.card
    return LogEntry(
        time=submission_log.format_now(),
        name=subject.name,
        message=message,
        git_commit=card.git_commit if card else None,
        oof=card.cv if card else None,
        nested_cv=card.nested_cv if card else None,
        competition=active,
        status="sending",
        sha256=subject.digest,
    )


def _print_score(subject: _Subject, slug: str, scored: ListedSubmission) -> None:
    page, label = submission_upload.make_submissions_url(slug), subject.label
    if scored.status == "failed":
        raise InputError(f"Kaggle accepted {label} but could not score it; see the reason at {page}")
    if scored.status == "unscored":
        raise InputError(f"Kaggle has scored {label}, but lists no finite score; see {page}")
    if scored.status != "scored":
        word = "" if scored.status == "pending" else f" (Kaggle calls it {scored.status!r})"
        print(f"no score yet{word}; fetch it later with `python -m pipeline board --refresh`, or see {page}")
        return
    private = "" if scored.private is None else f", private {scored.private:g}"
    public = "none" if scored.public is None else f"{scored.public:g}"
    print(
        f"score: public {public}{private} (out-of-fold {subject.card.cv:.5f})"
        if subject.card
        else f"score: public {public}{private}"
    )
