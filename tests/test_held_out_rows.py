"""Rows held out of a competition, and two answers to each compared: what `benchmarks.against_fastai` rests on."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.held_out_rows import draw_of_each, hold_out, pair_answers


def answer(words: str) -> pd.Series:
    return pd.Series(list(words), [str(number) for number in range(len(words))])


def test_each_class_gives_its_share_of_rows_and_another_seed_draws_others() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    held = hold_out(labels, 0.2, seed=0)
    assert np.bincount(labels[held]).tolist() == [10, 6, 1]
    assert (hold_out(labels, 0.2, seed=0) == held).all()
    assert (hold_out(labels, 0.2, seed=1) != held).any()


def test_a_few_rows_of_each_class_are_drawn_and_all_of_a_class_that_has_no_more() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    drawn = draw_of_each(labels, 10, seed=0)
    assert np.bincount(labels[drawn]).tolist() == [10, 10, 7]
    assert (draw_of_each(labels, 10, seed=0) == drawn).all()
    assert (draw_of_each(labels, 10, seed=1) != drawn).any()


def test_answers_are_paired_by_id_whatever_their_order() -> None:
    truth, ours, theirs = answer("aabbccdd"), answer("aabbccdx"), answer("aaxxxcxd")
    pairing = pair_answers(truth, ours.iloc[::-1], theirs)
    assert (pairing.ours, pairing.theirs, pairing.difference) == (7 / 8, 4 / 8, 3 / 8)
    assert (pairing.only_ours, pairing.only_theirs) == (4, 1)
    # Gains 0 0 1 1 1 0 1 -1: their variance is 31/56. Of five rows, four or more on one side: 12 of 32 splits.
    assert pairing.error == pytest.approx((31 / 56 / 8) ** 0.5)
    assert pairing.chance == pytest.approx(12 / 32)
    assert pairing.interval[0] < 3 / 8 < pairing.interval[1]


def test_equal_answers_differ_by_nothing() -> None:
    pairing = pair_answers(answer("abab"), answer("abaa"), answer("abaa"))
    assert (pairing.difference, pairing.error, pairing.interval, pairing.chance) == (0, 0, (0, 0), 1)


@pytest.mark.parametrize("words", ["abc", "abcde"])
def test_answers_to_other_rows_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match=f"{len(words)} answers do not answer the 4 rows"):
        pair_answers(answer("abcd"), answer("abcd"), answer(words))
