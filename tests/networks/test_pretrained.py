"""Networks on backbones of keras.applications: published sizes, preprocessing, heads, what is frozen."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from support import backbones

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.build import BuiltNetwork, WeightSource, build_network
from pipeline.networks.inputs import Normalise
from pipeline.training.freezing import depth_factors, unfreeze


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")


def section(backbone: str = "Tiny", **settings: Any) -> Pretrained:
    data = {"name": "pretrained", "backbone": backbone, "weights": "none"} | settings
    return parse(data, Pretrained, "a.yaml: network")


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def mean(net: BuiltNetwork) -> NDArray[np.float32]:
    assert net.backbone is not None
    return np.asarray(keras.ops.convert_to_numpy(net.backbone.get_layer("bn").moving_mean)).copy()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return backbones.install(monkeypatch, tmp_path / "weights").parent


def tiny(folder: Path, channels: int = 3, **settings: Any) -> BuiltNetwork:
    return build_network(section(weights="imagenet", **settings), 16, channels, 5, source=WeightSource(folder))


def test_vgg16_has_its_published_size_and_so_has_a_head_on_its_flattened_features() -> None:
    net = build_network(section("VGG16", pooling="flatten"), 224, 3, 20)
    assert net.backbone is not None
    assert net.head is not None
    assert (net.backbone.count_params(), net.head.count_params()) == (14_714_688, 501_780)


@pytest.mark.slow
def test_mobilenet_v2_has_its_published_sizes() -> None:
    with keras.StatelessScope(initialize_variables=False):  # sizes alone count
        net = build_network(section("MobileNetV2"), 224, 3, 20)
        dense = build_network(section("MobileNetV2", head={"units": [50]}), 96, 3, 9)
    assert net.backbone is not None
    assert net.head is not None
    assert net.head.count_params() == 25_620
    unfreeze(net, 54)
    assert trainable(net.model) == 1_887_060
    unfreeze(dense, "head")
    assert (trainable(dense.model), dense.model.count_params()) == (64_509, 2_322_493)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "low", "high"),
    [
        ("Xception", -1, 1),
        ("VGG19", -123.68, 151.061),
        ("DenseNet121", -0.485 / 0.229, (1 - 0.406) / 0.225),
    ],
)
def test_input_is_preprocessed_as_the_library_does_it(backbone: str, low: float, high: float) -> None:
    net = build_network(section(backbone), 71, 3, 5)
    assert net.backbone is not None
    seen = keras.Model(net.model.input, net.model.get_layer("as_trained").input)
    extremes = np.array([0, 255], dtype=np.uint8)[:, None, None, None] * np.ones((1, 71, 71, 3), dtype=np.uint8)
    found = np.asarray(seen.predict_on_batch(extremes))
    assert (found.min(), found.max()) == pytest.approx((low, high), abs=1e-3)


def imagenet_statistics(folder: Path, name: str) -> None:
    """Writes a file of EfficientNet's weights as it is published: the first layer holds means and deviations."""
    folder.mkdir()
    original = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(32, 32, 3))
    norm = next(layer for layer in original.layers if isinstance(layer, keras.layers.Normalization))
    norm.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
    original.save(folder / name)


