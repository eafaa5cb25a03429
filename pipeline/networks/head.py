"""The head on a backbone's features: dense layers, dropout, logits; linear ones, or cosines with centres of classes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.core.bounds import Width
from pipeline.core.config import Section
from pipeline.networks.runtime import keras, layers


class CosineHead(Section):
    """Logits that are cosines between features and a class's centre, times a scale; no bias.

    Attributes:
        scale: what cosines are multiplied by.
        centres: of each class; the nearest one counts.

    Reference: Deng et al. 2019, ArcFace, https://arxiv.org/abs/1801.07698; Deng et al. 2020, Sub-center ArcFace,
    https://doi.org/10.1007/978-3-030-58621-8_43
    """

    scale: float = Field(default=30.0, gt=0.0, le=1000.0)
    centres: int = Field(default=1, ge=1, le=16)


class Head(Section):
    """Dense layers before the classifier.

    Attributes:
        units: of each dense layer; none for a linear classifier on the features.
        activation: of the dense layers.
        dropout: before each dense layer and before the classifier.
        l2: of every kernel of the head.
        cosine: logits by angle instead of linear ones; `training.loss: {name: arcface}` adds the margin.
    """

    units: tuple[Width, ...] = ()
    activation: Literal["relu", "elu", "gelu"] = "relu"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    l2: float = Field(default=0.0, ge=0.0)
    cosine: CosineHead | None = None


def build_head(section: Head, width: int, n_classes: int) -> keras.Model:
    """Builds a model from features (batch, width) to logits (batch, n_classes), float32 at any precision."""
    regularizer = keras.regularizers.L2(section.l2) if section.l2 else None
    features = x = keras.Input((width,), name="features")
    for units in section.units:
        x = layers.Dropout(section.dropout)(x) if section.dropout else x
        x = layers.Dense(units, activation=section.activation, kernel_regularizer=regularizer)(x)
    x = layers.Dropout(section.dropout)(x) if section.dropout else x
    if section.cosine is not None:
        from pipeline.networks.layers.cosines import CosineLogits

        logits = CosineLogits(n_classes, section.cosine.scale, section.cosine.centres, regularizer)(x)
    else:
        logits = layers.Dense(n_classes, dtype="float32", name="logits", kernel_regularizer=regularizer)(x)
    return keras.Model(features, logits, name="head")


def find_cosine_head(network: Section) -> CosineHead | None:
    """Returns the settings of a network's cosine logits; None where its logits are linear."""
    head = getattr(network, "head", None)
    return head.cosine if isinstance(head, Head) else None
