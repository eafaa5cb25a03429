"""Grad-CAM on networks whose heat is known, and on every kind that can be built."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray
from support.backbones import install

from pipeline.core.errors import InputError
from pipeline.inference.saliency.gradcam import compute_grad_cam, split_network
from pipeline.networks import runtime
from pipeline.networks.architectures.cnn import DeepEluCnn, PlainCnn
from pipeline.networks.architectures.mlp import MlpPixels
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.build import build_network
from pipeline.networks.layers.as_trained import AsTrained
from pipeline.networks.mlp_hog import MlpHog

# Logits of two classes from the means of two filters, which copy the image's two channels.
SAYS = np.array([[2.0, -1.0], [-3.0, 1.0]], dtype=np.float32)


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")
    runtime.seed_everything(0)


def copying() -> list[keras.Layer]:
    """A convolution that copies its two channels, and what follows it."""
    conv = layers.Conv2D(2, 1, use_bias=False, name="copy")
    conv.build((None, 4, 4, 2))
    conv.set_weights([np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)])
    return [conv, layers.GlobalAveragePooling2D(), logits()]


def logits() -> keras.Layer:
    dense = layers.Dense(2, use_bias=False)
    dense.build((None, 2))
    dense.set_weights([SAYS])
    return dense


def plain() -> keras.Model:
    return keras.Sequential([keras.Input((4, 4, 2)), *copying()])


def nested() -> keras.Model:
    conv, pool, dense = copying()
    images = keras.Input((4, 4, 2))
    inner = keras.Sequential([keras.Input((4, 4, 2)), conv], name="inner")
    return keras.Model(images, dense(pool(inner(layers.Rescaling(1.0)(images)))))


def wrapped() -> keras.Model:
    conv, pool, dense = copying()
    images = keras.Input((4, 4, 2))
    inner = keras.Sequential([keras.Input((4, 4, 2)), conv, layers.Activation("relu")])
    return keras.Model(images, dense(pool(AsTrained(inner)(layers.Rescaling(1.0)(images)))))


def known(images: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the paper's two equations come to by hand: a filter's weight is its logit's, spread over 16 places."""
    heat: NDArray[np.float32] = np.einsum("nrcf,nf->nrc", images.astype(np.float32), SAYS.T[classes] / 16)
    return np.maximum(heat, 0)


def pictures(n: int = 3, size: int = 4, channels: int = 2) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels)).astype(np.uint8)


@pytest.mark.parametrize("make", [plain, nested, wrapped])
def test_the_heat_is_what_is_worked_out_by_hand(make: Callable[[], keras.Model]) -> None:
    cut, images, classes = split_network(make()), pictures(), np.array([0, 1, 1])
    assert cut is not None
    np.testing.assert_allclose(compute_grad_cam(cut, images, classes), known(images, classes), rtol=1e-5, atol=1e-5)


def test_the_two_halves_are_the_network() -> None:
    model, images = wrapped(), pictures()
    cut = split_network(model)
    assert cut is not None
    np.testing.assert_allclose(cut.rest(cut.maps(images)), model(images), rtol=1e-6)


