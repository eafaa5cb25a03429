"""Test-time augmentation: the views of an image whose logits are averaged, for OOF and test images alike.

Reference: Jordan 2024, 94% on CIFAR-10 in 3.29 seconds, section 3.5, https://arxiv.org/abs/2404.00498
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from pipeline.augmentation import Images
from pipeline.config import Section


class Views(Section):
    """Which views beside the image itself.

    Attributes:
        mirror: each view mirrored left to right as well.
        shift: pixels by which the image is moved left, right, up and down, its border repeated; 0 for none.
    """

    mirror: bool = False
    shift: int = Field(default=0, ge=0, le=256)


def seen(images: Images, views: Views) -> Iterator[Images]:
    """Yields every view of a batch: uint8 (n, size, size, channels) each, the batch itself first."""
    for moved in _moved(images, views.shift):
        yield moved
        if views.mirror:
            yield moved[:, :, ::-1]


def _moved(images: Images, shift: int) -> Iterator[Images]:
    yield images
    if shift:
        height, width = images.shape[1:3]
        padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
        for top, left in ((0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift)):
            yield padded[:, top : top + height, left : left + width]
