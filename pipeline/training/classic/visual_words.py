"""Bags of visual words: a vocabulary of descriptors, and images as histograms over it.

Reference: Csurka et al. 2004, Visual categorization with bags of keypoints; Sculley 2010, Web-scale k-means
clustering, https://doi.org/10.1145/1772690.1772862
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Rows
from pipeline.core.errors import InputError
from pipeline.images.sift import Sift
from pipeline.training.classic.local_features import LocalFeatures

_IMAGES = 64


def learn_vocabulary(features: LocalFeatures, rows: Rows, section: Sift, seed: int) -> NDArray[np.float32]:
    """Clusters the descriptors of some images.

    Args:
        features: of all images.
        rows: the images to learn from.
        section: how many words, from how many descriptors.
        seed: of the choice of descriptors and of the clustering.

    Returns:
        float32 (words, 128).

    Raises:
        InputError: the images have fewer descriptors than there are words.
    """
    from sklearn.cluster import MiniBatchKMeans  # takes a second or two to start

    chosen = np.concatenate([np.arange(features.starts[row], features.starts[row + 1]) for row in rows])
    if len(chosen) < section.words:
        raise InputError(
            f"features sift: the {len(rows)} training images have {len(chosen)} keypoints, too few for "
            f"{section.words} words; lower words, raise size, or set dense in the model's file"
        )
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(chosen)[: section.sample])
    means = MiniBatchKMeans(section.words, batch_size=4096, n_init=1, max_iter=30, random_state=seed % 2**32)
    centres = means.fit(_comparable(features.descriptors[sample], section)).cluster_centers_
    return np.asarray(centres, dtype=np.float32)


def count_words(
    features: LocalFeatures, rows: Rows, vocabulary: NDArray[np.float32], section: Sift
) -> NDArray[np.float32]:
    """Counts words, in each cell of each grid of the pyramid.

    Returns:
        float32 (n_rows, words * cells): square roots of the shares of a cell's keypoints (the linear kernel of which is
        Hellinger's); zeros where a cell, or an image, has no keypoints.
    """
    width = count_bins(section)
    out = np.zeros((len(rows), width), dtype=np.float32)
    for start in range(0, len(rows), _IMAGES):
        batch = rows[start : start + _IMAGES]
        descriptors, places, owners = features.of(batch)
        words = _nearest(_comparable(descriptors, section), vocabulary)
        out[start : start + len(batch)] = _counted(words, places, owners, len(batch), section)
    return out


def count_bins(section: Sift) -> int:
    """Returns the length of a histogram."""
    return section.words * sum(side**2 for side in section.pyramid)


def _comparable(descriptors: NDArray[np.uint8], section: Sift) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    if not section.root:
        return values / np.float32(512)  # SIFT's own length
    shares: NDArray[np.float32] = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    return np.sqrt(shares)


def _nearest(descriptors: NDArray[np.float32], vocabulary: NDArray[np.float32]) -> NDArray[np.int64]:
    distances = (vocabulary**2).sum(axis=1) - 2 * descriptors @ vocabulary.T
    return np.asarray(distances.argmin(axis=1), dtype=np.int64)


def _counted(
    words: NDArray[np.int64], places: NDArray[np.float32], owners: NDArray[np.int64], count: int, section: Sift
) -> NDArray[np.float32]:
    levels = []
    for side in section.pyramid:
        columns, lines = (places * side).astype(np.int64).T if len(places) else np.zeros((2, 0), dtype=np.int64)
        cells = (owners * side + lines) * side + columns
        counts = np.bincount(cells * section.words + words, minlength=count * side**2 * section.words)
        shares = counts.reshape(count, side**2, section.words).astype(np.float32)
        shares /= np.maximum(shares.sum(axis=2, keepdims=True), 1)
        levels.append(np.sqrt(shares).reshape(count, -1))
    return np.concatenate(levels, axis=1)
