"""Submissions under random faults: how many histories were tried, and which seeds did not hold.

    PYTHONPATH=tests python -m benchmarks.reliability --runs 500 --seed 0 --minutes 20

The stand-in for Kaggle and the made submissions are those of the tests.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from support.fabricated import LABELS
from support.submissions import make_submissions

from benchmarks.reliability.outcome import Outcome, try_seeds
from benchmarks.reliability.submitting import Interleaving


def run_interleavings(runs: int, seed: int, end: float) -> Outcome:
    """Plays ``runs`` histories, from ``seed`` on, as far as the time goes."""
    with TemporaryDirectory() as folder:
        root = make_submissions(Path(folder), LABELS)
        return try_seeds("submissions", range(seed, seed + runs), lambda each: Interleaving(root, each).play(), end)


def main() -> int:
    """Prints a table; 1 where something did not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20.0)
    arguments = parser.parse_args()
    outcome = run_interleavings(arguments.runs, arguments.seed, time.monotonic() + 60 * arguments.minutes)
    print("| what | tried | held | seeds that did not |\n|---|---|---|---|")
    print(f"| {outcome.name} | {outcome.tried} | {outcome.held} | {', '.join(map(str, outcome.failed)) or '-'} |")
    for seed, problem in outcome.failed.items():
        print(f"seed {seed}: {problem}")
    return int(bool(outcome.failed))


if __name__ == "__main__":
    sys.exit(main())
