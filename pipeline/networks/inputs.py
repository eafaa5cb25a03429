"""From uint8 images to what a network computes on: normalisation, and grey images for networks that want colour."""

from __future__ import annotations

from typing import Literal

from pipeline.networks.runtime import keras, layers

Normalise = Literal["auto", "symmetric", "unit", "dataset", "image"]


def normalise_pixels(images: keras.KerasTensor, kind: Normalise) -> keras.KerasTensor:
    """Normalises images in [0, 255]: ``symmetric`` and ``auto`` to [-1, 1], ``unit`` to [0, 1], or by statistics.

    All in float32: resized images have levels between the whole ones, which bfloat16 would round away.
    """
    if kind == "unit":
        return layers.Rescaling(1 / 255, dtype="float32", name="pixels")(images)
    if kind == "dataset":
        from pipeline.networks.layers.pixels import DatasetNorm

        return DatasetNorm(dtype="float32", name="pixels")(layers.Rescaling(1.0, dtype="float32")(images))
    if kind == "image":
        from pipeline.networks.layers.pixels import ImageNorm

        return ImageNorm(dtype="float32", name="pixels")(layers.Rescaling(1.0, dtype="float32")(images))
    return layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="pixels")(images)


def make_rgb(images: keras.KerasTensor) -> keras.KerasTensor:
    """Repeats the channel of grey images and mixes more channels into three, as backbones want RGB."""
    if images.shape[-1] == 3:
        return images
    if images.shape[-1] == 1:
        return layers.Concatenate(dtype="float32", name="rgb")([images] * 3)
    from pipeline.networks.layers.pixels import ChannelMix

    return ChannelMix(dtype="float32", name="channel_mix")(images)
