"""Vision Transformers: built, trained, and loaded from presets fabricated here."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.special import erf, softmax
from support.vit_files import CONFIG, hugging_face, tensors

from pipeline.core.errors import InputError
from pipeline.networks import runtime
from pipeline.networks.backbones.transformers import group_transformer_layers
from pipeline.networks.backbones.vit import (
    Vit,
    VitShape,
    build_vit,
    list_vit_files,
    read_vit_scaling,
)
from pipeline.networks.backbones.vit_preset import PixelScaling

TINY = VitShape(patch_size=8, layers=2, heads=2, hidden=16, mlp=32)
RANDOM = Vit(name="vit", weights="none", shape=TINY)
SINGLE = RANDOM.model_copy(update={"shape": TINY.model_copy(update={"layers": 1})})


@pytest.fixture(autouse=True)
def _float32() -> None:
    runtime.start_backend("float32")
    runtime.seed_everything(0)


def pixels(n: int = 2, size: int = 32, channels: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (n, size, size, channels)).astype(np.float32)


def features(backbone: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(backbone(images)), dtype=np.float32)


def from_preset(preset: Path | str, **settings: Any) -> Vit:
    return Vit(name="vit", preset=str(preset), **settings)


def by_hand(held: dict[str, NDArray[np.float32]], images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The tokens of a tiny ViT in plain NumPy, from the paper's equations 1 to 4 and Hugging Face's tensor names."""

    def dense(x: NDArray[Any], name: str) -> NDArray[Any]:
        return x @ held[f"{name}.weight"].astype(np.float64).T + held[f"{name}.bias"]

    def norm(x: NDArray[Any], name: str) -> NDArray[Any]:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * held[f"{name}.weight"] + held[f"{name}.bias"])

    def heads(x: NDArray[Any]) -> NDArray[Any]:
        return x.reshape(*x.shape[:2], 2, 8).transpose(0, 2, 1, 3)

    patches = images.reshape(-1, 4, 8, 4, 8, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 16, 3 * 8 * 8)
    kernel = held["embeddings.patch_embeddings.projection.weight"].reshape(16, -1).astype(np.float64)
    x = patches @ kernel.T + held["embeddings.patch_embeddings.projection.bias"]
    token = np.broadcast_to(held["embeddings.cls_token"], (len(x), 1, 16))
    x = np.concatenate([token, x], axis=1) + held["embeddings.position_embeddings"]
    for block in ("encoder.layer.0", "encoder.layer.1"):
        y = norm(x, f"{block}.layernorm_before")
        query, key, value = (heads(dense(y, f"{block}.attention.attention.{one}")) for one in ("query", "key", "value"))
        mixed = softmax(query @ key.transpose(0, 1, 3, 2) / np.sqrt(8), axis=-1) @ value
        x = x + dense(mixed.transpose(0, 2, 1, 3).reshape(x.shape), f"{block}.attention.output.dense")
        y = dense(norm(x, f"{block}.layernorm_after"), f"{block}.intermediate.dense")
        x = x + dense(y * (1 + erf(y / np.sqrt(2))) / 2, f"{block}.output.dense")
    tokens: NDArray[np.float64] = norm(x, "layernorm")
    return tokens


# --- random weights


def test_vit_b16_has_the_published_number_of_parameters() -> None:
    patch, block, positions = (
        16 * 16 * 3 * 768 + 768,
        4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768,
        197,
    )
    assert patch + 12 * block + (positions + 1) * 768 + 2 * 768 == 85_798_656
    assert VitShape() == VitShape(patch_size=16, layers=12, heads=12, hidden=768, mlp=3072)


def test_a_tiny_network_has_the_parameters_counted_by_hand() -> None:
    block = 4 * (16 * 16 + 16) + (16 * 32 + 32) + (32 * 16 + 16) + 4 * 16
    wanted = (8 * 8 * 3 * 16 + 16) + 16 + 17 * 16 + 2 * block + 2 * 16
    with keras.StatelessScope(initialize_variables=False):
        assert build_vit(RANDOM, 32, 3, None).count_params() == wanted


