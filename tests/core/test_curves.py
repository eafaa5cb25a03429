"""Areas under curves: sorted as whole numbers they are those of ranks, to the last bit."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pipeline.core.errors import InputError
from pipeline.core.measures.curves import measure_area

RANDOM = np.random.default_rng(0)
DRAWN = RANDOM.random(2000).astype(np.float32)
POSITIVE = RANDOM.random(2000) < 0.2 + 0.3 * DRAWN
VALUES = {
    "as drawn": DRAWN,
    "two decimals": np.round(DRAWN, 2),
    "all alike": np.zeros(2000, dtype=np.float32),
    "nought with and without a sign": np.where(DRAWN < 0.5, np.float32(-0.0), np.float32(0.0)),
    "tiny": DRAWN * np.float32(1e-42),
    "up to two": DRAWN * np.float32(1.9999),
    "numbers": 6 * DRAWN - 3,
    "float64": np.round(DRAWN.astype(np.float64), 3),
    "every other one": np.stack([DRAWN, -DRAWN], axis=1)[:, 0],
}


@pytest.mark.parametrize("name", VALUES)
def test_the_area_is_the_kept_librarys(name: str) -> None:
    values: NDArray[np.floating] = VALUES[name]
    before = values.copy()
    assert measure_area(POSITIVE, values) == pytest.approx(
        roc_auc_score(POSITIVE, values.astype(np.float64)), abs=1e-12
    )
    assert np.array_equal(values, before)


def test_equal_values_of_both_kinds_count_half() -> None:
    values = np.array([0.2, 0.5, 0.5, 0.5, 0.9], dtype=np.float32)
    # the positive .5 is above .2 and level with two others: 1 + 2 / 2; .9 is above all three
    assert measure_area(np.array([False, True, False, False, True]), values) == (2 + 3) / 6


def test_rows_of_one_kind_are_refused() -> None:
    with pytest.raises(InputError, match="roc_auc needs two classes among the scored rows"):
        measure_area(np.ones(3, dtype=np.bool_), DRAWN[:3])
