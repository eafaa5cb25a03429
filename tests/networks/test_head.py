"""The head by angle: cosines with the nearest centre, whatever the length of the features."""

import numpy as np
import pytest

from pipeline.networks.head import CosineHead, Head, build_head


@pytest.mark.parametrize("centres", [1, 3])
def test_logits_are_scaled_cosines_with_the_nearest_centre(centres: int) -> None:
    model = build_head(Head(cosine=CosineHead(scale=10.0, centres=centres)), 5, 4)
    features = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    made = np.asarray(model(features))
    kernel = np.asarray(model.get_layer("logits").kernel)
    assert kernel.shape == (5, 4 * centres)
    lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(kernel, axis=0)
    cosines = (features @ kernel / lengths).reshape(6, 4, centres).max(axis=2)
    np.testing.assert_allclose(made, 10 * cosines, atol=1e-5)
    np.testing.assert_allclose(np.asarray(model(7 * features)), made, atol=1e-5)
