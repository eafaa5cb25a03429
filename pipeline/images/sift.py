"""SIFT descriptors of an image: at the keypoints that OpenCV finds, or on a dense grid.

They depend on the image alone, so all folds share them; words and classifier are learnt per fold.

Reference: Lowe 2004, Distinctive image features from scale-invariant keypoints,
https://doi.org/10.1023/B:VISI.0000029664.99615.94; Bosch et al. 2007, Image classification using random forests and
ferns, https://doi.org/10.1109/ICCV.2007.4409066 (dense grids at several scales)
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.arrays import Images, round_levels
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.images.channels import make_grey
from pipeline.images.resizing import resize_image

WIDTH = 128
_SPAN = 6.0  # OpenCV's descriptor covers four cells of 1.5 keypoint sizes each


class Sift(Section):
    """Descriptors, and how they become a histogram of visual words.

    Attributes:
        size: side that images are resized to first; tiny pictures have to be enlarged, None keeps the stored size.
        dense: pixels between the points of a grid; 0 takes the keypoints that SIFT finds.
        patches: sides of the upright patches described at each grid point, in pixels after resizing.
        most: keypoints kept per image, the strongest ones, where SIFT finds them; memory and disk are bounded by
            136 bytes times images times this (or times the points of the grid).
        root: square root of each descriptor's shares (Arandjelovic and Zisserman 2012,
            https://doi.org/10.1109/CVPR.2012.6248018).
        words: size of the vocabulary.
        sample: descriptors that the vocabulary is learnt from, at most.
        pyramid: sides of the grids whose every cell has a histogram of its own; 1 is the whole image (Lazebnik et al.
            2006, https://doi.org/10.1109/CVPR.2006.68).
    """

    name: Literal["sift"]
    size: int | None = Field(default=96, ge=16, le=2048)
    dense: int = Field(default=0, ge=0)
    patches: tuple[int, ...] = Field(default=(), max_length=8)
    most: int = Field(default=256, ge=1, le=10_000)
    root: bool = True
    words: int = Field(default=300, ge=2, le=100_000)
    sample: int = Field(default=60_000, ge=2)
    pyramid: tuple[int, ...] = Field(default=(1,), min_length=1, max_length=4)

    @model_validator(mode="after")
    def _settings_agree(self) -> "Sift":
        if bool(self.dense) != bool(self.patches):
            raise ValueError("dense and patches go together: dense says where, patches says how large")
        # The default may stand there: a card holds it as well.
        if self.dense and self.most != type(self).model_fields["most"].default:
            raise ValueError("most is for the keypoints that SIFT finds; a dense grid keeps all of its points")
        if min(self.patches, default=8) < 8 or min(self.pyramid) < 1:
            raise ValueError("patches must be 8 or more pixels, pyramid 1 or more cells")
        if self.sample < self.words:
            raise ValueError(f"sample ({self.sample}) must not be less than words ({self.words})")
        return self

    def extraction_settings(self) -> dict[str, object]:
        """Returns the settings that the descriptors depend on; the others concern each fold alone."""
        return self.model_dump(mode="json", include={"name", "size", "dense", "patches", "most"})


class SiftExtractor:
    """Extracts descriptors of one image after another; each thread needs its own."""

    def __init__(self, section: Sift, stored: int) -> None:
        """Lays out the grid, if there is one.

        Args:
            section: what to extract.
            stored: side of the images as they are stored, in pixels.

        Raises:
            InputError: the images are smaller than the grid's step.
        """
        self._size = section.size or stored
        if section.dense > self._size:
            raise InputError(
                f"features sift: dense is {section.dense}, the images are {self._size} pixels wide; lower dense or "
                "raise size in the model's file"
            )
        self._sift = cv2.SIFT.create(nfeatures=0 if section.dense else section.most)
        self._most = section.most
        self._grid = _grid(self._size, section.dense, section.patches) if section.dense else ()

    def extract(self, image: Images) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Extracts the descriptors of one image (stored, stored, channels), in whole grey levels.

        Returns:
            Descriptors uint8 (k, 128) and where they lie, float32 (k, 2): x and y, each in [0, 1). An image without
            keypoints has none.
        """
        image = round_levels(resize_image(image, self._size))
        grey = make_grey(image)
        if self._grid:
            points, descriptors = self._sift.compute(grey, self._grid)
        else:
            points, descriptors = self._sift.detectAndCompute(grey, None)
        if not points:
            return np.zeros((0, WIDTH), dtype=np.uint8), np.zeros((0, 2), dtype=np.float32)
        places = np.array([point.pt for point in points], dtype=np.float32) / self._size
        if not self._grid:  # OpenCV keeps more than it was asked for where several are as strong as the weakest
            strongest = np.argsort([-point.response for point in points], kind="stable")[: self._most]
            places, descriptors = places[strongest], descriptors[strongest]
        return np.rint(descriptors).astype(np.uint8), np.clip(places, 0, np.nextafter(np.float32(1), np.float32(0)))


def _grid(size: int, step: int, patches: tuple[int, ...]) -> tuple[cv2.KeyPoint, ...]:
    """Lays points out symmetrically, so that a mirrored image has the mirrored points."""
    count = (size - 1) // step + 1
    first = (size - 1 - (count - 1) * step) / 2
    along = [first + step * number for number in range(count)]
    return tuple(cv2.KeyPoint(x, y, patch / _SPAN, 0.0) for patch in patches for y in along for x in along)
