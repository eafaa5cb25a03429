"""Test-time augmentation: the views of an image that are averaged, for OOF and test images alike.

Reference: Jordan 2024, 94% on CIFAR-10 in 3.29 seconds, section 3.5, https://arxiv.org/abs/2404.00498; crops and
scales: Krizhevsky et al. 2012, section 4.1
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.arrays import Logits, Pixels, Values
from pipeline.core.config import Section
from pipeline.core.targets.contract import Target

ViewTransform = Callable[[Pixels], Pixels]
_CORNERS = {
    "top-left": (0.0, 0.0),
    "top-right": (0.0, 1.0),
    "bottom-left": (1.0, 0.0),
    "bottom-right": (1.0, 1.0),
    "centre": (0.5, 0.5),
}
_AT_ONCE = 3  # channels that OpenCV warps


class Views(Section):
    """Which views in addition to the image itself, and what becomes of them.

    Attributes:
        mirror: each view mirrored left to right as well.
        shift: pixels by which the image is moved left, right, up and down, its border repeated; 0 for none.
        crops: share of the side that the four corners and the centre keep, blown up to the whole size; 0 for none.
        size: side in pixels at which a network predicts, where that is not the one that it was trained at last; its
            weights must not depend on the size (Touvron et al. 2019, Fixing the train-test resolution discrepancy,
            https://arxiv.org/abs/1906.06423).
        scales: factors by which the image is enlarged about its centre; below 1 its border is repeated.
        average: what is averaged. A view that is sure of itself has more say among ``logits``.
        weights: ``learned`` weighs the views by their log loss on the OOF rows of the other folds; see `view_weights`.
    """

    mirror: bool = False
    shift: int = Field(default=0, ge=0, le=256)
    crops: float = Field(default=0.0, ge=0.0, lt=1.0)
    size: int | None = Field(default=None, ge=4, le=2048, exclude_if=lambda size: size is None)
    scales: tuple[Annotated[float, Field(ge=0.25, le=4.0)], ...] = ()
    average: Literal["logits", "probabilities"] = "logits"
    weights: Literal["equal", "learned"] = "equal"

    @model_validator(mode="after")
    def _settings_agree(self) -> "Views":
        if 0 < self.crops < 0.25:
            raise ValueError(
                f"crops is the share of the side that is kept: 0 for none, else 0.25 to 1, got {self.crops}"
            )
        if len(set(self.scales)) < len(self.scales) or 1.0 in self.scales:
            raise ValueError(f"scales must differ from each other and from 1, got {list(self.scales)}")
        if self.weights == "learned" and self.average != "probabilities":
            raise ValueError("weights: learned is fitted on probabilities; say average: probabilities")
        if self.weights == "learned" and len(make_view_transforms(self)) == 1:
            raise ValueError("weights: learned needs views to weigh; say mirror: true, shift, crops or scales")
        return self


def make_view_transforms(views: Views) -> dict[str, ViewTransform]:
    """Returns what makes each view of a batch, by the view's name, the batch itself first.

    Each takes (n, size, size, channels) and returns as much. The name tells all that makes the view.
    """
    transforms: dict[str, ViewTransform] = {"plain": _same}
    if views.shift:
        moves = ((-1, 0), (1, 0), (0, -1), (0, 1))
        transforms |= {
            f"moved{views.shift}-{number}": partial(_moved, down=views.shift * down, right=views.shift * right)
            for number, (down, right) in enumerate(moves, start=1)
        }
    if views.crops:
        transforms |= {
            f"crop{views.crops}-{name}": partial(_zoomed, share=views.crops, down=down, right=right)
            for name, (down, right) in _CORNERS.items()
        }
    transforms |= {f"scale{scale}": partial(_zoomed, share=1 / scale, down=0.5, right=0.5) for scale in views.scales}
    if not views.mirror:
        return transforms
    both: dict[str, ViewTransform] = {}
    for name, transform in transforms.items():
        both |= {name: transform, f"{name}-mirrored": partial(_mirrored, change=transform)}
    return both


def remove_mirror_views(views: Views) -> Views:
    """Returns the views without mirror images; where the image alone is left, there is nothing to weigh."""
    plain = views.model_copy(update={"mirror": False})
    return plain.model_copy(update={"weights": "equal"}) if len(make_view_transforms(plain)) == 1 else plain


def make_views(images: Pixels, views: Views) -> Iterator[Pixels]:
    """Yields every view of a batch: (n, size, size, channels) each, the batch itself first."""
    for change in make_view_transforms(views).values():
        yield change(images)


def average_views(logits: Logits, views: Views, target: Target) -> Logits:
    """Averages the views of some rows, all counting the same.

    Args:
        logits: (n_views, n, n_outputs).
        views: how.
        target: what is predicted.

    Returns:
        Logits (n, n_outputs); of averaged probabilities their logarithms, whose softmax they are.
    """
    if views.average == "logits":
        return np.asarray(np.mean(logits, axis=0), dtype=np.float32)
    return target.average_outputs(logits)


def average_seeds(made: Sequence[Values], views: Views, target: Target) -> Values:
    """Averages what the seeds of one fold predict of some rows, in the way in which its views are averaged.

    Args:
        made: predictions float32 (n, n_columns) of each seed.
        views: how.
        target: what is predicted, with the model's own head.

    Returns:
        Predictions float32 (n, n_columns); those of one seed as they are.
    """
    if len(made) == 1:
        return made[0]
    if views.average == "logits":
        return target.from_outputs(np.stack([target.to_outputs(each) for each in made]).mean(axis=0)).astype(np.float32)
    mean: NDArray[np.float64] = np.stack(made).mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32)


def _same(images: Pixels) -> Pixels:
    return images


def _mirrored(images: Pixels, change: ViewTransform) -> Pixels:
    return change(images)[:, :, ::-1]


def _moved(images: Pixels, down: int, right: int) -> Pixels:
    """Shows the image from so many pixels further down and right, its border repeated."""
    height, width = images.shape[1:3]
    rows, columns = (np.clip(np.arange(n) + by, 0, n - 1) for n, by in ((height, down), (width, right)))
    return images[:, rows][:, :, columns]


def _zoomed(images: Pixels, share: float, down: float, right: float) -> Pixels:
    """Blows a part of each image up to the whole size.

    Args:
        images: (n, height, width, channels).
        share: of the side that the part has; above 1 the image gets smaller and its border is repeated.
        down: where the part lies: 0 at the top, 1 at the bottom.
        right: 0 at the left, 1 at the right.
    """
    height, width = images.shape[1:3]
    # Corner to corner: the centre of the first pixel lies half a pixel from the edge, before and after.
    x, y = (0.5 * share - 0.5 + (1 - share) * n * at for n, at in ((width, right), (height, down)))
    matrix = np.array([[share, 0.0, x], [0.0, share, y]])
    made = np.empty_like(images, order="C")
    for place, image in enumerate(images):
        for start in range(0, image.shape[2], _AT_ONCE):
            part = np.ascontiguousarray(image[..., start : start + _AT_ONCE])
            zoomed = cv2.warpAffine(
                part,
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            made[place, ..., start : start + _AT_ONCE] = zoomed.reshape(part.shape)
    return made
