"""Uploads to a stand-in for Kaggle on this machine, through the real client: what counts is what it lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.kaggle_server import RULES, KaggleServer
from support.submissions import logged, refused, submit

from pipeline.core.errors import InputError
from pipeline.kaggle import client
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.submission_upload import read_limits


@pytest.mark.parametrize("taken", [True, False])
def test_an_interrupted_upload_is_logged_if_kaggle_took_it(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    def run(arguments: Sequence[str], seconds: float = 120.0, lock: int | None = None) -> ClientOutput:
        if arguments[0] == "submit":
            if taken:
                client.run_client(arguments, seconds)
            raise KeyboardInterrupt
        return client.run_client(arguments, seconds)

    monkeypatch.setattr("pipeline.kaggle.submission_upload.run_client", run)
    if taken:
        submit(root)
        assert logged(root).ref == "50000000"
    else:
        assert "interrupted, and not on Kaggle's list yet: it is unknown" in refused(root, opened="sending")


def test_a_submission_that_arrived_counts_though_the_client_failed(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("CreateSubmission", done_first=True)
    submit(root)
    assert logged(root).status == "scored"


@pytest.mark.parametrize(
    ("method", "status", "message", "wanted"),
    [
        (
            "GetSubmissionLimits",
            403,
            RULES,
            "does not return the submission limits of tiny-pets: .*click Join Competition at .*/tiny-pets/rules",
        ),
        ("GetSubmissionLimits", 404, "Competition not found", "no competition 'tiny-pets'"),
        ("ListSubmissions", 429, "Too Many Requests", "does not list .*too many requests to Kaggle"),
        ("CreateSubmission", 400, "You have reached the maximum number of submissions for today", "00:00 UTC"),
    ],
)
def test_what_kaggle_refuses_is_explained_and_changes_nothing(
    root: Path, kaggle_server: KaggleServer, method: str, status: int, message: str, wanted: str
) -> None:
    kaggle_server.refuse(method, status, message)
    with pytest.raises(InputError, match=wanted):
        raise InputError(refused(root))


def test_a_failed_upload_is_noticed_though_the_client_exits_with_zero(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.upload_status = 500
    assert "did not accept ensemble.csv: the upload failed, and no submission was used; try again" in refused(root)
    assert kaggle_server.calls("upload")


def test_a_dropped_connection_is_explained(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("StartSubmissionUpload")
    message = refused(root, opened="sending")
    assert "Kaggle does not list ensemble.csv, so it did not accept it or will list it later" in message
    assert ": the connection broke" in message


def test_what_nobody_can_verify_says_where_to_look(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("CreateSubmission", done_first=True)
    original = kaggle_server.answer

    def answer(method: str, body: dict[str, Any]) -> dict[str, Any]:
        if method == "CreateSubmission":
            kaggle_server.drop("ListSubmissions")
        return original(method, body)

    kaggle_server.answer = answer  # type: ignore[method-assign]
    assert "it is unknown whether Kaggle accepted ensemble.csv; see https://" in refused(root, opened="sending")


def test_a_list_that_lags_behind_is_looked_at_again(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("CreateSubmission", done_first=True)
    kaggle_server.lag = 1
    submit(root)
    assert logged(root).status == "scored"


def test_a_yes_without_a_listing_is_not_believed(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.listed = False
    assert "(it reported success, but does not list it)" in refused(root, opened="pending")


def test_a_team_without_submissions_may_make_its_first(kaggle_server: KaggleServer) -> None:
    kaggle_server.limits = {"numToday": 0, "numTotal": 0, "numAllowedNow": 0, "limitedByTotal": False}
    assert read_limits("tiny-pets").left is None


@pytest.mark.parametrize("answer", ["null", "{}", "[null]", "[{}]", '{"submissions": []}', '[{"ref": null}]'])
def test_a_list_of_another_form_is_not_taken_for_an_empty_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked = []

    def run(arguments: Sequence[str], *_: object) -> ClientOutput:
        asked.append(arguments[0])
        return ClientOutput(0, answer, "")

    monkeypatch.setattr("pipeline.kaggle.submission_upload.run_client", run)
    assert "as its answer has another form than expected" in refused(root)
    assert asked == ["submissions"]  # nothing was sent


@pytest.mark.parametrize("answer", ["null", "[]", '{"numToday": null}', '{"numToday": NaN}', '{"numToday": 1e400}'])
def test_limits_of_another_form_are_refused_in_a_line(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr("pipeline.kaggle.submission_upload.run_client", lambda *_: ClientOutput(0, answer, ""))
    with pytest.raises(InputError, match="limits of tiny-pets, as its answer has another form than expected"):
        read_limits("tiny-pets")
