"""Image features for the map and for adversarial validation: gradients and colours, by the pipeline's HOG."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pipeline.core.arrays import Features, Rows
from pipeline.core.sampling import draw_rows
from pipeline.images.hog import Hog, compute_hog
from pipeline.reports.data.prepared_data import PreparedData

MOST = 3_000  # images of train and of test
_HOG = Hog(name="hog", size=32, pixels_per_cell=8, colour_grid=4)


@dataclass(frozen=True)
class ImageFeatures:
    """Features of some images of one part.

    Attributes:
        rows: int64 (n,), sorted.
        features: float32 (n, width).
    """

    rows: Rows
    features: Features


def compute_image_features(data: PreparedData, part: str) -> ImageFeatures:
    """Computes features of ``train`` or ``test`` images; of a random sample where there are many."""
    rows = draw_rows(len(data.index(part)), MOST, 8)
    chunks = [compute_hog(chunk, _HOG) for chunk in data.chunks(part, rows)]
    return ImageFeatures(rows, np.concatenate(chunks) if chunks else np.zeros((0, 1), dtype=np.float32))


def describe_features(features: Features) -> str:
    """Describes the features in a sentence."""
    return f"Features: gradients and colours in 4 x 4 cells each, {features.shape[1]} numbers per image."


def compress_features(features: Features, width: int) -> Features:
    """Standardises features and keeps their first principal components; where no image differs, one column of 0."""
    features = features[:, np.ptp(features, axis=0) > 0]
    if not features.size:
        return np.zeros((len(features), 1), dtype=np.float32)
    width = min(width, *features.shape)
    scaled = StandardScaler().fit_transform(features)
    return np.asarray(PCA(width, random_state=0, svd_solver="full").fit_transform(scaled), dtype=np.float32)
