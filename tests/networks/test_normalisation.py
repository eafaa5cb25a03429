"""Batch normalisation in one pass: what Keras's own layer computes, in the same names."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from pipeline.networks import runtime
from pipeline.networks.layers.batch_norm import BatchNormalization

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(3.0, 2.0, (16, 5, 6, 7)).astype(np.float32)
TARGETS = RNG.normal(0.0, 1.0, IMAGES.shape).astype(np.float32)


def trained(kind: type[layers.BatchNormalization], precision: runtime.Precision) -> list[NDArray[np.float32]]:
    """Returns what one step of plain gradient descent makes of a layer, and what it then predicts."""
    runtime.start_backend(precision)
    images = keras.Input(IMAGES.shape[1:])
    layer = kind(momentum=0.9)
    model = keras.Model(images, layers.Activation("linear", dtype="float32")(layer(images)))
    layer.gamma.assign(np.linspace(0.5, 2.0, 7))
    layer.beta.assign(np.linspace(-1.0, 1.0, 7))
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    model.train_on_batch(IMAGES, TARGETS)
    return [*layer.get_weights(), np.asarray(model.predict_on_batch(IMAGES))]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_moves_weights_and_statistics_as_keras_does(precision: runtime.Precision) -> None:
    theirs, ours = trained(layers.BatchNormalization, precision), trained(BatchNormalization, precision)
    assert np.abs(theirs[2]).max() > 0.1  # the statistics have moved
    for expected, found in zip(theirs[:4], ours[:4], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours[4], theirs[4], atol=1e-4 if precision == "float32" else 0.03)


def test_it_is_the_one_pass_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    fused = runtime.get_fused_batch_norm()
    assert fused is not None

    def halved(*given: Any) -> Any:
        outputs, mean, variance = fused(*given)
        return outputs, mean / 2, variance

    ours = trained(BatchNormalization, "float32")
    monkeypatch.setattr(runtime, "get_fused_batch_norm", lambda: halved)
    np.testing.assert_allclose(trained(BatchNormalization, "float32")[2], ours[2] / 2, rtol=1e-5)


@pytest.mark.parametrize("elsewhere", ["a GPU", "another backend"])
def test_elsewhere_keras_own_way_is_taken(monkeypatch: pytest.MonkeyPatch, elsewhere: str) -> None:
    if elsewhere == "a GPU":
        monkeypatch.setattr(runtime, "list_gpus", lambda: [("a GPU", (8, 0))])
    else:
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert runtime.get_fused_batch_norm() is None


def test_checkpoints_of_keras_own_layer_fit() -> None:
    runtime.start_backend("float32")
    assert BatchNormalization().name == "batch_normalization"


def test_a_frozen_layer_leaves_its_statistics_alone() -> None:
    runtime.start_backend("float32")
    layer = BatchNormalization(momentum=0.0)
    layer.build(IMAGES.shape)
    layer.trainable = False
    layer(IMAGES, training=True)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(7))
