"""A submission before and after its upload: checked, described, compared, waited for."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import CLASSES, LABELS
from support.kaggle_server import KaggleServer
from support.submissions import card, describe, logged, refused, submit, submitted_before

from pipeline.core import paths, predictions
from pipeline.core.cards import write_card
from pipeline.core.competition import load_competition
from pipeline.kaggle import sending, submission_log, submitting
from pipeline.kaggle.submitting import make_default_message


def test_the_message_carries_score_members_and_commit(labels_once: Path) -> None:
    known = card(labels_once).model_copy(update={"nested_cv": 0.75, "git_commit": "0123456789abcdef", "cv": 0.8})
    wanted = "ensemble: CV accuracy 0.80000, nested 0.75000; members one, two; git 0123456789"
    assert make_default_message(known) == wanted


def test_a_slow_score_is_waited_for(root: Path, kaggle_server: KaggleServer) -> None:
    kaggle_server.score_after = 2
    submit(root)
    assert (logged(root).status, logged(root).public_lb) == ("scored", 0.8125)


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


def test_the_same_bytes_are_not_submitted_twice(root: Path, kaggle_server: KaggleServer) -> None:
    submitted_before(root, "ensemble")
    message = refused(root)
    assert "this file was already submitted as ensemble on 2026-11-20T12:00:00Z (public 0.8); add --again" in message
    assert not kaggle_server.log


def test_the_same_bytes_are_submitted_twice_on_request(root: Path, kaggle_server: KaggleServer) -> None:
    submitted_before(root, "ensemble")
    kaggle_server.limits["numAllowedNow"] = 0  # stops what would go on
    assert "is left today" in refused(root, again=True)


def test_what_was_graded_here_may_still_be_submitted(root: Path) -> None:
    submitted_before(root, "ensemble")
    submission_log.update_entries(root, lambda entry: entry.model_copy(update={"status": "graded"}))
    sending.refuse_repeated(submission_log.read_log(root), card(root).sha256)


def describe_change(root: Path, name: str) -> str:
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
    assert describe_change(root, "two") == f"since the last submission (one, 2026-11-20T12:00:00Z): {rows[kind]}"


def test_without_the_copy_of_the_last_submission_there_is_nothing_to_compare(root: Path) -> None:
    submitted_before(root, "one")
    shutil.rmtree(root / "submissions" / "sent")
    assert describe_change(root, "two").endswith(": no copy of it is left to compare with")


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
    write_card(path, card(root, "one").model_copy(update={"competition": "former"}))
    assert "one.csv was made for former, the active competition is tiny" in refused(root, "one")


def test_a_competition_that_is_not_at_kaggle_says_what_to_do(root: Path) -> None:
    describe(root, LABELS)
    assert "tiny.yaml names no competition at Kaggle; add `kaggle: SLUG` there, or grade here" in refused(root)
