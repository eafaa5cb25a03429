"""Multilayer perceptron on pixels.

Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition, section III (784-300-10).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.core.bounds import Width
from pipeline.core.config import Section
from pipeline.networks.runtime import keras, layers


class MlpPixels(Section):
    """Dense layers on the flattened image; 784-300-10 has 238,510 parameters.

    Attributes:
        units: of each dense layer.
        activation: of each dense layer.
        dropout: after each dense layer.
        l2: of every kernel.
    """

    name: Literal["mlp_pixels"]
    units: tuple[Width, ...] = (300,)
    activation: Literal["relu", "elu", "gelu"] = "relu"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    l2: float = Field(default=0.0, ge=0.0)


def build_mlp_pixels(pixels: keras.KerasTensor, section: MlpPixels) -> keras.KerasTensor:
    """Returns features (batch, units[-1]) of images in [-1, 1]."""
    features = layers.Flatten()(pixels)
    for units in section.units:
        regularizer = keras.regularizers.L2(section.l2) if section.l2 else None
        features = layers.Dense(units, activation=section.activation, kernel_regularizer=regularizer)(features)
        if section.dropout:
            features = layers.Dropout(section.dropout)(features)
    return features


NETWORKS = {"mlp_pixels": (MlpPixels, build_mlp_pixels)}