def trained(precision: str, pooling: str) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    runtime.start_backend(precision)  # type: ignore[arg-type]
    runtime.seed_everything(3)
    backbone = build_vit(SINGLE.model_copy(update={"pooling": pooling}), 32, 3, None)
    dropped = keras.layers.Dropout(0.5)(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(3, dtype="float32")(dropped))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, run_eagerly=True)  # tracing would take longer
    for _ in range(2):
        model.train_on_batch(pixels(3), np.eye(3, dtype=np.float32))
    return model.get_weights(), features(model, pixels(3))


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "pooling"), [("float32", "token"), ("bfloat16", "average")])
def test_training_is_finite_and_gives_the_same_bits_twice(precision: str, pooling: str) -> None:
    (weights, logits), (again, logits_again) = (trained(precision, pooling) for _ in range(2))
    assert np.isfinite(logits).all()
    assert logits.std() > 0
    assert np.array_equal(logits, logits_again)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))


def test_a_step_changes_every_weight() -> None:
    backbone = build_vit(RANDOM, 32, 3, None)
    model = keras.Model(backbone.input, keras.layers.Dense(3)(backbone.output))
    before = model.get_weights()
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(pixels(3), np.eye(3, dtype=np.float32))
    same = [w.path for w, a, b in zip(model.weights, before, model.get_weights(), strict=True) if np.array_equal(a, b)]
    assert [path for path in same if not path.endswith("key/bias")] == []  # softmax cancels the key's bias


def test_weights_survive_a_file(tmp_path: Path) -> None:
    first = build_vit(SINGLE, 32, 3, None)
    first.save_weights(tmp_path / "a.weights.h5")
    second = build_vit(SINGLE, 32, 3, None)
    assert not np.array_equal(features(first, pixels()), features(second, pixels()))
    second.load_weights(tmp_path / "a.weights.h5")
    assert np.array_equal(features(first, pixels()), features(second, pixels()))


def test_the_groups_go_from_input_to_output_and_hold_every_weight_once() -> None:
    backbone = build_vit(RANDOM, 32, 3, None)
    groups = group_transformer_layers(backbone)
    paths = [weight.path for group in groups for layer in group for weight in layer.weights]
    assert sorted(paths) == sorted(weight.path for weight in backbone.weights)
    assert len(set(paths)) == len(paths)
    assert ["patching" in groups[0][0].name, *(f"block_{n}" in groups[n][0].name for n in (1, 2))] == [True] * 3
    assert [type(group[0]).__name__ for group in groups][-1] == "LayerNormalization"
    assert all(keras.src.utils.summary_utils.count_params(group[0].weights) for group in groups)


def test_freezing_all_but_the_top_groups_leaves_those_trainable() -> None:
    backbone = build_vit(RANDOM, 32, 3, None)
    for group in group_transformer_layers(backbone)[:2]:
        for layer in group:
            layer.trainable = False
    assert len(backbone.trainable_weights) == 16 + 2  # a block, a normalisation
    assert all("block_2" in weight.path or weight.path.split("/")[-2] == "ln" for weight in backbone.trainable_weights)


