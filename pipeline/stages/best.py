"""The best ensemble that some hours give: tries one model after the other, keeps what the nested score says is better.

Reads: configs/models, configs/measured_recipes.csv, params.yaml. Writes: params.yaml (models), reports/best.json and
.html; runs `dvc repro`, which writes everything else. What is half done lies in .work/best and .work/train.
"""

import os
import resource
import sys
import time
from pathlib import Path

from pipeline.core.active import active_models, active_name
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.params_file import write_active
from pipeline.core.room import count_cores
from pipeline.planning.candidates import reading_candidates
from pipeline.planning.choosing import MARGIN, Option, choose_beside, choose_option, rank_options
from pipeline.planning.derived_files import remove_derived, write_derived
from pipeline.planning.outlook import Outlook, find_machines, look_ahead
from pipeline.planning.pace import Pace
from pipeline.planning.page import write_plan_page
from pipeline.planning.plan import Plan, plan_folder, read_plan, write_plan
from pipeline.planning.plan_lines import describe_end, describe_share, describe_standing, format_clock
from pipeline.planning.prior import measure_size, read_measured_recipes
from pipeline.planning.searching import SHARE, choose_search, remove_dropped, run_search
from pipeline.planning.standing import find_standing
from pipeline.planning.steps import Tick, leave_out_idle, note_beside, read_progress_of, try_model
from pipeline.training.context import read_train_params
from pipeline.training.machines.ray_cluster import require_cluster
from pipeline.workspace.running import run_stages

_OVERHEAD = 25.0  # seconds of a step beside the training, to begin with: DVC, ensembling, submission
_PAGES = 45.0  # seconds of the pages at the end, to begin with
_LEAST = 1.0  # CPU seconds: with less, nothing is said about the machine
_ENDING = 1.5  # seconds for the page of the plan
_PART = 0.25
_MOST = 3.0  # times what a step is expected to take: it is ended then, and what it trained is kept
_LINE = 15.0  # seconds between two lines where there is no terminal


def run(root: Path, hours: float, gone: float = 0.0, search: bool = False) -> None:
    """Spends a budget; called again, it goes on where it stood, or with what a larger budget adds.

    Args:
        root: the repository.
        hours: the budget in all, whole minutes and seconds included: from the start to the last page.
        gone: seconds since the start of this process, which count, too.
        search: whether a third of the budget is for settings of the models that the ensemble leans on.

    Raises:
        InputError: the budget is used up, the data cannot be prepared, or Ray is asked for and cannot be had.
    """
    name = active_name(root)
    before = read_plan(root, name)
    plan = (before or Plan(competition=name, budget=0.0)).model_copy(update={"budget": 3600 * hours, "finished": False})
    if plan.left <= 0:
        raise InputError(
            f"the budget of {name} is used up: {plan.spent / 3600:.2f} hours went into it; give more --hours in all, "
            f"or remove {plan_folder(root, name)} to begin again"
        )
    if (train := read_train_params(root)).executor == "ray":
        require_cluster(train.ray)  # or else each model would be given up for it
    execution, table = _Execution(root, plan, gone), read_measured_recipes(root)
    with reading_candidates(root, load_competition(root), active_models(root), table) as read:
        execution.begin()
        candidates = read.wait()
    outlook = look_ahead(root, name, candidates, measure_size(root), table, find_machines(train))
    execution.steps(outlook, SHARE * plan.budget if search else 0.0)
    if search:
        execution.searches()
        execution.steps(outlook, 0.0)
    execution.finish(outlook)


