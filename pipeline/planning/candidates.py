"""The models that a plan may try: those of ``params.yaml`` and those of the table of measured recipes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.core.paths import models_folder
from pipeline.core.processes import end_at_once_with_parent, end_process, start_process
from pipeline.planning.derived_files import is_derived
from pipeline.planning.prior import DataSize, Estimate, MeasuredRecipe, ModelFacts, Work, estimate_recipe
from pipeline.training.context import read_train_params
from pipeline.training.step_time import MachineTimes, time_machine

Facts: TypeAlias = tuple[dict[str, ModelFacts], dict[str, str], MachineTimes]


@dataclass(frozen=True)
class ModelsToTry:
    """The models that a plan may try.

    Attributes:
        known: what has to be known of each, by model.
        left_out: models that may not be tried, with the reason.
        times: how many times longer than on the machine of the table networks take here.
    """

    known: Mapping[str, ModelFacts]
    left_out: dict[str, str]
    times: MachineTimes = field(default_factory=MachineTimes)


class ReadAhead:
    """Models' files that another process reads, which takes as long as the start of TensorFlow, and its memory."""

    def __init__(self, receiver: "Connection[None, Facts]") -> None:
        """Takes the end of the pipe that the process writes into."""
        self._receiver = receiver

    def wait(self) -> ModelsToTry:
        """Returns what was read.

        Raises:
            InputError: the process ended before.
        """
        try:
            return ModelsToTry(*self._receiver.recv())
        except EOFError as error:
            raise InputError(
                "the process that reads configs/models ended before it had, most likely for want of memory; end other "
                "programs; the same command goes on"
            ) from error


@contextmanager
def reading_candidates(
    root: Path, competition: Competition, named: Sequence[str], table: Sequence[MeasuredRecipe]
) -> Iterator[ReadAhead]:
    """Begins to read the models that a plan may try.

    Args:
        root: the repository.
        competition: the active one.
        named: models that ``params.yaml`` names: also tried where the table does not know them.
        table: of measured recipes.
    """
    files = {file.stem for file in models_folder(root).glob("*.yaml")}
    wanted = files & ({row.recipe for row in table} | set(named) | set(competition.models))
    names = sorted(name for name in wanted if not is_derived(root, name))  # they come with what they derive from
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    process = start_process(_read, (sender, root, competition, names), "models' files")
    sender.close()
    try:
        yield ReadAhead(receiver)
    finally:
        end_process(process)


def _read(sender: "Connection[Facts, None]", root: Path, competition: Competition, names: list[str]) -> None:
    end_at_once_with_parent()
    from pipeline.planning.readable import read_model_facts

    facts = read_model_facts(root, competition, names)
    sender.send((*facts, time_machine(read_train_params(root).precision)))


def estimate_candidates(
    models: ModelsToTry, size: DataSize, table: Sequence[MeasuredRecipe]
) -> dict[str, Estimate | None]:
    """Estimates what each candidate costs and scores here.

    Args:
        models: what has to be known of each.
        size: of the competition.
        table: of measured recipes.

    Returns:
        The estimates by model; None of one that the table does not know.
    """
    found: dict[str, Estimate | None] = {}
    for name, facts in models.known.items():
        estimate = estimate_recipe(name, size, table, facts.by_pixels)
        if estimate:
            start = (1.0 if facts.work == "other" else models.times.frozen) * estimate.start
            features = models.times.frozen * estimate.features
            own = max(estimate.seconds - estimate.features - estimate.start, 0.0)
            seconds = start + features + _find_factor(facts.work, models.times) * own
            estimate = replace(estimate, seconds=seconds, features=features, start=start)
        found[name] = estimate and replace(estimate, backbones=facts.backbones, length=facts.length)
    return found


def _find_factor(work: Work, times: MachineTimes) -> float:
    """Returns how many times longer than in the table work takes; starts, of networks, take as passes do.

    On two cores with AVX-512, where a step takes 0.26 and a pass 0.68, it was 0.27 for `quick_cnn`, 0.32 to 0.38 for
    whole pretrained networks, and 0.57 to 0.8 for their upper blocks.
    """
    if work == "backbone":
        return math.sqrt(times.step * times.frozen)
    return {"step": times.step, "pass": times.frozen, "other": 1.0}[work]
