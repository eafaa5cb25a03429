"""Paired timings: two ways to do the same, run in turns, so that disturbances of the machine affect both."""

import statistics
from collections.abc import Callable

Pairs = list[tuple[float, float]]


def in_turns(one: Callable[[], float], other: Callable[[], float], count: int, names: tuple[str, str]) -> Pairs:
    """Runs both once for nothing, as the first run compiles, then ``count`` times, first one then the other ahead.

    Args:
        one: runs and returns its seconds.
        other: likewise.
        count: of pairs.
        names: of both, for a line about each pair.

    Returns:
        The seconds of each pair.
    """
    one(), other()
    pairs: Pairs = []
    for number in range(count):
        seconds = {run: run() for run in ((one, other) if number % 2 == 0 else (other, one))}
        pairs.append((seconds[one], seconds[other]))
        spent = ", ".join(f"{name} {value:.2f} s" for name, value in zip(names, pairs[-1], strict=True))
        print(f"pair {number + 1}: {spent}", flush=True)
    return pairs


def ratios(pairs: Pairs, name: str) -> dict[str, float | list[float]]:
    """Returns median and range of the first's seconds over the second's, under ``name``."""
    sorted_ratios = sorted(first / second for first, second in pairs)
    return {
        f"{name}_median": round(statistics.median(sorted_ratios), 3),
        f"{name}_range": [round(sorted_ratios[0], 3), round(sorted_ratios[-1], 3)],
    }
