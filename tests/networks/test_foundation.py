"""Foundation models: their features are those of `transformers`, from presets fabricated here."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from support.foundation_files import CONFIGS, FEATURES, SIZES, compute_reference, make_pixels, save_network

from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.backbones.foundation import Foundation, FoundationShape, build_foundation
from pipeline.networks.backbones.transformers import compute_attentions, group_transformer_layers
from pipeline.networks.build import build_network, list_weight_files

TINY = FoundationShape(patch_size=8, layers=2, heads=2, hidden=16, mlp=32)
CASES = [(kind, size) for kind in CONFIGS for size in SIZES[kind]]
SLOW = pytest.mark.slow
BOTH = [pytest.param(*case, marks=[] if case[1] != SIZES[case[0]][0] else [SLOW]) for case in CASES]
EACH = ["dinov2", pytest.param("dinov3", marks=[SLOW]), pytest.param("siglip", marks=[SLOW])]


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")
    runtime.seed_everything(0)


def section(kind: str, preset: Path, **settings: Any) -> Foundation:
    return Foundation.model_validate({"name": kind.partition("_")[0], "preset": str(preset), **settings})


def features(backbone: keras.Model, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(backbone(pixels)), dtype=np.float32)


# --- against the reference


@pytest.mark.parametrize(("kind", "size"), BOTH)
def test_features_are_those_of_transformers_at_its_own_and_another_size(kind: str, size: int, tmp_path: Path) -> None:
    folder = save_network(tmp_path / kind, kind)
    wanted = json.loads(FEATURES.read_text())[kind][str(size)]
    both = features(build_foundation(section(kind, folder, pooling="both"), size, tmp_path), make_pixels(size))[0]
    np.testing.assert_allclose(both, wanted["token"] + wanted["average"], atol=1e-4)


@SLOW
@pytest.mark.parametrize(("kind", "size"), CASES)
def test_the_kept_features_are_what_transformers_computes(kind: str, size: int, tmp_path: Path) -> None:
    if not (importlib.util.find_spec("transformers") and importlib.util.find_spec("torch")):
        pytest.skip("transformers and PyTorch are no dependencies; the features that they made are kept in a file")
    found = compute_reference(save_network(tmp_path / kind, kind), kind, size)
    for pooling, values in json.loads(FEATURES.read_text())[kind][str(size)].items():
        np.testing.assert_allclose(found[pooling], values, atol=1e-5)


@SLOW
def test_tensors_with_a_prefix_load_like_those_without(tmp_path: Path) -> None:
    bare, prefixed = save_network(tmp_path / "a", "dinov2"), save_network(tmp_path / "b", "dinov2", prefix="dinov2.")
    first, second = (build_foundation(section("dinov2", each), 56, tmp_path) for each in (bare, prefixed))
    assert np.array_equal(features(first, make_pixels(56)), features(second, make_pixels(56)))


@SLOW
@pytest.mark.parametrize("kind", ["dinov2", "dinov3", "siglip"])
def test_a_keras_hub_preset_gives_back_what_was_saved(kind: str, tmp_path: Path) -> None:
    import keras_hub

    common = TINY.arguments("siglip")
    if kind == "siglip":
        vision = keras_hub.src.models.siglip.siglip_vision_encoder.SigLIPVisionEncoder(
            **common, image_shape=(32, 32, 3)
        )
        text = keras_hub.src.models.siglip.siglip_text_encoder.SigLIPTextEncoder(
            vocabulary_size=8, embedding_dim=16, hidden_dim=16, num_layers=1, num_heads=2, intermediate_dim=8
        )
        saved = keras_hub.models.SigLIPBackbone(vision, text)
    elif kind == "dinov2":
        saved = vision = keras_hub.models.DINOV2Backbone(
            **common, image_shape=(32, 32, 3), position_embedding_shape=(32, 32)
        )
    else:
        saved = vision = keras_hub.models.DINOV3Backbone(**common, image_shape=(32, 32, 3))
    saved.save_to_preset(str(tmp_path / kind))
    images = {"pixel_values" if kind == "dinov3" else "images": make_pixels(32)}
    wanted = np.asarray(keras.ops.convert_to_numpy(vision(images)))
    wanted = wanted if kind == "siglip" else wanted[:, 0]
    found = features(build_foundation(section(kind, tmp_path / kind), 32, tmp_path), make_pixels(32))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


# --- as a part of a network


@pytest.mark.parametrize("name", EACH)
def test_a_network_has_depths_attention_and_weights_that_survive_a_file(name: Any, tmp_path: Path) -> None:
    shape = TINY if name == "siglip" else TINY.model_copy(update={"registers": 2})
    network = Foundation(name=name, weights="none", shape=shape, pooling="both", blocks=2)
    first, second = (build_network(network, 32, 1, 5) for _ in range(2))
    assert first.backbone is not None
    assert first.backbone.output_shape[-1] == 3 * 16
    groups = group_transformer_layers(first.backbone)
    assert [layer.name for group in groups[:1] for layer in group] == ["tokens"]
    held = [weight.path for group in groups for layer in group for weight in layer.weights]
    assert sorted(held) == sorted({weight.path for weight in first.backbone.weights})
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.uint8)
    attentions = compute_attentions(first.model, first.backbone, pictures)
    others = 0 if name == "siglip" else 3
    assert [each.shape for each in attentions] == [(2, 2, 16 + others, 16 + others)] * 2
    np.testing.assert_allclose([each.sum(axis=-1) for each in attentions], 1, rtol=1e-5)
    first.model.save_weights(tmp_path / "a.weights.h5")
    second.model.load_weights(tmp_path / "a.weights.h5")
    assert np.array_equal(first.model(pictures), second.model(pictures))


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_a_step_changes_every_weight_and_a_file_keeps_it(name: Any, tmp_path: Path) -> None:
    made = [build_foundation(Foundation(name=name, weights="none", shape=TINY), 32, None) for _ in range(2)]
    model = keras.Model(made[0].input, keras.layers.Dense(3)(made[0].output))
    before = [weight.numpy() for weight in made[0].weights]
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(make_pixels(32), np.eye(3, dtype=np.float32)[:1])
    same = [
        weight.path for weight, old in zip(made[0].weights, before, strict=True) if np.array_equal(weight.numpy(), old)
    ]
    assert [path for path in same if "key" not in path and "k_proj" not in path] == []  # softmax cancels its bias
    made[0].save_weights(tmp_path / "a.weights.h5")
    made[1].load_weights(tmp_path / "a.weights.h5")
    assert np.array_equal(features(made[0], make_pixels(32)), features(made[1], make_pixels(32)))


def test_the_files_of_a_preset_are_those_that_determine_a_result(tmp_path: Path) -> None:
    folder = save_network(tmp_path / "tiny", "dinov2")
    files = list_weight_files(Foundation(name="dinov2", preset="hf://somebody/tiny"), tmp_path, 56)
    assert files == (folder / "config.json", folder / "model.safetensors")


# --- what cannot be used


def refuse(match: str, kind: str, folder: Path, size: int = 56, **settings: Any) -> None:
    with pytest.raises(InputError, match=match):
        build_foundation(section(kind, folder, **settings), size, folder.parent)


def test_a_preset_of_another_architecture_is_refused(tmp_path: Path) -> None:
    folder = save_network(tmp_path / "a", "siglip")
    refuse(
        r"a is no dinov2: .*config\.json describes siglip_vision_model; .* or correct network\.name", "dinov2", folder
    )


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    folder = save_network(tmp_path / "a", "dinov2", mlp_ratio=4)
    refuse(r"encoder\.layer\.0\.mlp\.fc1\.weight has shape \(32, 16\), config\.json next to it says", "dinov2", folder)


def test_weights_of_another_depth_are_refused(tmp_path: Path) -> None:
    refuse(r"lacks encoder\.layer\.2\.", "dinov2", save_network(tmp_path / "a", "dinov2", num_hidden_layers=3))
    folder = save_network(tmp_path / "b", "dinov3", num_hidden_layers=1)
    refuse(r"holds layer\.1\..* in addition to what config\.json describes", "dinov3", folder, 64)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    folder = save_network(tmp_path / "a", "dinov2")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    refuse("cannot be read as safetensors", "dinov2", folder)


def test_a_size_that_the_patches_do_not_divide_is_refused_with_the_next_ones(tmp_path: Path) -> None:
    refuse(
        r"input\.size 64 is not divisible by the patch size 14 .* take 56 or 70",
        "dinov2",
        save_network(tmp_path / "a", "dinov2"),
        64,
    )


def test_more_blocks_than_there_are_are_refused(tmp_path: Path) -> None:
    refuse("network.blocks is 3, but .* has 2", "dinov2", save_network(tmp_path / "a", "dinov2"), blocks=3)


def test_a_shape_that_contradicts_the_preset_is_refused(tmp_path: Path) -> None:
    shape = {"patch_size": 14, "layers": 2, "heads": 2, "hidden": 16, "mlp": 32, "registers": 4}
    refuse(
        r"num_register_tokens 4, network\.preset .* has 0",
        "dinov2",
        save_network(tmp_path / "a", "dinov2"),
        shape=shape,
    )


def test_a_description_that_lacks_a_number_is_refused(tmp_path: Path) -> None:
    folder = save_network(tmp_path / "a", "dinov3")
    held = {key: value for key, value in CONFIGS["dinov3"].items() if key != "hidden_size"}
    (folder / "config.json").write_text(json.dumps(held))
    refuse(r"config\.json: 'hidden_size' is missing", "dinov3", folder, 64)


def test_a_name_that_no_hub_knows_is_refused_with_the_near_ones() -> None:
    with pytest.raises(InputError, match=r"unknown dinov2_smal.*dinov2_small"):
        build_foundation(section("dinov2", Path("dinov2_smal")), 56, Path("nowhere"))


def test_registers_of_siglip_are_refused() -> None:
    with pytest.raises(ValidationError, match="SigLIP has neither"):
        Foundation(name="siglip", weights="none", shape=FoundationShape(registers=4))