@pytest.mark.slow
@pytest.mark.parametrize("by_path", [False, True])
def test_efficientnet_sees_imagenets_deviations_not_their_roots(tmp_path: Path, by_path: bool) -> None:
    """Its file has deviations where variances belong, which Keras makes up for by a layer that ``imagenet`` adds."""
    imagenet_statistics(tmp_path / "weights", "efficientnetb0_notop.h5")
    weights = str(tmp_path / "weights" / "efficientnetb0_notop.h5") if by_path else "imagenet"
    net = build_network(section("EfficientNetB0", weights=weights), 32, 3, 5, source=WeightSource(tmp_path / "weights"))
    assert net.backbone is not None
    seen = keras.Model(net.backbone.input, net.backbone.get_layer("stem_conv_pad").input)
    white = np.asarray(seen(np.full((1, 32, 32, 3), 255, dtype=np.float32)))[0, 0, 0]
    wanted = [(1 - mean) / deviation for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert white == pytest.approx(wanted, rel=1e-4)


@pytest.mark.slow
def test_a_network_waiting_for_a_checkpoint_is_the_one_that_was_trained() -> None:
    depths = [
        len(build_network(section("EfficientNetB0", weights=weights), 32, 3, 5).depth)
        for weights in ("imagenet", "none")
    ]
    assert depths[0] == depths[1] + 1


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["frozen", "adapted"])
@pytest.mark.parametrize(
    "backbone",
    [
        "ConvNeXtTiny",
        "DenseNet121",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "InceptionResNetV2",
        "InceptionV3",
        "MobileNet",
        "MobileNetV3Small",
        "NASNetMobile",
        "ResNet50V2",
    ],
)
def test_a_backbone_of_every_family_learns_a_step_and_is_read_back(backbone: str, norm: str, tmp_path: Path) -> None:
    wanted, size = section(backbone, norm=norm), 75 if "Inception" in backbone else 32
    net = build_network(wanted, size, 1, 3)
    net.model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    grey = np.random.default_rng(0).integers(0, 256, (4, size, size, 1), dtype=np.uint8)
    assert net.backbone is not None
    before = [np.array(value) for value in net.backbone.get_weights()]
    assert np.isfinite(net.model.train_on_batch(grey, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]))
    assert not all(np.array_equal(a, b) for a, b in zip(before, net.backbone.get_weights(), strict=True))
    net.model.save_weights(tmp_path / "kept.weights.h5")
    again = build_network(wanted, size, 1, 3).model
    again.load_weights(tmp_path / "kept.weights.h5")
    said = np.asarray(net.model(grey, training=False))
    assert np.isfinite(said).all()
    assert np.array_equal(said, np.asarray(again(grey, training=False)))


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


def test_inner_layers_stand_beside_the_last_one(folder: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    net, alone = tiny(folder, layers=["relu", "conv1"]), tiny(folder)
    assert net.extract is not None
    assert alone.extract is not None
    assert net.backbone is not None
    features = net.extract(images)
    assert features.shape == (3, 6 + 4 + 4)
    assert np.allclose(features[:, :6], alone.extract(images), atol=1e-6)
    pixels = keras.Model(net.model.input, net.model.get_layer("as_trained").input)
    inner = keras.Model(net.backbone.input, net.backbone.get_layer("relu").output)
    by_hand = np.asarray(inner(pixels(images), training=False)).mean(axis=(1, 2))
    assert np.allclose(features[:, 6:10], by_hand, atol=1e-5)


@pytest.mark.parametrize("norm", ["frozen", "adapted"])
def test_a_network_that_reads_inner_layers_learns_a_step_and_is_read_back(
    folder: Path, norm: str, tmp_path: Path
) -> None:
    net = tiny(folder, layers=["relu"], norm=norm)
    net.model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), run_eagerly=True)
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    net.model.train_on_batch(images, np.eye(5, dtype=np.float32)[:4])
    net.model.save_weights(tmp_path / "kept.weights.h5")
    again = tiny(folder, layers=["relu"], norm=norm).model
    again.load_weights(tmp_path / "kept.weights.h5")
    before, after = (np.asarray(model(images, training=False)) for model in (net.model, again))
    assert np.array_equal(before, after)


def test_a_layer_that_is_not_there_is_refused_with_the_nearest_name(folder: Path) -> None:
    with pytest.raises(InputError, match=r"network.layers: Tiny has no layer 'rellu' with a feature map; .*relu"):
        tiny(folder, layers=["rellu"])


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
    with pytest.raises(InputError, match=r"unfreeze is 6, but tiny has 5 layers; lower it, in training or"):
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
        build_network(section("Xception"), 32, 3, 5)


def test_an_argument_that_the_backbone_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"VGG16 cannot be built .*alpha.*network.arguments"):
        build_network(section("VGG16", arguments={"alpha": 0.5}), 32, 3, 5)


def test_arguments_that_are_set_elsewhere_are_refused() -> None:
    with pytest.raises(InputError, match=r"pooling is set elsewhere"):
        section("VGG16", arguments={"pooling": "avg"})


@pytest.mark.slow
@pytest.mark.parametrize("normalise", ["unit", "image", "symmetric", "dataset"])
def test_a_backbone_that_scales_its_input_is_not_given_scaled_pixels(normalise: Normalise) -> None:
    with pytest.raises(InputError, match=f"input.normalise: {normalise} does not go with .*scales its input itself"):
        build_network(section("MobileNetV3Small"), 32, 3, 5, normalise)
