"""The page about the models: numbers as by scikit-learn, computed sentences, and odd inputs that are reported."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser
from sklearn import metrics as sk
from support import page_text
from support.browser import browser, opened
from support.fabricated import train_fake, write_model_card, write_params, write_repository
from support.page_text import Page

from pipeline.cli import main
from pipeline.core import files, paths, tables
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.kaggle import submission_log
from pipeline.kaggle.submission_log import LogEntry
from pipeline.reports.models import confusion
from pipeline.reports.models.class_quality import ConfusedPair
from pipeline.reports.models.evaluation_data import read_evaluation_data
from pipeline.stages import ensemble, report

__all__ = ["browser"]
CLASSIC: dict[str, Any] = {"classifier": {}}
SCORES, COSTS = "Scores", "Costs"


def fabricated(root: Path, channels: int = 3, models: Sequence[str] = ("one", "two"), **more: Any) -> Path:
    """Lays a repository with images of noise, whose models were never trained, and combines them."""
    write_repository(root, models=models, **more)
    count = len(tables.read_index(root / "data" / "prepared" / "train.csv"))
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)
    np.save(root / "data" / "prepared" / "train_images.npy", images)
    for seed, name in enumerate(models):
        train_fake(root, name, seed, skill=0.2)
        write_model_card(root, name, config=CLASSIC, train_seconds=10.0 * (seed + 1))
    write_params(root, models, ensemble={"combiners": ["mean"], "temperature": "never"})
    ensemble.run(root)
    return root


def written(root: Path) -> Page:
    report.run(root)
    return page_text.read(root / "reports" / "report.html")


def truth(root: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns labels and out-of-fold probabilities, rows in the order of the file."""
    classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
    predictions = read_predictions(paths.oof_path(root, name), classes)
    labels = tables.read_folds(paths.folds_path(root)).set_index("id")["label"]
    probs = predictions.probs.astype(np.float64)
    return labels[list(predictions.ids)].to_numpy(), probs / probs.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the report of fabricated predictions; only read."""
    root = fabricated(tmp_path_factory.mktemp("report"))
    report.run(root)
    return root


@pytest.fixture(scope="module")
def page(plain: Path) -> Page:
    return page_text.read(plain / "reports" / "report.html")


@pytest.mark.parametrize("name", ["one", "two", "ensemble"])
def test_scores_on_the_page_are_those_of_scikit_learn(plain: Path, page: Page, name: str) -> None:
    labels, probs = truth(plain, name)
    said = probs.argmax(axis=1)
    folds = tables.read_folds(paths.folds_path(plain)).set_index("id")["fold"]
    fold = folds[list(read_predictions(paths.oof_path(plain, name), ("ant", "bee", "cat")).ids)].to_numpy()
    by_fold = [sk.accuracy_score(labels[fold == k], said[fold == k]) for k in range(3)]
    found = {head: page.values(SCORES, head)[name] for head in ("nested [95%]", "log loss", "macro F1", "top-3")}
    assert found["nested [95%]"] == pytest.approx(sk.accuracy_score(labels, said))
    assert found["log loss"] == pytest.approx(sk.log_loss(labels, probs), rel=1e-6)
    assert found["macro F1"] == pytest.approx(sk.f1_score(labels, said, average="macro"))
    assert found["top-3"] == 1.0
    told = page.column(SCORES, "OOF ± std")[name].text
    assert told == f"{np.mean(by_fold):.4f} ± {np.std(by_fold, ddof=1):.4f}"


def test_the_calibration_error_is_the_mean_distance_over_fifteen_bins(plain: Path, page: Page) -> None:
    labels, probs = truth(plain, "one")
    sure, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    bins = np.minimum((sure * 15).astype(int), 14)
    error = sum((bins == k).mean() * abs(sure[bins == k].mean() - right[bins == k].mean()) for k in np.unique(bins))
    assert page.values(SCORES, "ECE")["one"] == pytest.approx(error, rel=1e-5)


def test_quality_by_class_is_that_of_scikit_learn_on_the_page_and_in_the_csv(plain: Path, page: Page) -> None:
    labels, probs = truth(plain, "ensemble")
    wanted = sk.precision_recall_fscore_support(labels, probs.argmax(axis=1))
    table = pd.read_csv(plain / "reports" / "report" / "classes.csv").set_index("class")
    for place, name in enumerate(("ant", "bee", "cat")):
        for head, column, values in zip(
            ("precision", "recall", "F1", "images"), ("precision", "recall", "f1", "images"), wanted, strict=True
        ):
            assert page.values("All classes, the lowest F1 first", head)[name] == pytest.approx(values[place])
            assert table.loc[name, column] == pytest.approx(values[place], rel=1e-5)


def test_the_confusion_in_the_csv_is_that_of_scikit_learn_with_mean_probabilities(plain: Path) -> None:
    labels, probs = truth(plain, "ensemble")
    table = pd.read_csv(plain / "reports" / "report" / "confusion.csv").set_index(["true", "predicted"])
    counts = sk.confusion_matrix(labels, probs.argmax(axis=1))
    names = ("ant", "bee", "cat")
    for row, true in enumerate(names):
        for column, predicted in enumerate(names):
            mean = probs[labels == row, column].mean()
            assert table.loc[(true, predicted), "images"] == counts[row, column]
            assert table.loc[(true, predicted), "mean_probability"] == pytest.approx(mean, rel=1e-5)


def test_the_metrics_for_dvc_hold_what_no_other_file_of_metrics_has(plain: Path, page: Page) -> None:
    found = json.loads((plain / "reports" / "report.json").read_text())
    assert found == {
        "calibration": {"error": page.values(SCORES, "ECE")["ensemble"]},
        "labels": {"in_doubt": len(pd.read_csv(plain / "reports" / "report" / "doubted_labels.csv"))},
    }


def test_costs_are_those_of_the_cards_and_relative_to_the_quickest(page: Page) -> None:
    assert page.values(COSTS, "seconds to train") == {"one": 10.0, "two": 20.0}
    assert page.values(COSTS, "times the fastest") == {"one": 1.0, "two": 2.0}
    assert page.values(COSTS, "parameters")["one"] == 1234567


def test_mistakes_are_shown_the_surest_first_with_three_guesses(plain: Path, page: Page) -> None:
    labels, probs = truth(plain, "ensemble")
    wrong = int((probs.argmax(axis=1) != labels).sum())
    table = pd.read_csv(plain / "reports" / "report" / "mistakes.csv")
    assert f"{wrong} of {len(labels)} images are misclassified" in page.text
    assert len(table) == wrong
    assert table["probability"].is_monotonic_decreasing
    first = table.iloc[0]
    (alt,) = [alt for alt in page.alts if alt.startswith(f"{first['id']}, labelled {first['label']}, predicted ")][:1]
    assert alt.count("%") == 3


def test_what_a_member_adds_is_the_score_lost_without_it(plain: Path, page: Page) -> None:
    labels, one = truth(plain, "one")
    two = truth(plain, "two")[1]
    both = sk.accuracy_score(labels, ((one + two) / 2).argmax(axis=1))
    adds = page.values("Members of the ensemble, accuracy", "adds [95%]")
    assert adds["one"] == pytest.approx(both - sk.accuracy_score(labels, two.argmax(axis=1)))
    assert adds["two"] == pytest.approx(both - sk.accuracy_score(labels, one.argmax(axis=1)))
    assert page.values("Members of the ensemble, accuracy", "weight") == {"one": 0.5, "two": 0.5}
    differ = (one.argmax(axis=1) != two.argmax(axis=1)).mean()
    assert page.values("Members of the ensemble, accuracy", "disagrees")["one"] == pytest.approx(differ)


def test_the_same_input_gives_the_same_page(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    report.run(plain)
    before = (plain / "reports" / "report.html").read_bytes()
    report.run(plain)
    assert (plain / "reports" / "report.html").read_bytes() == before


def test_before_anything_is_trained_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path)
    with pytest.raises(InputError, match=r"no model of params\.yaml is trained for tiny yet; run `dvc repro`"):
        report.run(tmp_path)
    assert not (tmp_path / "reports").exists()
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 1


def test_models_of_another_competition_are_left_out_and_named(tmp_path: Path) -> None:
    fabricated(tmp_path)
    write_model_card(tmp_path, "two", competition="former", config=CLASSIC)
    found = written(tmp_path)
    assert "Not trained for this competition yet: two; run `dvc repro`." in found.text
    assert set(found.values(SCORES, "log loss")) == {"one"}  # the ensemble had two of them


def test_a_partial_run_and_a_class_that_is_never_predicted_are_told(tmp_path: Path) -> None:
    write_repository(tmp_path, models=["one"])
    np.save(tmp_path / "data" / "prepared" / "train_images.npy", np.zeros((60, 8, 8, 1), dtype=np.uint8))
    train_fake(tmp_path, "one", 0, scored=[0])
    path = paths.oof_path(tmp_path, "one")
    known = read_predictions(path, ("ant", "bee", "cat"))
    probs = known.probs * np.array([1, 1, 0], dtype=np.float32) + np.float32(1e-6)
    without = Predictions(known.ids, probs / probs.sum(axis=1, keepdims=True), known.classes, known.folds)
    write_predictions(path, without)
    found = written(tmp_path)  # there is no ensemble yet, nor a card
    assert "Only fold 0 of 3 is scored." in found.text
    assert "1 model on 20 images" in found.text
    assert "Never predicted: cat." in found.text
    assert found.values("All classes, the lowest F1 first", "F1")["cat"] == 0.0


@pytest.mark.slow
def test_a_hundred_classes_fold_their_table_and_show_the_worst_in_the_matrix(tmp_path: Path) -> None:
    names = [f"c{number:02}" for number in range(100)]
    write_repository(tmp_path, classes=names[:3])
    prepared = tmp_path / "data" / "prepared"
    tables.write_classes(prepared / "classes.json", names)
    files.write_json(prepared / "class_names.json", names)
    rows = pd.DataFrame({"id": [f"i{number}" for number in range(200)], "label": np.arange(200) % 100})
    rows["group"], rows["fold"] = np.arange(200), np.arange(200) // 100
    tables.write_folds(paths.folds_path(tmp_path), rows)
    template = tables.read_index(prepared / "train.csv").iloc[np.zeros(200, dtype=int)].reset_index(drop=True)
    tables.write_index(prepared / "train.csv", template.assign(id=rows["id"], label=rows["label"]))
    np.save(prepared / "train_images.npy", np.zeros((200, 8, 8, 1), dtype=np.uint8))
    write_params(tmp_path, ["one"])
    train_fake(tmp_path, "one", 0, skill=0.02)
    found = written(tmp_path)
    assert "The matrices show the 25 classes of 100 with the lowest F1." in found.text
    assert "All classes, the lowest F1 first: all 100 rows" in found.text


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of grey images and hostile class names, a model that peeked, submissions and a tuned model."""
    root = tmp_path_factory.mktemp("odd")
    fabricated(root, classes=("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$a_b$ & co"), channels=1)
    train_fake(root, "two", 1, peeked=("epoch chosen on the validation fold",))
    student = {"teacher": "t.parquet", "teacher_score": 0.9, "value": -0.1, "interval": (-0.2, 0.0), "peeked": False}
    write_model_card(root, "two", config=CLASSIC, student=student)
    for public, private in ((0.5, None), (0.625, 0.5625), (None, None)):
        entry = LogEntry(
            time=submission_log.format_now(),
            name="one",
            message="",
            public_lb=public,
            private_lb=private,
            competition="tiny",
            status="scored" if public else "pending",
            sha256="0" * 64,
        )
        submission_log.append_entry(root, entry)
    about = {"competition": "tiny", "metric": "accuracy", "greater_is_better": True}
    verdict = {
        "folds": [1],
        "seed": 0,
        "rows": 20,
        "default": 0.7,
        "tuned": 0.75,
        "gain": 0.05,
        "interval": [0.01, 0.09],
    }
    tuned = about | {
        "model": "one",
        "study": "one-01",
        "complete": 30,
        "pruned": 10,
        "verdict": verdict,
        "adopted": True,
    }
    files.write_json(root / "reports" / "tuning" / "one.json", tuned)
    files.write_json(root / "reports" / "tuning" / "two.json", about | {"model": "two"})
    report.run(root)
    return root


