"""Versions of notebooks as submissions: sent once, logged like files, through the real client and the stand-in."""

from pathlib import Path

import pytest
from support.kaggle_server import SECRETS, KaggleServer
from support.submissions import QUICK, card, logged

from pipeline.cli import main
from pipeline.core.errors import InputError
from pipeline.kaggle import submission_log
from pipeline.kaggle.code_submission import NotebookVersion, is_notebook_message, parse_notebook_version
from pipeline.kaggle.submitting import make_default_message
from pipeline.stages import submit as stage

PREDICT = NotebookVersion("someone/tiny-predict", 3)


def hand_in(root: Path, version: NotebookVersion = PREDICT, again: bool = False, name: str = "ensemble") -> None:
    stage.run(root, name, None, again, QUICK, version)


def test_the_command_line_hands_in_a_version_and_logs_its_score(
    root: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["submit", "-k", "someone/tiny-predict", "-v", "3"]) == 0
    (call,) = kaggle_server.calls("CreateCodeSubmission")
    lead = "notebook someone/tiny-predict version 3: "
    assert call.body == {
        "competitionName": "tiny-pets",
        "kernelOwner": "someone",
        "kernelSlug": "tiny-predict",
        "kernelVersion": 3,
        "fileName": "submission.csv",
        "submissionDescription": lead + make_default_message(card(root)),
    }
    entry = logged(root)
    assert (entry.status, entry.public_lb, entry.ref) == ("scored", 0.8125, "50000000")
    assert (entry.oof, entry.sha256) == (card(root).cv, PREDICT.sha256)
    assert capsys.readouterr().out.startswith("version 3 of someone/tiny-predict -> tiny-pets (Kaggle runs it again")
    assert not kaggle_server.uploads


@pytest.mark.slow
def test_a_version_is_sent_once_and_the_next_one_again(root: Path, kaggle_server: KaggleServer) -> None:
    hand_in(root)
    with pytest.raises(InputError, match="this version of the notebook was already submitted as ensemble on 20"):
        hand_in(root)
    hand_in(root, NotebookVersion(PREDICT.ref, 4))
    assert len(kaggle_server.calls("CreateCodeSubmission")) == 2


@pytest.mark.slow
def test_a_lost_connection_is_settled_by_kaggles_list_though_it_chooses_the_file_name(
    root: Path, kaggle_server: KaggleServer
) -> None:
    kaggle_server.drop("CreateCodeSubmission", times=1)
    with pytest.raises(InputError, match="does not list version 3 of someone/tiny-predict"):
        hand_in(root)
    assert logged(root).status == "sending"
    body = {"kernelOwner": "someone", "kernelSlug": "tiny-predict", "fileName": "another.csv"}
    described = {"competitionName": "tiny-pets", "submissionDescription": logged(root).message}
    kaggle_server.answer("CreateCodeSubmission", {**body, **described})
    with pytest.raises(InputError, match="already submitted"):
        hand_in(root)
    assert (logged(root).status, logged(root).ref) == ("pending", "50000000")


@pytest.mark.slow
def test_a_notebook_that_is_not_there_is_one_line_and_leaves_no_trace(root: Path, kaggle_server: KaggleServer) -> None:
    with pytest.raises(InputError, match=r"no such notebook, or no such version of it .*kernels list --mine") as caught:
        hand_in(root, NotebookVersion("someone/absent", 1))
    assert not submission_log.read_log(root)
    assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.slow
def test_a_notebook_made_elsewhere_has_no_score_here(
    root: Path, kaggle_server: KaggleServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(root, name="elsewhere")
    assert (logged(root).name, logged(root).oof, logged(root).public_lb) == ("elsewhere", None, 0.8125)
    assert "no score here: elsewhere has no submission" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kernel", "version", "wanted"),
    [
        ("someone/x", None, "-k needs -v NUMBER with it"),
        (None, 3, "-v needs -k OWNER/SLUG with it"),
        ("tiny-predict", 3, "-k must be OWNER/SLUG, got 'tiny-predict'"),
        ("someone/x", 0, "-v must be at least 1, got 0"),
    ],
)
def test_half_a_reference_is_refused(kernel: str | None, version: int | None, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        parse_notebook_version(kernel, version)


def test_an_address_is_a_reference() -> None:
    read = parse_notebook_version("https://www.kaggle.com/code/someone/tiny-predict", 3)
    assert read == PREDICT
    assert is_notebook_message(f"{PREDICT.lead} words")
    assert not is_notebook_message("notebook of mine")
