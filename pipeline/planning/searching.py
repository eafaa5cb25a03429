"""Searches of a plan: the models that the ensemble leans on most get better settings, in what is left of the budget."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import cards, paths
from pipeline.core.errors import InputError
from pipeline.planning.plan import Plan, PlannedSearch, PlanStep, plan_folder
from pipeline.planning.steps import IDLE, Tick
from pipeline.training.recipes.model_yaml import is_found_by_search, read_model
from pipeline.workspace.running import run_verb

SHARE = 1 / 3  # of a budget, kept for searches where they are asked for
_AGAIN = 1.2  # trainings, to measure the best trial again
_LEAST, _SECONDS = 2.0, 60.0  # trainings and seconds: in less, ten trials of one fold find nothing


@dataclass(frozen=True)
class _Costs:
    """Seconds of a model: of training all folds, and of its step of a plan, ensembling included."""

    training: float
    step: float

    @property
    def least(self) -> float:
        """The shortest search."""
        return max(_LEAST * self.training, _SECONDS)

    @property
    def after(self) -> float:
        """What follows a search."""
        return _AGAIN * self.training + self.step


def choose_search(root: Path, plan: Plan, seconds: float) -> PlannedSearch | None:
    """Chooses the model of the ensemble with the largest weight that can be searched and was not yet.

    The seconds are shared equally by those that are left, as far as each has enough for a few trials. A search that was
    broken off comes first, and for as long as it was planned.

    Args:
        root: the repository.
        plan: so far.
        seconds: that are left for searches and what follows from them.
    """
    if plan.search is not None:
        return plan.search if seconds > 0 else None
    costs = {name: _read_costs(root, plan, name) for name in _list_able(root, plan)}
    fitting = [name for name, cost in costs.items() if seconds >= cost.least + cost.after]
    if not fitting:
        return None
    model = fitting[0]
    searching = max(seconds / len(fitting) - costs[model].after, costs[model].least)
    return PlannedSearch(
        model=model,
        new_model=paths.found_model(model, plan.competition),
        seconds=_searched_before(root, plan, model) + searching,
        step=costs[model].step,
    )


def _list_able(root: Path, plan: Plan) -> list[str]:
    """Lists the models with a weight and a search space that were not searched, the largest weight first."""
    tried = {step.model for step in plan.steps if step.outcome != "out_of_time"}
    weights = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard).weights
    able = []
    for name in sorted(plan.models, key=lambda name: -weights.get(name, 1.0)):
        found = paths.found_model(name, plan.competition)
        path = paths.model_path(root, found)
        if found in tried or weights.get(name, 1.0) < IDLE or not read_model(root, name)[1]:
            continue
        if path.is_file() and not is_found_by_search(path):
            print(f"{name} is not searched: {path.relative_to(root)} is a file of yours; rename it")
            continue
        able.append(name)
    return able


def _read_costs(root: Path, plan: Plan, model: str) -> "_Costs":
    """Reads what a model costs here: a step takes less than its training where DVC had that."""
    step = max((step.seconds for step in plan.steps if step.model == model), default=0.0)
    path = paths.card_path(root, model)
    card = cards.read_card(path, cards.ModelCard) if path.is_file() else None
    training = step if card is None else card.train_seconds + card.feature_seconds
    return _Costs(training, max(step, training))


def _searched_before(root: Path, plan: Plan, model: str) -> float:
    """Seconds that a study was searched by hand: the hours of a search are of all its runs."""
    path = _card_path(root, model)
    if not path.is_file():
        return 0.0
    card = cards.read_card(path, cards.TuningCard)
    return card.searched_seconds if card.competition == plan.competition else 0.0


def _card_path(root: Path, model: str) -> Path:
    return paths.reports_folder(root) / "search" / f"{model}.json"


def run_search(root: Path, plan: Plan, planned: PlannedSearch, seconds: float, tick: Tick) -> tuple[bool, Plan]:
    """Runs a search.

    Args:
        root: the repository.
        plan: so far.
        planned: the search.
        seconds: after which it is ended; its trials are kept.
        tick: called while it runs.

    Returns:
        Whether better settings were found, as the file of a new model, and the plan: with a step where they were not.

    Raises:
        InputError: the disk is full, or the card that the search wrote cannot be read.
    """
    log = plan_folder(root, plan.competition) / "log.txt"
    words = ("search", planned.model, "--hours", f"{planned.seconds / 3600:.5f}")
    ran = run_verb(root, words, seconds, log, tick)
    if os.strerror(errno.ENOSPC) in ran.error:
        raise InputError(f"{ran.error}; free some space, then the same command goes on")
    if ran.code == 0:
        card = cards.read_card(_card_path(root, planned.model), cards.TuningCard)
        if card.adopted:
            return True, plan
        reason = f"a search of {card.complete + card.pruned} trials found nothing better when measured again"
        outcome = "dropped"
    elif ran.code is None:
        reason, outcome = f"the search was not done within {seconds:.0f} s; its trials are kept", "out_of_time"
    else:
        reason, outcome = f"the search ended: {ran.error}", "failed"
    step = PlanStep.model_validate(
        {"model": planned.new_model, "outcome": outcome, "reason": reason, "seconds": round(ran.seconds, 1)}
    )
    kept = planned if outcome == "out_of_time" else None
    return False, plan.model_copy(update={"steps": (*plan.steps, step), "search": kept})


def remove_dropped(root: Path, model: str) -> None:
    """Removes the file of a model that a search made and that did not help; `search` makes it again at once."""
    path = paths.model_path(root, model)
    if is_found_by_search(path):
        path.unlink()
        print(f"{path.relative_to(root)} is removed")
