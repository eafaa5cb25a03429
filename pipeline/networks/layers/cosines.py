"""A layer of logits by angle."""

from __future__ import annotations

from pipeline.networks.deferred import keras, layers, ops


class CosineLogits(layers.Layer):  # type: ignore[misc]
    """Scaled cosines of features with the nearest centre of each class, in float32 at any precision."""

    def __init__(self, n_classes: int, scale: float, centres: int, regularizer: keras.Regularizer | None) -> None:
        """Takes the number of classes, the scale, the centres of each class, and what the kernel pays for its size."""
        super().__init__(dtype="float32", name="logits")
        self._n_classes, self._scale, self._centres, self._regularizer = n_classes, scale, centres, regularizer

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes the centres: (width, n_classes * centres)."""
        shape = int(input_shape[-1]), self._n_classes * self._centres
        self.kernel = self.add_weight(shape, "glorot_uniform", name="kernel", regularizer=self._regularizer)

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Returns (batch, n_classes)."""
        cosines = ops.matmul(ops.normalize(features, axis=-1), ops.normalize(self.kernel, axis=0))
        if self._centres > 1:
            cosines = ops.max(ops.reshape(cosines, (-1, self._n_classes, self._centres)), axis=-1)
        return cosines * self._scale
