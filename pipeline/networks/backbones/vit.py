"""Vision Transformers of KerasHub, for images of any size that their patches divide.

Reference: Dosovitskiy et al. 2021, An image is worth 16x16 words, https://arxiv.org/abs/2010.11929
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from pipeline.core.bounds import Depth, Side, Width
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.networks.backbones.tokens import (
    Pooled,
    check_preset_shape,
    check_transformer,
    interpolate_positions,
    pool_tokens,
)
from pipeline.networks.backbones.vit_preset import PixelScaling, Preset, open_preset
from pipeline.networks.runtime import keras, ops


class VitShape(Section):
    """The numbers of a Vision Transformer; the defaults are ViT-B/16's, 85,798,656 parameters at 224 pixels.

    Attributes:
        patch_size: side of a patch in pixels.
        layers: transformer blocks.
        heads: of each block's attention.
        hidden: width of a token.
        mlp: width inside each block's dense part.
    """

    patch_size: Side = 16
    layers: Depth = 12
    heads: Depth = 12
    hidden: Width = 768
    mlp: Width = 3072

    def arguments(self) -> dict[str, Any]:
        """Returns the same as arguments of KerasHub's ViTBackbone."""
        return {
            "patch_size": self.patch_size,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "hidden_dim": self.hidden,
            "mlp_dim": self.mlp,
        }


class Vit(Pooled):
    """A Vision Transformer, how its tokens are pooled, and the head on them.

    Attributes:
        preset: a local KerasHub preset folder, a local Hugging Face folder, or a hub name; a subfolder of its name in
            the folder of weights goes before the hub.
        weights: ``preset``, or ``none`` for random ones.
        shape: what is built without asking the preset; where its weights are loaded, both must agree.
    """

    name: Literal["vit"]
    preset: str | None = None
    weights: Literal["preset", "none"] = "preset"
    shape: VitShape | None = None

    @model_validator(mode="after")
    def _described(self) -> Vit:
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
    return _in_a_row(whole, section)


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
    check_preset_shape(_wanted(section), preset.arguments, section.preset)
    return preset


def _wanted(section: Vit) -> dict[str, Any]:
    return section.shape.arguments() if section.shape else {}


def _check(arguments: dict[str, Any], section: Vit, preset: Preset | None) -> None:
    place = f"network.preset {section.preset}" if preset else "network.shape"
    size, _, channels = arguments["image_shape"]
    check_transformer(arguments, size, place)
    if preset and channels != preset.arguments["image_shape"][2]:
        raise InputError(f"{place} takes {preset.arguments['image_shape'][2]} channels, got {channels}")
    if section.pooling in ("token", "both") and not arguments["use_class_token"]:
        raise InputError(f"{place} has no class token; set network.pooling: average")
    if section.blocks > arguments["num_layers"]:
        raise InputError(f"network.blocks is {section.blocks}, but {place} has {arguments['num_layers']}; lower it")


def _adopt(whole: keras.Model, original: keras.Model) -> None:
    """Copies the weights of the same network for another size."""
    for variable, given in zip(whole.weights, original.weights, strict=True):
        same = variable.shape == given.shape
        held = np.asarray(ops.convert_to_numpy(given), dtype=np.float32)
        variable.assign(held if same else interpolate_positions(held, variable.shape[0]))


def _in_a_row(whole: keras.Model, section: Vit) -> keras.Model:
    """Lays the blocks out one after another, so that each can be frozen and counted like any layer."""
    patching, encoder = whole.get_layer("vit_patching_and_embedding"), whole.get_layer("vit_encoder")
    images = keras.Input(whole.input_shape[1:], name="images")
    tokens = patching(images)
    if encoder.dropout_rate:
        tokens = encoder.dropout(tokens)
    states = [tokens := block(tokens) for block in encoder.encoder_layers][-section.blocks :]
    states = [encoder.layer_norm(state) for state in states]
    features = pool_tokens(section, states, int(patching.use_class_token), lambda state: state[:, 0])
    return keras.Model(images, features, name="vit")
