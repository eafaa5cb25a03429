"""Resizing: square images brought to another side, in whole grey levels or in those between them."""

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images, Pixels


def resize_image(image: Images, size: int) -> Images:
    """Resizes a square image: by area when shrinking, bicubic when enlarging; levels between two stay there."""
    if image.shape[0] == size:
        return image
    if image.dtype != np.uint8:
        return cast(Images, resize_unrounded(image, size))
    return np.asarray(_scaled(image, size), dtype=np.uint8)


def resize_unrounded(image: Pixels, size: int) -> Pixels:
    """Resizes as `resize_image` does, but leaves what lies between two grey levels where it lies: float32 in [0, 255].

    Networks predict from that. How OpenCV rounds is a matter of its build and the processor, and no exported graph can
    follow it; here both agree. An image that has the size already comes back as it is.
    """
    if image.shape[0] == size:
        return image
    return np.asarray(np.clip(_scaled(image.astype(np.float32), size), 0, 255), dtype=np.float32)


def _scaled(image: NDArray[Any], size: int) -> NDArray[Any]:
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    result = cv2.resize(image, (size, size), interpolation=method)
    return result if result.ndim == 3 else result[..., None]
