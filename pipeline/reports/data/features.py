"""Cheap features for the map and for adversarial validation: the gradients and colours of the pipeline's HOG."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pipeline.core.arrays import Features, Rows
from pipeline.images.hog import Hog, compute_hog
from pipeline.reports.data.material import Seen, sample

MOST = 3_000  # images of train and of test
_HOG = Hog(name="hog", size=32, pixels_per_cell=8, colour_grid=4)


@dataclass(frozen=True)
class Described:
    """Features of some images of one part.

    Attributes:
        rows: int64 (n,), sorted.
        features: float32 (n, width).
    """

    rows: Rows
    features: Features


def describe(seen: Seen, part: str) -> Described:
    """Describes images of ``train`` or ``test``, drawn by chance where there are many."""
    rows = sample(len(seen.index(part)), MOST, 8)
    found = [compute_hog(chunk, _HOG) for chunk in seen.chunks(part, rows)]
    return Described(rows, np.concatenate(found) if found else np.zeros((0, 1), dtype=np.float32))


def told(features: Features) -> str:
    """Says what the features are."""
    return f"Features: gradients in 4 x 4 cells and colours in as many, {features.shape[1]} numbers an image."


def compressed(features: Features, width: int) -> Features:
    """Standardises features and keeps their first principal components; where no image differs, one column of 0."""
    features = features[:, np.ptp(features, axis=0) > 0]
    if not features.size:
        return np.zeros((len(features), 1), dtype=np.float32)
    width = min(width, *features.shape)
    scaled = StandardScaler().fit_transform(features)
    return np.asarray(PCA(width, random_state=0, svd_solver="full").fit_transform(scaled), dtype=np.float32)
