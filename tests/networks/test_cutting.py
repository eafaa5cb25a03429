"""A network cut in two: both parts together are the whole, and only where nothing passes the cut by."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.build import BuiltNetwork, build_network
from pipeline.networks.cutting import Body, CutNetwork, cut_network, list_cuts
from pipeline.networks.head import Head, build_head
from pipeline.training.recipes.recipe import Recipe


def residual() -> keras.Model:
    """Input, a, two ways round b (b itself and a connection past it), their sum, c, output."""
    images = keras.Input((8, 8, 3), name="in")
    a = layers.Conv2D(4, 3, padding="same", name="a")(images)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a)
    c = layers.Conv2D(5, 3, name="c")(layers.Add(name="sum")([a, b]))
    return keras.Model(images, layers.Activation("relu", name="out")(c), name="residual")


def build(network: dict[str, object], size: int = 32) -> BuiltNetwork:
    runtime.start_backend("float32")
    training = {"epochs": 1, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    wanted = parse({"network": network, "training": training}, Recipe, "a test")
    return build_network(wanted.network, size, 1, 3)


def cut(net: BuiltNetwork, after: str) -> CutNetwork:
    assert net.body is not None
    assert net.head is not None
    return cut_network(net.body, net.head, after, "training.prefix.after")


def test_cuts_are_where_nothing_passes_by() -> None:
    assert list_cuts(residual()) == ["a", "sum", "c"]


def test_an_output_that_is_read_early_forbids_later_cuts() -> None:
    net = residual()
    assert list_cuts(keras.Model(net.input, [net.output, net.get_layer("sum").output])) == ["a"]


def by_hand() -> BuiltNetwork:
    """Returns a network on the residual backbone, whose pixels are halved."""
    runtime.start_backend("float32")
    images, backbone = keras.Input((8, 8, 3), name="images"), residual()
    body = Body(
        keras.Model(images, layers.Rescaling(0.5)(images)),
        backbone,
        layers.GlobalAveragePooling2D(),
        lambda part, x: part(x),
    )
    head = build_head(Head(), 5, 3)
    features = keras.Model(images, body.pool(backbone(body.pixels.output)))
    model = keras.Model(images, head(features.output))
    return BuiltNetwork(model, backbone, extract=features.predict_on_batch, head=head, body=body)


def require_whole(net: BuiltNetwork, after: str, images: NDArray[np.uint8]) -> None:
    parts = cut(net, after)
    joined = parts.above.predict_on_batch(parts.extract(images))
    assert np.allclose(joined, net.model.predict_on_batch(images), atol=1e-5)
    assert net.extract is not None
    assert np.allclose(parts.pool(parts.extract(images)), net.extract(images), atol=1e-5)
    own = {id(variable) for layer in parts.below for variable in layer.variables}
    assert own.isdisjoint(id(variable) for variable in parts.above.variables)
    assert len(own) + len(parts.above.variables) == len(net.model.variables)


def draw(size: int, channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (4, size, size, channels), dtype=np.uint8)


@pytest.mark.parametrize("after", ["a", "sum", "c"])
def test_both_parts_together_are_the_whole_network(after: str) -> None:
    require_whole(by_hand(), after, draw(8, 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "at"),
    [
        ({"name": "pretrained", "backbone": "MobileNetV2", "arguments": {"alpha": 0.35}}, 40),
        ({"name": "pretrained", "backbone": "MobileNetV2", "arguments": {"alpha": 0.35}, "norm": "adapted"}, 20),
        ({"name": "pretrained", "backbone": "EfficientNetV2B0"}, 30),
        ({"name": "vit", "shape": {"patch_size": 8, "layers": 2, "heads": 2, "hidden": 8, "mlp": 16}}, 1),
        ({"name": "dinov2", "shape": {"patch_size": 8, "layers": 2, "heads": 2, "hidden": 8, "mlp": 16}}, 1),
    ],
)
def test_both_parts_of_a_published_network_are_the_whole(network: dict[str, object], at: int) -> None:
    net = build(network | {"weights": "none"})
    assert net.backbone is not None
    require_whole(net, list_cuts(net.backbone)[at], draw(32, 1))


def test_a_layer_that_is_no_cut_is_one_line_with_cuts_that_work() -> None:
    net = by_hand()
    with pytest.raises(InputError, match=r"^training.prefix.after: residual has no layer 'sun' to cut behind; did you"):
        cut(net, "sun")
    for after in ("b", "in", "out"):
        with pytest.raises(InputError, match=rf"cut behind {after}, as it is the input or the output, or a connection"):
            cut(net, after)
    with pytest.raises(InputError, match=r"by; a or sum or c can be taken$"):
        cut(net, "b")
