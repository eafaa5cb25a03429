"""The models that a plan may try: those of ``params.yaml`` and those of the table of measured recipes."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError
from pipeline.core.paths import models_folder
from pipeline.core.processes import end_at_once_with_parent
from pipeline.planning.prior import DataSize, Estimate, MeasuredRecipe, ModelFacts, estimate_recipe


@dataclass(frozen=True)
class ModelsToTry:
    """The models that a plan may try.

    Attributes:
        known: what has to be known of each, by model.
        left_out: models that may not be tried, with the reason.
    """

    known: Mapping[str, ModelFacts]
    left_out: dict[str, str]


class ReadAhead:
    """Models' files that another process reads, which takes as long as the start of TensorFlow, and its memory."""

    def __init__(self, future: "Future[tuple[dict[str, ModelFacts], dict[str, str]]]") -> None:
        """Takes what was begun by `reading_candidates`."""
        self._future = future

    def wait(self) -> ModelsToTry:
        """Returns what was read.

        Raises:
            InputError: the process was killed.
        """
        try:
            return ModelsToTry(*self._future.result())
        except BrokenProcessPool as error:
            raise InputError(
                "the process that reads configs/models was killed, most likely for want of memory; end other "
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
    names = sorted(files & ({row.recipe for row in table} | set(named) | set(competition.models)))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_at_once_with_parent) as pool:
        yield ReadAhead(pool.submit(_read, root, competition, names))


def _read(root: Path, competition: Competition, names: list[str]) -> tuple[dict[str, ModelFacts], dict[str, str]]:
    from pipeline.planning.readable import read_model_facts

    return read_model_facts(root, competition, names)


def estimate_candidates(
    known: Mapping[str, ModelFacts], size: DataSize, table: Sequence[MeasuredRecipe]
) -> dict[str, Estimate | None]:
    """Estimates what each candidate costs and scores here.

    Args:
        known: what has to be known of each.
        size: of the competition.
        table: of measured recipes.

    Returns:
        The estimates by model; None of one that the table does not know.
    """
    found = {name: estimate_recipe(name, size, table, candidate.by_pixels) for name, candidate in known.items()}
    return {
        name: replace(estimate, backbones=known[name].backbones) if estimate and known[name].backbones else estimate
        for name, estimate in found.items()
    }
