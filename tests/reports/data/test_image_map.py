"""The map of images: neighbours, places and the legend."""

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.reports.data import image_map


def test_neighbours_of_separate_clusters_share_their_class() -> None:
    points = np.concatenate([np.zeros((12, 2)), np.full((12, 2), 9.0)]).astype(np.float32)
    points += np.random.default_rng(0).normal(0, 0.1, points.shape).astype(np.float32)
    found = image_map.count_neighbours(points, np.repeat([0, 1], 12), ("a", "b")).set_index("class")
    assert found["same_class"].to_dict() == {"a": 1.0, "b": 1.0}
    assert found["most_common_other"].to_dict() == {"a": "none", "b": "none"}


def test_the_map_lies_in_the_unit_square_however_few_images_there_are() -> None:
    for count in (1, 5, 40):
        with threadpool_limits(limits=1):  # as the stage does
            places = image_map.place_images(np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32))
        assert places.shape == (count, 2)
        assert places.min() >= 0
        assert places.max() <= 1


def test_a_class_whose_name_begins_with_an_underscore_stands_in_the_legend() -> None:
    """As the label of its points matplotlib would leave it out."""
    drawn = image_map._draw_scatter(np.random.default_rng(0).random((4, 2)), np.array([0, 1, 0, 1]), ("_other", "bee"))
    assert ">_other</text>" in drawn
    assert ">bee</text>" in drawn
