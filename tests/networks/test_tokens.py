"""Tokens: their positions at another size, what is pooled of them."""

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.networks import runtime
from pipeline.networks.backbones.tokens import Pooled, interpolate_positions, pool_tokens
from pipeline.networks.layers.tokens import GeneralisedMean, PatchTokens


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")


def test_interpolation_leaves_the_class_token_and_a_constant_grid_alone() -> None:
    positions = np.concatenate([np.full((1, 2), 9.0), np.tile([[1.0, -3.0]], (16, 1))]).astype(np.float32)
    for side in (2, 3, 4, 7):
        found = interpolate_positions(positions, side * side + 1)
        assert found.shape == (side * side + 1, 2)
        assert found[0].tolist() == [9.0, 9.0]
        np.testing.assert_allclose(found[1:], np.tile([[1.0, -3.0]], (side * side, 1)), atol=1e-6)


def test_interpolation_keeps_rows_rows_and_columns_columns() -> None:
    rows, columns = np.meshgrid(np.arange(4.0), np.arange(4.0), indexing="ij")
    positions = np.stack([rows.ravel(), columns.ravel()], axis=1).astype(np.float32)
    grid = interpolate_positions(positions, 64).reshape(8, 8, 2)
    assert np.ptp(grid[..., 0], axis=1).max() < 1e-5
    assert np.ptp(grid[..., 1], axis=0).max() < 1e-5
    np.testing.assert_allclose(grid[3:5, 0, 0], [1.25, 1.75], atol=0.05)  # centres lie half a step apart
    assert all(b > a for a, b in pairwise(grid[:, 0, 0]))


def test_a_row_of_positions_is_what_pytorch_makes_of_it() -> None:
    # torch.nn.functional.interpolate(x, 3, mode="bicubic"), the second with antialias=True
    grid = np.repeat(np.array([[0.0], [1.0], [4.0], [9.0]], dtype=np.float32), 4, axis=1).reshape(16, 1)
    three = interpolate_positions(grid, 9).reshape(3, 3)[:, 0]
    smoothed = interpolate_positions(grid, 9, antialias=True).reshape(3, 3)[:, 0]
    np.testing.assert_allclose(three, [0.091435, 2.125, 8.334494], atol=1e-5)
    np.testing.assert_allclose(smoothed, [0.075515, 2.359196, 7.935927], atol=1e-5)


def numbers(made: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(made))


def test_pooling_joins_what_it_says_and_never_a_register() -> None:
    # class token, two registers, two patches; the last of two blocks holds tenfold values
    tokens = np.array([[[1.0, 2.0], [90, 90], [90, 90], [3, -1], [5, 1]]], dtype=np.float32)
    states = [keras.ops.convert_to_tensor(each) for each in (tokens, 10 * tokens)]

    def pooled(pooling: Any, blocks: int) -> list[float]:
        section = Pooled(pooling=pooling, blocks=blocks)
        rows: list[float] = numbers(pool_tokens(section, states[-blocks:], 3, lambda each: each[:, 0]))[0].tolist()
        return rows

    assert pooled("token", 1) == [10, 20]
    assert pooled("token", 2) == [1, 2, 10, 20]
    assert pooled("average", 1) == [40, 0]
    assert pooled("average", 2) == [4, 0, 40, 0]
    assert pooled("both", 2) == [1, 2, 10, 20, 40, 0]
    np.testing.assert_allclose(pooled("generalised", 1), [((30**3 + 50**3) / 2) ** (1 / 3), 500 ** (1 / 3)], rtol=1e-5)


def test_the_generalised_mean_has_a_gradient_where_nothing_is_above_zero() -> None:
    layer = GeneralisedMean()
    gradient = runtime.compute_gradient(layer, -np.ones((1, 3, 2), dtype=np.float32), np.ones((1, 2), dtype=np.float32))
    assert np.isfinite(gradient).all()


def test_tokens_stand_in_their_order_and_only_the_patches_and_the_class_token_have_positions() -> None:
    made = PatchTokens(4, 3, (True, 2, True))
    pixels = np.zeros((1, 8, 8, 3), dtype=np.float32)
    made(pixels)
    variable: Any
    for variable, value in ((made.class_token, 1.0), (made.registers, 2.0), (made.positions, 0.5)):
        variable.assign(np.full(variable.shape, value, dtype=np.float32))
    assert numbers(made(pixels))[0, :, 0].tolist() == [1.5, 2, 2, 0.5, 0.5, 0.5, 0.5]
    bare = PatchTokens(4, 3, (False, 0, False))
    assert bare(pixels).shape == (1, 4, 3)
    assert len(bare.weights) == 2
