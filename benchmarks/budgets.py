"""`best` of a competition with budgets of minutes, each in a clean clone, by the clock: is the deadline kept?

    COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.budgets digits:2 dogs10:5 animals15:30

Prints a line per budget: minutes from the start to the last page, how far that is over the budget, CPU seconds of all
processes, the load before and after, the nested score, and the steps. ``--keep FOLDER`` keeps each run's plan there.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
_NOT_PASSED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def measure(competition: str, minutes: float, keep: Path | None) -> str:
    """Runs one budget and says what came of it.

    Args:
        competition: `digits`, or a name that `init` finds in $COMPETITIONS_DIR.
        minutes: the budget.
        keep: where to copy the plan; None for nowhere.

    Returns:
        The line.
    """
    with TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "-c", "advice.detachedHead=false", "clone", "-q", str(ROOT), str(clone)], check=True)
        if competition != "digits":
            _run(clone, home, "init", competition)
        load, before, started = os.getloadavg()[0], _count_cpu(), time.perf_counter()
        code = _run(clone, home, "best", "--hours", str(minutes / 60))
        wall, cpu = time.perf_counter() - started, _count_cpu() - before
        report = clone / "reports" / "best.json"
        if not report.is_file():
            return f"{competition} {minutes:g} min: {wall / 60:.2f} min, exit code {code}, no plan was written"
        plan: dict[str, Any] = json.loads(report.read_text())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(clone / "reports" / "best.json", keep / f"{competition}_{minutes:g}.json")
        valid = (clone / "submissions" / "ensemble.csv").is_file()
    over = wall / 60 / minutes - 1
    steps = ", ".join(f"{step['model']} {step['seconds']:.0f} s {step['outcome']}" for step in plan["steps"])
    low, high = plan["interval"] or (math.nan, math.nan)
    score = math.nan if plan["score"] is None else plan["score"]
    return (
        f"{competition} {minutes:g} min: {wall / 60:.2f} min ({over:+.1%}), exit code {code}, submission "
        f"{'there' if valid else 'missing'}, {cpu:.0f} CPU s, load {load:.1f} - {os.getloadavg()[0]:.1f}, "
        f"nested {plan['metric']} {score:.4f} [{low:.4f}, {high:.4f}], finished {plan['finished']}: {steps}"
    )


def _run(clone: Path, home: Path, *words: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED} | {"HOME": str(home)}
    command = [sys.executable, "-m", "pipeline", *words]
    ran = subprocess.run(command, cwd=clone, env=environment, check=words[0] != "best", stdout=subprocess.DEVNULL)
    return ran.returncode


def _count_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints a line per budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("budgets", nargs="+", metavar="COMPETITION:MINUTES")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    for words in options.budgets:
        competition, _, minutes = words.partition(":")
        print(measure(competition, float(minutes), options.keep), flush=True)


if __name__ == "__main__":
    main()
