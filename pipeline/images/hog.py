"""Histograms of oriented gradients, and with them, where asked for, the colours of an image on a coarse grid.

Reference: Dalal and Triggs 2005, Histograms of oriented gradients for human detection,
https://doi.org/10.1109/CVPR.2005.177
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from skimage.feature import hog

from pipeline.core.arrays import Images, round_levels
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.images.resizing import resize_image


class Hog(Section):
    """How gradients are counted; the defaults turn 28x28 pixels into 49 cells of 8 directions, 392 numbers.

    Attributes:
        orientations: directions per cell, over half a turn.
        pixels_per_cell: side of a square cell; pixels beyond the last whole cell are left out.
        cells_per_block: side of a square block, within which cells are normalised together.
        block_norm: how; as scikit-image calls it.
        size: side that images are resized to first; None means the stored size.
        colour_grid: 0, or the side of a grid whose cells add mean and deviation of each channel (CIELAB, or grey).
    """

    name: Literal["hog"]
    orientations: int = Field(default=8, ge=1, le=36)
    pixels_per_cell: int = Field(default=4, ge=2)
    cells_per_block: int = Field(default=1, ge=1)
    block_norm: Literal["L1", "L1-sqrt", "L2", "L2-Hys"] = "L2-Hys"
    size: int | None = Field(default=None, ge=4, le=2048)
    colour_grid: int = Field(default=0, ge=0, le=64)


def compute_hog(images: Images, section: Hog) -> NDArray[np.float32]:
    """Counts the gradients of images; of a colour image, each pixel's strongest channel counts.

    Args:
        images: uint8 (n, size, size, channels), any number of channels.
        section: how.

    Returns:
        float32 (n, n_features).

    Raises:
        InputError: the images have no whole block, or fewer pixels than the colour grid has cells.
    """
    stored = images.shape[1]
    count = count_features(section, section.size or stored, images.shape[3])
    features = np.empty((len(images), count), dtype=np.float32)
    for row, image in enumerate(images):
        features[row] = _hog_and_colours(resize_image(image, section.size or stored), section)
    return features


def count_features(section: Hog, size: int, channels: int) -> int:
    """Returns how many numbers describe an image of this size, and refuses images that are too small.

    Raises:
        InputError: as `compute_hog`.
    """
    block = section.pixels_per_cell * section.cells_per_block
    if size < block:
        raise InputError(
            f"features hog: a block is {block} pixels wide ({section.cells_per_block} cells of "
            f"{section.pixels_per_cell}), the images are {size}; lower pixels_per_cell or cells_per_block, or raise "
            "size, in the model's file"
        )
    if size < section.colour_grid:
        raise InputError(
            f"features hog: colour_grid is {section.colour_grid}, the images are {size} pixels wide; lower "
            "colour_grid or raise size in the model's file"
        )
    blocks = size // section.pixels_per_cell - section.cells_per_block + 1
    gradients = (blocks * section.cells_per_block) ** 2 * section.orientations
    return int(gradients + 2 * channels * section.colour_grid**2)


def _hog_and_colours(image: Images, section: Hog) -> NDArray[np.float32]:
    colour = image.shape[2] > 1
    gradients = hog(
        image if colour else image[..., 0],
        orientations=section.orientations,
        pixels_per_cell=(section.pixels_per_cell,) * 2,
        cells_per_block=(section.cells_per_block,) * 2,
        block_norm=section.block_norm,
        channel_axis=-1 if colour else None,
    )
    return np.concatenate([gradients, _colours(image, section.colour_grid)]).astype(np.float32)


def _colours(image: Images, grid: int) -> NDArray[np.float32]:
    if not grid:
        return np.zeros(0, dtype=np.float32)
    colours = image.shape[2] == 3
    converted = cv2.cvtColor(np.ascontiguousarray(round_levels(image)), cv2.COLOR_RGB2LAB) if colours else image
    values = converted.astype(np.float32) / 255
    # By area, so that sides which the grid does not divide are weighed and not cut.
    mean, square = (cv2.resize(part, (grid, grid), interpolation=cv2.INTER_AREA) for part in (values, values**2))
    return np.concatenate([mean.ravel(), np.sqrt(np.maximum(square - mean**2, 0)).ravel()])
