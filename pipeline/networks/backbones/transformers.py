"""All transformers alike: built, grouped into depths, their attention computed, whichever architecture they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.backbones.foundation import (
    Foundation,
    build_foundation,
    list_foundation_files,
    read_foundation_scaling,
)
from pipeline.networks.backbones.vit import Vit, build_vit, list_vit_files, read_vit_scaling
from pipeline.networks.backbones.vit_preset import PixelScaling
from pipeline.networks.runtime import keras, layers, ops

Transformer = Vit | Foundation

# Where KerasHub's blocks keep their first normalisation and their attention.
_PARTS = (("layer_norm_1", "mha"), ("norm1", "attention"), ("layer_norm1", "self_attn"))


def build_transformer(section: Transformer, size: int, folder: Path | None) -> keras.Model:
    """Builds a backbone for RGB images; see `build_vit` and `build_foundation`.

    Raises:
        InputError: the preset cannot be had or is another network's, or the size does not fit.
    """
    return build_vit(section, size, 3, folder) if isinstance(section, Vit) else build_foundation(section, size, folder)


def read_transformer_scaling(section: Transformer, folder: Path | None) -> PixelScaling:
    """Returns the input normalisation of the preset, or the architecture's own where none is loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    if isinstance(section, Vit):
        return read_vit_scaling(section, folder)
    return read_foundation_scaling(section, folder)


def list_transformer_files(section: Transformer, folder: Path) -> tuple[Path, ...]:
    """Returns the files of the preset that determine a result; none where its weights are not loaded.

    Raises:
        InputError: the preset cannot be had.
    """
    return list_vit_files(section, folder) if isinstance(section, Vit) else list_foundation_files(section, folder)


def group_transformer_layers(backbone: keras.Model) -> list[list[keras.Layer]]:
    """Groups the layers that have weights from input to output: patches, each transformer block, normalisation."""
    return [[layer] for layer in backbone.layers if layer.weights]


def compute_attentions(
    model: keras.Model, backbone: keras.Model, images: NDArray[np.uint8 | np.float32]
) -> list[NDArray[np.float32]]:
    """Returns what each block attends to, from the first on: float32 (batch, heads, tokens, tokens), rows sum to 1.

    Args:
        model: from images to logits.
        backbone: the part of it that `build_transformer` built.
        images: (batch, size, size, channels) in [0, 255].
    """
    pixels = keras.Model(model.input, backbone._inbound_nodes[0].input_tensors[0])
    tokens = pixels(images, training=False)
    attentions: list[NDArray[np.float32]] = []
    for layer in backbone.layers[1:]:
        scores = _attend(layer, tokens)
        if scores is not None:
            attentions.append(np.asarray(ops.convert_to_numpy(scores), dtype=np.float32))
        elif attentions:
            break  # the last block is past
        tokens = layer(tokens)
    return attentions


def _attend(layer: keras.Layer, tokens: Any) -> Any:
    """Returns the attention of a block; None for another layer."""
    from pipeline.networks.layers.tokens import RotaryBlock

    if isinstance(layer, RotaryBlock):
        return layer.attend(tokens)
    for norm, place in _PARTS:
        attention = getattr(layer, place, None)
        attention = getattr(attention, "attention", attention)
        if isinstance(attention, layers.MultiHeadAttention) and hasattr(layer, norm):
            normal = getattr(layer, norm)(tokens)
            return attention(normal, normal, return_attention_scores=True, training=False)[1]
    return None
