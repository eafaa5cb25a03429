"""The exact search for folds that hold every class."""

import numpy as np

from pipeline.data.prepared.group_cover import Outcome, find_conflict, find_cover

FANO = ((0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5))
"""Seven lines of three points, which no two colours break all: the smallest projective plane."""


def held_by(classes: tuple[tuple[int, ...], ...], groups: int) -> np.ndarray:
    return np.array([[group in held for held in classes] for group in range(groups)])


def test_a_projective_plane_is_proven_to_have_no_two_folds() -> None:
    held = held_by(FANO, 7)
    assert find_cover(held, 2, 2) is Outcome.NONE_EXISTS
    assert find_conflict(held, 2).tolist() == list(range(7))


def test_without_one_line_there_are_two_folds_with_a_point_of_each() -> None:
    held = held_by(FANO[:-1], 7)
    fold = find_cover(held, 2, 2)
    assert not isinstance(fold, Outcome)
    assert all(set(fold[held[:, line]]) == {0, 1} for line in range(6))


def test_the_classes_in_conflict_are_told_from_those_that_are_not() -> None:
    # Three groups hold two of three classes each; a fourth class lies in groups of its own.
    held = held_by(((0, 1), (1, 2), (0, 2), (3, 4, 5)), 6)
    assert find_conflict(held, 2).tolist() == [0, 1, 2]


def test_two_folds_of_three_are_enough_where_they_are_asked_for() -> None:
    held = held_by(((0, 1), (1, 2), (0, 2)), 3)
    assert find_cover(held, 3, 3) is Outcome.NONE_EXISTS
    fold = find_cover(held, 3, 2)
    assert not isinstance(fold, Outcome)
    assert sorted(fold.tolist()) == [0, 1, 2]


def test_more_than_can_be_tried_is_given_up() -> None:
    assert find_cover(np.ones((5000, 1), dtype=np.bool_), 5, 5) is Outcome.GIVEN_UP
