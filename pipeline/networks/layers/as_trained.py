"""A layer that runs a backbone as it was trained, whatever the training flag says."""

from __future__ import annotations

from typing import Any

from pipeline.networks.deferred import keras, layers


@keras.saving.register_keras_serializable(package="pipeline")
class AsTrained(layers.Layer):  # type: ignore[misc]
    """Runs a backbone in inference mode while its weights train: statistics and dropout rest.

    ``backbone(x, training=False)`` does not: the training flag of the outer model replaces it.
    """

    def __init__(self, backbone: keras.Model, **settings: Any) -> None:
        """Takes the backbone."""
        super().__init__(**settings)
        self.backbone = backbone

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the feature map."""
        return self.backbone(images, training=False)
