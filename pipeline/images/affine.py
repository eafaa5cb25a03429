"""Albumentations' Affine without what only boxes and checks need: the same pixels of the same draws.

On pictures of few pixels the arithmetic around a warp costs ten times the warp: a second matrix for bounding boxes, six
factors of each, a comparison with the identity that allocates (albumentations 2.0.8).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.images.quiet_albumentations import A, extend_value

_MOST_CHANNELS = 4  # that OpenCV warps at once
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class Affine(A.Affine):  # type: ignore[misc]
    """Moves, turns, scales and shears an image, with the draws and to the bits of `albumentations.Affine`."""

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draws what one image goes through: its matrix float64 (3, 3) and the shape that comes out."""
        if self.fit_output:
            drawn: dict[str, Any] = super().get_params_dependent_on_data(params, data)
            return drawn
        shape = params["shape"][:2]
        # In the order of albumentations, which makes the same draws of the same seed.
        translate, shear = self._get_translate_params(shape), self._get_shear_params()
        scale = self._get_scale(self.scale, self.keep_ratio, self.balanced_scale, self.py_random)
        rotate = self.py_random.uniform(*self.rotate)
        return {"matrix": _multiply(shape, translate, shear, scale, rotate), "output_shape": shape}

    def apply(
        self, img: NDArray[Any], matrix: NDArray[Any], output_shape: tuple[int, int], **params: Any
    ) -> NDArray[Any]:
        """Warps an image (height, width, channels)."""
        if img.ndim != 3 or img.shape[2] > _MOST_CHANNELS or self.fit_output:
            return np.asarray(super().apply(img, matrix, output_shape, **params))
        if _is_identity(matrix):
            return img
        warped = cv2.warpAffine(
            img,
            matrix[:2],
            (output_shape[1], output_shape[0]),
            flags=self.interpolation,
            borderMode=self.border_mode,
            borderValue=extend_value(self.fill, img.shape[2]),
        )
        return warped if warped.ndim == 3 else warped[..., None]


def _multiply(
    shape: tuple[int, int],
    translate: dict[str, int],
    shear: dict[str, float],
    scale: dict[str, float],
    rotate: float,
) -> NDArray[np.float64]:
    """Returns the product of the six factors; those whose products round nothing are multiplied by hand."""
    x, y = shape[1] / 2 - 0.5, shape[0] / 2 - 0.5
    angle = np.deg2rad(rotate % 360)
    cosine, sine = np.cos(angle), np.sin(angle)
    slant, rise = np.tan(np.deg2rad(shear["x"])), np.tan(np.deg2rad(shear["y"]))
    sheared = np.array([[1.0, slant, x + translate["x"]], [rise, 1.0, y + translate["y"]], [0.0, 0.0, 1.0]])
    turned = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    scaled = np.array([[scale["x"], 0.0, 0.0], [0.0, scale["y"], 0.0], [0.0, 0.0, 1.0]])
    matrix: NDArray[np.float64] = sheared @ turned @ scaled @ np.array([[1.0, 0.0, -x], [0.0, 1.0, -y], [0, 0, 1]])
    matrix[2] = (0, 0, 1)
    return matrix


def _is_identity(matrix: NDArray[np.float64]) -> bool:
    """Says what `numpy.allclose` says about a matrix and the identity."""
    return all(abs(a - b) <= 1e-8 + 1e-5 * b for a, b in zip(matrix.ravel().tolist(), _IDENTITY, strict=True))
