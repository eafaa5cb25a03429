"""`dvc repro` of the active competition from a clean clone, in this checkout and in another one, in turn.

Both run in this environment: `python -m benchmarks.repro --before ../older --pairs 5`. A second run, which has nothing
to do, is timed after each.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
# With PYTHONDONTWRITEBYTECODE each interpreter of a new clone compiles all modules again.
_NOT_PASSED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


class Spent(NamedTuple):
    """Seconds of a run: user and system of all its processes, by the clock, and by the clock when nothing is to do."""

    cpu: float
    wall: float
    again: float


def measure(repository: Path) -> Spent:
    """Clones a repository and runs everything in the clone, with an empty home."""
    with TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = _repro(clone, home)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Spent(cpu, wall, _repro(clone, home))


def _repro(clone: Path, home: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED} | {"HOME": str(home)}
    started = time.perf_counter()
    command = [sys.executable, "-m", "dvc", "repro"]
    subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Prints each pair, then medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="another checkout, with the same competition active")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    pairs = []
    for number in range(options.pairs):
        sides = (options.before, ROOT) if number % 2 == 0 else (ROOT, options.before)
        spent = {side: measure(side) for side in sides}
        pairs.append((spent[options.before], spent[ROOT]))
        print(f"pair {number + 1}: {pairs[-1][0]} -> {pairs[-1][1]}", flush=True)
    for name in Spent._fields:
        both = [(getattr(old, name), getattr(new, name)) for old, new in pairs]
        old, new = (statistics.median(side) for side in zip(*both, strict=True))
        ratios = [one / other for one, other in both]
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
        print(f"{name}: {old:.2f} -> {new:.2f} s, {statistics.median(ratios):.2f} x ({spread}, {len(pairs)} pairs)")


if __name__ == "__main__":
    main()
