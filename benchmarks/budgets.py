"""`best` of a competition with budgets of minutes, each in a clean clone, by the clock: is the deadline kept?

    COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.budgets digits:2 dogs10:5 animals15:30

Prints a line per budget: minutes from the start to the last page, how far that is over the budget, CPU seconds of all
processes, the load before and after, the nested score, and the steps. ``--keep FOLDER`` keeps each run's plan there.
"""

import argparse
import json
import math
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.clean_clone import make_clone


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
        clone = make_clone(Path(folder))
        if competition != "digits":
            clone.run("init", competition)
        spent = clone.run("best", "--hours", str(minutes / 60), check=False)
        report = clone.root / "reports" / "best.json"
        if not report.is_file():
            taken = f"{spent.wall / 60:.2f} min, exit code {spent.code}"
            return f"{competition} {minutes:g} min: {taken}, no plan was written"
        plan: dict[str, Any] = json.loads(report.read_text())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(report, keep / f"{competition}_{minutes:g}.json")
        valid = (clone.root / "submissions" / "ensemble.csv").is_file()
    over = spent.wall / 60 / minutes - 1
    steps = ", ".join(f"{step['model']} {step['seconds']:.0f} s {step['outcome']}" for step in plan["steps"])
    low, high = plan["interval"] or (math.nan, math.nan)
    score = math.nan if plan["score"] is None else plan["score"]
    return (
        f"{competition} {minutes:g} min: {spent.wall / 60:.2f} min ({over:+.1%}), exit code {spent.code}, submission "
        f"{'there' if valid else 'missing'}, {spent.cpu:.0f} CPU s, load {spent.load:.1f} - {os.getloadavg()[0]:.1f}, "
        f"nested {plan['metric']} {score:.4f} [{low:.4f}, {high:.4f}], finished {plan['finished']}: {steps}"
    )


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
