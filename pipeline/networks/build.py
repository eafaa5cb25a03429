"""From a network section to a Keras model: uint8 images in, float32 logits out.

A new architecture is a section, a function to features, and an entry in each of the two tables below.
"""

from collections.abc import Callable
from typing import Annotated, Any

import keras
from keras import layers
from pydantic import Field

from pipeline.networks.cnn import DeepEluCnn, PlainCnn, deep_elu_cnn, plain_cnn
from pipeline.networks.mlp import MlpPixels, mlp_pixels

Network = Annotated[MlpPixels | PlainCnn | DeepEluCnn, Field(discriminator="name")]

NETWORKS: dict[str, Callable[[keras.KerasTensor, Any], keras.KerasTensor]] = {
    "mlp_pixels": mlp_pixels,
    "plain_cnn": plain_cnn,
    "deep_elu_cnn": deep_elu_cnn,
}


def build(network: Network, size: int, channels: int, n_classes: int) -> keras.Model:
    """Builds a classifier.

    Args:
        network: the section that describes it.
        size: side of the square input in pixels.
        channels: 1 (grey) or 3 (RGB).
        n_classes: number of logits.

    Returns:
        A model from images (batch, size, size, channels) in [0, 255] to logits (batch, n_classes), float32 at any
        precision so that the loss and the softmax lose nothing.
    """
    images = keras.Input((size, size, channels), name="images")
    pixels = layers.Rescaling(1 / 127.5, offset=-1, name="pixels")(images)
    features = NETWORKS[network.name](pixels, network)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(features)
    return keras.Model(images, logits, name=network.name)
