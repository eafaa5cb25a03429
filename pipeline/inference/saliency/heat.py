"""Heat maps on images: resized, overlaid, and their share in the centre."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import make_displayed

Heat = NDArray[np.float32]
_STRENGTH = 0.65  # of the colour at the maximum; places without heat show the image as it is


def enlarge_heat(heat: Heat, size: int) -> Heat:
    """Resizes maps (n, rows, columns) to (n, size, size) by linear interpolation, the maximum of each at 1.

    A map without heat stays 0.
    """
    grown = [cv2.resize(one, (size, size), interpolation=cv2.INTER_LINEAR) for one in heat]
    whole = np.stack(grown).astype(np.float32) if grown else np.zeros((0, size, size), dtype=np.float32)
    hottest = whole.max(axis=(1, 2), keepdims=True, initial=0.0)
    scaled: Heat = np.divide(whole, hottest, out=np.zeros_like(whole), where=hottest > 0)
    return scaled


def overlay_heat(image: NDArray[np.uint8], heat: Heat) -> NDArray[np.uint8]:
    """Overlays heat on an image, in colours that get lighter with the heat, also for the colour-blind.

    Args:
        image: uint8 (height, width, channels); of more than three the first three show.
        heat: float32 of any height and width, in [0, 1].

    Returns:
        uint8 RGB (height, width, 3).
    """
    height, width = image.shape[:2]
    fitted = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)[..., None].clip(0, 1)
    levels = np.rint(fitted * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    plain = np.broadcast_to(make_displayed(image), (height, width, 3))
    share = _STRENGTH * fitted
    mixed: NDArray[np.uint8] = np.rint(plain * (1 - share) + colours * share).astype(np.uint8)
    return mixed


def measure_central_share(heat: Heat, side: float = 0.5) -> NDArray[np.float64]:
    """Measures the share of the heat in a central box; even heat has ``side * side`` of it there.

    Args:
        heat: float32 (n, height, width), >= 0.
        side: of the box, as a share of the image's sides, in (0, 1].

    Returns:
        float64 (n,) in [0, 1]; NaN for an image without heat.
    """
    rows, columns = (_central_part(length, side) for length in heat.shape[1:])
    weights = np.outer(rows, columns)
    total = heat.sum(axis=(1, 2), dtype=np.float64)
    within = (heat * weights).sum(axis=(1, 2), dtype=np.float64)
    shares: NDArray[np.float64] = np.divide(within, total, out=np.full(len(heat), np.nan), where=total > 0)
    return shares


def _central_part(length: int, side: float) -> NDArray[np.float64]:
    """Returns the share of each of ``length`` pixels that lies within the central part: 0 to 1."""
    edges = np.arange(length + 1) / length
    low, high = 0.5 - side / 2, 0.5 + side / 2
    overlap = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    parts: NDArray[np.float64] = np.clip(overlap * length, 0, 1)
    return parts
