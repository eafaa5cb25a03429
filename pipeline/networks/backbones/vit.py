"""Vision Transformers of KerasHub, for images of any size that their patches divide.

Reference: Dosovitskiy et al. 2021, An image is worth 16x16 words, https://arxiv.org/abs/2010.11929
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt, model_validator

from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.networks.backbones.vit_preset import PixelScaling, Preset, open_preset
from pipeline.networks.head import Head
from pipeline.networks.runtime import keras, layers, ops


class VitShape(Section):
    """The numbers of a Vision Transformer; the defaults are ViT-B/16's, 85,798,656 parameters at 224 pixels.

    Attributes:
        patch_size: side of a patch in pixels.
        layers: transformer blocks.
        heads: of each block's attention.
        hidden: width of a token.
        mlp: width inside each block's dense part.
    """

    patch_size: PositiveInt = 16
    layers: PositiveInt = 12
    heads: PositiveInt = 12
    hidden: PositiveInt = 768
    mlp: PositiveInt = 3072

    def arguments(self) -> dict[str, Any]:
        """Returns the same as arguments of KerasHub's ViTBackbone."""
        return {
            "patch_size": self.patch_size,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "hidden_dim": self.hidden,
            "mlp_dim": self.mlp,
        }


class Vit(Section):
    """A Vision Transformer, how its tokens are pooled, and the head on them.

    Attributes:
        preset: a local KerasHub preset folder, a local Hugging Face folder, or a hub name; a subfolder of its name in
            the folder of weights goes before the hub.
        weights: ``preset``, or ``none`` for random ones.
        shape: what is built without asking the preset; where its weights are loaded, both must agree.
        pooling: ``token`` takes the class token, ``average`` the mean of the patches.
    """

    name: Literal["vit"]
    preset: str | None = None
    weights: Literal["preset", "none"] = "preset"
    shape: VitShape | None = None
    pooling: Literal["token", "average"] = "token"
    head: Head = Head()

    @model_validator(mode="after")
    def _described(self) -> "Vit":
        if self.preset is None and self.weights == "preset":
            raise ValueError("weights: preset needs a preset; name one or say weights: none")
        if self.preset is None and self.shape is None:
            raise ValueError("preset or shape must say what to build")
        return self


def build_vit(section: Vit, size: int, channels: int, folder: Path | None) -> keras.Model:
    """Builds a backbone whose layers stand in a row: patches, transformer blocks, final normalisation.

    Args:
        section: which one.
        size: side of the square input in pixels; position embeddings of another size are interpolated (section 3.2).
        channels: of the input; presets take 3.
        folder: of pretrained weights; None leaves the network randomly initialised.

    Returns:
        A model from images (batch, size, size, channels), scaled as by `read_vit_scaling`, to features (batch, hidden).

    Raises:
        InputError: the preset cannot be had or is none, or the size does not fit.
    """
    import keras_hub

    load = folder is not None and section.weights == "preset"
    preset = _preset(section, folder) if load or section.shape is None else None
    described = {"use_class_token": True} | (preset.arguments if preset else _wanted(section))
    arguments = described | {"image_shape": (size, size, channels)}
    _check(arguments, section, preset)
    whole = keras_hub.models.ViTBackbone(**arguments)
    if load and preset:
        if size == preset.size:
            preset.load(whole)
        else:
            original = keras_hub.models.ViTBackbone(**preset.arguments)
            preset.load(original)
            _adopt(whole, original)
    return _in_a_row(whole, section.pooling)


def group_vit_layers(backbone: keras.Model) -> list[list[keras.Layer]]:
    """Groups the layers that have weights from input to output: patches, each transformer block, normalisation."""
    return [[layer] for layer in backbone.layers if layer.weights]


def compute_vit_attentions(
    model: keras.Model, backbone: keras.Model, images: NDArray[np.uint8 | np.float32]
) -> list[NDArray[np.float32]]:
    """Returns what each block attends to, from the first on: float32 (batch, heads, tokens, tokens), rows sum to 1.

    Args:
        model: from images to logits.
        backbone: the part of it that `build_vit` built.
        images: (batch, size, size, channels) in [0, 255].
    """
    pixels = keras.Model(model.input, backbone._inbound_nodes[0].input_tensors[0])
    tokens = pixels(images, training=False)
    attentions = []
    for layer in backbone.layers[1:]:
        if hasattr(layer, "mha"):
            normal = layer.layer_norm_1(tokens)
            _, scores = layer.mha(normal, normal, return_attention_scores=True, training=False)
            attentions.append(np.asarray(ops.convert_to_numpy(scores), dtype=np.float32))
        tokens = layer(tokens)
    return attentions


