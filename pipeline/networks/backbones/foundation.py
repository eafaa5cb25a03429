"""Foundation models of KerasHub, DINOv2, DINOv3 and SigLIP, for images of any size that their patches divide.

Reference: Oquab et al. 2024, DINOv2, https://arxiv.org/abs/2304.07193; Simeoni et al. 2025, DINOv3,
https://arxiv.org/abs/2508.10104; Zhai et al. 2023, SigLIP, https://arxiv.org/abs/2303.15343
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import NonNegativeInt, model_validator

from pipeline.core.bounds import Depth, Side, Width
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.networks.backbones.foundation_presets import (
    SCALINGS,
    FoundationPreset,
    make_original,
    open_foundation_preset,
)
from pipeline.networks.backbones.tokens import (
    Pooled,
    check_preset_shape,
    check_transformer,
    interpolate_positions,
    pool_tokens,
)
from pipeline.networks.backbones.vit_preset import PixelScaling
from pipeline.networks.runtime import keras, ops

if TYPE_CHECKING:  # which starts the backend
    from pipeline.networks.layers.tokens import PatchTokens


class FoundationShape(Section):
    """The numbers of a foundation model; the defaults are DINOv2-S/14's, 22,056,576 parameters at 518 pixels.

    Attributes:
        patch_size: side of a patch in pixels.
        layers: transformer blocks.
        heads: of each block's attention.
        hidden: width of a token.
        mlp: width inside each block's dense part, before a gate takes its share of it.
        registers: tokens in addition to the class token that are of no patch; SigLIP has none.
        gated: whether the dense part is a SwiGLU, as those of DINOv2-g and DINOv3's plus models; not of SigLIP.
    """

    patch_size: Side = 14
    layers: Depth = 12
    heads: Depth = 6
    hidden: Width = 384
    mlp: Width = 1536
    registers: NonNegativeInt = 0
    gated: bool = False

    def arguments(self, network: str) -> dict[str, Any]:
        """Returns the same as arguments of KerasHub's class for this network."""
        common = {
            "patch_size": self.patch_size,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "hidden_dim": self.hidden,
            "intermediate_dim": self.mlp,
        }
        if network == "siglip":
            return common
        gate = "use_swiglu_ffn" if network == "dinov2" else "use_gated_mlp"
        return common | {"num_register_tokens": self.registers, gate: self.gated}


class Foundation(Pooled):
    """A foundation model, how its tokens are pooled, and the head on them.

    Attributes:
        name: whose architecture it is.
        preset: a local KerasHub preset folder, a local Hugging Face folder, or a hub name; a subfolder of its name in
            the folder of weights goes before the hub.
        weights: ``preset``, or ``none`` for random ones.
        shape: what is built without asking the preset; where its weights are loaded, both must agree.
    """

    name: Literal["dinov2", "dinov3", "siglip"]
    preset: str | None = None
    weights: Literal["preset", "none"] = "preset"
    shape: FoundationShape | None = None

    @model_validator(mode="after")
    def _described(self) -> Foundation:
        if self.preset is None and self.weights == "preset":
            raise ValueError("weights: preset needs a preset; name one or say weights: none")
        if self.preset is None and self.shape is None:
            raise ValueError("preset or shape must say what to build")
        if self.name == "siglip" and self.shape and (self.shape.registers or self.shape.gated):
            raise ValueError("shape.registers and shape.gated belong to dinov2 and dinov3; SigLIP has neither")
        return self


def build_foundation(section: Foundation, size: int, folder: Path | None) -> keras.Model:
    """Builds a backbone whose layers stand in a row: tokens, transformer blocks, final normalisation, pooling.

    Args:
        section: which one.
        size: side of the square input in pixels; learned positions of another size are interpolated.
        folder: of pretrained weights; None leaves the network randomly initialised.

    Returns:
        A model from images (batch, size, size, 3), scaled as by `read_foundation_scaling`, to features (batch, width).

    Raises:
        InputError: the preset cannot be had or is another network's, or the size does not fit.
    """
    load = folder is not None and section.weights == "preset"
    preset = _preset(section, folder) if load or section.shape is None else None
    arguments = preset.arguments if preset else _wanted(section)
    place = f"network.preset {section.preset}" if preset else "network.shape"
    check_transformer(arguments, size, place)
    if section.blocks > arguments["num_layers"]:
        raise InputError(f"network.blocks is {section.blocks}, but {place} has {arguments['num_layers']}; lower it")
    made = preset.load_original() if load and preset else make_original(section.name, arguments, size)
    return _in_a_row(section, made, arguments, size)


