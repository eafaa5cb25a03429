"""Layers on tokens of transformers: those that make them of patches, rotate them in blocks, and pool them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.deferred import keras, layers, ops


@keras.saving.register_keras_serializable(package="pipeline")
class PatchTokens(layers.Layer):  # type: ignore[misc]
    """Makes tokens of an image: class token, registers, patches; their positions have the grid of this very image.

    KerasHub's own layer keeps positions of two sizes, and a file of its weights forgets what training changed in them
    wherever the changes sum up to more than nothing.
    """

    def __init__(self, patch: int, hidden: int, parts: tuple[bool, int, bool], **settings: Any) -> None:
        """Takes the numbers.

        Args:
            patch: side of a patch in pixels.
            hidden: width of a token.
            parts: whether there is a class token, the number of registers, whether positions are learned.
            settings: of any layer.
        """
        super().__init__(**settings)
        self._has_class, self._n_registers, self._has_positions = parts
        self.projection = layers.Conv2D(hidden, patch, strides=patch, name="projection")
        self._hidden = hidden

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Adds the tokens and positions for the images' size, (batch, size, size, channels)."""
        self.projection.build(shape)
        rows, columns = self.projection.compute_output_shape(shape)[1:3]
        count = int(self._has_class) + rows * columns
        self.class_token = self._add("class_token", 1) if self._has_class else None
        self.registers = self._add("registers", self._n_registers) if self._n_registers else None
        self.positions = self._add("positions", count) if self._has_positions else None

    def _add(self, name: str, count: int) -> keras.Variable:
        spread = keras.initializers.TruncatedNormal(stddev=0.02)
        return self.add_weight(shape=(1, count, self._hidden), initializer=spread, name=name)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns tokens (batch, tokens, hidden); registers stand behind the class token."""
        patches = self.projection(images)
        rows, columns = patches.shape[1:3]
        tokens = ops.reshape(patches, (-1, rows * columns, self._hidden))
        alike = ops.zeros_like(tokens[:, :1])
        if self.class_token is not None:
            tokens = ops.concatenate([alike + ops.cast(self.class_token, alike.dtype), tokens], axis=1)
        if self.positions is not None:
            tokens = tokens + ops.cast(self.positions, tokens.dtype)
        if self.registers is not None:
            registers = alike + ops.cast(self.registers, alike.dtype)
            tokens = ops.concatenate([tokens[:, :1], registers, tokens[:, 1:]], axis=1)
        return tokens


@keras.saving.register_keras_serializable(package="pipeline")
class GeneralisedMean(layers.Layer):  # type: ignore[misc]
    """Pools tokens (batch, tokens, width) by the third root of the mean of the third powers of what is above zero."""

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Returns features (batch, width)."""
        powers = ops.power(ops.maximum(tokens, 1e-6), 3.0)
        return ops.power(ops.mean(powers, axis=1), 1 / 3)


@keras.saving.register_keras_serializable(package="pipeline")
class RotaryBlock(layers.Layer):  # type: ignore[misc]
    """A block of DINOv3 that brings the rotation of its patches along, as all images have one size."""

    def __init__(self, block: keras.Layer, rotation: NDArray[np.float32], first_patch: int, **settings: Any) -> None:
        """Takes the block, cosines and sines (2, patches, hidden / heads), and the place of the first patch."""
        super().__init__(**settings)
        self.block, self._rotation, self._first = block, rotation, first_patch

    def _rotate(self, dtype: str) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        cosines, sines = self._rotation
        return ops.cast(cosines, dtype), ops.cast(sines, dtype)

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Returns tokens (batch, tokens, hidden)."""
        rotation = self._rotate(self.compute_dtype)
        return self.block(tokens, position_embeddings=rotation, num_prefix_tokens=self._first)

    def attend(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Returns what each token attends to: (batch, heads, tokens, tokens), rows sum to 1."""
        part = self.block.attention
        normal = self.block.norm1(tokens)
        split = (-1, tokens.shape[1], part.num_heads, part.head_dim)
        query, key = (ops.reshape(dense(normal), split) for dense in (part.query_dense, part.key_dense))
        query, key = part._apply_rotary(query, key, *self._rotate(query.dtype), self._first)
        return ops.softmax(ops.einsum("bqhd,bkhd->bhqk", query, key) * part.scale)