def read_vit_scaling(section: Vit, folder: Path | None) -> PixelScaling:
    """Returns the input normalisation of the preset; [-1, 1] where no preset is loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    return (
        _preset(section, folder).read_scaling()
        if folder is not None and section.weights == "preset"
        else PixelScaling()
    )


def list_vit_files(section: Vit, folder: Path) -> tuple[Path, ...]:
    """Returns the files of the preset that determine a result; none where its weights are not loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    return _preset(section, folder).list_files() if section.weights == "preset" else ()


def _preset(section: Vit, folder: Path | None) -> Preset:
    if section.preset is None:
        raise InputError("network.preset names no preset; name one or say network.weights: none")
    preset = open_preset(section.preset, folder)
    for key, value in _wanted(section).items():
        if value != preset.arguments[key]:
            raise InputError(
                f"network.shape says {key} {value}, network.preset {section.preset} has {preset.arguments[key]}; "
                "correct network.shape or drop it"
            )
    return preset


def _wanted(section: Vit) -> dict[str, Any]:
    return section.shape.arguments() if section.shape else {}


def _check(arguments: dict[str, Any], section: Vit, preset: Preset | None) -> None:
    place = f"network.preset {section.preset}" if preset else "network.shape"
    hidden, heads, patch = (arguments[key] for key in ("hidden_dim", "num_heads", "patch_size"))
    size, _, channels = arguments["image_shape"]
    if hidden % heads:
        raise InputError(f"{place}: hidden size {hidden} is not divisible by {heads} heads; change one of them")
    if size % patch:
        below = size // patch * patch
        near = f"{below} or {below + patch}" if below else str(patch)
        raise InputError(f"input.size {size} is not divisible by the patch size {patch} of {place}; take {near}")
    if preset and channels != preset.arguments["image_shape"][2]:
        raise InputError(f"{place} takes {preset.arguments['image_shape'][2]} channels, got {channels}")
    if section.pooling == "token" and not arguments["use_class_token"]:
        raise InputError(f"{place} has no class token; set network.pooling: average")


def _adopt(whole: keras.Model, original: keras.Model) -> None:
    """Copies the weights of the same network for another size."""
    for variable, given in zip(whole.weights, original.weights, strict=True):
        same = variable.shape == given.shape
        variable.assign(given if same else interpolate_positions(given.value, variable.shape[0]))


def interpolate_positions(positions: keras.KerasTensor, count: int) -> keras.KerasTensor:
    """Interpolates position embeddings bicubically on the square grid of their patches.

    Args:
        positions: float32 (tokens, hidden); a class token, where there is one, comes first and stays as it is.
        count: tokens wanted.

    Returns:
        float32 (count, hidden).
    """
    tokens, hidden = positions.shape
    before, after = int(tokens**0.5), int(count**0.5)
    class_tokens = tokens - before * before
    grid = ops.reshape(positions[class_tokens:], (1, before, before, hidden))
    grid = ops.image.resize(grid, (after, after), interpolation="bicubic", antialias=True, data_format="channels_last")
    return ops.concatenate([positions[:class_tokens], ops.reshape(grid, (after * after, hidden))])


def _in_a_row(whole: keras.Model, pooling: str) -> keras.Model:
    """Lays the blocks out one after another, so that each can be frozen and counted like any layer."""
    patching, encoder = whole.get_layer("vit_patching_and_embedding"), whole.get_layer("vit_encoder")
    images = keras.Input(whole.input_shape[1:], name="images")
    tokens = patching(images)
    if encoder.dropout_rate:
        tokens = encoder.dropout(tokens)
    for block in encoder.encoder_layers:
        tokens = block(tokens)
    tokens = encoder.layer_norm(tokens)
    class_tokens = int(patching.use_class_token)
    features = (
        tokens[:, 0] if pooling == "token" else layers.GlobalAveragePooling1D(name="pool")(tokens[:, class_tokens:])
    )
    return keras.Model(images, features, name="vit")
