"""The models that a plan has tried: with how many of their epochs, and how long they take here."""

import math
from collections.abc import Mapping

from pipeline.planning.plan import Plan
from pipeline.planning.prior import Estimate


def find_family(model: str, estimates: Mapping[str, Estimate | None]) -> tuple[str, str, float]:
    """Returns what this is a training of, the model whose file says how, and the share of its epochs.

    Args:
        model: any.
        estimates: of each.
    """
    estimate = estimates.get(model)
    length = estimate.length if estimate else None
    return (length.family, length.base, length.share) if length else (model, model, 1.0)


def find_tried(plan: Plan, estimates: Mapping[str, Estimate | None]) -> dict[str, float]:
    """Finds which models were tried, and at most with which share of their epochs; infinite where that failed.

    What time cut off was not tried.

    Args:
        plan: so far.
        estimates: of each model.
    """
    tried: dict[str, float] = {}
    for step in plan.steps:
        if step.outcome != "out_of_time":
            family, _, share = find_family(step.model, estimates)
            tried[family] = max(tried.get(family, 0.0), math.inf if step.outcome == "failed" else share)
    return tried


def find_paces(plan: Plan, estimates: Mapping[str, Estimate | None]) -> dict[str, float]:
    """Finds how many times longer models take than the table says, where they ran.

    What was cut off takes longer yet; what another step, or an earlier try, had trained a part of says too little.

    Args:
        plan: so far.
        estimates: of each model.
    """
    paces, partly = dict[str, float](), set(plan.beside)
    for step in plan.steps:
        if step.pace and step.outcome != "failed":
            cut = step.outcome == "out_of_time" and step.projected is None
            least = plan.slowness if cut or step.model in partly else 0.0
            paces[find_family(step.model, estimates)[1]] = max(step.pace, least)
        if step.outcome == "out_of_time":
            partly.add(step.model)
    return paces
