"""Decisions about classes that exclude each other: one class of each image is marked, in columns and in rows."""

import pandas as pd
import pytest

from pipeline.core.answers import DecisionSubmission, RowPattern, RowSubmission
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.kaggle.answers.contract import AnswerForm, AnswerSheet
from pipeline.kaggle.answers.forms import open_form

PETS = OneClass(columns=("ant", "bee", "cat"))


def open_columns(no: str, yes: str) -> AnswerForm:
    """A column per class, in these words; two images."""
    section = DecisionSubmission(kind="decisions", sample="s.csv", id="Id", marks=(no, yes))
    return open_form(AnswerSheet(section, PETS, make_table(no, yes, "ant", "ant")))


def make_table(no: str, yes: str, *marked: str) -> pd.DataFrame:
    columns = {name: [yes if name in names.split() else no for names in marked] for name in PETS.columns}
    return pd.DataFrame({"Id": [str(number) for number in range(len(marked))], **columns})


def open_rows(*ids: str) -> AnswerForm:
    """A row per image and class."""
    pattern = RowPattern(by="pattern", pattern="(?P<image>.)_(?P<part>.*)")
    section = RowSubmission(kind="rows", sample="s.csv", id="Id", value="y", rows=pattern, holds="decisions")
    return open_form(AnswerSheet(section, PETS, make_rows(ids, "0" * len(ids))))


def make_rows(ids: tuple[str, ...], marks: str) -> pd.DataFrame:
    return pd.DataFrame({"Id": ids, "y": list(marks)})


SIX = tuple(f"{image}_{name}" for image in "ab" for name in PETS.columns)


@pytest.mark.parametrize(("no", "yes"), [("False", "True"), ("no", "yes"), ("1", "0")])
def test_a_solution_in_the_words_of_the_sample_is_read(no: str, yes: str) -> None:
    _, truth = open_columns(no, yes).read_truth(make_table(no, yes, "cat", "bee"), "solution.csv")
    assert truth.tolist() == [2, 1]


def test_a_solution_of_0_and_1_is_read_where_the_sample_has_words() -> None:
    _, truth = open_columns("no", "yes").read_truth(make_table("0", "1", "cat", "bee"), "solution.csv")
    assert truth.tolist() == [2, 1]


@pytest.mark.parametrize("marked", ["", "ant cat"])
def test_a_solution_in_columns_needs_one_class_of_each_image(marked: str) -> None:
    table = make_table("no", "yes", "ant", marked)
    with pytest.raises(InputError, match="row 2, columns ant, bee, cat: wanted exactly one yes, and no elsewhere"):
        open_columns("no", "yes").read_truth(table, "solution.csv")


@pytest.mark.parametrize(("marked", "count"), [("", 0), ("ant cat", 2)])
def test_a_submission_in_columns_needs_one_class_of_each_image(marked: str, count: int) -> None:
    with pytest.raises(InputError, match=rf"row 2 \(id 1\), columns .*: {count} classes are marked, wanted one"):
        open_columns("0", "1").check(make_table("0", "1", "ant", marked))


@pytest.mark.parametrize(("marks", "count"), [("010000", 0), ("010101", 2)])
def test_rows_need_one_class_of_each_image(marks: str, count: int) -> None:
    form, frame = open_rows(*SIX), make_rows(SIX, marks)
    words = f"column y: {count} classes of image b are marked, wanted one"
    with pytest.raises(InputError, match=rf"^submission row 4 \(id b_ant\), {words}"):
        form.check(frame)
    with pytest.raises(InputError, match=f"^solution.csv, row 4, {words}"):
        form.read_truth(frame, "solution.csv")


def test_rows_that_leave_a_class_out_may_mark_none() -> None:
    form = open_rows("a_ant", "b_ant", "b_cat")
    form.check(make_rows(("a_ant", "b_ant", "b_cat"), "001"))
    with pytest.raises(InputError, match="2 classes of image b are marked"):
        form.check(make_rows(("a_ant", "b_ant", "b_cat"), "011"))


def test_one_class_of_each_image_passes() -> None:
    open_columns("no", "yes").check(make_table("no", "yes", "ant", "cat"))
    form, frame = open_rows(*SIX), make_rows(SIX, "010001")
    form.check(frame)
    assert form.read_truth(frame, "solution.csv")[1].tolist() == [1, 2]
