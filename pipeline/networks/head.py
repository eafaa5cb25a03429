"""The head on a backbone's features: dense layers, dropout, logits."""

from typing import Literal

from pydantic import Field, PositiveInt

from pipeline.core.config import Section
from pipeline.networks.runtime import keras, layers


class Head(Section):
    """Dense layers before the classifier.

    Attributes:
        units: of each dense layer; none for a linear classifier on the features.
        dropout: before each dense layer and before the classifier.
        l2: of every kernel of the head.
    """

    units: tuple[PositiveInt, ...] = ()
    activation: Literal["relu", "elu", "gelu"] = "relu"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    l2: float = Field(default=0.0, ge=0.0)


def build_head(section: Head, width: int, n_classes: int) -> keras.Model:
    """Builds a model from features (batch, width) to logits (batch, n_classes), float32 at any precision."""
    regularizer = keras.regularizers.L2(section.l2) if section.l2 else None
    features = x = keras.Input((width,), name="features")
    for units in section.units:
        x = layers.Dropout(section.dropout)(x) if section.dropout else x
        x = layers.Dense(units, activation=section.activation, kernel_regularizer=regularizer)(x)
    x = layers.Dropout(section.dropout)(x) if section.dropout else x
    logits = layers.Dense(n_classes, dtype="float32", name="logits", kernel_regularizer=regularizer)(x)
    return keras.Model(features, logits, name="head")
