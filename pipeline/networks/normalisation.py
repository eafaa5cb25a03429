"""Batch normalisation: a layer that takes one pass over memory, and statistics measured afresh after training.

Reference: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.networks.runtime import keras, layers, ops


def list_batch_norms(model: keras.Model) -> list[layers.BatchNormalization]:
    """Returns all batch-normalisation layers, nested ones included."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]


def reestimate_statistics(
    model: keras.Model, norms: list[layers.BatchNormalization], batches: Iterable[NDArray[np.uint8 | np.float32]]
) -> None:
    """Gives layers the mean and variance of their inputs over some batches, for the weights as they are.

    Running averages lag behind weights that moved: by Keras's momentum of 0.999 for thousands of steps.

    Args:
        model: what the batches run through, in training mode.
        norms: its batch-normalisation layers.
        batches: (batch, size, size, channels) in [0, 255] each, or what the model takes instead of images.

    Reference: Wu and Johnson 2021, Rethinking "Batch" in BatchNorm, section 3 (precise statistics),
    https://arxiv.org/abs/2105.07576
    """
    momenta = [layer.momentum for layer in norms]
    means: list[list[NDArray[np.float64]]] = [[] for _ in norms]
    variances: list[list[NDArray[np.float64]]] = [[] for _ in norms]
    for layer in norms:
        layer.momentum = 0.0  # the moving average is then the batch's own
    sizes = []
    for batch in batches:
        sizes.append(len(batch))
        model(batch, training=True)
        for number, layer in enumerate(norms):
            means[number].append(ops.convert_to_numpy(layer.moving_mean).astype(np.float64))
            variances[number].append(ops.convert_to_numpy(layer.moving_variance).astype(np.float64))
    for layer, momentum, of_batches, within in zip(norms, momenta, means, variances, strict=True):
        layer.momentum = momentum
        mean = np.average(of_batches, axis=0, weights=sizes)
        spread = np.stack(within) + np.square(np.stack(of_batches) - mean)
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(np.average(spread, axis=0, weights=sizes))
