"""Heat on pictures: brought to their size, laid over them, and how much of it lies in the middle."""

import cv2
import numpy as np
from numpy.typing import NDArray

Heat = NDArray[np.float32]
_STRENGTH = 0.65  # of the hottest place's colour; cold places show the picture as it is


def enlarged(heat: Heat, size: int) -> Heat:
    """Brings maps (n, rows, columns) to (n, size, size) by linear interpolation, the hottest place of each at 1.

    A map without heat stays 0.
    """
    grown = [cv2.resize(one, (size, size), interpolation=cv2.INTER_LINEAR) for one in heat]
    whole = np.stack(grown).astype(np.float32) if grown else np.zeros((0, size, size), dtype=np.float32)
    hottest = whole.max(axis=(1, 2), keepdims=True, initial=0.0)
    scaled: Heat = np.divide(whole, hottest, out=np.zeros_like(whole), where=hottest > 0)
    return scaled


def overlaid(image: NDArray[np.uint8], heat: Heat) -> NDArray[np.uint8]:
    """Lays heat over a picture, in colours that get lighter with the heat for every kind of sight.

    Args:
        image: uint8 (height, width, 1 or 3).
        heat: float32 of any height and width, in [0, 1].

    Returns:
        uint8 RGB (height, width, 3).
    """
    height, width = image.shape[:2]
    fitted = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)[..., None].clip(0, 1)
    levels = np.rint(fitted * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    plain = np.broadcast_to(image, (height, width, 3))
    share = _STRENGTH * fitted
    mixed: NDArray[np.uint8] = np.rint(plain * (1 - share) + colours * share).astype(np.uint8)
    return mixed


def central_share(heat: Heat, side: float = 0.5) -> NDArray[np.float64]:
    """Says how much of the heat lies in the box in the middle; even heat has ``side * side`` of it there.

    Args:
        heat: float32 (n, height, width), >= 0.
        side: of the box, as a share of the picture's sides, in (0, 1].

    Returns:
        float64 (n,) in [0, 1]; NaN for a picture without heat.
    """
    rows, columns = (_inside(length, side) for length in heat.shape[1:])
    weights = np.outer(rows, columns)
    total = heat.sum(axis=(1, 2), dtype=np.float64)
    within = (heat * weights).sum(axis=(1, 2), dtype=np.float64)
    shares: NDArray[np.float64] = np.divide(within, total, out=np.full(len(heat), np.nan), where=total > 0)
    return shares


def _inside(length: int, side: float) -> NDArray[np.float64]:
    """Returns how much of each of ``length`` pixels lies within the middle part: 0 to 1."""
    edges = np.arange(length + 1) / length
    low, high = 0.5 - side / 2, 0.5 + side / 2
    overlap = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    parts: NDArray[np.float64] = np.clip(overlap * length, 0, 1)
    return parts
