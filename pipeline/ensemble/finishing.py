"""What is done to a combination at the end, by the same nested rule: a temperature, a decision rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.metrics import Metric, get_metric
from pipeline.core.paired import standing
from pipeline.ensemble.calibration import Reliability, cooled, reliability, temperature
from pipeline.ensemble.decisions import METRICS, class_factors, weighed

T = TypeVar("T")


@dataclass(frozen=True)
class Finish:
    """A temperature and factors of classes.

    Attributes:
        temperature: of the combination; 1 leaves it alone.
        factors: (n_classes,) of the decision rule; None for plain argmax.
        before: reliability of the nested predictions as they were combined.
        after: the same once cooled.
        nested: float32 (n_samples, n_classes), the nested predictions after both.
    """

    temperature: float
    factors: NDArray[np.float64] | None
    before: Reliability
    after: Reliability
    nested: Probs

    def __call__(self, probs: Probs) -> Probs:
        """Finishes combined predictions of any rows."""
        probs = cooled(probs, self.temperature)
        return probs if self.factors is None else weighed(probs, self.factors)


def finish(
    labels: Labels,
    parts: Labels,
    groups: Labels,
    probs: Probs,
    metric: Metric,
    own: Probs | None = None,
    warm: Probs | None = None,
    cool: bool = True,
    decide: bool = True,
) -> Finish:
    """Fits what helps: each is used if the rows that it was not fitted on gain.

    A temperature must lower log loss without making the metric worse; a decision rule, for the metrics that argmax
    does not maximise, must gain more than one standard error of the difference.

    Args:
        labels: (n_samples,) class indices.
        parts: (n_samples,) parts left out in turn.
        groups: (n_samples,) rows of one group belong together.
        probs: (n_samples, n_classes) nested predictions.
        metric: the competition's.
        own: nested predictions of the combiner in use, which the values for new rows are fitted to; ``probs``
            if absent, as where all parts came from one combiner.
        warm: ``probs`` after temperatures fitted on the other parts, where they are known.
        cool: whether a temperature is tried.
        decide: whether decision rules are tried.
    """
    chosen = probs if own is None else own
    before = reliability(labels, probs)
    degrees, factors = 1.0, None
    if cool:
        warm = warmed(labels, parts, probs) if warm is None else warm
        log_loss = get_metric("log_loss")
        worse = metric.better(metric.score(labels, probs), metric.score(labels, warm))
        if log_loss.score(labels, warm) < log_loss.score(labels, probs) and not worse:
            degrees, probs = temperature(labels, chosen), warm
            chosen = cooled(chosen, degrees)
    after = reliability(labels, probs)
    if decide and metric.name in METRICS:
        plain = probs
        decided = _crossed(parts, plain, lambda rows: class_factors(labels[rows], plain[rows], metric), weighed)
        # The simpler one stands first: the rule is used when argmax is out of reach of the best.
        if standing(labels, groups, [plain, decided], metric).simplest == 1:
            factors, probs = class_factors(labels, chosen, metric), decided
    return Finish(degrees, factors, before, after, probs)


def warmed(labels: Labels, parts: Labels, probs: Probs) -> Probs:
    """Divides each part of predictions by the temperature that was fitted on the other parts."""
    return _crossed(parts, probs, lambda rows: temperature(labels[rows], probs[rows]), cooled)


def _crossed(
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
