"""Post-processing of a combination, by the same nested rule: a temperature, a decision rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Truth, Values
from pipeline.core.measures.metric import Metric
from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_standing
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.ensemble.calibration import Reliability, apply_temperature, fit_temperature, measure_reliability
from pipeline.ensemble.decisions import Decision, Fit, list_rules

T = TypeVar("T")


@dataclass(frozen=True)
class PostProcessing:
    """A temperature and a decision rule.

    Attributes:
        temperature: of the combination; 1 leaves it alone.
        decision: the rule; None for the plain decision.
        before: reliability of the nested predictions as they were combined.
        after: the same after the temperature.
        nested: float32 (n_samples, n_columns), the nested predictions after both.
        plain: the same before the rule.
        target: what is predicted.
    """

    temperature: float
    decision: Decision | None
    before: Reliability
    after: Reliability
    nested: Values
    plain: Values
    target: Target

    def __call__(self, values: Values) -> Values:
        """Applies both to combined predictions of any rows."""
        values = apply_temperature(values, self.temperature, self.target)
        return values if self.decision is None else self.decision(values)


@dataclass(frozen=True)
class NestedPredictions:
    """Nested predictions of a combination, before any post-processing.

    Attributes:
        values: (n_samples, n_columns) by the candidates that the other parts chose.
        target: what is predicted.
        own: the same by the candidate in use, to which the values for new rows are fitted; ``values`` if absent, as
            where all parts came from one candidate.
        scaled: ``values`` after temperatures fitted on the other parts, where they are known.
    """

    values: Values
    target: Target
    own: Values | None = None
    scaled: Values | None = None


@dataclass(frozen=True)
class Allowed:
    """What may be done at the end.

    Attributes:
        temperature: whether a temperature is tried.
        decision: whether decision rules are tried.
        new: the class that stands for "none of the others" in ranked lists, if there is one.
    """

    temperature: bool = True
    decision: bool = True
    new: str | None = None


def fit_post_processing(
    rows: LabelledRows, parts: Labels, nested: NestedPredictions, metric: Metric, allowed: Allowed | None = None
) -> PostProcessing:
    """Fits what helps: each is used if the rows that it was not fitted on gain.

    A temperature must lower the loss without making the metric worse; a decision rule, for the metrics that the plain
    decision does not maximise, must gain more than one standard error of the difference.

    Args:
        rows: the n_samples scored rows.
        parts: (n_samples,) parts left out in turn.
        nested: predictions of these rows.
        metric: the competition's.
        allowed: what is tried; everything if absent.
    """
    allowed = allowed or Allowed()
    truth, values, target = rows.labels, nested.values, nested.target
    chosen = values if nested.own is None else nested.own
    before = measure_reliability(truth, values, target)
    degrees, decision = 1.0, None
    if allowed.temperature:
        scaled = cross_fit_temperature(truth, parts, values, target) if nested.scaled is None else nested.scaled
        worse = metric.better(metric.score(truth, values), metric.score(truth, scaled))
        if measure_loss(target, truth, scaled) < measure_loss(target, truth, values) and not worse:
            degrees, values = fit_temperature(truth, chosen, target), scaled
            chosen = apply_temperature(chosen, degrees, target)
    after, plain = measure_reliability(truth, values, target), values
    rules = list(list_rules(target, metric, allowed.new)) if allowed.decision else []
    if rules:
        decided = [_cross_fit_rule(parts, truth, values, rule, target) for rule in rules]
        # The simpler stand first: a rule is used when the plain decision is out of reach of the best.
        place = measure_standing(rows, [values, *decided], metric).simplest
        if place:
            name, fit = rules[place - 1]
            decision, values = Decision(name, target, fit(truth, chosen)), decided[place - 1]
    return PostProcessing(degrees, decision, before, after, values, plain, target)


def measure_loss(target: Target, truth: Truth, values: Values) -> float:
    """Returns the mean loss: of one class per image scikit-learn's log loss."""
    if isinstance(target, OneClass):
        return get_metric("log_loss").score(target.index_labels(truth), values)
    return float(target.measure_losses(truth, values).mean())


def cross_fit_temperature(truth: Truth, parts: Labels, values: Values, target: Target) -> Values:
    """Divides each part of predictions by the temperature that was fitted on the other parts."""

    def apply(held: Values, degrees: float) -> Values:
        return apply_temperature(held, degrees, target)

    return _cross_fit(parts, values, lambda kept: fit_temperature(truth[kept], values[kept], target), apply)


def _cross_fit_rule(parts: Labels, truth: Truth, values: Values, rule: tuple[str, Fit], target: Target) -> Values:
    name, fit = rule

    def apply(held: Values, numbers: NDArray[np.float64]) -> Values:
        return Decision(name, target, numbers)(held)

    return _cross_fit(parts, values, lambda kept: fit(truth[kept], values[kept]), apply)


def _cross_fit(
    parts: Labels,
    values: Values,
    fit: Callable[[NDArray[np.bool_]], T],
    apply: Callable[[Values, T], Values],
) -> Values:
    """Applies to each part what was fitted on the others."""
    result = np.empty_like(values)
    for part in np.unique(parts):
        held = parts == part
        result[held] = apply(values[held], fit(~held))
    return result
