"""Attention rollout: the patches on which the tokens of a Vision Transformer depend, through all of its blocks.

Unlike Grad-CAM it is not about a class: it is the same for all of them.
Reference: Abnar and Zuidema 2020, Quantifying attention flow in transformers, https://arxiv.org/abs/2005.00928
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.backbones.transformers import Transformer, compute_attentions
from pipeline.networks.runtime import keras

Attention = NDArray[np.float32]


def multiply_attentions(attentions: Sequence[Attention]) -> Attention:
    """Multiplies the attention of all blocks, half of each being what the residual connection carries on.

    Args:
        attentions: of each block from the first on, (batch, heads, tokens, tokens), rows sum to 1.

    Returns:
        float32 (batch, tokens, tokens): how much each token at the end holds of each at the start; rows sum to 1.
    """
    batch, _, tokens, _ = attentions[0].shape
    total = np.tile(np.eye(tokens, dtype=np.float32), (batch, 1, 1))
    for attention in attentions:
        total = (0.5 * attention.mean(axis=1) + 0.5 * np.eye(tokens, dtype=np.float32)) @ total
    return total


def compute_rollout(
    model: keras.Model, backbone: keras.Model, network: Transformer, images: NDArray[np.uint8 | np.float32]
) -> NDArray[np.float32]:
    """Computes the share of each patch in the input of the head.

    Args:
        model: from images to logits; ``backbone`` is part of it.
        backbone: as `build_transformer` builds it.
        network: its section.
        images: (batch, size, size, channels) in [0, 255], resized and preprocessed as the network takes them.

    Returns:
        float32 (batch, rows, columns), >= 0, one place per patch.
    """
    total = multiply_attentions(compute_attentions(model, backbone, images))
    side = int(total.shape[-1] ** 0.5)
    others = total.shape[-1] - side * side  # the class token and registers
    of_token = network.pooling in ("token", "both") and network.name != "siglip"
    attention = total[:, 0] if of_token else total[:, others:].mean(axis=1)
    return np.ascontiguousarray(attention[:, others:].reshape(-1, side, side))
