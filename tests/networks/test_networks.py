"""Networks: published sizes, and every shipped file builds and learns a step."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.architectures.cnn import DeepEluCnn
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.backbones.vit import Vit
from pipeline.networks.build import NETWORKS, build_network
from pipeline.networks.inputs import Normalise
from pipeline.training.recipes.optimizers import build_optimizer
from pipeline.training.recipes.recipe import load_recipe, parse_network_recipe

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "configs" / "models").glob("*.yaml")
# Reading YAML takes 30 ms a file.
ALL = sorted(path.stem for path in FILES if "\nnetwork:" in path.read_text(encoding="utf-8"))
NETWORK_OF = {model: load_recipe(ROOT, model).network for model in ALL}

OPTIMIZER = {"name": "sgd", "learning_rate": 0.1}
BACKBONES = [model for model in ALL if isinstance(NETWORK_OF[model], (Pretrained, Vit))]
NAME_OF = {model: NETWORK_OF[model].model_dump()["name"] for model in ALL}
MODELS = [model for model in ALL if NAME_OF[model] in NETWORKS]
# Of files with one network, the first.
ONE_OF_EACH = list({NAME_OF[model]: model for model in reversed(MODELS)}.values())


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")


def shipped(model: str, size: int, channels: int = 3, n_classes: int = 5) -> keras.Model:
    return build_network(NETWORK_OF[model], size, channels, n_classes).model


def images(n: int, size: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def logits(model: keras.Model, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(model(batch, training=False))  # eagerly: tracing would take longer


def count_parameters(model: str, size: int, channels: int, n_classes: int) -> int:
    """Counts them by their shapes: initial values of the largest take 650 MB."""
    with keras.StatelessScope(initialize_variables=False):
        return int(shipped(model, size, channels, n_classes).count_params())


@pytest.mark.parametrize(("model", "parameters"), [("mlp_pixels", 238_510), ("small_cnn", 7_465)])
def test_published_sizes_are_met_on_28x28_grey_and_ten_classes(model: str, parameters: int) -> None:
    assert count_parameters(model, 28, 1, 10) == parameters


@pytest.mark.parametrize(("model", "parameters"), [("dense_cnn", 163_843_604), ("three_conv_cnn", 2_615_124)])
def test_published_sizes_are_met_on_200x200_colour_and_twenty_classes(model: str, parameters: int) -> None:
    assert count_parameters(model, 200, 3, 20) == parameters


@pytest.mark.parametrize(
    ("model", "size", "channels"),
    [
        *((model, 28, 3) for model in MODELS),
        *((model, *given) for model in ONE_OF_EACH for given in ((16, 1), (32, 3))),
    ],
)
def test_every_shipped_model_trains_a_step_at_every_usual_size(model: str, size: int, channels: int) -> None:
    network = shipped(model, size, channels)
    optimizer = load_recipe(ROOT, model).training.optimizer
    before = network.get_weights()
    network.compile(
        build_optimizer(optimizer, np.full(3, 1e-3, dtype=np.float32), plateau=False),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # one step: tracing would take longer
    )
    batch = images(4, size, channels)
    loss = network.train_on_batch(batch, np.eye(5, dtype=np.float32)[[0, 1, 2, 3]])
    assert np.isfinite(loss)
    assert any(not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    found = logits(network, batch)
    assert found.shape == (4, 5)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("model", [*ONE_OF_EACH, pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_network_and_weights_survive_a_file(model: str, tmp_path: Path) -> None:
    size = 16 if model in MODELS else 32
    batch = images(3, size)

    def made(seed: int) -> keras.Model:
        runtime.seed_everything(seed)
        return shipped(model, size)

    first, second, other = made(1), made(1), made(2)
    wanted = logits(first, batch)
    assert np.array_equal(wanted, logits(second, batch))
    assert not np.array_equal(wanted, logits(other, batch))
    first.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    assert np.array_equal(wanted, logits(other, batch))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_logits_are_float32_at_any_precision(precision: runtime.Precision) -> None:
    runtime.start_backend(precision)
    network = shipped("small_cnn", 16)
    assert network.get_layer("logits").compute_dtype == "float32"
    assert logits(network, images(2, 16)).dtype == np.float32


def test_the_smallest_input_does_not_pool_away() -> None:
    assert logits(shipped("deep_elu_cnn", 4), images(2, 4)).shape == (2, 5)


def test_pixels_reach_the_network_between_minus_one_and_one() -> None:
    network = shipped("mlp_pixels", 4, 1)
    scaled = keras.Model(network.input, network.get_layer("pixels").output)
    extremes = np.array([0, 255], dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), dtype=np.uint8)
    assert np.unique(logits(scaled, extremes)).tolist() == [-1.0, 1.0]


def test_dropout_grows_from_stage_to_stage() -> None:
    section = DeepEluCnn(name="deep_elu_cnn", widths=(4, 4, 4), blocks=(1, 1, 1), dropout=0.3, head_dropout=0.4)
    found = [layer.rate for layer in build_network(section, 16, 3, 5).model.layers if "dropout" in layer.name]
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_l2_weighs_on_every_convolution() -> None:
    section = DeepEluCnn(name="deep_elu_cnn", widths=(4, 4), blocks=(1, 1), l2=0.01)
    network = build_network(section, 8, 3, 5).model
    kernels = [layer.kernel for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    wanted = 0.01 * sum(float(np.square(keras.ops.convert_to_numpy(kernel)).sum()) for kernel in kernels)
    assert float(sum(network.losses)) == pytest.approx(wanted, rel=1e-5)


def test_residual_connections_can_be_left_out() -> None:
    plain = DeepEluCnn(name="deep_elu_cnn", widths=(4,), blocks=(2,), residual=False)
    assert not [layer for layer in build_network(plain, 8, 3, 5).model.layers if isinstance(layer, keras.layers.Add)]


def test_every_network_has_a_shipped_model() -> None:
    assert {load_recipe(ROOT, model).network.model_dump()["name"] for model in MODELS} == set(NETWORKS)


@pytest.mark.parametrize(
    ("normalise", "low", "high"), [("auto", -1.0, 1.0), ("symmetric", -1.0, 1.0), ("unit", 0.0, 1.0)]
)
def test_input_is_scaled_as_told(normalise: Normalise, low: float, high: float) -> None:
    network = build_network(load_recipe(ROOT, "mlp_pixels").network, 4, 1, 3, normalise).model
    scaled = keras.Model(network.input, network.get_layer("pixels").output)
    extremes = np.array([0, 255], dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), dtype=np.uint8)
    assert np.unique(logits(scaled, extremes)) == pytest.approx([low, high])


def test_each_image_is_brought_to_mean_0_and_deviation_1() -> None:
    network = build_network(load_recipe(ROOT, "mlp_pixels").network, 8, 3, 3, "image").model
    scaled = logits(keras.Model(network.input, network.get_layer("pixels").output), images(2, 8))
    assert scaled.mean(axis=(1, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert scaled.std(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=1e-4)


def test_the_data_sets_statistics_are_those_of_the_rows_told() -> None:
    network = build_network(load_recipe(ROOT, "mlp_pixels").network, 8, 3, 3, "dataset").model
    layer, store, rows = network.get_layer("pixels"), images(9, 8), np.array([1, 4, 5, 8])
    layer.measure(store, rows)
    scaled = logits(keras.Model(network.input, layer.output), store[rows])
    assert scaled.mean(axis=(0, 1, 2)) == pytest.approx([0, 0, 0], abs=1e-4)
    assert scaled.std(axis=(0, 1, 2)) == pytest.approx([1, 1, 1], abs=1e-4)


def test_a_network_on_gradients_has_its_published_size() -> None:
    assert shipped("mlp_hog", 28, 1, 10).count_params() == 80_610


def test_a_network_on_gradients_describes_images_itself() -> None:
    net = build_network(load_recipe(ROOT, "mlp_hog").network, 28, 1, 10)
    assert net.extract is not None
    assert net.extract(images(2, 28, 1)).shape == (2, 392)


def test_no_shipped_fine_tuning_leaves_statistics_behind() -> None:
    """Keras's MobileNetV2 comes with a momentum of 0.999, which a short training never catches up with."""
    for model in BACKBONES:
        recipe = load_recipe(ROOT, model)
        if isinstance(recipe.network, Pretrained) and recipe.training.unfreeze != "head":
            follows = recipe.network.norm == "adapted" and recipe.network.norm_momentum <= 0.9
            assert recipe.network.norm in {"frozen", "reestimated"} or follows, model
    for model in MODELS:
        assert getattr(load_recipe(ROOT, model).network, "norm_momentum", 0.0) <= 0.9, model


