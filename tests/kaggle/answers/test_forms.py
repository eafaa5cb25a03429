"""The contract of forms of answers: whatever the kind, what is written passes its own check and is read again."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.core.answers import Submission
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.kaggle.answers.contract import AnswerRule, AnswerSheet
from pipeline.kaggle.answers.forms import open_form
from pipeline.kaggle.submission import build_submission, check_sample
from pipeline.kaggle.submission_checks import check_submission

IDS = ["b", "a", "c"]
PETS = OneClass(columns=("ant", "bee", "cat"))
TWO = OneClass(columns=("cat", "dog"))
TAGS = SeveralLabels(columns=("clear", "haze", "water"))
GRADED = Grades(columns=("0", "1", "2"), numbers=(0.0, 1.0, 2.0))
SIZES = Numbers(columns=("width", "height"), means=(1.0, 2.0), scales=(1.0, 1.0))
PARTS = SeveralTargets(
    columns=("root:r0", "root:r1", "mark:m0", "mark:m1", "mark:m2"),
    parts={"root": OneClass(columns=("r0", "r1")), "mark": OneClass(columns=("m0", "m1", "m2"))},
)
PROBS = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.125, 0.25, 0.625]]
MARKS = [[0.75, 0.5, 0.25], [0.25, 0.125, 0.375], [0.5, 0.875, 0.625]]
ROWS = pd.DataFrame(
    [(f"{name}_{part}", name, part) for name in IDS for part in ("mark", "root")], columns=["row", "image", "part"]
)


class Holder(Section):
    """A section that holds any form."""

    submission: Submission


@dataclass(frozen=True)
class Case:
    """A form with one sample, predictions of a, b, c, and the column ``wanted`` that they make.

    Attributes:
        bad: a cell that is none, and what the error says of it.
    """

    section: dict[str, Any]
    target: Target
    sample: dict[str, list[str]]
    values: list[list[float]]
    wanted: list[str]
    bad: tuple[str, str]
    rows: pd.DataFrame | None = None
    rule: AnswerRule = field(default_factory=AnswerRule)

    @property
    def sheet(self) -> AnswerSheet:
        section = parse({"submission": {"sample": "s.csv", "id": "Id"} | self.section}, Holder, "file").submission
        sample = pd.DataFrame(({} if "Id" in self.sample else {"Id": IDS}) | self.sample, dtype="str")
        return AnswerSheet(section, self.target, sample, {}, self.rows, self.rule)

    @property
    def predictions(self) -> Predictions:
        values = np.array(self.values, dtype=np.float32)
        return Predictions(("a", "b", "c"), values, self.target.columns, target=self.target)

    @property
    def column(self) -> str:
        """The first column of answers."""
        return next(name for name in self.sample if name != "Id")


CASES = {
    "own names": Case(
        {"kind": "label", "label": "y"}, PETS, {"y": ["ant"] * 3}, PROBS, ["bee", "ant", "cat"], ("wasp", "not a class")
    ),
    "other names": Case(
        {"kind": "label", "label": "y", "names": {"cat": "0", "dog": "1"}},
        TWO,
        {"y": ["0"] * 3},
        [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]],
        ["1", "0", "0"],
        ("dog", "'dog' is not a class; known: 0, 1"),
    ),
    "probability of one class": Case(
        {"kind": "label", "label": "y", "positive": "dog"},
        TWO,
        {"y": ["0.5"] * 3},
        [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]],
        ["0.5", "0.25", "1"],
        ("1.5", "not a probability, wanted 0 to 1"),
    ),
    "probabilities": Case(
        {"kind": "probabilities", "columns": {"p1": "bee"}},
        PETS,
        {"p1": ["0"] * 3, "ant": ["0"] * 3, "cat": ["1"] * 3},
        [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75]],
        ["0.5", "0.25", "0.125"],
        ("x", "'x' is not a probability"),
    ),
    "probabilities of votes": Case(
        {"kind": "probabilities"},
        VoteShares(columns=("x", "y")),
        {"x": ["0.5"] * 3, "y": ["0.5"] * 3},
        [[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]],
        ["0.5", "0.25", "1"],
        ("-1", "not a probability"),
    ),
    "probabilities of labels need no sum": Case(
        {"kind": "probabilities"},
        TAGS,
        {name: ["0"] * 3 for name in TAGS.columns},
        MARKS,
        ["0.25", "0.75", "0.5"],
        ("", "'' is not a probability"),
    ),
    "numbers": Case(
        {"kind": "numbers", "columns": {"w": "width"}},
        SIZES,
        {"w": ["0"] * 3, "height": ["0"] * 3},
        [[1.5, -2.0], [1e-9, 3.25], [1234567.0, 0.0]],
        ["9.99999972e-10", "1.5", "1234567"],
        ("inf", "'inf' is not a finite number"),
    ),
    "the number of a grade": Case(
        {"kind": "numbers"},
        GRADED,
        {"y": ["0"] * 3},
        [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [1.0, 0.0, 0.0]],
        ["1.75", "0.5", "0"],
        ("high", "'high' is not a finite number"),
    ),
    "decisions of labels": Case(
        {"kind": "decisions", "marks": ["False", "True"]},
        TAGS,
        {name: ["False"] * 3 for name in TAGS.columns},
        MARKS,
        ["False", "True", "True"],
        ("0", "'0' is no decision, wanted False or True"),
    ),
    "decisions of classes": Case(
        {"kind": "decisions", "columns": {"p1": "bee"}},
        PETS,
        {"p1": ["0"] * 3, "ant": ["0"] * 3, "cat": ["1"] * 3},
        PROBS,
        ["1", "0", "0"],
        ("0.5", "'0.5' is no decision, wanted 0 or 1"),
    ),
    "decisions of targets": Case(
        {"kind": "decisions"},
        PARTS,
        {"root": ["r0"] * 3, "mark": ["m0"] * 3},
        [[0.75, 0.25, 0.5, 0.25, 0.25], [0.25, 0.75, 0.0, 0.0, 1.0], [1.0, 0.0, 0.25, 0.5, 0.25]],
        ["r1", "r0", "r0"],
        ("m0", "'m0' is not a class; did you mean r0"),
    ),
    "a set of labels": Case(
        {"kind": "label_set", "label": "y", "none": "nothing"},
        TAGS,
        {"y": ["clear unheard_of"] * 3},
        MARKS,
        ["nothing", "clear haze", "clear haze water"],
        ("clear clear", "'clear' is there twice"),
    ),
    "a set of one label or more": Case(
        {"kind": "label_set", "label": "y", "separator": "|", "at_least_one": True},
        TAGS,
        {"y": ["clear|haze"] * 3},
        MARKS,
        ["water", "clear|haze", "clear|haze|water"],
        ("", "'' names no label; at least one is wanted"),
    ),
    "a ranked list": Case(
        {"kind": "ranked", "label": "y"},
        PETS,
        {"y": ["bee cat"] * 3},
        PROBS,
        ["bee cat", "ant bee", "cat bee"],
        ("bee", "'bee' names 1 classes, wanted 2"),
    ),
    "a ranked list with what is new": Case(
        {"kind": "ranked", "label": "y", "k": 3, "new": "new"},
        PETS,
        {"y": ["new bee cat"] * 3},
        PROBS,
        ["bee new cat", "ant new bee", "cat new bee"],
        ("bee bee cat", "'bee' is there twice"),
        rule=AnswerRule(new_threshold=0.5),
    ),
    "a label with its confidence": Case(
        {"kind": "confidence", "label": "y"},
        PETS,
        {"y": ["ant 0.0979"] * 3},
        [[0.75, 0.25, 0.0], [0.25, 0.5, 0.25], [0.125, 0.25, 0.625]],
        ["bee 0.5", "ant 0.75", "cat 0.625"],
        ("bee", "'bee' ends in no confidence"),
    ),
    "rows of targets by a table": Case(
        {
            "kind": "rows",
            "value": "y",
            "rows": {"by": "table", "table": "t.csv", "row": "r", "image": "i", "part": "p"},
        },
        PARTS,
        {"Id": ["b_mark", "b_root", "a_mark", "a_root", "c_mark", "c_root"], "y": ["m0", "r0"] * 3},
        [[0.75, 0.25, 0.5, 0.25, 0.25], [0.25, 0.75, 0.0, 0.0, 1.0], [1.0, 0.0, 0.25, 0.5, 0.25]],
        ["m2", "r1", "m0", "r0", "m1", "r0"],
        ("r0", "'r0' is not a class; did you mean m0"),
        rows=ROWS,
    ),
    "rows of labels by a pattern": Case(
        {
            "kind": "rows",
            "value": "y",
            "rows": {"by": "pattern", "pattern": r"(?P<image>.)_(?P<part>\w+)"},
            "parts": {"wet": "water"},
        },
        TAGS,
        {"Id": [f"{name}_{part}" for part in ("wet", "clear", "haze") for name in IDS], "y": ["0"] * 9},
        MARKS,
        ["0.375", "0.25", "0.625", "0.25", "0.75", "0.5", "0.125", "0.5", "0.875"],
        ("1.5", "not a probability"),
    ),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@EVERY
def test_what_is_written_passes_the_check(case: Case) -> None:
    check_sample(case.sheet, case.predictions.ids)
    frame = build_submission(case.predictions, case.sheet)
    check_submission(frame, case.sheet)
    assert frame.columns.tolist() == case.sheet.sample.columns.tolist()
    assert frame["Id"].tolist() == case.sheet.sample["Id"].tolist()
    assert frame[case.column].tolist() == case.wanted


@EVERY
def test_what_is_read_again_leads_to_the_same_decision(case: Case) -> None:
    form = open_form(case.sheet)
    frame = build_submission(case.predictions, case.sheet)
    values = form.read(frame)
    assert values.shape == (len(IDS), len(form.target.columns))
    given = form.extend(case.predictions.aligned(form.subjects, "here"))
    if "at_least_one" not in case.section:  # which decides otherwise than 0.5
        np.testing.assert_array_equal(form.target.decide(values), form.target.decide(given))


@EVERY
def test_a_wrong_cell_is_named_by_row_and_column(case: Case) -> None:
    frame = build_submission(case.predictions, case.sheet)
    frame.loc[0, case.column] = case.bad[0]
    row = case.sheet.sample["Id"].iloc[0]
    with pytest.raises(InputError) as caught:
        check_submission(frame, case.sheet)
    assert str(caught.value).startswith(f"submission row 1 (id {row}), column {case.column}: ")
    assert case.bad[1] in str(caught.value)


@EVERY
def test_the_order_of_predictions_changes_nothing(case: Case) -> None:
    known = case.predictions
    order = [2, 0, 1]
    shuffled = Predictions(
        tuple(known.ids[row] for row in order), known.probs[order], known.classes, target=known.target
    )
    pd.testing.assert_frame_equal(build_submission(shuffled, case.sheet), build_submission(known, case.sheet))


TRUTHS = {
    "own names": (["cat", "ant", "bee"], [2, 0, 1]),
    "other names": (["1", "0", "0"], [1, 0, 0]),
    "probability of one class": (["1", "0", "0"], [1, 0, 0]),
    "the number of a grade": (["2", "0", "1"], [2, 0, 1]),
    "a set of labels": (["nothing", "clear haze", "water"], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]),
    "a ranked list": (["cat", "ant", "bee"], [2, 0, 1]),
    "a ranked list with what is new": (["new", "ant", "bee"], [3, 0, 1]),
    "a label with its confidence": (["cat", "", "bee"], [2, -1, 1]),
    "rows of targets by a table": (["m2", "r1", "m0", "r0", "m1", "r0"], [[1, 2], [0, 0], [0, 1]]),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_solution_of_each_form_is_read(name: str) -> None:
    cells, wanted = TRUTHS[name]
    case = CASES[name]
    table = case.sheet.sample.assign(**{case.column: cells})
    ids, truth = open_form(case.sheet).read_truth(table, "solution.csv")
    assert ids == IDS
    np.testing.assert_array_equal(truth, np.array(wanted))


def test_probabilities_are_graded_against_names_or_marks() -> None:
    form = open_form(CASES["probabilities"].sheet)
    named = pd.DataFrame({"Id": IDS, "breed": ["cat", "ant", "bee"]})
    marked = pd.DataFrame({"Id": IDS, "p1": ["0", "0", "1"], "ant": ["0", "1", "0"], "cat": ["1", "0", "0"]})
    for table in (named, marked):
        np.testing.assert_array_equal(form.read_truth(table, "solution.csv")[1], [2, 0, 1])


@pytest.mark.parametrize(
    ("section", "target", "message"),
    [
        ({"kind": "label", "label": "y"}, TAGS, "label does not fit a target of kind several_labels; .* label_set"),
        ({"kind": "label_set", "label": "y"}, PETS, "label_set does not fit a target of kind one_class; .* label"),
        ({"kind": "probabilities"}, SIZES, "probabilities does not fit a target of kind numbers; describe numbers"),
        ({"kind": "numbers"}, PETS, "numbers does not fit a target of kind one_class"),
        ({"kind": "probabilities"}, PARTS, "probabilities does not fit a target of kind several_targets"),
        ({"kind": "ranked", "label": "y", "k": 4}, PETS, "submission.k is 4, and there are 3 classes"),
        ({"kind": "ranked", "label": "y"}, PETS, "has lists of 1 classes in y, .*; set submission.k"),
        ({"kind": "label_set", "label": "y", "separator": "a"}, TAGS, "'a' is inside 3 names, such as 'clear'"),
        ({"kind": "label_set", "label": "y", "none": "haze"}, TAGS, "submission.none is 'haze', which is a label"),
        ({"kind": "label", "label": "y", "names": {"wolf": "1"}}, TWO, "names names 'wolf', which is no class"),
        ({"kind": "label", "label": "y", "names": {"cat": "dog"}}, TWO, "gives two classes the name 'dog'"),
    ],
)
def test_a_form_that_does_not_fit_the_target_is_refused(section: dict[str, Any], target: Target, message: str) -> None:
    case = Case(section, target, {"y": ["0"] * 3}, [], [], ("", ""))
    with pytest.raises(InputError, match=message):
        open_form(case.sheet)


@pytest.mark.parametrize(
    ("section", "target", "cells", "message"),
    [
        ({"kind": "label"}, PETS, "ant 0.25", "'ant 0.25' is a class and a number; .* kind: confidence"),
        ({"kind": "label"}, PETS, "ant bee", "'ant bee' is several classes; .* kind: ranked, or label_set"),
        ({"kind": "label"}, TWO, "0", "no class is a number .*; give the number of each class with submission.names"),
        ({"kind": "label"}, PETS, "name", "'?name'?, which is no class .*; write submission.names: {} where"),
        ({"kind": "label"}, OneClass(columns=("1", "2")), "x", "x, which is no class"),
        ({"kind": "label", "positive": "dog"}, TWO, "dog", "'dog' is no number, and the form needs probabilities"),
        ({"kind": "label_set"}, TAGS, "rain|snow", "no part of 'rain|snow', split at ' ', is one of clear, haze"),
        ({"kind": "ranked", "k": 2}, PETS, "ant bee cat", "its cells hold up to 3 classes, submission.k is 2"),
        ({"kind": "ranked", "k": 2}, PETS, "wolf fox", "no part of 'wolf fox'"),
        ({"kind": "confidence"}, PETS, "ant", "'ant' is no class with a confidence behind ' '"),
    ],
)
def test_a_sample_that_the_form_does_not_explain_is_refused(
    section: dict[str, Any], target: Target, cells: str, message: str
) -> None:
    case = Case({"label": "y"} | section, target, {"y": [cells] * 3}, [], [], ("", ""))
    with pytest.raises(InputError, match=message):
        check_sample(case.sheet, IDS)


@pytest.mark.parametrize(
    ("section", "target", "cells"),
    [
        ({"kind": "label", "names": {}}, PETS, "name"),
        ({"kind": "label"}, PETS, ""),
        ({"kind": "label", "names": {}}, PETS, "0"),
        ({"kind": "label"}, OneClass(columns=("1", "2")), "267"),
        ({"kind": "label_set"}, TAGS, ""),
        ({"kind": "ranked", "k": 2}, OneClass(columns=("1", "2", "3")), "36363 53586"),
        ({"kind": "confidence"}, PETS, ""),
    ],
)
def test_placeholders_pass(section: dict[str, Any], target: Target, cells: str) -> None:
    check_sample(Case({"label": "y"} | section, target, {"y": [cells] * 3}, [], [], ("", "")).sheet, IDS)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a_sky"], "rows speak of sky, which is nothing predicted"),
        (["clear"], "1 ids do not match submission.rows.pattern"),
        (["a_wet", "a_water"], "two rows speak of the same part of one image"),
    ],
)
def test_rows_that_are_no_parts_are_refused(ids: list[str], message: str) -> None:
    case = CASES["rows of labels by a pattern"]
    with pytest.raises(InputError, match=message):
        open_form(Case(case.section, TAGS, {"Id": ids, "y": ["0"] * len(ids)}, [], [], ("", "")).sheet)


def test_rows_that_leave_a_part_out_can_be_submitted_and_not_graded() -> None:
    case = CASES["rows of labels by a pattern"]
    short = Case(case.section, TAGS, {"Id": ["a_wet", "b_wet", "c_clear"], "y": ["0"] * 3}, MARKS, [], ("", ""))
    frame = build_submission(short.predictions, short.sheet)
    assert frame["y"].tolist() == ["0.25", "0.375", "0.5"]
    with pytest.raises(InputError, match="3 rows for 3 images and 3 parts"):
        open_form(short.sheet).read(frame)
