"""Networks on backbones of keras.applications: published sizes, preprocessing, heads, what is frozen."""

from pathlib import Path
from typing import Any

import backbones
import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import runtime
from pipeline.config import parse
from pipeline.errors import InputError
from pipeline.networks.build import Built, build
from pipeline.networks.inputs import Normalise
from pipeline.networks.pretrained import Pretrained
from pipeline.phases import depth_factors, unfreeze


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start("float32")


def section(backbone: str = "Tiny", **settings: Any) -> Pretrained:
    data = {"name": "pretrained", "backbone": backbone, "weights": "none"} | settings
    return parse(data, Pretrained, "a.yaml: network")


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def mean(net: Built) -> NDArray[np.float32]:
    assert net.backbone is not None
    return np.asarray(keras.ops.convert_to_numpy(net.backbone.get_layer("bn").moving_mean)).copy()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return backbones.install(monkeypatch, tmp_path / "weights").parent


def tiny(folder: Path, channels: int = 3, **settings: Any) -> Built:
    return build(section(weights="imagenet", **settings), 16, channels, 5, folder=folder)


def test_vgg16_has_its_published_size_and_so_has_a_head_on_its_flattened_features() -> None:
    net = build(section("VGG16", pooling="flatten"), 224, 3, 20)
    assert net.backbone is not None
    assert net.head is not None
    assert (net.backbone.count_params(), net.head.count_params()) == (14_714_688, 501_780)


def test_mobilenet_v2_has_its_published_sizes() -> None:
    net = build(section("MobileNetV2"), 224, 3, 20)
    assert net.backbone is not None
    assert net.head is not None
    assert net.head.count_params() == 25_620
    unfreeze(net, 54)
    assert trainable(net.model) == 1_887_060
    dense = build(section("MobileNetV2", head={"units": [50]}), 96, 3, 9)
    unfreeze(dense, "head")
    assert (trainable(dense.model), dense.model.count_params()) == (64_509, 2_322_493)


@pytest.mark.parametrize(("backbone", "low", "high"), [("Xception", -1, 1), ("VGG19", -123.68, 151.061)])
def test_input_is_preprocessed_as_the_library_does_it(backbone: str, low: float, high: float) -> None:
    net = build(section(backbone), 71, 3, 5)
    assert net.backbone is not None
    seen = keras.Model(net.model.input, net.model.get_layer("as_trained").input)
    extremes = np.array([0, 255], dtype=np.uint8)[:, None, None, None] * np.ones((1, 71, 71, 3), dtype=np.uint8)
    found = np.asarray(seen.predict_on_batch(extremes))
    assert (found.min(), found.max()) == pytest.approx((low, high), abs=1e-3)


def test_grey_images_are_shown_to_colour_backbones(folder: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    one, three = tiny(folder, channels=1), tiny(folder)
    assert one.extract is not None
    assert three.extract is not None
    assert np.allclose(one.extract(grey), three.extract(np.repeat(grey, 3, axis=-1)), atol=1e-6)


@pytest.mark.parametrize(("pooling", "width"), [("average", 6), ("max", 6), ("flatten", 96)])
def test_features_are_pooled_as_told(folder: Path, pooling: str, width: int) -> None:
    net = tiny(folder, pooling=pooling)
    assert net.extract is not None
    features = net.extract(np.zeros((2, 16, 16, 3), dtype=np.uint8))
    assert features.shape == (2, width)
    assert features.dtype == np.float32


def test_the_head_shares_its_weights_with_the_whole(folder: Path) -> None:
    net = tiny(folder, head={"units": [3], "dropout": 0.5, "l2": 0.1})
    assert net.extract is not None
    assert net.head is not None
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    whole, parts = net.model.predict_on_batch(images), net.head.predict_on_batch(net.extract(images))
    assert np.allclose(whole, parts, atol=1e-5)


@pytest.mark.parametrize(("norm", "moves"), [("frozen", False), ("adapted", True)])
def test_statistics_move_only_where_they_are_adapted(folder: Path, norm: str, moves: bool) -> None:
    net = tiny(folder, norm=norm)
    assert net.backbone is not None
    before = mean(net)
    net.model(np.full((4, 16, 16, 3), 200, dtype=np.uint8), training=True)
    assert (not np.array_equal(before, mean(net))) == moves


def test_adapted_statistics_follow_at_the_momentum_told_not_at_kerass(folder: Path) -> None:
    net = tiny(folder, norm="adapted", norm_momentum=0.5)
    assert net.backbone is not None
    assert net.backbone.get_layer("bn").momentum == 0.5


def test_the_top_layers_are_unfrozen_as_keras_counts_them(folder: Path) -> None:
    net = tiny(folder)
    assert net.backbone is not None
    unfreeze(net, 1)
    assert [layer.name for layer in net.backbone.layers if layer.trainable] == ["conv2"]
    unfreeze(net, "all")
    assert all(layer.trainable for layer in net.backbone.layers)


def test_more_layers_than_there_are_cannot_be_unfrozen(folder: Path) -> None:
    with pytest.raises(InputError, match=r"unfreeze is 6, but tiny has 5 layers; lower it or say all"):
        unfreeze(tiny(folder), 6)


def test_the_learning_rate_decays_from_the_head_to_the_first_layer(folder: Path) -> None:
    net = tiny(folder)
    found = dict(
        zip(
            (variable.path for variable in net.model.trainable_variables),
            depth_factors(net, net.model, 0.5),
            strict=True,
        )
    )
    assert found["conv1/kernel"] == found["bn/gamma"] == 0.25
    assert found["conv2/kernel"] == found["conv2/bias"] == 0.5
    assert [factor for path, factor in found.items() if "logits" in path] == [1.0, 1.0]


def test_an_unknown_backbone_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"unknown backbone 'Xceptoin'; did you mean Xception"):
        section("Xceptoin")


def test_an_input_too_small_for_the_backbone_is_refused() -> None:
    with pytest.raises(InputError, match=r"Xception cannot be built for 32x32 pixels.*at least 71x71.*input.size"):
        build(section("Xception"), 32, 3, 5)


def test_an_argument_that_the_backbone_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"VGG16 cannot be built .*alpha.*network.arguments"):
        build(section("VGG16", arguments={"alpha": 0.5}), 32, 3, 5)


def test_arguments_that_are_set_elsewhere_are_refused() -> None:
    with pytest.raises(InputError, match=r"pooling is set elsewhere"):
        section("VGG16", arguments={"pooling": "avg"})


@pytest.mark.parametrize("normalise", ["unit", "image", "symmetric", "dataset"])
def test_a_backbone_that_scales_its_input_is_not_given_scaled_pixels(normalise: Normalise) -> None:
    with pytest.raises(InputError, match=f"input.normalise: {normalise} does not go with .*scales its input itself"):
        build(section("MobileNetV3Small"), 32, 3, 5, normalise)
