"""Lists the competitions that were worked on: best nested score, runs, last submission. Run by hand.

Reads: configs/competitions, reports/runs/<competition>/runs.csv, submissions/log.csv
"""

from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.paths import competitions_folder
from pipeline.kaggle.submission_log import read_log
from pipeline.workspace.history import read_runs


def run(root: Path) -> None:
    """Prints a line a competition: the active one first, then those with runs, then the rest by name."""
    active = active_name(root)
    names = sorted(path.stem for path in competitions_folder(root).glob("*.yaml"))
    worked = {name: runs for name in names if (runs := read_runs(root, name))}
    for name in sorted(worked, key=lambda name: (name != active, name)):
        runs = worked[name]
        same = [run for run in runs if run["metric"] == runs[-1]["metric"]]
        best = (max if runs[-1]["better"] == "higher" else min)(same, key=lambda run: float(run["score"]))
        many = f"{len(runs)} run" + "s" * (len(runs) > 1)
        words = f"nested {best['metric']} {float(best['score']):.4f} ({best['time']}), {many}"
        sent = read_log(root, name)
        last = f"; last submission {sent[-1].time}" if sent else ""
        print(f"{'*' if name == active else ' '} {name}: {words}{last}")
    idle = [name for name in names if name not in worked]
    if idle:
        print(f"  described, not run yet: {', '.join(idle)}")
    print("`python -m pipeline init NAME` switches: results go with their competition")
