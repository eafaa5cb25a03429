"""Cost and nested scores of the selection compared with AutoGluon's: `python -m benchmarks.ensembling scale`."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated_members import as_members, mixed
from pipeline.core.arrays import Labels, Probs
from pipeline.core.metrics import get_metric
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.combiners.contract import blend_members
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.networks import hardware

REPOSITORY = Path(__file__).resolve().parents[1]
_INSTALL = "python3.11 -m venv ag && ag/bin/pip install autogluon.core, then give --autogluon ag/bin/python"
_FOLDS = 5
_QUICK = EnsembleParams(combiners=tuple(name for name in COMBINERS if name != "stack_boosting"))  # trees take minutes
_SCORES = ("log_loss", "accuracy")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--autogluon", type=Path, metavar="PYTHON", help="the interpreter that has autogluon.core")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3, help="draws of which nested scores are compared")
    parser.add_argument("--candidates", action="store_true", help="time every combiner on all rows as well")
    parser.add_argument("--pipeline", action="store_true", help="time the whole ensemble as well: 10 CPU minutes")
    parser.add_argument("--without", default="", help="combiners left out of that, by commas")


def run(options: argparse.Namespace) -> None:
    """Times selections in turn, then compares nested scores, then times all combiners."""
    if options.autogluon is None:
        print(f"AutoGluon is not measured; to do so: {_INSTALL}", flush=True)
    kinds = ["select"] + ["autogluon"] * (options.autogluon is not None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stacked, labels = _draw(folder, options.members, options.rows, options.classes, seed=0)
        if options.pairs:
            _time_pairs(folder, stacked, labels, kinds, options)
        if options.candidates:
            print(json.dumps(_measure("candidates", folder, None)), flush=True)
        if options.pipeline:
            print(json.dumps(_measure("pipeline", folder, None, options.without)), flush=True)
    for seed in range(options.seeds):
        for members, rows in ((8, 5000), (40, 5000)):
            with tempfile.TemporaryDirectory() as name:
                _compare_nested(Path(name), members, rows, seed, ["greedy_bagged", *kinds], options.autogluon)


def _draw(folder: Path, members: int, rows: int, classes: int, seed: int) -> tuple[Probs, Labels]:
    random = np.random.default_rng(seed)
    stacked, labels = mixed(members, random, classes).draw(rows, random)
    for name, values in (("stacked", stacked), ("labels", labels), ("folds", np.arange(rows) % _FOLDS)):
        np.save(folder / f"{name}.npy", values)
    return stacked, labels


def _time_pairs(folder: Path, stacked: Probs, labels: Labels, kinds: list[str], options: argparse.Namespace) -> None:
    """Runs both in turn; which goes first alternates from pair to pair."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for number in range(options.pairs):
        for kind in kinds if number % 2 == 0 else kinds[::-1]:
            measured = _measure(kind, folder, options.autogluon)
            weights = np.array(measured.pop("weights")[0])
            measured["log_loss"] = get_metric("log_loss").score(labels, blend_members(stacked, weights))
            measured["members"] = int((weights > 0).sum())
            runs[kind].append(measured)
            print(f"pair {number + 1}, {kind}: {json.dumps(measured)}", flush=True)
    for measure in ("seconds", "cpu_seconds"):
        if len(kinds) == 2:
            ratios = [theirs[measure] / ours[measure] for ours, theirs in zip(*runs.values(), strict=True)]
            median, least, most = statistics.median(ratios), min(ratios), max(ratios)
            print(
                f"{measure}: {median:.0f} x faster ({least:.0f} - {most:.0f}), {hardware.name_hardware()}", flush=True
            )


def _compare_nested(folder: Path, members: int, rows: int, seed: int, kinds: list[str], autogluon: Path | None) -> None:
    """Prints the scores of each fold's rows under what the other folds chose; of the whole pipeline as well."""
    stacked, labels = _draw(folder, members, rows, 10, seed)
    folds = np.arange(rows) % _FOLDS
    here = {"members": members, "rows": rows, "seed": seed}

    def print_scores(kind: str, probs: Probs, **more: float | str) -> None:
        scores = {name: round(get_metric(name).score(labels, probs), 5) for name in _SCORES}
        print(json.dumps({**here, "kind": kind, **scores, **more}), flush=True)

    for kind in kinds:
        measured = _measure(kind, folder, autogluon, "parts")
        probs = np.empty(stacked.shape[1:], np.float32)
        for part, weights in enumerate(measured["weights"]):
            probs[folds == part] = blend_members(stacked[:, folds == part], np.array(weights))
        seconds, cpu_seconds = (round(measured[name], 2) for name in ("seconds", "cpu_seconds"))
        print_scores(kind, probs, seconds=seconds, cpu_seconds=cpu_seconds)
    for metric in _SCORES:
        chosen = fit_ensemble(as_members(stacked, labels), get_metric(metric), _QUICK)
        print_scores(f"pipeline for {metric}", chosen.nested, chosen=chosen.chosen.name)


def _measure(kind: str, folder: Path, autogluon: Path | None, *more: str) -> dict[str, Any]:
    python = str(autogluon) if kind == "autogluon" else sys.executable
    script = REPOSITORY / "benchmarks" / "selection_run.py"
    done = subprocess.run(
        [python, str(script), kind, str(folder), *more],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
