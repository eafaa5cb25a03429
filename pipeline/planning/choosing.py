"""The next step of a plan: the model that is hoped to take away most error per second, among those that fit the time.

The rule is simple enough to be read off its table: a model as good as the ensemble takes a tenth of its error away, a
worse one less, a better one puts its own error, less a tenth, in the place of the ensemble's. Errors are the table's
until models were trained here; these then say where the ensemble stands, and how far the table's are from theirs.
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
        table_seconds: that it would take on a machine like that of the table.
    """

    model: str
    seconds: float
    gain: float
    known: int
    table_seconds: float = 0.0

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
    present = find_present_error(plan, estimates)
    kept = measure_kept_features(plan, estimates)
    options = []
    for name, estimate in estimates.items():
        if name not in done:
            error = estimate.relative_error if estimate else UNKNOWN
            training = estimate.seconds if estimate else _mean_seconds(estimates)
            spared = sum(kept.get(each, 0.0) for each in estimate.backbones) if estimate else 0.0
            table = max(training - spared, 0.0) + overhead
            seconds = max(plan.slowness * table, begun.get(name, 0.0))
            rows = estimate.rows if estimate else 0
            options.append(Option(name, seconds, _expect_gain(present, error), rows, table))
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


def find_present_error(plan: Plan, estimates: Mapping[str, Estimate | None]) -> float:
    """Returns the error of the present ensemble on the table's scale, where its best recipe has 1.

    Models that were trained here say how errors here compare with those of the table; before that the rule guesses.
    """
    ratios = []
    for step in plan.steps:
        estimate, error = estimates.get(step.model), _read_error(plan, step.alone)
        if estimate and error:
            ratios.append(math.log(error / estimate.relative_error))
    present = _read_error(plan, plan.score)
    if present and ratios:
        return present / math.exp(sum(ratios) / len(ratios))
    return expected_error([estimates.get(name) for name in plan.models])


def _read_error(plan: Plan, score: float | None) -> float | None:
    """A score as an error above 0, or None where it is none."""
    if score is None or not math.isfinite(score):
        return None
    error = 1 - score if plan.greater_is_better else score
    return error if error > 0 else None


def measure_kept_features(plan: Plan, estimates: Mapping[str, Estimate | None]) -> dict[str, float]:
    """Returns the seconds that features which earlier steps computed will not cost again, by backbone.

    What a backbone's features cost is read from the recipes that have no other backbone.
    """
    costs: dict[str, float] = {}
    for estimate in estimates.values():
        if estimate and len(estimate.backbones) == 1:
            (backbone,) = estimate.backbones
            costs[backbone] = max(costs.get(backbone, 0.0), estimate.features)
    computed = {step.model for step in plan.steps if step.outcome in ("kept", "dropped")}
    known = [estimates.get(name) for name in computed]
    return {each: costs.get(each, 0.0) for estimate in known if estimate for each in estimate.backbones}


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