def read_foundation_scaling(section: Foundation, folder: Path | None) -> PixelScaling:
    """Returns the input normalisation of the preset; that of the published models where no preset is loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    loaded = folder is not None and section.weights == "preset"
    return _preset(section, folder).read_scaling() if loaded else SCALINGS[section.name]


def list_foundation_files(section: Foundation, folder: Path) -> tuple[Path, ...]:
    """Returns the files of the preset that determine a result; none where its weights are not loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    return _preset(section, folder).list_files() if section.weights == "preset" else ()


def _preset(section: Foundation, folder: Path | None) -> FoundationPreset:
    if section.preset is None:
        raise InputError("network.preset names no preset; name one or say network.weights: none")
    preset = open_foundation_preset(section.name, section.preset, folder)
    check_preset_shape(_wanted(section), preset.arguments, section.preset)
    return preset


def _wanted(section: Foundation) -> dict[str, Any]:
    return section.shape.arguments(section.name) if section.shape else {}


def _in_a_row(section: Foundation, made: keras.Model, arguments: dict[str, Any], size: int) -> keras.Model:
    """Lays the blocks out one after another, so that each can be frozen and counted like any layer."""
    from pipeline.networks.layers.tokens import PatchTokens, RotaryBlock

    images = keras.Input((size, size, 3), name="images")
    registers = int(arguments.get("num_register_tokens", 0))
    has_class, first_patch = section.name != "siglip", (section.name != "siglip") + registers
    parts = (has_class, registers, section.name != "dinov3")
    tokens_of = PatchTokens(arguments["patch_size"], arguments["hidden_dim"], parts, name="tokens")
    tokens = tokens_of(images)
    _adopt_tokens(tokens_of, made, section.name, bool(arguments.get("antialias_in_interpolation")))
    blocks = made.encoder_layers if section.name == "siglip" else made.encoder.layers
    if section.name == "dinov3":
        angles = made.rope_embedding(np.zeros((1, size, size, 3), dtype=np.float32))
        rotation = np.stack([ops.convert_to_numpy(one) for one in angles])
        blocks = [RotaryBlock(one, rotation, first_patch, name=one.name) for one in blocks]
    states = [tokens := block(tokens) for block in blocks][-section.blocks :]
    normalise = made.post_layer_norm if section.name == "siglip" else made.layernorm
    summarise = made.head if section.name == "siglip" else lambda tokens: tokens[:, 0]
    features = pool_tokens(section, [normalise(state) for state in states], first_patch, summarise)
    return keras.Model(images, features, name=section.name)


def _adopt_tokens(tokens: PatchTokens, made: keras.Model, network: str, antialias: bool) -> None:
    """Copies the weights that make tokens, the positions interpolated to this size."""
    positions = None
    if network == "siglip":
        projection, positions = made.embedding.patch_embedding, made.embedding.position_embedding.embeddings
    else:
        projection = made.embeddings.patch_embeddings.projection
        positions = made.embeddings.position_embeddings[0] if network == "dinov2" else None
    for mine, given in zip(tokens.projection.weights, projection.weights, strict=True):
        mine.assign(given)
    if tokens.class_token is not None:
        tokens.class_token.assign(made.embeddings.cls_token)
    if tokens.registers is not None:
        tokens.registers.assign(made.embeddings.register_tokens)
    if tokens.positions is not None:
        held = np.asarray(ops.convert_to_numpy(positions), dtype=np.float32)
        tokens.positions.assign(interpolate_positions(held, tokens.positions.shape[1], antialias)[None])