@pytest.mark.slow
def test_of_two_things_in_a_picture_the_heat_lies_on_the_one_that_is_asked_about() -> None:
    """Taught from pictures of one coloured patch each, at any place, shown a picture of both."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (66, 12, 12, 3)).astype(np.uint8)
    for row, (down, right) in enumerate(rng.integers(0, 8, (64, 2))):
        images[row, down : down + 4, right : right + 4, row % 2] += 180
    images[64:, :4, :4, 0] += 180
    images[64:, 8:, 8:, 1] += 180
    x = pixels = keras.Input((12, 12, 3))
    for layer in (layers.Rescaling(1 / 255), layers.Conv2D(4, 3, padding="same", activation="relu")):
        x = layer(x)
    model = keras.Model(pixels, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images[:64], np.arange(64) % 2, epochs=20, batch_size=16, verbose=0)
    cut = split_network(model)
    assert cut is not None
    heat = compute_grad_cam(cut, images[64:], np.array([0, 1]))
    corner = np.array([heat[0, :5, :5].sum() / heat[0].sum(), heat[1, 7:, 7:].sum() / heat[1].sum()])
    assert (corner > 0.8).all()  # of 17 % of the picture


def test_pooling_and_dropout_are_passed_over() -> None:
    cut = split_network(build_network(PlainCnn(name="plain_cnn", filters=(4, 5), kernels=(3, 3)), 12, 1, 3).model)
    assert cut is not None
    assert cut.maps.output_shape == (None, 6, 6, 5)  # the second pooling would leave 3 x 3


def test_a_map_of_one_place_is_passed_over() -> None:
    cut = split_network(
        build_network(PlainCnn(name="plain_cnn", filters=(4, 5, 6, 7), kernels=(3, 3, 3, 3)), 4, 1, 3).model
    )
    assert cut is not None
    assert cut.maps.output_shape == (None, 2, 2, 5)


@pytest.mark.parametrize("norm", ["frozen", "adapted"])
def test_a_backbone_within_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, norm: str) -> None:
    install(monkeypatch, tmp_path)
    net = build_network(Pretrained.model_validate({"name": "pretrained", "backbone": "Tiny", "norm": norm}), 16, 1, 3)
    cut, images = split_network(net.model), pictures(2, 16, 1)
    assert cut is not None
    assert cut.maps.output_shape == (None, 4, 4, 6)
    np.testing.assert_allclose(cut.rest(cut.maps(images)), net.model(images, training=False), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["MobileNetV2", "VGG19"])
def test_backbones_end_in_their_last_convolutional_map(backbone: str) -> None:
    net = build_network(
        Pretrained.model_validate({"name": "pretrained", "backbone": backbone, "weights": "none"}), 64, 3, 3
    )
    cut = split_network(net.model)
    assert cut is not None
    assert cut.maps.output_shape[1:3] == ((4, 4) if backbone == "VGG19" else (2, 2))


def test_deep_networks_of_our_own_end_in_their_last_block() -> None:
    net = build_network(DeepEluCnn(name="deep_elu_cnn", widths=(4, 8), blocks=(1, 1), dropout=0.2), 12, 3, 3)
    cut = split_network(net.model)
    assert cut is not None
    assert cut.maps.output_shape == (None, 6, 6, 8)
    assert compute_grad_cam(cut, pictures(2, 12, 3), np.array([0, 1])).shape == (2, 6, 6)


def test_half_precision_gives_about_the_same_heat() -> None:
    found = []
    for precision in ("float32", "bfloat16"):
        runtime.start_backend("float32" if precision == "float32" else "bfloat16")
        runtime.seed_everything(1)
        cut = split_network(
            build_network(PlainCnn(name="plain_cnn", filters=(4,), kernels=(3,), pool=False), 8, 3, 3).model
        )
        assert cut is not None
        found.append(compute_grad_cam(cut, pictures(4, 8, 3), np.array([0, 1, 2, 0])))
    runtime.start_backend("float32")
    assert found[1].dtype == np.float32
    assert np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1] > 0.99


def test_a_layer_may_be_named() -> None:
    model = build_network(PlainCnn(name="plain_cnn", filters=(4, 5), kernels=(3, 3)), 12, 1, 3).model
    name = next(layer.name for layer in model.layers if isinstance(layer, layers.Conv2D))
    cut = split_network(model, name)
    assert cut is not None
    assert cut.maps.output_shape == (None, 12, 12, 4)


def test_an_unknown_layer_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"has no layer 'coppy'; did you mean copy\?"):
        split_network(plain(), "coppy")


@pytest.mark.parametrize("section", [MlpPixels(name="mlp_pixels", units=(5,)), MlpHog(name="mlp_hog")])
def test_a_network_without_convolution_has_none(section: MlpPixels | MlpHog) -> None:
    assert split_network(build_network(section, 32, 3, 3).model) is None