def test_names_and_ids_cannot_write_markup(odd: Path) -> None:
    html = (odd / "reports" / "report.html").read_text()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_model_that_peeked_is_marked(odd: Path) -> None:
    found = page_text.read(odd / "reports" / "report.html")
    assert "The score of two may be optimistic: epoch chosen on the validation fold" in found.text
    assert found.column(SCORES, "nested [95%]")["two"].text.endswith(" (uses validation labels)")


def test_a_student_is_shown_against_its_teacher(odd: Path) -> None:
    found = page_text.read(odd / "reports" / "report.html")
    loss = "0.1000 lower (worse), within chance (95 %: 0.2000 worse to 0.0000 better)"
    assert f"two is a student; against its teacher t.parquet (0.9000): {loss}." in found.text


def test_the_leaderboard_is_that_of_the_last_scored_submission(odd: Path) -> None:
    found = page_text.read(odd / "reports" / "report.html")
    assert found.values(SCORES, "LB public") == {"ensemble": None, "one": 0.625, "two": None}
    assert found.values(SCORES, "LB private")["one"] == 0.5625


def test_tuning_is_shown_where_there_are_cards_of_it(odd: Path, page: Page) -> None:
    found = page_text.read(odd / "reports" / "report.html")
    assert "1 model was tuned; significantly better: one." in found.text
    assert found.column("Gain by tuning", "gain [95%]")["one"].text == "+0.0500 [+0.0100, +0.0900]"
    assert found.values("Gain by tuning", "trials") == {"one": 40}
    assert "Gain by tuning" not in page.tables


