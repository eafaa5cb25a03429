"""From a submission to a score in the log, through the real client, against a stand-in for Kaggle on this machine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import CLASSES, LABELS, PROBABILITIES, competition, train_fake, write_repository
from support.kaggle_server import KEY, RULES, SECRETS, TOKEN, KaggleServer
from support.project_imports import ROOT

from pipeline.cli import main
from pipeline.core import files, paths, predictions, tables
from pipeline.core.cards import SubmissionCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.kaggle import client, submission_log, submitting
from pipeline.kaggle.client import ClientOutput
from pipeline.kaggle.submission_log import LogEntry
from pipeline.kaggle.submission_upload import read_limits
from pipeline.kaggle.submitting import ScoreWait, make_default_message
from pipeline.stages import ensemble as ensemble_stage
from pipeline.stages import submission as submission_stage
from pipeline.stages import submit as stage

QUICK = ScoreWait(timeout=20.0, pause=0.05)


@pytest.fixture(scope="module")
def labels_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("labels"), LABELS)


@pytest.fixture(scope="module")
def probabilities_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("probabilities"), PROBABILITIES)


@pytest.fixture
def root(labels_once: Path, tmp_path: Path, kaggle_server: KaggleServer) -> Path:
    """Three submissions of class names, ready to be handed in; Kaggle stands on this machine."""
    return Path(shutil.copytree(labels_once, tmp_path / "copy"))


def make(root: Path, asked: dict[str, Any]) -> Path:
    write_repository(root, asked)
    describe(root, asked, kaggle="tiny-pets")
    train_fake(root, "one", seed=1)
    train_fake(root, "two", seed=3)
    ensemble_stage.run(root)
    for name in ("one", "two", "ensemble"):
        submission_stage.run(root, name)
    return root


def describe(root: Path, asked: dict[str, Any], **more: str) -> None:
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", {**competition(asked), **more})


def submit(root: Path, name: str = "ensemble", message: str | None = None, again: bool = False) -> None:
    stage.run(root, name, message, again, QUICK)


def refused(root: Path, name: str = "ensemble", **options: Any) -> str:
    """Submits what must be refused, and holds that to what holds for every refusal; returns the error."""
    before = {path: path.read_bytes() for path in (root / "submissions").rglob("*") if path.is_file()}
    with pytest.raises(InputError) as caught:
        submit(root, name, **options)
    after = {path: path.read_bytes() for path in (root / "submissions").rglob("*") if path.is_file()}
    assert after == before
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return str(caught.value)


def logged(root: Path) -> LogEntry:
    (only,) = submission_log.read_log(root)
    return only


def card(root: Path, name: str = "ensemble") -> SubmissionCard:
    return read_card(root / "submissions" / f"{name}.json", SubmissionCard)


def test_the_command_line_submits_the_ensemble_and_logs_its_score(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["submit"]) == 0
    entry, known = logged(root), card(root)
    assert (entry.status, entry.public_lb, entry.private_lb) == ("scored", 0.8125, None)
    assert (entry.name, entry.competition, entry.ref) == ("ensemble", "tiny", "50000000")
    assert (entry.oof, entry.nested_cv, entry.git_commit) == (known.cv, known.cv, known.git_commit)
    assert (entry.sha256, entry.message) == (known.sha256, make_default_message(known))
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ensemble -> tiny-pets (20 rows, checked against the sample)",
        "members: one, two",
        f"accuracy: out-of-fold {known.cv:.5f}, nested {known.cv:.5f}",
        "the first submission",
        f"message: {entry.message}",
        "submissions left today: 4 (1 made)",
        "submitted: Kaggle's number 50000000",
        "logged in submissions/log.csv",
        f"score: public 0.8125 (out-of-fold {known.cv:.5f})",
    ]
    assert err == ""


def test_the_file_arrives_byte_for_byte_and_a_copy_is_kept(
    probabilities_once: Path, tmp_path: Path, kaggle_server: KaggleServer
) -> None:
    root = Path(shutil.copytree(probabilities_once, tmp_path / "copy"))
    submit(root)
    written = (root / "submissions" / "ensemble.csv").read_bytes()
    assert list(kaggle_server.uploads.values()) == [written]
    assert submitting.sent_path(root, card(root).sha256).read_bytes() == written
    assert kaggle_server.submissions[0]["description"] == logged(root).message


def test_the_message_carries_score_members_and_commit(labels_once: Path) -> None:
    known = card(labels_once).model_copy(update={"nested_cv": 0.75, "git_commit": "0123456789abcdef", "cv": 0.8})
    wanted = "ensemble: CV accuracy 0.80000, nested 0.75000; members one, two; git 0123456789"
    assert make_default_message(known) == wanted


def test_a_message_of_ones_own_may_hold_anything(root: Path, kaggle_server: KaggleServer) -> None:
    submit(root, "one", '--quiet "ä", 50 % \n second line')
    assert kaggle_server.submissions[0]["description"] == '--quiet "ä", 50 % second line'
    assert logged(root).message == '--quiet "ä", 50 % second line'


def test_a_blank_message_is_none(root: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle_server.limits["numAllowedNow"] = 0  # stops what would go on
    refused(root, "one", message=" ")
    assert f"message: {make_default_message(card(root, 'one'))}\n" in capsys.readouterr().out


def test_a_message_that_cannot_be_logged_spends_nothing(root: Path, kaggle_server: KaggleServer) -> None:
    assert "--message is not UTF-8" in refused(root, message="caf\udce9")
    assert not kaggle_server.log


@pytest.mark.parametrize("wait", ["inf", "nan", "-1"])
def test_a_wait_without_an_end_is_refused_before_anything_is_spent(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    monkeypatch.chdir(root)
    assert main(["submit", "--wait", wait]) == 2
    assert not kaggle_server.log


def test_a_slow_score_is_waited_for(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.score_after = 2
    submit(root)
    assert (logged(root).status, logged(root).public_lb) == ("scored", 0.8125)


def test_a_score_that_does_not_come_in_time_is_fetched_later(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.score_after = None
    stage.run(root, "ensemble", None, False, ScoreWait(timeout=0.2, pause=0.05))
    assert (logged(root).status, logged(root).public_lb) == ("pending", None)
    assert "fetch it later with `python -m pipeline board --refresh`" in capsys.readouterr().out
    kaggle_server.score_after, kaggle_server.private = 0, "0.79"
    monkeypatch.chdir(root)
    assert main(["board", "--refresh"]) == 0
    assert (logged(root).status, logged(root).public_lb, logged(root).private_lb) == ("scored", 0.8125, 0.79)


def test_a_broken_connection_during_the_wait_costs_a_look(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.score_after = 1
    kaggle_server.drop("ListSubmissions", times=0)
    original = kaggle_server.answer

    def answer(method: str, body: dict[str, Any]) -> dict[str, Any]:
        if method == "ListSubmissions" and kaggle_server.submissions:
            kaggle_server.drop("ListSubmissions", times=1)  # the look after this one
            kaggle_server.answer = original  # type: ignore[method-assign]
        return original(method, body)

    kaggle_server.answer = answer  # type: ignore[method-assign]
    submit(root)
    assert logged(root).public_lb == 0.8125
    assert len(kaggle_server.calls("ListSubmissions")) == 4


def test_an_interrupted_wait_leaves_the_line_in_the_log(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle_server.score_after = None

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.kaggle.submitting.wait_for_score", interrupt)
    with pytest.raises(KeyboardInterrupt):
        submit(root)
    assert (logged(root).status, logged(root).ref) == ("pending", "50000000")


@pytest.mark.parametrize("taken", [True, False])
def test_an_interrupted_upload_is_logged_if_kaggle_took_it(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    def run(arguments: Sequence[str], seconds: float = 120.0) -> ClientOutput:
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
        assert "interrupted, and not on Kaggle's list yet: it is unknown" in refused(root)


def test_what_kaggle_cannot_score_is_logged_as_failed(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.public = None
    with pytest.raises(
        InputError, match=r"accepted ensemble.csv but could not score it; see the reason at .*tiny-pets/submissions"
    ):
        submit(root)
    assert (logged(root).status, logged(root).public_lb) == ("failed", None)


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
    said = refused(root)
    assert "Kaggle does not list ensemble.csv, so it did not accept it or will list it later" in said
    assert ": the connection broke" in said


def test_what_nobody_can_verify_says_where_to_look(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("CreateSubmission", done_first=True)
    original = kaggle_server.answer

    def answer(method: str, body: dict[str, Any]) -> dict[str, Any]:
        if method == "CreateSubmission":
            kaggle_server.drop("ListSubmissions")
        return original(method, body)

    kaggle_server.answer = answer  # type: ignore[method-assign]
    assert "it is unknown whether Kaggle accepted ensemble.csv; see https://" in refused(root)


def test_a_list_that_lags_behind_is_looked_at_again(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.drop("CreateSubmission", done_first=True)
    kaggle_server.lag = 1
    submit(root)
    assert logged(root).status == "scored"


def test_a_yes_without_a_listing_is_not_believed(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.listed = False
    assert "(it reported success, but does not list it)" in refused(root)


def test_no_submission_left_is_said_before_anything_is_sent(
    root: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.limits = {"numToday": 5, "numTotal": 9, "numAllowedNow": 0, "limitedByTotal": False}
    assert "no submission to tiny-pets is left today" in refused(root)
    assert "submissions left today: 0 (5 made)" in capsys.readouterr().out
    assert not kaggle_server.calls("StartSubmissionUpload")


def test_a_team_without_submissions_may_make_its_first(kaggle_server: KaggleServer) -> None:
    kaggle_server.limits = {"numToday": 0, "numTotal": 0, "numAllowedNow": 0, "limitedByTotal": False}
    assert read_limits("tiny-pets").left is None


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


def test_the_same_bytes_are_not_submitted_twice(root: Path, kaggle_server: KaggleServer) -> None:
    submitted_before(root, "ensemble")
    said = refused(root)
    assert "this file was already submitted as ensemble on 2026-11-20T12:00:00Z (public 0.8); add --again" in said
    assert not kaggle_server.log


def test_the_same_bytes_are_submitted_twice_on_request(root: Path, kaggle_server: KaggleServer) -> None:
    submitted_before(root, "ensemble")
    kaggle_server.limits["numAllowedNow"] = 0  # stops what would go on
    assert "is left today" in refused(root, again=True)


def test_what_was_graded_here_may_still_be_submitted(root: Path) -> None:
    submitted_before(root, "ensemble")
    submission_log.update_entries(root, lambda entry: entry.model_copy(update={"status": "graded"}))
    submitting.refuse_repeated(submission_log.read_log(root), card(root).sha256)


def difference(root: Path, name: str) -> str:
    known = load_competition(root)
    new = submitting.read_checked_submission(root, name, known)
    return submitting.describe_difference(root, new, submission_log.read_log(root), known.submission)


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_a_submission_says_how_it_differs_from_the_last_one(
    kind: str, labels_once: Path, probabilities_once: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(labels_once if kind == "labels" else probabilities_once, tmp_path / "copy"))
    submitted_before(root, "one")
    (root / "submissions" / "one.csv").unlink()  # the next run writes another: the copy is what counts
    best = [
        predictions.read_predictions(paths.predicted_test_path(root, name), CLASSES).probs.argmax(axis=1)
        for name in ("one", "two")
    ]
    other = int((best[0] != best[1]).sum())
    rows = {
        "labels": f"{other} of 20 rows changed",
        "probabilities": f"20 of 20 rows changed, {other} of them to another class",
    }
    assert difference(root, "two") == f"since the last submission (one, 2026-11-20T12:00:00Z): {rows[kind]}"


def test_without_the_copy_of_the_last_submission_there_is_nothing_to_compare(root: Path) -> None:
    submitted_before(root, "one")
    shutil.rmtree(root / "submissions" / "sent")
    assert difference(root, "two").endswith(": no copy of it is left to compare with")


def test_a_file_that_was_changed_by_hand_is_refused(root: Path, kaggle_server: KaggleServer) -> None:
    path = root / "submissions" / "ensemble.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    name = "bee" if lines[1].endswith("ant") else "ant"
    path.write_text("\n".join([lines[0], f"{lines[1].split(',')[0]},{name}", *lines[2:]]) + "\n", encoding="utf-8")
    assert "ensemble.csv was changed since it was written" in refused(root)
    assert not kaggle_server.log


def test_a_file_that_does_not_fit_the_sample_is_refused_before_kaggle_hears_of_it(
    root: Path, kaggle_server: KaggleServer
) -> None:
    path = root / "submissions" / "ensemble.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert "header, column 1: there is a byte order mark" in refused(root)
    assert not kaggle_server.log


def test_a_name_without_a_submission_lists_the_near_ones(root: Path) -> None:
    assert "ensembel.csv does not exist; did you mean ensemble?" in refused(root, "ensembel")


def test_a_submission_of_another_competition_is_refused(root: Path) -> None:
    path = root / "submissions" / "one.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "competition": "former"}), encoding="utf-8")
    assert "one.csv was made for former, the active competition is tiny" in refused(root, "one")


def test_a_competition_that_is_not_at_kaggle_says_what_to_do(root: Path) -> None:
    describe(root, LABELS)
    assert "tiny.yaml names no competition at Kaggle; add `kaggle: SLUG` there, or grade here" in refused(root)


def test_a_damaged_log_is_noticed_before_a_submission_is_spent(root: Path, kaggle_server: KaggleServer) -> None:
    submission_log.log_path(root).write_text("time,name\n", encoding="utf-8")
    assert "log.csv has the columns time, name" in refused(root)
    assert not kaggle_server.log


@pytest.mark.slow
def test_the_commands_of_the_guide_run_as_written(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (ROOT / "docs" / "kaggle.md").read_text(encoding="utf-8").partition("\n## Out")[2].partition("\n## Code")[0]
    commands = re.findall(r"^python -m (pipeline .*)$", guide, re.MULTILINE)
    assert {command.split()[1] for command in commands} == {"submit", "board", "score"}
    ids = tables.read_index(root / "data" / "prepared" / "test.csv")["id"]
    (root / "solution.csv").write_text("Id,Category\n" + "".join(f"{name},ant\n" for name in ids), encoding="utf-8")
    monkeypatch.chdir(root)
    for command in commands:
        assert main(shlex.split(command, comments=True)[1:]) == 0, command
    assert [entry.name for entry in submission_log.read_log(root)] == ["ensemble", "one", "two", "ensemble"]


def test_no_secret_reaches_the_screen_or_a_file(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.refuse("CreateSubmission", 400, f"{TOKEN} {KEY}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KAGGLE_API_TOKEN": TOKEN}
    command = [sys.executable, "-m", "pipeline", "submit"]
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "error: Kaggle did not accept ensemble.csv: *** ***" in ran.stderr
    assert not any(secret in ran.stdout + ran.stderr for secret in SECRETS)
    for path in root.rglob("*"):
        assert not path.is_file() or not any(secret.encode() in path.read_bytes() for secret in SECRETS), path
