"""Further seeds: a network of the ensemble trained again with other luck, as a member of its own.

Reference: Lakshminarayanan et al. 2017, Simple and scalable predictive uncertainty estimation using deep ensembles,
https://arxiv.org/abs/1612.01474
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.planning.derived_files import is_free, name_derived
from pipeline.planning.plan import Plan
from pipeline.planning.prior import Estimate

_MOST = 4  # further seeds of a network


def estimate_reseeded(root: Path, plan: Plan, estimates: Mapping[str, Estimate | None]) -> dict[str, Estimate | None]:
    """Adds to the estimates those of further seeds of the networks that stayed, each as good as the first.

    A seed is offered once the one before it has stayed.

    Args:
        root: the repository.
        plan: so far.
        estimates: of each model.

    Returns:
        All estimates by model. A name whose file someone else wrote is left to them.
    """
    found = dict(estimates)
    for base, estimate in estimates.items():
        if estimate is None or estimate.length is None:
            continue
        before = base in plan.models
        for seed in range(1, _MOST + 1):
            length = replace(estimate.length, seed=seed)
            name = name_derived(length, plan.competition)
            stays = name in plan.models
            if (before or stays) and name not in found and is_free(root, name):
                found[name] = replace(estimate, length=length)
            before = stays
    return found
