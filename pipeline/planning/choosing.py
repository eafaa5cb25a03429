"""The next step of a plan: the model that is hoped to take away most error per second, among those that fit the time.

The rule is simple enough to be read off its table: a model as good as the ensemble takes a tenth of its error away, a
worse one less, a better one puts its own error, less a tenth, in the place of the ensemble's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.planning.plan import Plan
from pipeline.planning.prior import UNKNOWN, Estimate

_MIXED = 0.1  # of the error, taken away by a second model as good as the ensemble
_DECAY = 3.0  # how fast that fades with the error of the model beside the ensemble's
_UNTRIED = 6.0  # relative error before anything is trained: about what guessing has
MARGIN = 1.25  # seconds that a step is granted, times what is expected


@dataclass(frozen=True)
class Option:
    """A model that may come next.

    Attributes:
        model: a file under configs/models.
        seconds: that it is expected to take here, ensembling included.
        gain: share of the ensemble's error that it is hoped to take away.
        known: rows of the table behind that; 0 is a guess.
    """

    model: str
    seconds: float
    gain: float
    known: int

    @property
    def rate(self) -> float:
        """The gain per minute."""
        return 60 * self.gain / self.seconds


def rank_options(plan: Plan, estimates: Mapping[str, Estimate | None], overhead: float) -> list[Option]:
    """Ranks the models that were not tried yet, the best gain per second first.

    Args:
        plan: so far.
        estimates: of each model; None where the table knows nothing of it.
        overhead: seconds of a step beside the training.
    """
    done = {step.model for step in plan.steps if step.outcome != "out_of_time"}
    begun = {step.model: step.seconds for step in plan.steps if step.outcome == "out_of_time"}
    present = expected_error([estimates.get(name) for name in plan.models])
    options = []
    for name, estimate in estimates.items():
        if name not in done:
            error = estimate.relative_error if estimate else UNKNOWN
            training = estimate.seconds if estimate else _mean_seconds(estimates)
            seconds = max(plan.slowness * (training + overhead), begun.get(name, 0.0))
            options.append(Option(name, seconds, _expect_gain(present, error), estimate.rows if estimate else 0))
    return sorted(options, key=lambda option: (-option.rate, option.model))


def choose_option(options: Sequence[Option], seconds: float, first: bool) -> Option | None:
    """Chooses the best option that fits; the very first step takes the cheapest that gains enough to begin with.

    Args:
        options: ranked.
        seconds: that are left for a step.
        first: whether nothing was trained yet: then something is chosen whatever the time.
    """
    fitting = [option for option in options if MARGIN * option.seconds <= seconds]
    if fitting:
        return fitting[0]
    return min(options, key=lambda option: option.seconds) if first and options else None


def expected_error(estimates: Sequence[Estimate | None]) -> float:
    """Returns the relative error that the rule expects of an ensemble of these models."""
    error = _UNTRIED
    for estimate in estimates:
        error *= 1 - _expect_gain(error, estimate.relative_error if estimate else UNKNOWN)
    return error


def _expect_gain(present: float, error: float) -> float:
    """Share of the present error that a model with its own takes away."""
    if error < present and present == _UNTRIED:
        return 1 - error / present
    if error < present:
        return 1 - (1 - _MIXED) * error / present
    return _MIXED * math.exp(-_DECAY * (error / present - 1))


def _mean_seconds(estimates: Mapping[str, Estimate | None]) -> float:
    known = [math.log(estimate.seconds) for estimate in estimates.values() if estimate]
    return math.exp(sum(known) / len(known)) if known else 600.0
