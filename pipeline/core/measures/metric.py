"""A metric: how predictions are scored, in which direction, and what a submission must hold for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, near_names

Measure = Callable[[Truth, Values], float]
RowMeasure = Callable[[Truth, Values], NDArray[np.float64]]


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    Attributes:
        name: as in the competition's file; top-k carries its k.
        greater_is_better: the direction.
        score: (truth, values (n, n_columns)) -> float; the truth is class indices (n,), or (n, truth_width).
        wants: what a submission must hold for this metric: ``label``, ``probabilities`` or ``numbers``.
        rows: what each row adds to ``score``, where that is a mean over rows: makes a bootstrap cheap.
        beside: metrics that are shown beside it, which judge the same target; may be none.
        parts: of several targets the metric of each, in their order.
    """

    name: str
    greater_is_better: bool
    score: Measure
    wants: str
    rows: RowMeasure | None = None
    beside: "tuple[Metric, ...]" = ()
    parts: "tuple[Metric, ...]" = ()

    def better(self, a: float, b: float) -> bool:
        """Says whether score ``a`` beats score ``b``."""
        return a > b if self.greater_is_better else a < b


@dataclass(frozen=True)
class MetricOptions:
    """What some metrics need beside their name.

    Attributes:
        k: length of the ranked list.
        beta: how much more recall weighs than precision.
        weights: by the name of a class, label, number or target; a name without one weighs 1.
        min_tpr: the true positive rate above which an area counts.
        tpr_bands: (upper end of a band of the true positive rate, its weight), rising to 1.
    """

    k: int | None = None
    beta: float | None = None
    weights: Mapping[str, float] | None = None
    min_tpr: float | None = None
    tpr_bands: Sequence[tuple[float, float]] | None = None

    def weigh(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Weights in the order of names (n_names,).

        Raises:
            InputError: a weight of no name, below 0, or none above 0.
        """
        for name in self.weights or {}:
            if name not in names:
                raise InputError(
                    f"metric.weights names {name!r}; {near_names(name, names)}; correct the competition's file"
                )
        weights = np.array([(self.weights or {}).get(name, 1.0) for name in names])
        if (weights < 0).any() or not weights.any():
            raise InputError(f"metric.weights must be >= 0 and one above 0, got {weights.tolist()}")
        return weights


def mean_metric(name: str, greater_is_better: bool, rows: RowMeasure, wants: str) -> Metric:
    """Makes the metric that is the mean of what each row adds."""
    return Metric(name, greater_is_better, lambda truth, values: float(rows(truth, values).mean()), wants, rows)
