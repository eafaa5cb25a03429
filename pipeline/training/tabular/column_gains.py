"""Gains of the columns of a tabular model: its OOF score against that with the column permuted, paired."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.core.arrays import Values
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import measure_gain
from pipeline.core.predictions import Predictions
from pipeline.core.scores import LabelledRows
from pipeline.training.tabular.training import PERMUTED


@dataclass(frozen=True)
class ScoredOof:
    """Out-of-fold predictions with their truth.

    Attributes:
        ids: (n,) of the rows.
        oof: float32 (n, n_columns).
        rows: truth and groups.
    """

    ids: tuple[str, ...]
    oof: Values
    rows: LabelledRows


def measure_column_gains(
    folders: Sequence[Path], valid: Sequence[Predictions], scored: ScoredOof, metric: Metric
) -> dict[str, tuple[float, float, float]]:
    """Returns what each column adds and its 95 % interval, the largest first; nothing for models of images.

    Args:
        folders: of the finished folds.
        valid: what each fold predicted for its valid rows.
        scored: the same rows together.
        metric: the competition's.

    Reference: Breiman 2001, Random forests, https://doi.org/10.1023/A:1010933404324, section 10 (importance)
    """
    paths = [folder / PERMUTED for folder in folders]
    if not all(path.is_file() for path in paths):
        return {}
    place = {name: row for row, name in enumerate(scored.ids)}
    without: dict[str, Values] = {}
    for path, fold in zip(paths, valid, strict=True):
        rows = [place[name] for name in fold.ids]
        with np.load(path, allow_pickle=False) as kept:
            for name in kept.files:
                without.setdefault(name, scored.oof.copy())[rows] = kept[name]
    gains = {name: measure_gain(scored.rows, scored.oof, values, metric) for name, values in without.items()}
    ordered = sorted(gains.items(), key=lambda pair: -pair[1].value)
    return {name: (gain.value, gain.low, gain.high) for name, gain in ordered}
