"""Post-processing of a combination, by the same nested rule: a temperature, a decision rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.measures.metric import Metric
from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_standing
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.calibration import Reliability, apply_temperature, fit_temperature, measure_reliability
from pipeline.ensemble.decisions import METRICS, apply_class_factors, fit_class_factors

T = TypeVar("T")


@dataclass(frozen=True)
class PostProcessing:
    """A temperature and factors of classes.

    Attributes:
        temperature: of the combination; 1 leaves it alone.
        factors: (n_classes,) of the decision rule; None for plain argmax.
        before: reliability of the nested predictions as they were combined.
        after: the same after the temperature.
        nested: float32 (n_samples, n_classes), the nested predictions after both.
    """

    temperature: float
    factors: NDArray[np.float64] | None
    before: Reliability
    after: Reliability
    nested: Probs

    def __call__(self, probs: Probs) -> Probs:
        """Applies both to combined predictions of any rows."""
        probs = apply_temperature(probs, self.temperature)
        return probs if self.factors is None else apply_class_factors(probs, self.factors)


@dataclass(frozen=True)
class NestedPredictions:
    """Nested predictions of a combination, before any post-processing.

    Attributes:
        probs: (n_samples, n_classes) by the candidates that the other parts chose.
        own: the same by the candidate in use, to which the values for new rows are fitted; ``probs`` if absent, as
            where all parts came from one candidate.
        scaled: ``probs`` after temperatures fitted on the other parts, where they are known.
    """

    probs: Probs
    own: Probs | None = None
    scaled: Probs | None = None


def fit_post_processing(
    rows: LabelledRows,
    parts: Labels,
    nested: NestedPredictions,
    metric: Metric,
    try_temperature: bool = True,
    try_decision: bool = True,
) -> PostProcessing:
    """Fits what helps: each is used if the rows that it was not fitted on gain.

    A temperature must lower log loss without making the metric worse; a decision rule, for the metrics that argmax
    does not maximise, must gain more than one standard error of the difference.

    Args:
        rows: the n_samples scored rows.
        parts: (n_samples,) parts left out in turn.
        nested: predictions of these rows.
        metric: the competition's.
        try_temperature: whether a temperature is tried.
        try_decision: whether a decision rule is tried.
    """
    labels, probs = rows.labels, nested.probs
    chosen = probs if nested.own is None else nested.own
    before = measure_reliability(labels, probs)
    degrees, factors = 1.0, None
    if try_temperature:
        scaled = cross_fit_temperature(labels, parts, probs) if nested.scaled is None else nested.scaled
        log_loss = get_metric("log_loss")
        worse = metric.better(metric.score(labels, probs), metric.score(labels, scaled))
        if log_loss.score(labels, scaled) < log_loss.score(labels, probs) and not worse:
            degrees, probs = fit_temperature(labels, chosen), scaled
            chosen = apply_temperature(chosen, degrees)
    after = measure_reliability(labels, probs)
    if try_decision and metric.name in METRICS:
        plain = probs
        decided = _cross_fit(
            parts, plain, lambda kept: fit_class_factors(labels[kept], plain[kept], metric), apply_class_factors
        )
        # The simpler one stands first: the rule is used when argmax is out of reach of the best.
        if measure_standing(rows, [plain, decided], metric).simplest == 1:
            factors, probs = fit_class_factors(labels, chosen, metric), decided
    return PostProcessing(degrees, factors, before, after, probs)


def cross_fit_temperature(labels: Labels, parts: Labels, probs: Probs) -> Probs:
    """Divides each part of predictions by the temperature that was fitted on the other parts."""
    return _cross_fit(parts, probs, lambda kept: fit_temperature(labels[kept], probs[kept]), apply_temperature)


def _cross_fit(
    parts: Labels,
    probs: Probs,
    fit: Callable[[NDArray[np.bool_]], T],
    apply: Callable[[Probs, T], Probs],
) -> Probs:
    """Applies to each part what was fitted on the others."""
    result = np.empty_like(probs)
    for part in np.unique(parts):
        held = parts == part
        result[held] = apply(probs[held], fit(~held))
    return result
