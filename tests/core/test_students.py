"""Students against their teachers: the same rows, by id."""

from pathlib import Path

import numpy as np
import pytest
from support.fabricated import CLASSES

from pipeline.core.candidate_cards import StudentCard
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.students import describe_student, measure_student

ACCURACY, SURE = get_metric("accuracy"), np.eye(len(CLASSES), dtype=np.float32)
LABELS = np.array([0, 1, 2, 0])


def measure(root: Path, taught: list[int], ids: tuple[str, ...], peeked: tuple[str, ...] = ()) -> StudentCard:
    """Scores a student that is right on three of the rows b, d, a, e, whose teacher guesses ``taught`` for ``ids``."""
    write_predictions(root / "teacher.parquet", Predictions(ids, SURE[taught], CLASSES))
    made = Predictions(("b", "d", "a", "e"), SURE[[0, 1, 2, 1]], CLASSES, peeked=peeked)
    return measure_student(root, "teacher.parquet", made, LabelledRows(LABELS, np.arange(4)), ACCURACY)


def test_rows_are_joined_by_id_and_those_of_the_teacher_alone_do_not_count(tmp_path: Path) -> None:
    found = measure(tmp_path, [2, 0, 2, 1, 0], ("a", "b", "c", "d", "e"))
    assert (found.teacher_score, found.value) == (1.0, -0.25)
    assert found.interval[0] < 0 == found.interval[1]
    other = measure(tmp_path, [0, 0, 0, 0], ("a", "b", "d", "e"))
    assert (other.teacher_score, other.value) == (0.5, 0.25)


def test_a_teacher_that_lacks_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"teacher.parquet lacks 1 ids: e"):
        measure(tmp_path, [0, 0, 0], ("a", "b", "d"))


def test_the_loss_is_told_and_that_it_may_be_larger(tmp_path: Path) -> None:
    ids = ("a", "b", "d", "e")
    clean, peeked = (measure(tmp_path, [2, 0, 1, 0], ids, marks) for marks in ((), ("soft labels",)))
    told = describe_student(clean, greater_is_better=True)
    assert told.startswith("against its teacher teacher.parquet (1.0000): 0.2500 lower (worse), within chance (95 %: ")
    assert describe_student(peeked, greater_is_better=True) == (
        f"{told}; its own score may be optimistic, so the true loss may be larger"
    )
