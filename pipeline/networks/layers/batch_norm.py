"""Batch normalisation that takes one pass over memory.

Reference: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

from typing import Any

from pipeline.networks import runtime
from pipeline.networks.deferred import keras, layers, ops


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Keras's layer, with the same weights, names and results up to rounding; faster while training on a CPU.

    Images alone, (batch, height, width, channels), normalised over the last axis. Keras 3 composes it from single
    operations and goes through float32 on the way; a GPU's compiler fuses them, a CPU's does not. What one pass gains:
    benchmarks/README.md, under Promises (`python -m benchmarks.steps deep_elu_cnn`).
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> Any:
        """Normalises by the batch's statistics, and moves the running ones, or by the running ones."""
        fused = runtime.get_fused_batch_norm() if training and self.trainable and mask is None else None
        if fused is None:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = fused(inputs, self.gamma, self.beta, self.epsilon)
        count = ops.cast(ops.size(inputs) / inputs.shape[-1], "float32")
        # What comes out is the estimate of the population's variance; Keras keeps the batch's own.
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance * (count - 1) / count)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs
