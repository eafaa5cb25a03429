"""Sending once: one process at a time, a line in the log before the upload, and Kaggle's list to settle what is open.

A process may die, the network may go and the disk may fill at any moment between the upload and its line in the log. So
the line is written first, as ``sending``. A line that nobody finished is finished from Kaggle's list by the next
`submit` or ``board --refresh``; until then its file is sent again on request alone.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.files import locked
from pipeline.core.paths import work_folder
from pipeline.kaggle.code_submission import is_notebook_message
from pipeline.kaggle.submission_log import LogEntry, append_entry, read_log, replace_entry, rewrite_entries
from pipeline.kaggle.submission_upload import (
    ListedSubmission,
    UnlistedError,
    Upload,
    make_submissions_url,
    upload_submission,
)

NEWEST = 200  # submissions that Kaggle is asked for
_SENDING, _PENDING = "sending", "pending"
_UNSENT = ("failed", "graded", _SENDING)


@contextmanager
def lock_sending(root: Path) -> Iterator[int]:
    """Lets one process of this repository at a time check, send and log a submission; others wait.

    Yields:
        the lock's file descriptor. Who inherits it holds the lock, too: so does a client that outlives us.
    """
    path = work_folder(root, "submit") / "lock"
    try:
        with locked(path, wait=False) as handle:
            yield handle
        return
    except BlockingIOError:
        print("another `submit` of this folder is sending; waiting for its end", file=sys.stderr)
    with locked(path) as handle:
        yield handle


def settle_entries(
    entries: Sequence[LogEntry], listing: Sequence[ListedSubmission], competition: str
) -> tuple[LogEntry, ...]:
    """Gives lines without Kaggle's number that of the oldest unlogged submission of their name and message.

    Args:
        entries: the whole log.
        listing: Kaggle's list of one competition, newest first.
        competition: whose lines are settled.
    """
    left = find_unlogged(entries, listing)
    settled = []
    for entry in entries:
        if entry.competition == competition and is_open(entry):
            ours = [submitted for submitted in left if is_of_name(submitted, f"{entry.name}.csv", entry.message)]
            if ours:
                left.remove(ours[-1])
                entry = entry.model_copy(update={"ref": ours[-1].ref, "status": _PENDING})
        settled.append(entry)
    return tuple(settled)


def is_open(entry: LogEntry) -> bool:
    """Says whether Kaggle's number of a submission is still missing in the log."""
    return entry.ref is None and entry.status in (_SENDING, _PENDING)


def is_of_name(submitted: ListedSubmission, file: str, message: str) -> bool:
    """Says whether a listed submission has this file name and this message, blanks aside.

    The message of a notebook's version names it; of such a one Kaggle chooses the file name.
    """
    same_file = submitted.file == file or is_notebook_message(message)
    return same_file and submitted.description.split() == message.split()


def find_unlogged(entries: Sequence[LogEntry], listing: Sequence[ListedSubmission]) -> list[ListedSubmission]:
    """Finds what Kaggle lists and no line of the log has the number of."""
    logged = {entry.ref for entry in entries}
    return [submitted for submitted in listing if submitted.ref not in logged]


def refuse_repeated(entries: Sequence[LogEntry], digest: str) -> None:
    """Refuses a file that was submitted before, byte for byte.

    Raises:
        InputError: with the time and the score of that submission.
    """
    for entry in entries:
        if entry.sha256 == digest and entry.status not in _UNSENT:
            score = f"public {entry.public_lb:g}" if entry.public_lb is not None else "no score yet"
            raise InputError(
                f"this {_noun(entry)} was already submitted as {entry.name} on {entry.time} ({score}); "
                "add --again to spend another submission on it"
            )


def refuse_confusable(entries: Sequence[LogEntry], draft: LogEntry) -> None:
    """Refuses the name and the message of an upload of other content that Kaggle may still come to list.

    Raises:
        InputError: what it lists later could be either.
    """
    for entry in entries:
        same = (entry.name, entry.message.split()) == (draft.name, draft.message.split())
        if is_open(entry) and same and entry.sha256 != draft.sha256:
            raise InputError(
                f"an upload of another {_listed(draft)} with this message was cut off on {entry.time}, and Kaggle does "
                "not list it (yet); give another --message, by which the two can be distinguished"
            )


def refuse_unsettled(
    entries: Sequence[LogEntry], listing: Sequence[ListedSubmission], draft: LogEntry, slug: str
) -> None:
    """Refuses a file that Kaggle may have: an upload of it was cut off, or its name and message are listed.

    Args:
        entries: the log, settled.
        listing: Kaggle's list.
        draft: the line of the new submission.
        slug: the competition.

    Raises:
        InputError: with the time of that upload, or Kaggle's number, and where to look.
    """
    page = make_submissions_url(slug)
    for entry in entries:
        if entry.sha256 == draft.sha256 and entry.status == _SENDING:
            raise InputError(
                f"an upload of this {_noun(entry)} was cut off on {entry.time}, and Kaggle does not list it (yet); see "
                f"{page}, and if it is not there add --again"
            )
    for submitted in find_unlogged(entries, listing):
        if is_of_name(submitted, f"{draft.name}.csv", draft.message):
            raise InputError(
                f"Kaggle lists {_listed(draft)} with this message already, as number {submitted.ref}, which no line of "
                f"submissions/log.csv has (another folder sent it?): see {page}; add --again, or another --message, to "
                "spend another submission"
            )


def settle_log(root: Path, listing: Sequence[ListedSubmission], competition: str) -> tuple[LogEntry, ...]:
    """Settles the lines of the log by Kaggle's list, and returns the competition's."""
    rewrite_entries(root, lambda entries: settle_entries(entries, listing, competition))
    return read_log(root, competition)


def send_logged(root: Path, upload: Upload, draft: LogEntry) -> ListedSubmission:
    """Uploads a submission between two states of its line in the log.

    Args:
        root: the repository.
        upload: the upload.
        draft: the line, without status and number.

    Returns:
        the submission as Kaggle lists it; its number is logged.

    Raises:
        InputError: Kaggle did not accept it, and the log is as it was; or that is unknown, and its line stays.
    """
    begun = draft.model_copy(update={"status": _SENDING})
    append_entry(root, begun)  # a log that cannot be written spends nothing
    try:
        sent = upload_submission(upload)
    except UnlistedError as error:
        if error.accepted:
            replace_entry(root, begun, begun.model_copy(update={"status": _PENDING}))
        raise
    except InputError:
        replace_entry(root, begun, None)
        raise
    print(f"submitted: Kaggle's number {sent.ref}")  # first of all: a full disk may stop the rest
    replace_entry(root, begun, begun.model_copy(update={"status": _PENDING, "ref": sent.ref}))
    return sent


def _noun(entry: LogEntry) -> str:
    return "version of the notebook" if is_notebook_message(entry.message) else "file"


def _listed(entry: LogEntry) -> str:
    return "this version of the notebook" if is_notebook_message(entry.message) else f"{entry.name}.csv"
