import numpy as np
import pytest

from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.backbones.vit import Vit, VitShape
from pipeline.networks.build import build_network
from pipeline.networks.layers.pixels import ChannelMix
from pipeline.networks.runtime import keras

MOBILE = Pretrained(name="pretrained", backbone="MobileNetV2", weights="none", arguments={"alpha": 0.35})
TINY = Vit(name="vit", weights="none", shape=VitShape(patch_size=8, layers=1, heads=1, hidden=8, mlp=8))


@pytest.mark.slow
@pytest.mark.parametrize(("network", "channels"), [(MOBILE, 6), (TINY, 2), (TINY, 4)])
def test_a_backbone_for_colours_takes_any_number_of_channels(network: Pretrained | Vit, channels: int) -> None:
    net = build_network(network, 32, channels, 2)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, channels), dtype=np.uint8)
    assert net.model(images, training=False).shape == (2, 2)  # eagerly: tracing would take longer
    assert any(isinstance(layer, ChannelMix) for layer in net.model._flatten_layers())


def test_six_channels_that_are_twice_the_colours_give_what_the_colours_give() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
    mixed = ChannelMix()(np.concatenate([images, images], axis=3))
    assert np.allclose(mixed, images, atol=1e-3)


def test_the_mix_of_one_level_is_that_level() -> None:
    for channels in (2, 4, 5, 7):
        mixed = ChannelMix()(np.full((1, 2, 2, channels), 100.0, dtype=np.float32))
        assert np.allclose(mixed, 100.0)


@pytest.mark.slow
def test_the_mix_trains_with_the_network() -> None:
    net = build_network(TINY, 32, 5, 2)
    mix = next(layer for layer in net.model._flatten_layers() if isinstance(layer, ChannelMix))
    before = keras.ops.convert_to_numpy(mix.matrix).copy()
    net.model.compile(keras.optimizers.SGD(1.0), "mse")
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 5), dtype=np.uint8)
    net.model.train_on_batch(images, np.ones((4, 2), dtype=np.float32))
    assert mix.matrix.shape == (5, 3)
    assert not np.array_equal(before, keras.ops.convert_to_numpy(mix.matrix).copy())
