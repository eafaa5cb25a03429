"""Convolutional networks: two plain ones and the deep ELU network that the project is built around.

Each takes images in [-1, 1] (batch, height, width, channels) and returns features (batch, width).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.core.bounds import Side, Width
from pipeline.core.config import Section
from pipeline.networks.runtime import keras, layers

Activation = Literal["elu", "relu", "gelu"]


class PlainCnn(Section):
    """Convolution, activation, max pooling, repeated; then dense layers.

    Attributes:
        filters: of each convolution.
        kernels: side of each convolution's kernel.
        units: of each dense layer.
        pool: false leaves the pooling out.
        activation: after each convolution and dense layer.
        dropout: after each dense layer.
        l2: of every kernel.
    """

    name: Literal["plain_cnn"]
    filters: tuple[Width, ...] = Field(min_length=1)
    kernels: tuple[Side, ...] = Field(min_length=1)
    units: tuple[Width, ...] = ()
    pool: bool = True
    activation: Activation = "relu"
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    l2: float = Field(default=0.0, ge=0.0)

    @model_validator(mode="after")
    def _one_kernel_each(self) -> PlainCnn:
        if len(self.filters) != len(self.kernels):
            raise ValueError(
                f"kernels needs one entry per filter count, got {len(self.kernels)} for {len(self.filters)}"
            )
        return self


class DeepEluCnn(Section):
    """Levels of residual blocks of convolutions with batch normalisation and ELU, halving the side between levels.

    Attributes:
        widths: filters of each level.
        blocks: residual blocks of each level.
        activation: of every block.
        residual: whether blocks add their input to their output.
        pool_first: pools once before the first level too; for inputs of 64 pixels and more.
        dropout: of the last level; earlier levels get proportionally less.
        head_dropout: before the classifier.
        l2: of every convolution kernel.
        norm_momentum: of the running averages of batch normalisation.

    Reference: Clevert et al. 2016, ELU, https://arxiv.org/abs/1511.07289; He et al. 2016, residual learning,
    https://arxiv.org/abs/1512.03385.
    """

    name: Literal["deep_elu_cnn"]
    widths: tuple[Width, ...] = Field(min_length=1)
    blocks: tuple[Annotated[int, Field(ge=0, le=1_000)], ...] = Field(min_length=1)
    activation: Activation = "elu"
    residual: bool = True
    pool_first: bool = False
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    head_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    l2: float = Field(default=0.0, ge=0.0)
    norm_momentum: float = Field(default=0.9, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _blocks_for_each_level(self) -> DeepEluCnn:
        if len(self.widths) != len(self.blocks):
            raise ValueError(f"blocks needs one entry per level, got {len(self.blocks)} for {len(self.widths)} widths")
        return self


def build_plain_cnn(pixels: keras.KerasTensor, section: PlainCnn) -> keras.KerasTensor:
    """Builds the plain network's features."""
    regularizer = keras.regularizers.L2(section.l2) if section.l2 else None
    x = pixels
    for filters, kernel in zip(section.filters, section.kernels, strict=True):
        x = layers.Conv2D(
            filters, kernel, padding="same", activation=section.activation, kernel_regularizer=regularizer
        )(x)
        x = layers.MaxPooling2D()(x) if section.pool and min(x.shape[1:3]) > 1 else x
    x = layers.Flatten()(x)
    for units in section.units:
        x = layers.Dense(units, activation=section.activation, kernel_regularizer=regularizer)(x)
        x = layers.Dropout(section.dropout)(x) if section.dropout else x
    return x


def build_deep_elu_cnn(pixels: keras.KerasTensor, section: DeepEluCnn) -> keras.KerasTensor:
    """Builds the deep ELU network's features."""

    def conv(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        regularizer = keras.regularizers.L2(section.l2) if section.l2 else None
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal", kernel_regularizer=regularizer
        )(x)
        from pipeline.networks.layers.batch_norm import BatchNormalization

        x = BatchNormalization(momentum=section.norm_momentum)(x)
        return layers.Activation(section.activation)(x)

    def block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        y = conv(conv(x, filters), filters)
        return layers.Add()([x, y]) if section.residual else y

    x = conv(pixels, section.widths[0])
    if section.pool_first:
        x = layers.MaxPooling2D()(x)
    for level, (width, blocks) in enumerate(zip(section.widths, section.blocks, strict=True)):
        if level:
            x = conv(x, width)
            x = layers.MaxPooling2D()(x) if min(x.shape[1:3]) > 1 else x
        for _ in range(blocks):
            x = block(x, width)
        rate = section.dropout * (level + 1) / len(section.widths)
        x = layers.SpatialDropout2D(rate)(x) if rate else x
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(section.head_dropout)(x) if section.head_dropout else x


NETWORKS = {"plain_cnn": (PlainCnn, build_plain_cnn), "deep_elu_cnn": (DeepEluCnn, build_deep_elu_cnn)}
