"""Heads of ordered grades: their outputs are distributions over the grades, and back."""

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.grade_heads import GradesHead, give_head

GRADES = Grades(columns=("0", "1", "4"), numbers=(0, 1, 4))
LABELS = np.array([0, 1, 2, 2])
HEADS: tuple[GradesHead, ...] = ("classification", "regression", "cumulative")


@pytest.mark.parametrize("head", HEADS)
def test_outputs_of_a_head_are_distributions(head: GradesHead) -> None:
    target = give_head(GRADES, head, "here")
    outputs = np.random.default_rng(0).normal(size=(2, 5, target.n_outputs))
    values = target.from_outputs(outputs)
    assert values.shape == (2, 5, 3)
    target.check_values(values[0], list("abcde"), "here")
    np.testing.assert_allclose(target.from_outputs(target.to_outputs(values)), values, atol=1e-5)
    mean = target.from_outputs(target.average_outputs(outputs))
    assert mean.shape == (5, 3)
    covered = [column for columns, _ in target.outputs for column in range(target.n_outputs)[columns]]
    assert covered == list(range(target.n_outputs))


@pytest.mark.parametrize("head", HEADS)
def test_the_truth_has_the_smallest_loss(head: GradesHead) -> None:
    target = give_head(GRADES, head, "here")
    best = target.to_outputs(target.make_targets(LABELS))
    assert target.measure_output_losses(LABELS, best).max() < 1e-5
    assert target.measure_output_losses(LABELS, -best).max() > 0.1
    assert target.decide(target.from_outputs(best)).tolist() == LABELS.tolist()


def test_a_regressed_number_is_shared_between_its_neighbours() -> None:
    target = give_head(GRADES, "regression", "here")
    number = (2.5 - np.mean([0, 1, 4])) / np.std([0, 1, 4])
    assert target.from_outputs(np.array([[number]])) == pytest.approx(np.array([[0, 0.5, 0.5]]), abs=1e-6)
    assert target.make_output_targets(LABELS).shape == (4, 1)


def test_steps_multiply() -> None:
    target = give_head(GRADES, "cumulative", "here")
    # Above the first grade with 3/4, above the second with 2/3 of that.
    outputs = np.log(np.array([[3.0, 2.0]]))
    assert target.from_outputs(outputs) == pytest.approx(np.array([[0.25, 0.25, 0.5]]), abs=1e-6)
    loss = target.measure_output_losses(np.array([1]), outputs)
    assert loss == pytest.approx(-np.log(0.25))
    marks = target.make_output_targets(LABELS)
    assert marks[1:].tolist() == [[1, 0], [1, 1], [1, 1]]
    assert marks[0, 0] == 0
    assert np.isnan(marks[0, 1])  # a row of the first grade does not reach the second step


def test_other_targets_have_no_such_head() -> None:
    target = OneClass(columns=("a", "b"))
    assert give_head(target, "classification", "here") is target
    with pytest.raises(InputError, match=r"here: cumulative is for .* one_class; leave it out"):
        give_head(target, "cumulative", "here")
