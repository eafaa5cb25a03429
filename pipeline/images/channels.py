"""Channels that are no colours: each changed by itself, or all of them brought to one grey image."""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.core.arrays import Images


def map_channels(image: Images, change: Callable[[Images], Images]) -> Images:
    """Changes each channel of an image by itself.

    Args:
        image: uint8 (height, width, channels).
        change: from one channel, contiguous (height, width, 1), to one of the same size, with or without its last axis.
    """
    made = np.empty_like(image, order="C")
    for number in range(image.shape[2]):
        part = np.ascontiguousarray(image[..., number : number + 1])
        made[..., number] = change(part).reshape(image.shape[:2])
    return made


def make_grey(image: Images) -> Images:
    """Brings an image to one channel, (height, width): luminance of colours, the mean of other channels."""
    channels = image.shape[2]
    if channels == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return image[..., 0] if channels == 1 else np.rint(image.mean(axis=2)).astype(np.uint8)
