"""Layers on pixels: normalisation by statistics, and any number of channels mixed into three."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.deferred import keras, layers, ops


@keras.saving.register_keras_serializable(package="pipeline")
class DatasetNorm(layers.Layer):  # type: ignore[misc]
    """Subtracts the training images' mean and divides by their deviation, channel by channel; see `measure`."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Adds the statistics as weights, so that checkpoints hold them."""
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False, name="deviation")

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Normalises images in [0, 255]."""
        return (images - ops.cast(self.mean, images.dtype)) / ops.cast(self.deviation, images.dtype)

    def measure(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        """Takes the statistics from some rows of a store, 1,024 at a time."""
        count, total, squares = 0, 0.0, 0.0
        for start in range(0, len(rows), 1024):
            block = images[rows[start : start + 1024]].astype(np.float64)
            total, squares = total + block.sum(axis=(0, 1, 2)), squares + np.square(block).sum(axis=(0, 1, 2))
            count += block.shape[0] * block.shape[1] * block.shape[2]
        mean = np.asarray(total) / count
        self.mean.assign(mean)
        self.deviation.assign(np.sqrt(np.maximum(np.asarray(squares) / count - np.square(mean), 1.0)))


@keras.saving.register_keras_serializable(package="pipeline")
class ImageNorm(layers.Layer):  # type: ignore[misc]
    """Gives each image mean 0 and deviation 1; a deviation below one grey level counts as one."""

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Normalises images in [0, 255]."""
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return (images - mean) / ops.maximum(ops.std(images, axis=(1, 2, 3), keepdims=True), 1.0)


@keras.saving.register_keras_serializable(package="pipeline")
class ChannelMix(layers.Layer):  # type: ignore[misc]
    """Mixes any number of channels into three by a matrix that trains with the network.

    It starts as the mean of every third channel. The first convolution then sees what it would see with its kernels
    repeated over the channels and divided by their number (Carreira and Zisserman 2017, section 2.3,
    https://arxiv.org/abs/1705.07750), but whatever comes in between, as the backbone's own scaling, stays right.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Adds the matrix, (channels, 3)."""
        count = int(shape[-1] or 0)
        start = np.equal.outer(np.arange(count) % 3, np.arange(3)).astype(np.float32)
        if count < 3:
            start = np.full((count, 3), 1.0, dtype=np.float32)
        start /= start.sum(axis=0)
        self.matrix = self.add_weight(
            shape=start.shape, initializer=lambda *_, **__: ops.convert_to_tensor(start), name="matrix"
        )

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Mixes (batch, height, width, channels) into (batch, height, width, 3)."""
        return ops.matmul(images, ops.cast(self.matrix, images.dtype))
