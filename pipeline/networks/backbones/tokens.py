"""Tokens of transformers: made of patches, given positions at any size, pooled into features.

Reference: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Darcet et al. 2024, registers,
https://arxiv.org/abs/2309.16588; Radenovic et al. 2018, generalised mean, https://arxiv.org/abs/1711.02512
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.bounds import Depth
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.networks.head import Head
from pipeline.networks.runtime import keras, layers

Pooling = Literal["token", "average", "both", "generalised"]


class Pooled(Section):
    """What of a transformer's tokens the head reads, and the head.

    Attributes:
        pooling: ``token`` takes the class token (of SigLIP, which has none, what its attention pools), ``average`` the
            mean of the patches, ``both`` joins them, ``generalised`` takes the generalised mean of the patches (the
            third root of the mean of their positive parts' third powers). Registers are never pooled.
        blocks: the features of the last so many blocks are joined, each normalised; of ``both`` the class tokens, with
            the mean of the last block's patches, as DINOv2's own linear evaluation does with 4 (appendix B.3 of
            https://arxiv.org/abs/2304.07193).
    """

    pooling: Pooling = "token"
    blocks: Depth = 1
    head: Head = Head()


def check_preset_shape(wanted: Mapping[str, Any], given: Mapping[str, Any], preset: str) -> None:
    """Refuses a preset that is not of the shape that the recipe describes.

    Raises:
        InputError: a number differs.
    """
    for key, value in wanted.items():
        if value != given[key]:
            raise InputError(
                f"network.shape says {key} {value}, network.preset {preset} has {given[key]}; "
                "correct network.shape or drop it"
            )


def check_transformer(arguments: dict[str, Any], size: int, place: str) -> None:
    """Refuses heads that do not divide the width of a token, and patches that do not divide the input.

    Args:
        arguments: of KerasHub's class.
        size: side of the square input in pixels.
        place: where they come from.

    Raises:
        InputError: names the sizes that would do.
    """
    hidden, heads, patch = (arguments[key] for key in ("hidden_dim", "num_heads", "patch_size"))
    if hidden % heads:
        raise InputError(f"{place}: hidden size {hidden} is not divisible by {heads} heads; change one of them")
    if size % patch:
        below = size // patch * patch
        near = f"{below} or {below + patch}" if below else str(patch)
        raise InputError(f"input.size {size} is not divisible by the patch size {patch} of {place}; take {near}")


def pool_tokens(
    section: Pooled,
    states: Sequence[keras.KerasTensor],
    first_patch: int,
    summarise: Callable[[keras.KerasTensor], keras.KerasTensor],
) -> keras.KerasTensor:
    """Pools the tokens of the last blocks into features (batch, width).

    Args:
        section: how.
        states: normalised tokens (batch, tokens, hidden) of each of the last ``section.blocks`` blocks, in their order.
        first_patch: place of the first patch among the tokens.
        summarise: from tokens to the one that stands for all, (batch, hidden).
    """
    average = layers.GlobalAveragePooling1D(name="pool")
    if section.pooling == "token":
        features = [summarise(tokens) for tokens in states]
    elif section.pooling == "both":
        features = [*(summarise(tokens) for tokens in states), average(states[-1][:, first_patch:])]
    else:
        from pipeline.networks.layers.tokens import GeneralisedMean

        mean = average if section.pooling == "average" else GeneralisedMean(dtype="float32", name="pool")
        features = [mean(tokens[:, first_patch:]) for tokens in states]
    return features[0] if len(features) == 1 else layers.Concatenate(name="joined")(features)


def interpolate_positions(positions: NDArray[np.float32], count: int, antialias: bool = False) -> NDArray[np.float32]:
    """Interpolates position embeddings bicubically on the square grid of their patches.

    The kernel is PyTorch's, with which the published networks were trained and evaluated; those of TensorFlow, JAX and
    Keras are others. https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html

    Args:
        positions: float32 (tokens, hidden); a class token, where there is one, comes first and stays as it is.
        count: tokens wanted.
        antialias: whether to smooth where the grid shrinks, as DINOv2 with registers does.

    Returns:
        float32 (count, hidden).
    """
    tokens, hidden = positions.shape
    before, after = int(tokens**0.5), int(count**0.5)
    class_tokens = tokens - before * before
    if before == after:
        return positions
    weights = _resampling_weights(before, after, antialias)
    grid = positions[class_tokens:].astype(np.float64).reshape(before, before, hidden)
    grid = np.einsum("ai,bj,ijh->abh", weights, weights, grid, optimize=True)
    return np.concatenate([positions[:class_tokens], grid.reshape(-1, hidden).astype(np.float32)])


def _resampling_weights(before: int, after: int, antialias: bool) -> NDArray[np.float64]:
    """Returns what each place of a row of ``after`` takes from each of ``before``: (after, before), rows sum to 1."""
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    places = np.arange(after)[:, None]
    if antialias:
        stretch = max(before / after, 1.0)
        found = _cubic(np.abs(centres[:, None] - np.arange(before)) / stretch, -0.5)
        return np.asarray(found / found.sum(axis=1, keepdims=True))
    taps = np.floor(centres)[:, None].astype(np.int64) + np.arange(-1, 3)
    weights = np.zeros((after, before))
    np.add.at(weights, (places, np.clip(taps, 0, before - 1)), _cubic(np.abs(centres[:, None] - taps), -0.75))
    return weights


def _cubic(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Keys's kernel of cubic convolution, https://doi.org/10.1109/TASSP.1981.1163711."""
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