class _Execution:
    """The plan while it runs: every look at it first counts the seconds that are gone."""

    def __init__(self, root: Path, plan: Plan, gone: float) -> None:
        """Starts counting from ``gone`` seconds ago; the seconds of earlier runs stand in the plan."""
        self._root, self._log = root, plan_folder(root, plan.competition) / "log.txt"
        self._began, self._spent, self._printed, self._saved = time.monotonic() - gone, plan.spent, 0.0, 0.0
        self._words, self._plan, self._named = "", plan, active_models(root)

    @property
    def plan(self) -> Plan:
        """The plan as of now."""
        spent = self._spent + time.monotonic() - self._began
        return self._plan.model_copy(update={"spent": round(spent, 1)})

    def begin(self) -> None:
        """Makes data and folds, unless there is an ensemble, and sees how busy the machine is.

        Raises:
            InputError: a stage failed, or the budget was over.
        """
        self._words = "data and folds"
        if self._plan.models:
            return
        before = _count_cpu()
        ran = run_stages(self._root, ("split",), self.plan.left, self._log, self._tick)
        if ran.code != 0:
            raise InputError(
                ran.error or f"{self._words}: not done within the budget; the same command with more goes on"
            )
        cpu, most = _count_cpu() - before, 1 + os.getloadavg()[0] / count_cores()  # a download is no busy machine
        if cpu > _LEAST:
            waiting = max(1.0, min(ran.seconds / cpu, most))
            self._plan = self._plan.model_copy(update={"waiting": waiting})

    def steps(self, outlook: Outlook, held: float) -> None:
        """Takes steps as long as one fits; ``held`` seconds are for something else."""
        while True:
            estimates, seconds = outlook.estimate(self._root, self._plan), self.plan.left - _reserve(self.plan) - held
            options, present = rank_options(self.plan, estimates, _OVERHEAD), find_standing(self.plan, estimates)
            option = choose_option(options, present, seconds, not self._plan.models)
            if option is None:
                return
            others = [each.seconds for each in options if each.model != option.model]
            beside = choose_beside(options, option, present, seconds) if outlook.may_train_beside(option) else ()
            lengths = {each.model: each.length for each in options if each.model in (option.model, *beside)}
            write_derived(self._root, lengths, self._plan.competition)
            self._step(option, seconds, min(others, default=0.0), beside)
            if self._plan.models:  # else params.yaml still names the one that was tried
                remove_derived(self._root, self._plan.competition, self._plan.models)

    def searches(self) -> None:
        """Searches settings of the models that the ensemble leans on, and tries what is found as any other model."""
        while self._plan.models:
            seconds = self.plan.left - _reserve(self._plan)
            if (planned := choose_search(self._root, self._plan, seconds)) is None:
                return
            self._plan = self._plan.model_copy(update={"search": planned})
            self._save()
            self._words = f"{planned.model}: searches better settings for {format_clock(planned.seconds)}"
            print(f"{self._words}; {describe_standing(self.plan)}")
            found, self._plan = run_search(self._root, self._plan, planned, seconds, self._tick)
            if found:
                option = Option(planned.new_model, planned.step, 0.0, 0)
                self._step(option, self.plan.left - _reserve(self._plan), 0.0)
            else:
                self._note()
            outcome = self._plan.steps[-1].outcome
            if outcome == "out_of_time":
                return  # with more hours it goes on
            self._plan = self._plan.model_copy(update={"search": None})
            self._save()
            if outcome != "kept":
                remove_dropped(self._root, planned.new_model)

    def _step(self, option: Option, seconds: float, quickest: float, beside: tuple[str, ...] = ()) -> None:
        """Takes a step and prints what came of it.

        Args:
            option: the model.
            seconds: that are left for steps.
            quickest: seconds of the quickest other model, which the first step leaves, so that there is a submission.
            beside: models that are trained where the step leaves cores free.
        """
        hope = f"hopes for {describe_share(option.gain)} less error" if self._plan.models else "hopes for a first score"
        self._words = f"{option.model}: {hope if option.gain else 'tried'} in {option.seconds:.0f} s"
        ahead = f"; on cores that it leaves free: {', '.join(beside)}" if beside else ""
        print(f"{self._words}; {describe_standing(self.plan)}{ahead}")
        if self._plan.models:
            seconds = min(seconds, _MOST * option.seconds)
        elif seconds < MARGIN * option.seconds:
            print(f"the budget is short: {option.model}, the quickest, is expected to take {option.seconds:.0f} s")
            seconds = 4 * option.seconds
        else:
            seconds = max(MARGIN * option.seconds, seconds - MARGIN * quickest)
        before, tick = read_progress_of(self._root, beside), self._watch(option, seconds)
        self._plan = self._plan.model_copy(update={"begun": option.model})
        self._save()
        try:
            self._plan = try_model(self._root, self._plan, option, seconds, tick, beside)
        finally:  # also where it is broken off
            self._plan = note_beside(self._root, self._plan, before)
            self._save()
        self._note()

    def _watch(self, option: Option, seconds: float) -> Tick:
        """Returns the tick of a step: it ends a training that by its first epochs will not be done in time."""
        if not option.length or not option.table_seconds or not (self._plan.models or seconds < self.plan.left):
            return self._tick
        most = seconds - _OVERHEAD / 2 * option.seconds / option.table_seconds
        return Pace(self._root, option.model, option.length).watch(self._tick, most)

    def _note(self) -> None:
        """Notes when the last step ended, and prints what came of it."""
        step = self._plan.steps[-1].model_copy(update={"spent": self.plan.spent})
        self._plan = self._plan.model_copy(update={"steps": (*self._plan.steps[:-1], step), "begun": ""})
        score = "" if step.score is None else f", nested {self._plan.metric} {step.score:.4f}"
        print(f"{step.model}: {step.outcome.replace('_', ' ')} after {step.seconds:.0f} s{score} ({step.reason})")
        self._save()

    def finish(self, outlook: Outlook) -> None:
        """Makes what is left of `dvc repro` within the budget, and the page; the submission is there already."""
        if not self._plan.models:
            write_active(self._root, self._named)
            remove_derived(self._root, self._plan.competition, self._named)
            raise InputError(f"no model could be trained; see {self._log}")
        self._words = "models without weight, pages, submissions"
        if self.plan.left > _reserve(self._plan):
            self._plan = leave_out_idle(self._root, self._plan, self.plan.left, self._tick)
        write_active(self._root, self._plan.models)
        self._save()
        remove_derived(self._root, self._plan.competition, self._plan.models)
        ran = run_stages(self._root, (), max(self.plan.left - _ENDING, 0.0), self._log, self._tick)
        if ran.code:
            raise InputError(f"{ran.error}; the submission is written, see {self._log}")
        finished, seconds = ran.code == 0, max(ran.seconds, self._plan.pages)
        self._plan = self._plan.model_copy(update={"finished": finished, "pages": seconds})
        self._save()
        options = rank_options(self.plan, outlook.estimate(self._root, self._plan), _OVERHEAD)
        write_plan_page(self._root, self.plan, options, outlook.left_out)
        print(describe_end(self.plan, bool(options)))

    def _save(self) -> None:
        write_plan(self._root, self.plan)

    def _tick(self, gone: float) -> None:
        now = time.monotonic()
        if now - self._saved > 5.0:
            self._saved = now
            self._save()
        if sys.stderr.isatty():
            print(f"\r\x1b[K[{format_clock(self.plan.left)} left] {self._words}", end="", file=sys.stderr, flush=True)
        elif now - self._printed > _LINE:
            self._printed = now
            print(
                f"[{format_clock(self.plan.left)} left] {self._words}, {gone:.0f} s so far", file=sys.stderr, flush=True
            )


def _count_cpu() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reserve(plan: Plan) -> float:
    """Seconds that the pages at the end are expected to take; of a short budget a part at most, for they can wait."""
    return min(MARGIN * max(plan.pages, _PAGES * plan.slowness), _PART * plan.budget)
