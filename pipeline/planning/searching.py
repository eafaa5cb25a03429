"""Searches of a plan: the models that the ensemble leans on most get better settings, in what is left of the budget."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core import cards, paths
from pipeline.planning.plan import Plan, PlanStep, plan_folder
from pipeline.planning.steps import Tick
from pipeline.training.recipes.model_yaml import read_model
from pipeline.workspace.running import run_verb

SHARE = 1 / 3  # of a budget, kept for searches where they are asked for
_AFTER = 2.2  # trainings after a search: the best trial measured again, then trained as a model
_LEAST = 2.0  # trainings: in less, ten trials of one fold find nothing


@dataclass(frozen=True)
class PlannedSearch:
    """A search that fits.

    Attributes:
        model: that is searched.
        new_model: name of the model that is made of what it finds.
        seconds: of searching.
        training: seconds that all folds of the model took here.
    """

    model: str
    new_model: str
    seconds: float
    training: float


def choose_search(root: Path, plan: Plan, seconds: float) -> PlannedSearch | None:
    """Chooses the model of the ensemble with the largest weight that can be searched and was not yet.

    The seconds are shared equally by those that are left, as far as each has enough for a few trials.

    Args:
        root: the repository.
        plan: so far.
        seconds: that are left for searches and what follows from them.
    """
    tried = {step.model for step in plan.steps if step.outcome != "out_of_time"}
    took = {step.model: step.seconds for step in plan.steps if step.outcome == "kept"}
    weights = cards.read_card(paths.card_path(root, paths.ENSEMBLE), cards.EnsembleCard).weights
    able = [
        name
        for name in sorted(plan.models, key=lambda name: -weights.get(name, 0.0))
        if name in took and paths.found_model(name) not in tried and read_model(root, name)[1]
    ]
    fitting = [name for name in able if seconds >= (_AFTER + _LEAST) * took[name]]
    if not fitting:
        return None
    model = fitting[0]
    searching = max(seconds / len(fitting) - _AFTER * took[model], _LEAST * took[model])
    return PlannedSearch(model, paths.found_model(model), searching, took[model])


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
        InputError: the card that the search wrote cannot be read.
    """
    log = plan_folder(root, plan.competition) / "log.txt"
    words = ("search", planned.model, "--hours", f"{planned.seconds / 3600:.5f}")
    ran = run_verb(root, words, seconds, log, tick)
    if ran.code == 0:
        card = cards.read_card(paths.reports_folder(root) / "search" / f"{planned.model}.json", cards.TuningCard)
        if card.adopted:
            return True, plan
        reason = f"a search of {card.complete + card.pruned} trials found nothing better on other rows"
        outcome = "dropped"
    elif ran.code is None:
        reason, outcome = f"the search was not done within {seconds:.0f} s; its trials are kept", "out_of_time"
    else:
        reason, outcome = f"the search ended: {ran.error}", "failed"
    step = PlanStep.model_validate(
        {"model": planned.new_model, "outcome": outcome, "reason": reason, "seconds": round(ran.seconds, 1)}
    )
    return False, plan.model_copy(update={"steps": (*plan.steps, step)})
