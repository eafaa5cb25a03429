"""The next step of a plan: of the few models that together are hoped to leave least error in time, the best a second.

The rule is simple enough to be read off its table: a model as good as the ensemble takes a tenth of its error away, a
worse one less, a better one puts its own error, less a tenth, in the place of the ensemble's; where both read features
of one network and size, next to nothing is added. Errors are the table's until models were trained here; these then say
where the ensemble stands, and how far the table's are from theirs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from pipeline.planning.plan import Plan
from pipeline.planning.prior import UNKNOWN, Estimate, TrainingLength
from pipeline.planning.standing import PlanStanding, find_standing
from pipeline.planning.tried import find_family, find_paces, find_tried

_AHEAD = 3  # models whose seconds are weighed together
_QUICK = 0.1  # of the time: what costs less comes first where there is nothing yet
LEAST_GAIN = 0.002  # of the error: what is known and hoped to take less away is not worth a step
MARGIN = 1.15  # seconds that a step is granted, times what is expected


@dataclass(frozen=True)
class Option:
    """A model that may come next.

    Attributes:
        model: a file under configs/models.
        seconds: that it is expected to take here, ensembling included.
        gain: share of the ensemble's error that it is hoped to take away.
        known: rows of the table behind that; 0 is a guess.
        table_seconds: that it would take on a machine like that of the table.
        error: its own, relative to the best of the table.
        features: of its seconds, those of frozen backbones' features, which other models would share.
        backbones: whose features it reads, also where they are kept.
        length: how long it trains; None where its epochs cannot be fewer.
    """

    model: str
    seconds: float
    gain: float
    known: int
    table_seconds: float = 0.0
    error: float = UNKNOWN
    features: Mapping[str, float] = field(default_factory=dict)
    backbones: frozenset[str] = frozenset()
    length: TrainingLength | None = None

    @property
    def family(self) -> str:
        """What it is a training of."""
        return self.length.family if self.length else self.model

    @property
    def again(self) -> bool:
        """Whether the ensemble has the same with another seed."""
        return self.length is not None and self.length.again

    @property
    def rate(self) -> float:
        """The gain per minute."""
        return 60 * self.gain / self.seconds


def rank_options(plan: Plan, estimates: Mapping[str, Estimate | None], overhead: float) -> list[Option]:
    """Ranks the models that were not tried yet and may help, the best gain per second first.

    Args:
        plan: so far.
        estimates: of each model; None where the table knows nothing of it.
        overhead: seconds of a step beside the training.
    """
    tried = find_tried(plan, estimates)
    begun = {step.model: step.seconds for step in plan.steps if step.outcome == "out_of_time"}
    paces = find_paces(plan, estimates)
    present = find_standing(plan, estimates)
    costs = measure_features(estimates)
    kept = {each: costs.get(each, 0.0) for each in _list_kept(plan, estimates)}
    options = []
    for name, estimate in estimates.items():
        family, base, share = find_family(name, estimates)
        if share > tried.get(family, 0.0):
            error = estimate.relative_error if estimate else UNKNOWN
            training = estimate.seconds if estimate else _mean_seconds(estimates)
            backbones = estimate.backbones if estimate else frozenset()
            spared = sum(kept.get(each, 0.0) for each in backbones)
            table = max(training - spared, 0.0) + overhead
            seconds = max(paces.get(base, plan.slowness) * table, begun.get(name, 0.0))
            rows = estimate.rows if estimate else 0
            gain = present.expect_gain(error, backbones, estimate is not None and estimate.again)
            if plan.models and rows and gain < LEAST_GAIN:
                continue
            shared = {each: plan.slowness * costs.get(each, 0.0) for each in backbones - kept.keys()}
            length = estimate.length if estimate else None
            options.append(Option(name, seconds, gain, rows, table, error, shared, backbones, length))
    return sorted(options, key=lambda option: (-option.rate, option.model))


def choose_option(options: Sequence[Option], present: PlanStanding, seconds: float, first: bool) -> Option | None:
    """Chooses the few models that together fit and are hoped to leave least error; the best a second begins.

    Args:
        options: ranked.
        present: where the ensemble stands.
        seconds: that are left for steps.
        first: whether nothing was trained yet: then something is chosen whatever the time, and what is quick goes
            ahead, so that there is a score and a submission early; whole trainings before shortened ones.
    """
    fitting = [option for option in options if MARGIN * option.seconds <= seconds]
    if not fitting:
        return min(options, key=lambda option: option.seconds) if first and options else None
    quick = [option for option in fitting if option.seconds <= _QUICK * seconds]
    if first and quick:
        return next((option for option in quick if not option.length or option.length.share == 1), quick[0])
    sets = [
        some
        for count in range(1, _AHEAD + 1)
        for some in combinations(fitting, count)
        if len({option.family for option in some}) == count and MARGIN * _sum_seconds(some) <= seconds
    ]
    best = min(sets, key=lambda some: (_expect_error(present, some), _sum_seconds(some)))
    return best[0]


def choose_beside(options: Sequence[Option], chosen: Option, present: PlanStanding, seconds: float) -> tuple[str, ...]:
    """Chooses the models that come next where all goes as expected, to be trained on what a step leaves free.

    Args:
        options: ranked, the chosen one among them.
        chosen: the step.
        present: where the ensemble stands before it.
        seconds: that are left for steps.
    """
    found, left, option = list[str](), list(options), chosen
    for _ in range(_AHEAD):
        present, seconds = present.add(option.error, option.backbones, option.again), seconds - option.seconds
        left = [each for each in left if each.family != option.family]
        following = choose_option(left, present, seconds, first=False)
        if following is None:
            break
        found.append(following.model)
        option = following
    return tuple(found)


def _sum_seconds(options: Sequence[Option]) -> float:
    """Sums what options cost together: features that several read are computed once."""
    shared: dict[str, float] = {}
    for option in options:
        shared |= option.features
    return sum(option.seconds - sum(option.features.values()) for option in options) + sum(shared.values())


def _expect_error(present: PlanStanding, options: Sequence[Option]) -> float:
    for option in sorted(options, key=lambda option: option.error):
        present = present.add(option.error, option.backbones, option.again)
    return present.error


def measure_features(estimates: Mapping[str, Estimate | None]) -> dict[str, float]:
    """Returns the seconds of features on a machine like that of the table, by backbone.

    They are read from the recipes that have no other backbone.
    """
    costs: dict[str, float] = {}
    for estimate in estimates.values():
        if estimate and len(estimate.backbones) == 1:
            (backbone,) = estimate.backbones
            costs[backbone] = max(costs.get(backbone, 0.0), estimate.features)
    return costs


def _list_kept(plan: Plan, estimates: Mapping[str, Estimate | None]) -> set[str]:
    """Lists the backbones whose features earlier steps computed."""
    computed = {step.model for step in plan.steps if step.outcome in ("kept", "dropped")}
    known = [estimates.get(name) for name in computed]
    return {each for estimate in known if estimate for each in estimate.backbones}


def _mean_seconds(estimates: Mapping[str, Estimate | None]) -> float:
    known = [math.log(estimate.seconds) for estimate in estimates.values() if estimate]
    return math.exp(sum(known) / len(known)) if known else 600.0
