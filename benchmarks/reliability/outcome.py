"""The outcome of one kind of damage: tried, held, and the seeds that did not hold."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """A line of the table.

    Attributes:
        name: the kind.
        tried: how many.
        failed: by seed: the problem.
        skipped: the reason, where nothing could be tried.
        remarks: of what held, but is worth a word.
    """

    name: str
    tried: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    skipped: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def held(self) -> int:
        """The number of those that held."""
        return self.tried - len(self.failed)


def try_seeds(name: str, seeds: Iterator[int] | range, check: Callable[[int], str | None], end: float) -> Outcome:
    """Runs a check seed by seed, until all are through or the time is over.

    Args:
        name: of the line.
        seeds: of the trials.
        check: returns the problem, or None where it held; an exception ends the run.
        end: the moment to stop, by `time.monotonic`.
    """
    outcome = Outcome(name)
    for seed in seeds:
        if time.monotonic() > end:
            break
        problem = check(seed)
        outcome.tried += 1
        if problem:
            outcome.failed[seed] = problem
    return outcome
