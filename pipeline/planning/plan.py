"""The plan of a budget: what was tried so far, what came of it, and how much time went; one JSON file."""

import math
from pathlib import Path
from typing import Literal

from pipeline.core.config import Section, parse
from pipeline.core.digests import read_noted_json, write_signed_json
from pipeline.core.files import write_json
from pipeline.core.paths import reports_folder, work_folder

Outcome = Literal["kept", "dropped", "failed", "out_of_time"]


class PlanStep(Section):
    """A model that was added for a try.

    Attributes:
        model: a file under configs/models.
        outcome: what came of it.
        reason: why, in a sentence.
        seconds: that it took, ensembling included.
        expected_seconds: beforehand; None where nothing was known.
        table_seconds: the same on a machine like that of the table.
        expected_gain: share of the ensemble's error that it was hoped to take away.
        score: nested score of the ensemble with it; None where there was none.
        gain: by how much that is better than without it, positive when it is.
        gain_error: its paired standard error.
        alone: its own out-of-fold score.
        spent: seconds of the budget that were gone at its end.
        projected: seconds that it would have taken, where its first epochs showed that they are too many.
    """

    model: str
    outcome: Outcome
    reason: str
    seconds: float
    expected_seconds: float | None = None
    table_seconds: float | None = None
    expected_gain: float = 0.0
    score: float | None = None
    gain: float | None = None
    gain_error: float | None = None
    alone: float | None = None
    spent: float = 0.0
    projected: float | None = None

    @property
    def pace(self) -> float | None:
        """How many times longer it takes than the table says, or takes at least; None where that is not known."""
        return (self.projected or self.seconds) / self.table_seconds if self.table_seconds else None


class PlannedSearch(Section):
    """A search of better settings for a model of the ensemble.

    Attributes:
        model: that is searched.
        new_model: name of the model that is made of what it finds.
        seconds: of searching, all runs of the study together.
        step: seconds that trying it is expected to take.
    """

    model: str
    new_model: str
    seconds: float
    step: float


class Plan(Section):
    """All steps on one competition.

    Attributes:
        competition: its name.
        budget: seconds in all.
        spent: seconds gone.
        pages: seconds that the pages at the end took; 0 before they were made.
        waiting: seconds by the clock of a CPU second, when data and folds were made: above 1 on a busy machine.
        steps: in their order.
        search: begun, and not yet a step; the same again goes on with it.
        begun: the model of a step that is under way.
        beside: models of which folds were trained beside the steps of others, or before a step was broken off, so that
            their own steps took less.
        models: those in the ensemble now, in the order they came.
        metric: of the scores.
        greater_is_better: whether the metric is.
        score: nested score of the present ensemble.
        interval: its 95 % interval.
        score_after_choice: the same with the choice among the tried ensembles made without the rows it is scored on.
        finished: whether everything, the report included, was made within the budget.
    """

    competition: str
    budget: float
    spent: float = 0.0
    pages: float = 0.0
    waiting: float = 1.0
    steps: tuple[PlanStep, ...] = ()
    search: PlannedSearch | None = None
    begun: str = ""
    beside: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    metric: str = ""
    greater_is_better: bool = True
    score: float | None = None
    interval: tuple[float, float] | None = None
    score_after_choice: float | None = None
    finished: bool = False

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget - self.spent

    @property
    def scored(self) -> int:
        """How many ensembles were scored."""
        return sum(step.score is not None for step in self.steps)

    @property
    def present(self) -> int:
        """The number of the step whose ensemble is the present one; -1 before there is any."""
        return max((number for number, step in enumerate(self.steps) if step.outcome == "kept"), default=-1)

    @property
    def slowness(self) -> float:
        """How many times longer steps take than the table says: a geometric mean, begun by how busy the machine is.

        Steps of models that were trained beside others count where they took longer than that all the same.
        """
        ratios, partly = [math.log(self.waiting)], list[float]()
        for step in self.steps:
            if step.pace and (step.projected or step.outcome in ("kept", "dropped")):
                counted = partly if step.model in self.beside else ratios
                counted.append(math.log(step.pace))
        least = sum(ratios) / len(ratios)
        ratios += [ratio for ratio in partly if ratio > least]
        return math.exp(sum(ratios) / len(ratios))


def plan_folder(root: Path, competition: str) -> Path:
    """Where the plan of a competition lies, with the predictions of each ensemble that was tried."""
    return work_folder(root, "best") / competition


def plan_path(root: Path) -> Path:
    """The plan as a result, beside its page."""
    return reports_folder(root) / "best.json"


def read_plan(root: Path, competition: str) -> Plan | None:
    """Reads a plan to go on with; None where there is none yet.

    What a step had trained that was broken off counts as trained before its turn.

    Raises:
        InputError: the file does not fit.
    """
    path = plan_folder(root, competition) / "plan.json"
    if not path.is_file():
        return None
    plan = parse(read_noted_json(path, "begin again"), Plan, str(path))
    beside = (*plan.beside, *([plan.begun] if plan.begun else ()))
    return plan.model_copy(update={"begun": "", "beside": tuple(dict.fromkeys(beside))})


def write_plan(root: Path, plan: Plan) -> None:
    """Writes a plan, whole or not at all."""
    write_signed_json(plan_folder(root, plan.competition) / "plan.json", plan.model_dump(mode="json"))
    write_json(plan_path(root), plan.model_dump(mode="json"))
