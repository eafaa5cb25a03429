"""Heat maps: the share near the centre, and examples."""

import numpy as np
import pytest

from pipeline.reports.models.heat_maps import EVEN, ModelHeat


def looked(shares: list[float]) -> ModelHeat:
    return ModelHeat(
        "one", "Grad-CAM", (), np.arange(len(shares)), np.zeros(len(shares), dtype=np.int64), np.array(shares)
    )


def test_a_model_looks_at_the_borders_when_its_share_is_surely_below_an_even_spread() -> None:
    assert looked([0.1, 0.12, 0.08, 0.11] * 5).at_borders
    assert not looked([0.1, 0.45] * 10).at_borders
    assert not looked([EVEN] * 20).at_borders
    assert not looked([EVEN - 0.001] * 20).at_borders
    assert looked([0.2, float("nan"), 0.4]).mean == pytest.approx(0.3)
    assert not looked([float("nan")]).at_borders
