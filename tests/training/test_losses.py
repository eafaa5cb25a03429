"""The loss: known values, and what class weights, smoothing and focus do to it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.training.recipes.losses import build_loss, set_class_weights

ROOT = Path(__file__).parents[2]
ONE_HOT = np.eye(3, dtype=np.float32)
# Softmax of the logarithms of probabilities is these probabilities.
PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.4, 0.4]], dtype=np.float32)
LOGITS = np.log(PROBS)
NATS = -np.log([0.7, 0.6, 0.4])
WEIGHTS = np.array([0.5, 1.0, 2.0], dtype=np.float32)


def value(loss: keras.losses.Loss, targets: NDArray[np.float32] = ONE_HOT) -> float:
    return float(loss(targets, LOGITS))


def test_without_focus_and_weights_it_is_keras_own_cross_entropy() -> None:
    loss = build_loss(label_smoothing=0.1)
    assert type(loss) is keras.losses.CategoricalCrossentropy
    same = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    assert loss.get_config() == same.get_config()


def test_cross_entropy_is_the_mean_of_the_logarithms() -> None:
    assert value(build_loss()) == pytest.approx(NATS.mean(), abs=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_shrinks_what_is_classified_well(gamma: float) -> None:
    wanted = ((1 - np.array([0.7, 0.6, 0.4])) ** gamma * NATS).mean()
    assert value(build_loss(focal_gamma=gamma)) == pytest.approx(wanted, abs=1e-5)


def test_a_little_focus_is_nearly_cross_entropy() -> None:
    assert value(build_loss(focal_gamma=1e-6)) == pytest.approx(value(build_loss()), abs=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_an_image_counts_as_much_as_its_class(gamma: float) -> None:
    each = (1 - np.array([0.7, 0.6, 0.4])) ** gamma * NATS
    weighted = build_loss(focal_gamma=gamma, class_weights=WEIGHTS)
    assert value(weighted) == pytest.approx((each * WEIGHTS).mean(), abs=1e-5)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}, {"class_weights": WEIGHTS}])
def test_an_image_counts_as_much_as_its_target_sums_to(settings: dict[str, Any]) -> None:
    plain = np.array([float(build_loss(**settings)(ONE_HOT[row : row + 1], LOGITS[row : row + 1])) for row in range(3)])
    counts = np.array([0.5, 1.0, 3.0], dtype=np.float32)
    found = value(build_loss(**settings, counted=True), ONE_HOT * counts[:, None])
    assert found == pytest.approx((plain * counts).mean(), abs=1e-5)


def test_the_gradient_of_a_counted_image_is_as_many_times_that_of_one_that_counts_once() -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    image, target = np.ones((1, 2), dtype=np.float32), ONE_HOT[:1]
    start, moved = model.get_weights(), []
    for count in (1.0, 0.25):
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(1.0), build_loss(counted=True))
        model.train_on_batch(image, target * np.float32(count))
        moved.append(model.get_weights()[0] - start[0])
    assert moved[1] == pytest.approx(0.25 * moved[0], abs=1e-6)
    assert np.abs(moved[0]).max() > 0.1


def test_class_weights_of_another_fold_reach_a_counted_loss() -> None:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3)])
    model.compile(loss=build_loss(class_weights=np.ones(3, dtype=np.float32), counted=True))
    set_class_weights(model, WEIGHTS)
    assert value(model.loss) == pytest.approx((NATS * WEIGHTS).mean(), abs=1e-5)


def test_a_mixed_image_counts_as_its_classes_in_their_shares() -> None:
    targets = np.array([[0.25, 0.0, 0.75], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    mixed = (0.25 * -np.log(0.7) + 0.75 * -np.log(0.1)) * (0.25 * 0.5 + 0.75 * 2.0)
    wanted = (mixed + 1.0 * NATS[1] + 2.0 * NATS[2]) / 3
    assert value(build_loss(class_weights=WEIGHTS), targets) == pytest.approx(wanted, abs=1e-5)


def test_smoothing_does_not_change_what_an_image_counts() -> None:
    spread = 0.9 * NATS[0] + 0.1 * -np.log(PROBS[0]).mean()
    loss = build_loss(label_smoothing=0.1, class_weights=WEIGHTS)
    assert float(loss(ONE_HOT[:1], LOGITS[:1])) == pytest.approx(0.5 * spread, abs=1e-6)


def test_equal_weights_change_nothing() -> None:
    assert value(build_loss(class_weights=np.ones(3, dtype=np.float32))) == value(build_loss())


@pytest.mark.parametrize("loss", [build_loss(), build_loss(0.1, 2.0), build_loss(0.1, 2.0, WEIGHTS)])
def test_the_loss_of_half_precision_logits_is_float32(loss: keras.losses.Loss) -> None:
    found = loss(ONE_HOT, keras.ops.cast(LOGITS, "bfloat16"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_extreme_logits_keep_the_loss_finite(gamma: float) -> None:
    logits = np.array([[-1e4, 1e4, 0.0]], dtype=np.float32)
    assert np.isfinite(float(build_loss(0.1, gamma, WEIGHTS)(ONE_HOT[:1], logits)))


def moved(model: keras.Model) -> list[float]:
    """Where one step brings the bias of `bias_alone` from zero: the negative of the gradient, at a rate of one."""
    model.layers[-1].bias.assign(np.zeros(3, dtype=np.float32))
    model.train_on_batch(np.zeros((1, 1), dtype=np.float32), ONE_HOT[:1])
    found: list[float] = keras.ops.convert_to_numpy(model.layers[-1].bias).tolist()
    return found


def bias_alone(loss: keras.losses.Loss) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss=loss)
    return model


def test_new_weights_reach_a_step_that_is_compiled_already() -> None:
    model = bias_alone(build_loss(class_weights=WEIGHTS))
    # The gradient is the weight times (softmax - target).
    assert moved(model) == pytest.approx([1 / 3, -1 / 6, -1 / 6], abs=1e-5)
    set_class_weights(model, np.array([3.0, 1.0, 1.0], dtype=np.float32))
    assert moved(model) == pytest.approx([2.0, -1.0, -1.0], abs=1e-5)


def test_the_same_weights_again_compile_nothing_again() -> None:
    model = bias_alone(build_loss(class_weights=WEIGHTS))
    moved(model)
    before = model.train_function
    set_class_weights(model, WEIGHTS.copy())
    assert model.train_function is before


@pytest.mark.slow
def test_the_other_backend_computes_the_same() -> None:
    pytest.importorskip("jax")
    code = """
import sys; sys.path[:0] = ['.', 'tests', 'tests/training']
import keras
assert keras.backend.backend() == "jax"
from test_losses import WEIGHTS, build_loss, test_new_weights_reach_a_step_that_is_compiled_already, value
test_new_weights_reach_a_step_that_is_compiled_already()
print(*map(value, [build_loss(), build_loss(0.1, 2.0), build_loss(0.1, 2.0, WEIGHTS)]))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    here = [value(loss) for loss in (build_loss(), build_loss(0.1, 2.0), build_loss(0.1, 2.0, WEIGHTS))]
    assert list(map(float, ran.stdout.split())) == pytest.approx(here, abs=1e-5)
