"""Optimizers: each moves weights as its settings say."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.training.recipes.optimizers import Optimizer, build_optimizer
from pipeline.training.recipes.tabulated_rate import TabulatedRate

RATES = np.array([0.5, 0.25, 0.125], dtype=np.float32)


def section(name: str, **settings: Any) -> Optimizer:
    return parse({"name": name, "learning_rate": 0.5, **settings}, Optimizer, "a.yaml")


def built(name: str, plateau: bool = False, **settings: Any) -> tuple[keras.optimizers.Optimizer, list[keras.Variable]]:
    """An optimizer of a kernel and a bias, both at one."""
    variables = [keras.Variable(np.ones(2, dtype=np.float32), name=part) for part in ("kernel", "bias")]
    optimizer = build_optimizer(section(name, **settings), RATES, plateau)
    optimizer.build(variables)
    return optimizer, variables


def after(name: str, *gradients: float, **settings: Any) -> tuple[float, float]:
    """The kernel and the bias after one step per gradient."""
    optimizer, variables = built(name, **settings)
    for gradient in gradients:
        optimizer.apply([keras.ops.full((2,), gradient)] * 2)
    kernel, bias = (float(keras.ops.convert_to_numpy(variable)[0]) for variable in variables)
    return kernel, bias


def test_each_step_takes_its_own_rate_and_later_ones_the_last() -> None:
    # 1 - 0.5 - 0.25 - 0.125 - 0.125
    assert after("sgd", 1, 1, 1, 1, momentum=0.0)[0] == pytest.approx(0.0)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_tabulated_rate_is_exact(step: int) -> None:
    assert float(TabulatedRate(RATES)(step)) == RATES[step]


def test_momentum_is_nesterovs() -> None:
    # m = -0.5, then w = 1 + 0.8 m - 0.5
    assert after("sgd", 1, momentum=0.8)[0] == pytest.approx(1 - 0.4 - 0.5)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "muon"])
def test_weight_decay_shrinks_kernels_and_spares_biases(name: str) -> None:
    kernel, bias = after(name, 0.0, weight_decay=0.1)
    assert kernel == pytest.approx(1 - 0.1 * 0.5)  # times the rate
    assert bias == 1.0


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "muon"])
def test_without_weight_decay_a_zero_gradient_moves_nothing(name: str) -> None:
    assert after(name, 0.0) == (1.0, 1.0)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "muon"])
def test_a_step_goes_against_the_gradient(name: str) -> None:
    assert after(name, 1.0)[0] < 1 < after(name, -1.0)[0]


def test_clipping_bounds_the_norm_over_all_variables() -> None:
    # Four gradients of 10 have the norm 20; clipped to 2 each is 1.
    assert after("sgd", 10.0, momentum=0.0, clip_norm=2.0) == pytest.approx((0.5, 0.5))


def test_accumulation_waits_and_then_takes_the_mean() -> None:
    assert after("sgd", 1.0, momentum=0.0, accumulate=2)[0] == 1.0
    # The rate is that of the second batch.
    assert after("sgd", 1.0, 3.0, momentum=0.0, accumulate=2)[0] == pytest.approx(1 - 0.25 * 2)


def test_the_average_of_the_weights_follows_them_and_replaces_them_at_the_end() -> None:
    optimizer, variables = built("sgd", momentum=0.0, ema=0.9)
    for _ in range(2):
        optimizer.apply([keras.ops.ones(2)] * 2)
    optimizer.finalize_variable_values(variables)
    # Weights 0.5, then 0.25: the average starts at the first and takes a tenth of the second.
    assert float(keras.ops.convert_to_numpy(variables[0])[0]) == pytest.approx(0.9 * 0.5 + 0.1 * 0.25)


def test_on_a_plateau_schedule_the_rate_is_a_variable_that_can_be_lowered() -> None:
    optimizer, _ = built("sgd", plateau=True)
    optimizer.learning_rate.assign(0.125)
    assert float(optimizer.learning_rate) == 0.125


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "muon"])
def test_momentum_is_refused_where_nothing_uses_it(name: str) -> None:
    with pytest.raises(InputError, match=f"momentum belongs to sgd and rmsprop, not to {name}"):
        section(name, momentum=0.5)


@pytest.mark.parametrize(
    ("settings", "place"),
    [({"learning_rate": 0.0}, "learning_rate"), ({"ema": 1.0}, "ema"), ({"accumulate": 0}, "accumulate")],
)
def test_values_out_of_range_are_refused(settings: dict[str, float], place: str) -> None:
    with pytest.raises(InputError, match=f"a.yaml: {place}: "):
        section("sgd", **settings)


def test_an_unknown_optimizer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'adam', 'adamw', 'sgd', 'rmsprop', 'lion' or 'muon'"):
        section("adagrad")


def test_lion_moves_every_weight_by_the_rate_whatever_the_gradient() -> None:
    assert after("lion", 0.001) == after("lion", 1000.0) == (0.5, 0.5)


def test_muon_moves_a_matrix_by_an_orthogonal_one_and_all_else_as_adam_does() -> None:
    matrix = keras.Variable(np.zeros((2, 2), dtype=np.float32), name="kernel")
    convolution = keras.Variable(np.zeros((1, 1, 2, 2), dtype=np.float32), name="kernel")
    optimizer = build_optimizer(section("muon"), RATES, plateau=False)
    optimizer.build([matrix, convolution])
    gradient = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    optimizer.apply([keras.ops.convert_to_tensor(gradient), keras.ops.convert_to_tensor(gradient[None, None])])
    moved = -keras.ops.convert_to_numpy(matrix) / (0.5 * 0.2 * 2**0.5)  # rate, and the size that Adam's steps have
    np.testing.assert_allclose(moved, np.eye(2), atol=0.35)  # five steps of Newton and Schulz come so near
    assert keras.ops.convert_to_numpy(convolution).ravel().tolist() == pytest.approx([-0.5, 0, 0, -0.5], abs=1e-4)