def test_a_tuning_card_that_is_none_is_named(tmp_path: Path) -> None:
    fabricated(tmp_path)
    files.write_json(tmp_path / "reports" / "tuning" / "one.json", [])
    with pytest.raises(InputError, match=r"one\.json is no TuningCard"):
        report.run(tmp_path)
    assert not (tmp_path / "reports" / "report.html").exists()


def test_classical_models_have_no_heat_and_that_is_said(page: Page) -> None:
    assert "None of these models has convolutions or attention, which heat maps need." in page.text
    assert "No heat maps, without convolutions or attention: " in page.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "No columns to parse"),
        (b"fold,epoch\n0,1\n0,1,2,3\n", "Error tokenizing data"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"<html>not found</html>\n", "it lacks fold, epoch"),
        (b"fold,epoch,learning_rate,loss\n0,1,0.1,2.0\n", "it lacks valid_loss, valid_score"),
        (b"fold,epoch,loss,valid_loss\n0,1,2.0,oops\n", "valid_loss should hold numbers"),
        (b"fold,epoch,loss,valid_loss\n0,1,2.0,1.9\n0,", ": epoch should hold numbers"),
        (b"fold,epoch,loss,valid_loss\n", "should hold numbers"),
    ],
)
def test_a_damaged_history_is_named_with_the_command_that_brings_it_back(
    plain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    before = (plain / "reports" / "report.html").read_bytes()
    path = plain / "folds" / "one" / "history.csv"
    path.write_bytes(content)
    monkeypatch.chdir(plain)
    try:
        assert main(["report"]) == 1
    finally:
        path.unlink()
    (line,) = capsys.readouterr().err.splitlines()
    assert "one/history.csv is not a training history" in line
    assert words in line
    assert line.endswith("run `dvc repro train@one`, or `dvc checkout`")
    assert (plain / "reports" / "report.html").read_bytes() == before


def test_hostile_names_do_nothing_in_a_browser(odd: Path, browser: Browser) -> None:
    with opened(browser, (odd / "reports" / "report.html").as_uri()) as page:  # fails on a blocked or failing script
        assert page.get_by_role("rowheader", name="<script>alert(1)</script>").count()


def test_ids_stand_under_every_mistake_and_the_doubted_labels_can_be_saved(plain: Path) -> None:
    html = (plain / "reports" / "report.html").read_text(encoding="utf-8")
    section = html[html.index('<section id="mistakes"') : html.index('<section id="labels-in-doubt"')]
    mistakes = pd.read_csv(plain / "reports" / "report" / "mistakes.csv", dtype=str)
    assert [f'<span class="id">{each}</span>' in section for each in mistakes["id"]] == [True] * len(mistakes)
    doubted = (plain / "reports" / "report" / "doubted_labels.csv").read_bytes()
    assert base64.b64encode(doubted).decode() in html


def test_a_direction_of_a_pair_that_never_happened_is_not_shown(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confusion, "find_confused_pairs", lambda *_: [ConfusedPair(0, 1, 2, 0)])
    html = "".join(confusion.show_confused_pairs(read_evaluation_data(plain)).section.blocks)
    assert "ant predicted as bee" in html
    assert "bee predicted as ant" not in html


@pytest.mark.slow
def test_the_footer_says_when_by_which_command_and_with_which_seed(plain: Path) -> None:
    html = (plain / "reports" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<footer><p>tiny: python -m pipeline report, \d{4}-\d\d-\d\d \d\d:\d\d UTC, .*seed 0</p>", html)
