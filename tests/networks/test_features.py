"""Features that several processes need at once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.arrays import Features, Images
from pipeline.images.views import Views
from pipeline.networks import features
from pipeline.networks.features import FeatureCache

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_BLOCK", 64)


def average(batch: Images) -> Features:
    averages: Features = batch.mean((1, 2), dtype=np.float32)
    return averages


def test_those_who_need_the_same_features_share_the_blocks_out(tmp_path: Path) -> None:
    seen, together = Counter[str](), threading.Barrier(2, timeout=60)

    def compute(name: str) -> Features:
        def extract(batch: Images) -> Features:
            if not seen[name]:
                together.wait()  # both are at a block of their own
            seen[name] += len(batch)
            return average(batch)

        made = FeatureCache(tmp_path / "shared", extract, 4, 1).compute_views("train", IMAGES, Views())
        return np.array(made[0])

    with ThreadPoolExecutor(2) as pool:  # a lock of one file's opening keeps out another opening, in a process as well
        first, second = pool.map(compute, ("first", "second"))

    assert sum(seen.values()) == len(IMAGES)
    assert min(seen["first"], seen["second"]) >= 64
    np.testing.assert_array_equal(first, average(IMAGES).astype(np.float16))
    np.testing.assert_array_equal(second, first)
    assert not [path for path in (tmp_path / "shared").iterdir() if path.is_dir()]


def test_what_another_leaves_undone_is_done(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def breaking(batch: Images) -> Features:
        begun.set()
        ended.wait(60)
        raise OSError("the other one is gone")

    def extract(batch: Images) -> Features:
        ended.set()  # at the other blocks, by now
        return average(batch)

    with ThreadPoolExecutor(1) as pool:
        other = FeatureCache(tmp_path, breaking, 4, 1)
        failing = pool.submit(other.compute_views, "train", IMAGES, Views())
        assert begun.wait(60)
        made = FeatureCache(tmp_path, extract, 4, 1).compute_views("train", IMAGES, Views())
        with pytest.raises(OSError, match="gone"):
            failing.result()

    np.testing.assert_array_equal(made[0], average(IMAGES).astype(np.float16))
