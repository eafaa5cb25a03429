import numpy as np
import pytest

from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.reports.data.answer_groups import group_answers, show_columns

LABELS = SeveralLabels(columns=("a", "b"))
NUMBERS = Numbers(columns=("x",), means=(2.0,), scales=(1.0,))
SHARES = VoteShares(columns=("u", "v"))


@pytest.mark.parametrize(
    ("target", "cells", "groups"),
    [
        (LABELS, ["a", "", f"a{CELL_SEPARATOR}b", "a"], ["a", "none", "a + b", "a"]),
        (NUMBERS, ["0", "4", "8", "12"], ["below 3", "from 3", "from 6", "from 9"]),
        (SHARES, [f"1{CELL_SEPARATOR}3", f"3{CELL_SEPARATOR}1"], ["v", "u"]),
    ],
)
def test_images_without_a_class_are_grouped_by_their_answer(
    target: Target, cells: list[str], groups: list[str]
) -> None:
    labels, names, _ = group_answers(target, target.encode(cells))
    assert [names[label] for label in labels] == groups


def test_columns_have_their_shares() -> None:
    frame = show_columns(LABELS, np.array([[1, 0], [1, 1], [0, 0], [1, 0]], dtype=np.float32), "sets").frames["columns"]
    assert dict(zip(frame["column"], frame["mean"], strict=True)) == {"a": 0.75, "b": 0.25}
