"""Random samples of rows."""

import numpy as np

from pipeline.core.sampling import draw_balanced_rows, draw_rows


def test_a_sample_is_whole_where_it_can_be_and_spread_over_classes_where_it_cannot() -> None:
    assert draw_rows(5, 10, 0).tolist() == [0, 1, 2, 3, 4]
    assert len(set(draw_rows(100, 10, 0).tolist())) == 10
    labels = np.array([0] * 97 + [1, 2, 2])
    assert sorted(labels[draw_balanced_rows(labels, 6, 0)].tolist()) == [0, 0, 0, 1, 2, 2]


def test_the_sample_has_the_same_number_of_each_class_as_far_as_there_are_images() -> None:
    labels = np.array([0] * 100 + [1] * 100 + [2])
    rows = draw_balanced_rows(labels, 31, 0)
    assert np.bincount(labels[rows]).tolist() == [15, 15, 1]
    assert len(set(rows.tolist())) == 31
    assert draw_balanced_rows(labels, 1000, 0).tolist() == list(range(201))
