"""Classes: how even they are."""

import numpy as np
import pytest

from pipeline.reports.data.classes import compute_evenness


def test_unequal_classes_are_less_even() -> None:
    assert compute_evenness(np.array([5, 5, 5])) == pytest.approx(1)
    assert compute_evenness(np.array([9, 1])) == pytest.approx(-(0.9 * np.log2(0.9) + 0.1 * np.log2(0.1)))
