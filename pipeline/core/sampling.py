"""Random samples of rows: the same seed draws the same rows, sorted."""

import numpy as np
import pandas as pd

from pipeline.core.arrays import Rows


def draw_rows(count: int, most: int, seed: int) -> Rows:
    """Draws rows without replacement.

    Args:
        count: rows there are.
        most: rows wanted.
        seed: of the draw; a different one for each purpose.

    Returns:
        int64 (min(count, most),), sorted.
    """
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False)).astype(np.int64)


def draw_balanced_rows(labels: Rows, most: int, seed: int) -> Rows:
    """Draws rows with the classes in turn: one of each class, then a second of each, and so on.

    Args:
        labels: (n,) class indices.
        most: rows wanted.
        seed: of the draw; a different one for each purpose.

    Returns:
        int64 (min(n, most),), sorted.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:most]]).astype(np.int64)
