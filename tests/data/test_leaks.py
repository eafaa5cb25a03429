"""Columns that are the answer in other words: refused, and told from columns that are of use."""

import numpy as np
import pandas as pd
import pytest

from pipeline.core.columns import Columns, name_columns
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets, list_part_columns
from pipeline.data.prepared.leaks import Answer, find_leaks, find_told_share, list_answers, refuse_leaks


def make_index(cells: list[str], kind: str) -> tuple[pd.DataFrame, Columns]:
    columns = Columns(train="t", test="t", id="id", features={"said": kind})  # type: ignore[dict-item]
    return name_columns(pd.DataFrame({"said": cells}), columns), columns


def test_a_column_that_is_the_answer_in_other_words_is_refused() -> None:
    labels = np.arange(60) % 2
    index, columns = make_index(["benign" if label else "malignant" for label in labels], "category")
    with pytest.raises(InputError, match=r"said tells the class of 100.0% of the training images by itself"):
        refuse_leaks(index, [Answer("the class", labels.astype(np.float64))], columns)


@pytest.mark.parametrize("kind", ["category", "number"])
def test_an_id_of_each_image_and_a_useful_column_are_kept(kind: str) -> None:
    random, labels = np.random.default_rng(0), np.arange(300) % 2
    for numbers in (np.arange(300), labels + (random.random(300) < 0.1)):
        index, columns = make_index([str(number) for number in numbers], kind)
        refuse_leaks(index, [Answer("the class", labels.astype(np.float64))], columns)


@pytest.mark.parametrize("large", ["inf", "-inf", "1e40"])
def test_numbers_beyond_float32_tell_what_missing_ones_tell(large: str) -> None:
    labels = np.arange(60) % 2
    shares = [
        find_told_share(pd.Series([odd if label else "1.5" for label in labels]), "number", labels)
        for odd in (large, "")
    ]
    assert shares == [1.0, 1.0]


def test_no_rows_tell_nothing() -> None:
    assert find_told_share(pd.Series([], dtype="str"), "number", np.array([], dtype=np.int64)) is None


NUMBERS = Numbers(columns=("age",), means=(0.0,), scales=(1.0,))
KINDS = OneClass(columns=("x", "y"))
PARTS: dict[str, Target] = {"kind": KINDS, "length": NUMBERS}
TWO = SeveralTargets(columns=list_part_columns(PARTS), parts=PARTS)  # type: ignore[arg-type]
LABELS = SeveralLabels(columns=("p", "q"))
MARKS = np.array([[n % 2, n // 2 % 2] for n in range(48)], dtype=np.float32)
ORDER = np.random.default_rng(1).permutation(48)
AGES = (1.3 * ORDER + 0.7).astype(np.float32)[:, None]


@pytest.mark.parametrize(
    ("target", "truth", "cells", "kind", "told"),
    [
        (NUMBERS, AGES, [f"{2 * age}" for age in AGES[:, 0]], "number", "rises or falls with age over all"),
        (NUMBERS, AGES, [f"{-(age**3)}" for age in AGES[:, 0]], "number", "rises or falls with age over all"),
        (LABELS, MARKS, ["yes" if n % 2 else "no" for n in range(48)], "category", "tells p of 100.0%"),
        (LABELS, MARKS, [str(n // 2 % 2 + 4) for n in range(48)], "number", "tells q of 100.0%"),
        (TWO, np.hstack([MARKS[:, :1], AGES]), [f"k{n % 2}" for n in range(48)], "category", "tells kind of 100.0%"),
        (
            TWO,
            np.hstack([MARKS[:, :1], AGES]),
            [str(n) for n in ORDER],
            "number",
            "rises or falls with length over all",
        ),
    ],
)
def test_each_label_number_and_target_is_held_against_a_column(
    target: Target, truth: np.ndarray, cells: list[str], kind: str, told: str
) -> None:
    assert list(find_leaks(pd.Series(cells), kind, list_answers(target, truth))) == [f"{told} of the rows"]


def test_useful_numbers_are_kept_and_so_are_those_of_few_rows() -> None:
    noisy = pd.Series([f"{age + 3 * (n % 2)}" for n, age in enumerate(AGES[:, 0])])
    assert list(find_leaks(noisy, "number", list_answers(NUMBERS, AGES))) == []
    few = pd.Series([f"{age}" if n < 19 else "" for n, age in enumerate(AGES[:, 0])])
    assert list(find_leaks(few, "number", list_answers(NUMBERS, AGES))) == []


def test_a_useful_column_of_a_rare_label_is_kept() -> None:
    marks = np.zeros((2000, 2), dtype=np.float32)
    marks[:20, 0] = marks[::2, 1] = 1
    cells = pd.Series(["sick" if n < 15 else "well" for n in range(2000)])
    assert list(find_leaks(cells, "category", list_answers(LABELS, marks))) == []


def test_a_class_of_few_rows_does_not_hide_a_leak() -> None:
    labels = np.array([3] * 4 + [n % 3 for n in range(44)])
    index, columns = make_index([str(label + 1) for label in labels], "number")
    with pytest.raises(InputError, match=r"said tells the class of 100.0% of the training images by itself"):
        refuse_leaks(index, list_answers(OneClass(columns=("ant", "bee", "cat", "rare")), labels), columns)


FEW = np.random.default_rng(2).choice([0.5, 1.0, 2.5, 4.0], 200)
WORDS = {0.5: "tiny", 1.0: "small", 2.5: "large", 4.0: "huge"}
CODES = {0.5: "3", 1.0: "7", 2.5: "1", 4.0: "5"}


@pytest.mark.parametrize(("names", "kind"), [(WORDS, "category"), (CODES, "category"), (CODES, "number")])
@pytest.mark.parametrize("alone", [True, False])
def test_a_column_that_stands_for_numbers_of_few_values_is_found(
    names: dict[float, str], kind: str, alone: bool
) -> None:
    cells = pd.Series([names[value] for value in FEW])
    answers = [Answer("size", FEW, measured=True, alone=alone)]
    assert list(find_leaks(cells, kind, answers)) == ["tells size of 100.0% of the rows"]
    blank = np.where(np.arange(200) % 10 == 0, np.nan, FEW)
    assert list(find_leaks(cells, kind, [Answer("size", blank, measured=True, alone=alone)])) != []


@pytest.mark.parametrize("case", ["noisy", "coarse", "rough", "rare", "measured", "one"])
def test_words_that_say_something_of_numbers_are_kept(case: str) -> None:
    random, values = np.random.default_rng(3), FEW
    if case == "noisy":
        cells = [WORDS[value if random.random() > 0.03 else 1.0] for value in values]
    elif case == "coarse":  # two words for four values
        cells = ["low" if value < 2 else "high" for value in values]
    elif case == "rough":  # ages of years, in spans of ten
        values = random.integers(20, 60, 800).astype(np.float64)
        cells = [f"{value // 10:.0f}0s" for value in values]
    elif case == "rare":  # nearly all are 0, which a column tells of
        values = np.where(np.arange(2000) % 200 < 2, random.choice([1.0, 2.0, 3.0, 4.0], 2000), 0.0)
        cells = ["some" if value else "none" for value in values]
    elif case == "measured":  # hardly a number stands in two rows
        values = np.concatenate([random.normal(size=150), np.zeros(25), np.ones(25)])
        cells = [f"{value:.0f}" if value in (0, 1) else "other" for value in values]
    else:
        values = np.ones(200)
        cells = ["a", "b"] * 100
    assert list(find_leaks(pd.Series(cells), "category", [Answer("size", values, measured=True)])) == []
