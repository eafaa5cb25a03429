"""CPU seconds of judging all candidates, in this checkout and another one: `python -m benchmarks.ensembling pairs`.

Each run is a process of its own, on the same simulated members; starting Python is left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

_FIT = """
import json, sys, time
import numpy as np
from benchmarks.simulated_members import as_members, mixed
import pipeline.ensemble.combiners.stacking  # with scikit-learn, which the other checkout starts with
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.core.metrics import get_metric
"""
_OLDER = """
import json, sys, time
import numpy as np
from benchmarks.simulated_members import as_members, mixed
from pipeline.ensemble import EnsembleParams, fit as fit_ensemble
from pipeline.metrics import get_metric
"""
_RUN = """
members, rows, classes, metric, seed = *map(int, sys.argv[1:4]), sys.argv[4], int(sys.argv[5])
random = np.random.default_rng(seed)
stacked, labels = mixed(members, random, classes).draw(rows, random)
given = as_members(stacked, labels)
begun = time.process_time()
ensemble = fit_ensemble(given, get_metric(metric), EnsembleParams())
spent = time.process_time() - begun
score = get_metric(metric).score(labels, ensemble.nested)
print(json.dumps({"cpu": spent, "chosen": ensemble.chosen.name, "nested": score, "skipped": ensemble.skipped}))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--before", type=Path, required=True, help="the repository folder of another checkout")
    parser.add_argument("--pairs", type=int, default=5, help="each of members of its own")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=15)
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--after-alone", action="store_true", help="where the other checkout does not end")


def run(options: argparse.Namespace) -> None:
    """Times both in turn, which goes first alternating, and prints each pair, medians and the ratio."""
    here = Path(__file__).resolve().parents[1]
    sides = {"after": here} if options.after_alone else {"before": options.before, "after": here}
    spent: dict[str, list[float]] = {side: [] for side in sides}
    for pair in range(options.pairs):
        for side in list(sides) if pair % 2 == 0 else list(sides)[::-1]:
            found = _fit(sides[side], options, pair)
            spent[side].append(found["cpu"])
            print(json.dumps({"pair": pair, "side": side, **found}), flush=True)
    medians = " -> ".join(f"{statistics.median(seconds):.2f}" for seconds in spent.values())
    print(f"{options.members} x {options.rows} x {options.classes} by {options.metric}: {medians} CPU s", end="")
    if not options.after_alone:
        ratios = [old / new for old, new in zip(spent["before"], spent["after"], strict=True)]
        spread = f"{min(ratios):.2f} - {max(ratios):.2f}, {len(ratios)} pairs"
        print(f", {statistics.median(ratios):.2f} x ({spread})", end="")
    print()


def _fit(folder: Path, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    imports = _FIT if (folder / "pipeline" / "ensemble" / "fitting.py").is_file() else _OLDER
    shape = [str(value) for value in (options.members, options.rows, options.classes, options.metric, seed)]
    command = [sys.executable, "-c", imports + _RUN, *shape]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found
