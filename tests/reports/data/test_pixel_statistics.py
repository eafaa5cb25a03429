"""Pixel statistics: the variance that classes explain."""

import numpy as np

from pipeline.reports.data.pixel_statistics import compute_explained_variance


def test_classes_explain_what_differs_between_them_and_nothing_by_chance() -> None:
    random, labels = np.random.default_rng(0), np.arange(400) % 200
    assert compute_explained_variance(random.normal(size=400), labels) < 0.2
    assert compute_explained_variance(labels + random.normal(0, 0.1, 400), labels) > 0.99
    assert compute_explained_variance(random.normal(size=3), np.arange(3)) == 0
