"""The standing of an ensemble against the recipes of the table, and what another model is expected to add to it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.planning.plan import Plan
from pipeline.planning.prior import UNKNOWN, Estimate, list_networks

_MIXED = 0.1  # of the error, taken away by a second model as good as the ensemble
_DECAY = 3.0  # how fast that fades with the error of the model beside the ensemble's
_UNTRIED = 6.0  # relative error before anything is trained: about what guessing has
_SAME = 0.9  # of what is added, gone where both read the same features: nine heads on three backbones gain nothing
_AGAIN = 0.5  # of what is added, left where the ensemble has the model with another seed


@dataclass(frozen=True)
class PlanStanding:
    """Where an ensemble stands.

    Attributes:
        error: relative to the best recipe of the table.
        backbones: whose features its models read.
    """

    error: float
    backbones: frozenset[str] = frozenset()

    def add(self, error: float, backbones: frozenset[str], again: bool = False) -> "PlanStanding":
        """Returns where it is expected to stand with another model; arguments as of `expect_gain`."""
        gain = self.expect_gain(error, backbones, again)
        return PlanStanding(self.error * (1 - gain), self.backbones | backbones)

    def expect_gain(self, error: float, backbones: frozenset[str], again: bool = False) -> float:
        """Returns the share of the error that another model is expected to take away.

        Args:
            error: of the model, relative to the best recipe of the table.
            backbones: whose features it reads.
            again: whether the ensemble has the same model with another seed.
        """
        if self.error == _UNTRIED and error < self.error:
            return 1 - error / self.error
        own, there = list_networks(backbones), list_networks(self.backbones)
        common = len(own & there) / max(1, len(own))
        mixed = _MIXED * (1 - _SAME * common) * (_AGAIN if again else 1.0)
        if error < self.error and not again:
            return 1 - (1 - mixed) * error / self.error
        return mixed * math.exp(-_DECAY * max(error / self.error - 1, 0.0))


def find_standing(plan: Plan, estimates: Mapping[str, Estimate | None]) -> PlanStanding:
    """Finds where the present ensemble stands.

    Models that were trained here say how errors here compare with those of the table, the best of them most: it is
    the best that what comes next is measured against. Before that the rule guesses.
    """
    known = [estimates.get(name) for name in plan.models]
    guess = expect_standing(known)
    errors = [(estimates.get(step.model), _read_error(plan, step.alone)) for step in plan.steps]
    tried = [(error, math.log(error / estimate.relative_error)) for estimate, error in errors if estimate and error]
    present = _read_error(plan, plan.score)
    if not present or not tried:
        return guess
    best = min(error for error, _ in tried)
    weights = [math.exp(-_DECAY * (error / best - 1)) for error, _ in tried]
    ratio = sum(weight * ratio for weight, (_, ratio) in zip(weights, tried, strict=True)) / sum(weights)
    return PlanStanding(present / math.exp(ratio), guess.backbones)


def _read_error(plan: Plan, score: float | None) -> float | None:
    """A score as an error above 0, or None where it is none."""
    if score is None or not math.isfinite(score):
        return None
    error = 1 - score if plan.greater_is_better else score
    return error if error > 0 else None


def expect_standing(estimates: Sequence[Estimate | None]) -> PlanStanding:
    """Returns where the rule expects an ensemble of these models to stand."""
    present = PlanStanding(_UNTRIED)
    for each in estimates:
        known = each or Estimate(UNKNOWN, 0.0, 0)
        present = present.add(known.relative_error, known.backbones, known.again)
    return present
