"""From a submission to a score in the log, through the real client, against a stand-in for Kaggle on this machine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.kaggle_server import KEY, SECRETS, TOKEN, KaggleServer
from support.project_imports import ROOT
from support.submissions import card, logged, refused, submit

from pipeline.cli import main
from pipeline.core import tables
from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log, submitting
from pipeline.kaggle.submitting import ScoreWait, make_default_message
from pipeline.stages import submit as stage


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


def test_what_kaggle_cannot_score_is_logged_as_failed(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.public = None
    with pytest.raises(
        InputError, match=r"accepted ensemble.csv but could not score it; see the reason at .*tiny-pets/submissions"
    ):
        submit(root)
    assert (logged(root).status, logged(root).public_lb) == ("failed", None)


def test_no_submission_left_is_said_before_anything_is_sent(
    root: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.limits = {"numToday": 5, "numTotal": 9, "numAllowedNow": 0, "limitedByTotal": False}
    assert "no submission to tiny-pets is left today" in refused(root)
    assert "submissions left today: 0 (5 made)" in capsys.readouterr().out
    assert not kaggle_server.calls("StartSubmissionUpload")


def test_a_damaged_log_is_noticed_before_a_submission_is_spent(root: Path, kaggle_server: KaggleServer) -> None:
    submission_log.log_path(root).write_text("time,name\n", encoding="utf-8")
    assert "log.csv has the columns time, name" in refused(root)
    assert not kaggle_server.log


@pytest.mark.slow
def test_the_commands_of_the_guide_run_as_written(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (
        (ROOT / "docs" / "kaggle.md")
        .read_text(encoding="utf-8")
        .partition("\n## From a CSV")[2]
        .partition("\n## Code")[0]
    )
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
