"""Grading here: the competition's metric, public and private rows apart."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.answers import make_class_sheet
from support.fabricated import LABELS, PROBABILITIES, competition, write_repository

from pipeline.cli import main
from pipeline.core import tables
from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, Submission
from pipeline.core.cards import SubmissionCard, write_card
from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.kaggle import submission_log
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.grading import Grade, grade_submission
from pipeline.kaggle.solution import Solution, read_solution
from pipeline.stages import score as stage

CLASSES = ("ant", "bee", "cat")
LABEL = LabelSubmission(kind="label", sample="sample.csv", id="Id", label="Category")
PROBABILITY = ProbabilitySubmission(kind="probabilities", sample="sample.csv", id="Id")
DOGS = LabelSubmission(kind="label", sample="sample.csv", id="Id", label="Category", positive="dog")


def graded(
    folder: Path, csv: str, solution: str, submission: dict[str, Any], metric: str, classes: tuple[str, ...] = CLASSES
) -> dict[str, Grade]:
    """Grades two CSVs given as text; the sample has the submission's ids and columns."""
    for name, text in (("mine.csv", csv), ("solution.csv", solution)):
        (folder / name).write_text(text, encoding="utf-8")
    described = parse(competition(submission, metric), Competition, "tiny.yaml")
    sample = read_table(folder / "mine.csv")
    return grade_submission(
        folder / "mine.csv", folder / "solution.csv", described, make_class_sheet(sample, described.submission, classes)
    )


def test_labels_are_graded_by_id(tmp_path: Path) -> None:
    grades = graded(
        tmp_path, "Id,Category\n2,bee\n10,cat\n1,ant\n", "Category,Id\nant,1\nbee,2\nbee,10\n", LABELS, "accuracy"
    )
    assert grades["all"].score == pytest.approx(2 / 3)
    assert grades["all"].rows == 3


def test_public_and_private_rows_are_graded_apart_and_ignored_ones_left_out(tmp_path: Path) -> None:
    solution = "Id,Category,Usage\n1,ant,Public\n2,ant,Private\n3,bee,private\n4,bee,Ignored\n5,bee,Public\n"
    grades = graded(tmp_path, "Id,Category\n1,ant\n2,ant\n3,bee\n4,ant\n5,ant\n", solution, LABELS, "accuracy")
    assert grades == {"public": Grade(0.5, 2), "private": Grade(1.0, 2)}


def test_a_solution_with_private_rows_alone_has_no_public_score(tmp_path: Path) -> None:
    solution = "Id,Category,usage\n1,ant,Ignored\n2,ant,Private\n"
    assert graded(tmp_path, "Id,Category\n1,bee\n2,ant\n", solution, LABELS, "accuracy") == {"private": Grade(1.0, 1)}


def test_probabilities_are_graded_by_the_columns_names(tmp_path: Path) -> None:
    csv = "Id,cat,ant,bee\n1,0.5,0.25,0.25\n2,0.125,0.125,0.75\n"
    grades = graded(tmp_path, csv, "Id,breed\n1,cat\n2,bee\n", PROBABILITIES, "log_loss")
    assert grades["all"].score == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)


def test_the_probability_of_one_of_two_classes_is_graded(tmp_path: Path) -> None:
    submission = {**LABELS, "positive": "dog"}
    for solution in ("Id,Category\n1,dog\n2,cat\n", "Id,Category\n1,1\n2,0\n"):
        grades = graded(tmp_path, "Id,Category\n1,0.75\n2,0.5\n", solution, submission, "log_loss", ("cat", "dog"))
        assert grades["all"].score == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        ("Id,Category\n1,ant\n", r"1 without a true label \(2\), 0 not submitted \(none\)"),
        ("Id,Category\n1,ant\n2,ant\n3,ant\n", r"0 without a true label \(none\), 1 not submitted \(3\)"),
        ("Id,Category,Usage\n1,ant,Ignored\n2,ant,Ignored\n", "its Usage column ignores every row"),
    ],
)
def test_a_solution_of_other_rows_is_refused(tmp_path: Path, solution: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        graded(tmp_path, "Id,Category\n1,ant\n2,ant\n", solution, LABELS, "accuracy")


def test_a_malformed_submission_is_not_graded(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"mine.csv: submission row 2 \(id 2\), column Category: 'wasp' is not a class"
    ):
        graded(tmp_path, "Id,Category\n1,ant\n2,wasp\n", "Id,Category\n1,ant\n2,ant\n", LABELS, "accuracy")


def read_truth(path: Path, section: Submission, classes: tuple[str, ...]) -> Solution:
    columns = [section.label] if isinstance(section, LabelSubmission) else list(classes)
    return read_solution(path, open_form(make_class_sheet(pd.DataFrame(columns=["Id", *columns]), section, classes)))


def solution(folder: Path, text: str) -> Path:
    path = folder / "solution.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_solution_may_have_one_column_of_zeros_and_ones_per_class(tmp_path: Path) -> None:
    path = solution(tmp_path, "Id,Usage,cat,bee,ant\n1,Public,1,0,0\n2,Private,0,0,1\n")
    assert read_truth(path, PROBABILITY, CLASSES).truth.tolist() == [2, 0]


def test_the_label_of_a_probability_competition_stands_in_the_first_other_column(tmp_path: Path) -> None:
    path = solution(tmp_path, "Usage,Id,breed,remark\nPublic,1,bee,x\n")
    truth = read_truth(path, PROBABILITY, CLASSES)
    assert (truth.ids, truth.truth.tolist()) == (("1",), [1])


def test_classes_called_0_and_1_are_what_they_say(tmp_path: Path) -> None:
    cactus = DOGS.model_copy(update={"positive": "1"})
    path = solution(tmp_path, "Id,Category\n1,1\n2,0\n")
    assert read_truth(path, cactus, ("0", "1")).truth.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,Category\n1,ant\n", "has no column 'Id'; did you mean ID"),
        ("Id,Kategory\n1,ant\n", "has no column 'Category'; did you mean Kategory"),
        ("Id,Category\n1,ant\n1,bee\n", "1 ids are there more than once: 1"),
        (
            "Id,Category\n1,ant\n2,wasp\n",
            "row 2, column Category: 'wasp' is not a class; known: ant, bee, cat",
        ),
        ("Id,Category,Usage\n1,ant,Publick\n", "row 1, column Usage: 'Publick', wanted Public, Private or Ignored"),
    ],
)
def test_a_damaged_solution_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_truth(solution(tmp_path, text), LABEL, CLASSES)


