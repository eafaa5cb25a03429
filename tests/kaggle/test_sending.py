"""Sending once: whatever dies in between, no file is sent twice without a request, and none stays out of the log."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.kaggle_server import KaggleServer
from support.submissions import card, logged, refused, submit

from benchmarks.reliability.submitting import Interleaving
from pipeline.core.errors import InputError
from pipeline.kaggle import sending, submission_log, submitting
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submission_upload import list_submissions
from pipeline.stages import board


def test_no_interleaving_of_faults_sends_twice_or_leaves_a_submission_unlogged(root: Path) -> None:
    problems = [problem for seed in range(8) if (problem := Interleaving(root, seed).play())]
    assert not problems


def test_a_log_that_cannot_be_written_spends_nothing(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(submission_log, "_write", fail)
    with pytest.raises(OSError, match="No space"):
        submit(root)
    assert not kaggle_server.calls("CreateSubmission")


def test_what_another_folder_sent_is_not_sent_again(root: Path, kaggle_server: KaggleServer) -> None:
    message = submitting.make_default_message(card(root))
    kaggle_server.uploads["blob-0-ensemble.csv"] = b""
    body = {"blobFileTokens": "blob-0-ensemble.csv", "submissionDescription": message}
    kaggle_server.answer("CreateSubmission", {"competitionName": "tiny-pets", **body})
    assert "Kaggle lists ensemble.csv with this message already, as number 50000000" in refused(root)
    assert not kaggle_server.calls("CreateSubmission")


@pytest.fixture
def open_line(root: Path) -> LogEntry:
    """A line of other content under the ensemble's name, whose upload was cut off."""
    entry = LogEntry(
        time="2026-11-29T12:00:00Z", name="ensemble", message="mine", competition="tiny", status="sending",
        sha256="0" * 64,
    )  # fmt: skip
    submission_log.append_entry(root, entry)
    return entry


def answer(monkeypatch: pytest.MonkeyPatch, *lists: list[dict[str, object]]) -> None:
    """Lets the client print these lists one after the other; the connection of an upload breaks."""
    left = list(lists)

    def run(arguments: Sequence[str], *_: object) -> ClientOutput:
        if arguments[0] == "submit":
            return ClientOutput(1, "", "requests.exceptions.ConnectionError: Remote end closed connection")
        listed = left.pop(0) if len(left) > 1 else left[0]
        return ClientOutput(0, json.dumps(listed if arguments[0] == "submissions" else {}), "")

    monkeypatch.setattr("pipeline.kaggle.submission_upload.run_client", run)


def test_other_content_under_the_name_and_message_of_an_open_line_is_refused(
    root: Path, open_line: LogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, [])
    assert "an upload of another ensemble.csv with this message was cut off" in refused(root, message=" mine ")
    assert "give another --message" in refused(root, message="mine", again=True)


def test_what_is_listed_late_is_the_upload_whose_message_it_has(
    root: Path, open_line: LogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"ref": 7, "fileName": "ensemble.csv", "description": "mine", "status": "PENDING"}
    scores = {"publicScore": "", "privateScore": ""}
    answer(monkeypatch, [], [], [item | scores])
    with pytest.raises(InputError, match="does not list ensemble"):
        submit(root, message="new")
    board.run(root, refresh=True)
    refs = {entry.message: entry.ref for entry in submission_log.read_log(root)}
    assert refs == {"mine": "7", "new": None}


@pytest.mark.slow
def test_the_next_look_at_the_list_finishes_a_line_that_nobody_finished(
    root: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.listed = False
    assert "it reported success" in refused(root, opened="pending")
    board.run(root, refresh=True)
    assert "ensemble (20" in capsys.readouterr().out
    kaggle_server.listed = True
    body = {"blobFileTokens": next(iter(kaggle_server.uploads)), "submissionDescription": logged(root).message}
    kaggle_server.answer("CreateSubmission", {"competitionName": "tiny-pets", **body})
    board.run(root, refresh=True)
    assert (logged(root).status, logged(root).ref) == ("scored", "50000000")


@pytest.mark.slow
def test_an_upload_that_was_cut_off_is_repeated_on_request_alone(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("StartSubmissionUpload", times=1)
    refused(root, opened="sending")
    with pytest.raises(InputError, match=r"cut off on 20.*and Kaggle does not list it \(yet\); .* add --again"):
        submit(root)
    submit(root, again=True)
    assert [entry.status for entry in submission_log.read_log(root)] == ["sending", "scored"]


@pytest.mark.parametrize(
    ("status", "score", "wanted"),
    [
        ("SubmissionStatus.COMPLETE", "", "unscored"),
        ("SubmissionStatus.COMPLETE", "nan", "unscored"),
        ("SubmissionStatus.COMPLETE", "inf", "unscored"),
        ("SubmissionStatus.COMPLETE", "0.5", "scored"),
        ("SubmissionStatus.RE-RUNNING", None, "re_running"),
        (None, None, "none"),
    ],
)
def test_a_status_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch, status: str | None, score: str | None, wanted: str
) -> None:
    item: dict[str, Any] = {"ref": 1, "fileName": "a.csv", "description": "", "privateScore": None}
    text = json.dumps([{**item, "status": status, "publicScore": score}])
    monkeypatch.setattr("pipeline.kaggle.submission_upload.run_client", lambda *_: ClientOutput(0, text, ""))
    assert list_submissions("tiny-pets")[0].status == wanted


@pytest.mark.slow
def test_a_score_that_is_no_number_is_logged_as_unscored(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.public = "NaN"
    with pytest.raises(InputError, match=r"has scored ensemble\.csv, but lists no finite score; see https"):
        submit(root)
    assert (logged(root).status, logged(root).public_lb) == ("unscored", None)


def test_a_client_that_outlives_us_keeps_the_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sending.lock_sending(tmp_path) as lock:
        client = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    entered = threading.Event()

    def enter() -> None:
        with sending.lock_sending(tmp_path):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.2)
    client.communicate(b"\n")
    thread.join(20)
    assert entered.is_set()
    assert "another `submit` of this folder is sending" in capsys.readouterr().err