@pytest.mark.slow
def test_pooling_takes_the_class_token_or_the_mean_of_the_patches(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    tokens = by_hand(tensors(), pixels())
    token = build_vit(from_preset(folder), 32, 3, tmp_path)
    average = build_vit(from_preset(folder, pooling="average"), 32, 3, tmp_path)
    np.testing.assert_allclose(features(token, pixels()), tokens[:, 0], atol=2e-5)
    np.testing.assert_allclose(features(average, pixels()), tokens[:, 1:].mean(axis=1), atol=2e-5)


# --- presets


@pytest.mark.slow
def test_tensors_of_a_classifier_load_like_those_of_a_bare_model(tmp_path: Path) -> None:
    bare, classifier = hugging_face(tmp_path / "bare"), hugging_face(tmp_path / "classifier", prefix="vit.")
    first, second = (build_vit(from_preset(folder), 32, 3, tmp_path) for folder in (bare, classifier))
    assert np.array_equal(features(first, pixels()), features(second, pixels()))


def test_a_hub_name_is_looked_for_in_the_folder_of_weights_first(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "weights" / "vit-tiny")
    section = from_preset("hf://somebody/vit-tiny")
    found = features(build_vit(section, 32, 3, tmp_path / "weights"), pixels())
    np.testing.assert_allclose(found, by_hand(tensors(), pixels())[:, 0], atol=2e-5)
    assert list_vit_files(section, tmp_path / "weights") == (folder / "config.json", folder / "model.safetensors")


@pytest.mark.slow
def test_a_keras_hub_preset_gives_back_what_was_saved(tmp_path: Path) -> None:
    import keras_hub

    arguments = RANDOM.shape.arguments() if RANDOM.shape else {}
    saved = keras_hub.models.ViTBackbone((32, 32, 3), **arguments)
    saved.save_to_preset(str(tmp_path / "vit"))
    converter = {"registered_name": "keras_hub>ViTImageConverter", "config": {"scale": [0.5, 1, 2], "offset": -1.0}}
    (tmp_path / "vit" / "image_converter.json").write_text(json.dumps(converter))
    section = from_preset(tmp_path / "vit", shape=TINY)
    found = features(build_vit(section, 32, 3, tmp_path), pixels())
    assert np.array_equal(found, features(saved, pixels())[:, 0])
    assert read_vit_scaling(section, tmp_path) == PixelScaling((0.5, 1.0, 2.0), (-1.0,) * 3)


@pytest.mark.slow
def test_without_a_folder_of_weights_a_preset_is_built_but_not_loaded(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    (folder / "model.safetensors").unlink()
    for section in (from_preset(folder), from_preset(folder, weights="none")):
        assert build_vit(section, 32, 3, None).output_shape == (None, 16)


def test_weights_none_with_a_shape_asks_no_hub() -> None:
    section = from_preset("hf://nobody/nothing", weights="none", shape=TINY)
    assert build_vit(section, 32, 3, Path("nowhere")).output_shape == (None, 16)
    assert list_vit_files(section, Path("nowhere")) == ()
    assert read_vit_scaling(section, Path("nowhere")) == PixelScaling()


# --- normalisation


def test_googles_normalisation_is_minus_one_to_one(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    assert read_vit_scaling(from_preset(folder), tmp_path) == PixelScaling((1 / 127.5,) * 3, (-1.0,) * 3)
    processor = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 224}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    found = read_vit_scaling(from_preset(folder), tmp_path)
    np.testing.assert_allclose([found.scale, found.offset], [[1 / 127.5] * 3, [-1.0] * 3])


def test_another_normalisation_comes_from_the_preset(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    processor = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    found = read_vit_scaling(from_preset(folder), tmp_path)
    np.testing.assert_allclose(found.scale, [1 / 51, 1 / 63.75, 1 / 127.5])
    np.testing.assert_allclose(found.offset, [-2.0, -2.0, -1.2])


# --- another size


@pytest.mark.slow
def test_a_preset_serves_another_size_with_all_other_weights_unchanged(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    own, *others = (build_vit(from_preset(folder), one, 3, tmp_path) for one in (32, 16, 48))
    for size, other in zip((16, 48), others, strict=True):
        assert np.isfinite(features(other, pixels(size=size))).all()
        changed = [a.path for a, b in zip(own.weights, other.weights, strict=True) if a.shape != b.shape]
        assert len(changed) == 1
        assert "position" in changed[0]
        same = zip(own.weights, other.weights, strict=True)
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in same if a.shape == b.shape)


# --- what cannot be used


def test_a_size_that_the_patches_do_not_divide_is_refused_with_the_next_ones() -> None:
    with pytest.raises(InputError, match=r"input\.size 36 is not divisible by the patch size 8 .* take 32 or 40"):
        build_vit(RANDOM, 36, 3, None)
    with pytest.raises(InputError, match=r"input\.size 4 is not divisible .* take 8"):
        build_vit(RANDOM, 4, 3, None)


def test_a_hidden_size_that_the_heads_do_not_divide_is_refused() -> None:
    section = RANDOM.model_copy(update={"shape": VitShape(patch_size=8, layers=1, heads=3, hidden=16, mlp=8)})
    with pytest.raises(InputError, match=r"network\.shape: hidden size 16 is not divisible by 3 heads"):
        build_vit(section, 32, 3, None)


def test_grey_images_are_refused_by_a_preset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes 3 channels, got 1"):
        build_vit(from_preset(hugging_face(tmp_path / "vit")), 32, 1, tmp_path)


def test_settings_that_say_nothing_to_build_are_refused() -> None:
    with pytest.raises(ValidationError, match="weights: preset needs a preset"):
        Vit(name="vit")
    with pytest.raises(ValidationError, match="preset or shape must say what to build"):
        Vit(name="vit", weights="none")


def test_a_shape_that_contradicts_the_preset_is_refused(tmp_path: Path) -> None:
    section = from_preset(hugging_face(tmp_path / "vit"), shape=TINY.model_copy(update={"layers": 3}))
    with pytest.raises(InputError, match=r"network\.shape says num_layers 3, network\.preset .* has 2"):
        build_vit(section, 32, 3, tmp_path)


def test_a_folder_without_a_configuration_is_refused_with_three_ways_out(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no config\.json\. Three ways out .*KerasHub.*Hugging Face.*hub"):
        build_vit(from_preset(tmp_path / "empty"), 32, 3, tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "vit")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"vit holds no model\.safetensors"):
        build_vit(from_preset(folder), 32, 3, tmp_path)


def test_an_unknown_name_lists_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown vit_base_patch16_224 .*did you mean vit_base_patch16_224_imagenet"):
        build_vit(from_preset("vit_base_patch16_224"), 32, 3, tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("not json", "is not valid JSON"),
        ("[]", "must hold a mapping, got list"),
        (json.dumps({"model_type": "resnet"}), "describes resnet; give a preset of KerasHub's"),
        (json.dumps({"registered_name": "keras_hub>ResNetBackbone"}), "describes keras_hub>ResNetBackbone"),
        (json.dumps({"model_type": "vit"}), "image_size is missing"),
        (json.dumps(CONFIG | {"hidden_act": "quick_gelu"}), "hidden_act: .*got 'quick_gelu'"),
        (json.dumps(CONFIG | {"num_attention_heads": 3}), "hidden size 16 is not divisible by 3 heads"),
        (json.dumps(CONFIG | {"hidden_size": 24}), "has shape .*, config.json next to it says"),
        (json.dumps(CONFIG | {"num_hidden_layers": 3}), r"lacks encoder\.layer\.2\..* and 13 more"),
    ],
)
def test_a_configuration_that_does_not_describe_these_weights_is_refused(
    tmp_path: Path, config: str, message: str
) -> None:
    folder = hugging_face(tmp_path / "vit")
    (folder / "config.json").write_text(config)
    with pytest.raises(InputError, match=message):
        build_vit(from_preset(folder), 32, 3, tmp_path)


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_truncated_tensors_are_refused(tmp_path: Path, kept: int) -> None:
    path = hugging_face(tmp_path / "vit") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"cannot be read as safetensors .*truncated or of another kind"):
        build_vit(from_preset(tmp_path / "vit"), 32, 3, tmp_path)


@pytest.mark.parametrize("kept", [0, 5000])
def test_a_truncated_keras_hub_file_is_refused(tmp_path: Path, kept: int) -> None:
    assert SINGLE.shape is not None
    config = {"image_shape": [32, 32, 3], **SINGLE.shape.arguments()}
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text(
        json.dumps({"registered_name": "keras_hub>ViTBackbone", "config": config})
    )
    build_vit(SINGLE, 32, 3, None).save_weights(tmp_path / "a.weights.h5")
    (tmp_path / "vit" / "model.weights.h5").write_bytes((tmp_path / "a.weights.h5").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"model\.weights\.h5 does not hold the weights .*truncated"):
        build_vit(from_preset(tmp_path / "vit"), 32, 3, tmp_path)


def test_a_hub_name_without_a_network_names_three_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    message = (
        r"no folder vit-base-patch16-224-in21k .*config\.json is out of reach .*"
        r"Three ways out .*local KerasHub .*local Hugging Face .*there is internet"
    )
    with pytest.raises(InputError, match=message):
        build_vit(from_preset("hf://google/vit-base-patch16-224-in21k"), 32, 3, tmp_path)
