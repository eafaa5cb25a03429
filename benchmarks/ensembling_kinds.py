"""Time of the whole ensemble by kind of target, paired with one class: `python -m benchmarks.ensembling kinds`.

One class among as many as there are labels, and several labels, from members that are simulated alike; CPU seconds,
which other work on the machine changes little.
"""

import argparse
import json
import statistics
import time

import numpy as np

from benchmarks.simulated_members import as_label_members, as_members, mixed
from pipeline.core.measures.metric import Metric
from pipeline.core.metrics import get_metric
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.ensemble.members import Members


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--columns", type=int, default=20, help="classes, and labels")
    parser.add_argument("--metrics", nargs=2, default=["accuracy", "macro_f1"], help="of one class, of several labels")
    parser.add_argument("--without", default="stack_boosting", help="combiners that are not tried, by commas")


def run(options: argparse.Namespace) -> None:
    """Times both in turn, which goes first alternating, and prints the ratios."""
    left = tuple(name for name in COMBINERS if name not in options.without.split(","))
    params = EnsembleParams(combiners=left)
    ratios = []
    for pair in range(options.pairs):
        random = np.random.default_rng(pair)
        stacked, labels = mixed(options.members, random, options.columns).draw(options.rows, random)
        one = as_members(stacked, labels)
        several = as_label_members(options.members, options.rows, options.columns, random)
        runs = {"one_class": one, "several_labels": several}
        spent = {}
        for kind in list(runs) if pair % 2 == 0 else list(runs)[::-1]:
            judge = options.metrics[kind == "several_labels"]
            spent[kind] = _time(runs[kind], get_metric(judge, target=runs[kind].target), params, kind)
        ratios.append(spent["several_labels"] / spent["one_class"])
    print(f"several labels take {statistics.median(ratios):.2f} x ({min(ratios):.2f} - {max(ratios):.2f})", flush=True)


def _time(members: Members, metric: Metric, params: EnsembleParams, kind: str) -> float:
    begun = time.process_time()
    ensemble = fit_ensemble(members, metric, params)
    spent = time.process_time() - begun
    each = {candidate.name: round(candidate.seconds, 1) for candidate in ensemble.candidates}
    line = {"kind": kind, "metric": metric.name, "cpu_seconds": round(spent, 1), "chosen": ensemble.chosen.name}
    print(json.dumps({**line, "wall_seconds_of_candidates": each}), flush=True)
    return spent