@pytest.mark.parametrize("row", ["1,0,1,1", "1,0,0,0", "1,0.5,0.5,0", "1,x,1,0"])
def test_a_row_without_exactly_one_1_is_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError, match="row 1, columns ant, bee, cat: wanted exactly one 1, and 0 elsewhere"):
        read_truth(solution(tmp_path, f"Id,ant,bee,cat\n{row}\n"), PROBABILITY, CLASSES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a submission of which 12 of 20 rows are right: 3 of 5 public ones, 9 of 15 private ones."""
    write_repository(tmp_path)
    sample = read_table(tmp_path / "data" / "prepared" / "sample_submission.csv")
    usage = ["Public"] * 5 + ["Private"] * 15
    truth = pd.DataFrame({"Id": sample["Id"], "Category": "bee", "Usage": usage})
    truth.sample(frac=1, random_state=0).to_csv(tmp_path / "solution.csv", index=False)
    right = [True, True, True, False, False] + [True] * 9 + [False] * 6
    path = tmp_path / "submissions" / "mine.csv"
    path.parent.mkdir()
    sample.assign(Category=["bee" if good else "cat" for good in right]).to_csv(path, index=False)
    return tmp_path


def test_the_command_line_grades(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["score", "submissions/mine.csv", "--solution", "solution.csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mine.csv: accuracy 0.60000 (public, 5 rows)",
        "mine.csv: accuracy 0.60000 (private, 15 rows)",
    ]
    assert not submission_log.log_path(root).exists()


def test_a_grade_is_logged_on_request(root: Path) -> None:
    csv = root / "submissions" / "mine.csv"
    stage.run(root, csv, root / "solution.csv", log=True, message=None)
    (entry,) = submission_log.read_log(root)
    assert (entry.name, entry.status, entry.competition) == ("mine", "graded", "tiny")
    assert (entry.public_lb, entry.private_lb, entry.oof) == (0.6, 0.6, None)
    assert (entry.message, entry.sha256) == ("graded here with solution.csv", sha256(csv))


def test_without_usage_the_score_is_logged_as_private(root: Path) -> None:
    truth = read_table(root / "solution.csv").drop(columns="Usage")
    truth.to_csv(root / "solution.csv", index=False)
    stage.run(root, root / "submissions" / "mine.csv", root / "solution.csv", log=True, message="late")
    (entry,) = submission_log.read_log(root)
    assert (entry.public_lb, entry.private_lb, entry.message) == (None, 0.6, "late")


@pytest.mark.parametrize("same", [True, False])
def test_our_own_score_is_logged_if_the_card_describes_this_very_file(root: Path, same: bool) -> None:
    csv = root / "submissions" / "mine.csv"
    card = SubmissionCard(
        name="mine",
        competition="tiny",
        members=("one",),
        metric="accuracy",
        cv=0.7,
        nested_cv=0.65,
        rows=20,
        sha256=sha256(csv) if same else "0" * 64,
        git_commit="abc",
    )
    write_card(csv.with_suffix(".json"), card)
    stage.run(root, csv, root / "solution.csv", log=True, message=None)
    (entry,) = submission_log.read_log(root)
    assert (entry.oof, entry.nested_cv, entry.git_commit) == ((0.7, 0.65, "abc") if same else (None, None, None))


def test_without_prepared_tables_it_says_what_to_run(root: Path) -> None:
    tables.read_classes(root / "data" / "prepared" / "classes.json")
    (root / "data" / "prepared" / "classes.json").unlink()
    with pytest.raises(InputError, match=r"classes.json does not exist; run `dvc repro -f prepare`"):
        stage.run(root, root / "submissions" / "mine.csv", root / "solution.csv", log=False, message=None)