@pytest.mark.slow
@pytest.mark.parametrize("model", BACKBONES)
def test_a_shipped_backbone_takes_the_size_that_its_file_gives_it(model: str) -> None:
    recipe = load_recipe(ROOT, model)
    if isinstance(recipe.network, Pretrained):
        size = recipe.input.size or 32
        with keras.StatelessScope(initialize_variables=False):
            assert build_network(recipe.network, size, 3, 5).model.input_shape == (None, size, size, 3)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"name": "mlp_pixels", "units": [0]}, "units.0: .*greater than or equal to 1"),
        ({"name": "plain_cnn", "filters": [0], "kernels": [3]}, "filters.0: .*greater than or equal to 1"),
        ({"name": "deep_elu_cnn", "widths": [32, -1], "blocks": [1, 1]}, "widths.1: .*greater than or equal to 1"),
        ({"name": "deep_elu_cnn", "widths": [32], "blocks": [-1]}, "blocks.0: .*greater than or equal to 0"),
        ({"name": "mlp_hog", "head": {"units": [0]}}, "units.0: .*greater than or equal to 1"),
    ],
)
def test_layers_of_no_size_are_refused(network: dict[str, Any], words: str) -> None:
    settings = {
        "network": network,
        "training": {"epochs": 1, "batch_size": 8, "optimizer": OPTIMIZER, "unfreeze": "head"},
    }
    with pytest.raises(InputError, match=words):
        parse_network_recipe(settings, "a test")
