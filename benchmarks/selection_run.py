"""One timed run in a process of its own, by whichever interpreter has the library; prints a line of JSON.

    python benchmarks/selection_run.py KIND FOLDER [parts | combiners left out]

FOLDER holds stacked.npy (members, rows, classes), labels.npy and folds.npy. With ``parts`` the weights are fitted once
without each fold, else once on all rows. KIND is a selection, ``candidates`` (every combiner once) or ``pipeline``
(`pipeline.ensemble.fitting.fit_ensemble`).
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 100
Fit = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float64]]


def main(kind: str, folder: Path, more: str) -> None:
    """Loads the predictions, fits, and prints weights, seconds and memory."""
    if kind in ("candidates", "pipeline"):
        print(json.dumps(_each_combiner(folder) if kind == "candidates" else _pipeline(folder, more)))
        return
    fit = {"select": _select, "greedy_bagged": _greedy, "autogluon": _autogluon}[kind]()
    stacked, labels, folds = (np.load(folder / f"{name}.npy") for name in ("stacked", "labels", "folds"))
    held = [folds == part for part in np.unique(folds)] if more == "parts" else [np.zeros(len(labels), dtype=bool)]
    samples = [(stacked[:, ~rows], labels[~rows]) for rows in held]
    before, begun, cpu = _peak(), time.perf_counter(), time.process_time()
    weights = [fit(*sample).tolist() for sample in samples]
    spent = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({"weights": weights, **spent, "loaded_mb": before, "peak_mb": _peak()}))


def _peak() -> float:
    # Not getrusage: a child's maximum begins at what its parent held when it forked.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _select() -> Fit:
    from pipeline.ensemble.combiners.greedy import select_members
    from pipeline.ensemble.combiners.scorers import make_log_loss_scorer

    def fit(stacked: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        true_probs = stacked[:, np.arange(len(labels)), labels]
        return select_members(true_probs, np.arange(len(stacked)), make_log_loss_scorer(len(labels)), ROUNDS)

    return fit


def _greedy() -> Fit:
    from benchmarks.simulated_members import number_classes
    from pipeline.core.metrics import get_metric
    from pipeline.ensemble.combiners.contract import OofRows
    from pipeline.ensemble.combiners.greedy import fit_greedy_bagged

    def fit(stacked: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        target = number_classes(stacked.shape[2])
        sample = OofRows(stacked, labels, np.zeros_like(labels), get_metric("accuracy"), target)
        weights = fit_greedy_bagged(sample).weights
        assert weights is not None
        return weights

    return fit


def _autogluon() -> Fit:
    from autogluon.core.metrics import log_loss
    from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

    def fit(stacked: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        selection: Any = EnsembleSelection(ensemble_size=ROUNDS, problem_type="multiclass", metric=log_loss)
        weights: NDArray[np.float64] = selection.fit(list(stacked), labels).weights_
        return weights

    return fit


def _each_combiner(folder: Path) -> dict[str, Any]:
    """Fits each combiner once on all rows; a nested score takes a fit per fold more."""
    from benchmarks.simulated_members import number_classes
    from pipeline.core.metrics import get_metric
    from pipeline.ensemble.calibration import fit_temperatures
    from pipeline.ensemble.combiners.catalogue import COMBINERS, explain_skip
    from pipeline.ensemble.combiners.contract import OofRows

    stacked, labels, folds = (np.load(folder / f"{name}.npy") for name in ("stacked", "labels", "folds"))
    sample = OofRows(stacked, labels, folds, get_metric("accuracy"), number_classes(stacked.shape[2]))
    results: dict[str, Any] = {"loaded_mb": round(_peak())}
    for name in (*COMBINERS, "temperatures"):
        reason = None if name == "temperatures" else explain_skip(name, sample)
        if reason is not None:
            results[name] = reason
            continue
        begun, cpu = time.perf_counter(), time.process_time()
        if name == "temperatures":
            fit_temperatures(labels, stacked, sample.target)
        else:
            COMBINERS[name](sample)
        spent = time.perf_counter() - begun, time.process_time() - cpu
        results[name] = {"seconds": round(spent[0], 2), "cpu_seconds": round(spent[1], 2), "peak_mb": round(_peak())}
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    return results


def _pipeline(folder: Path, without: str) -> dict[str, Any]:
    """Fits the whole ensemble for accuracy, as the pipeline does."""
    from benchmarks.simulated_members import as_members
    from pipeline.core.metrics import get_metric
    from pipeline.ensemble.combiners.catalogue import COMBINERS
    from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble

    members = as_members(np.load(folder / "stacked.npy"), np.load(folder / "labels.npy"))
    params = EnsembleParams(combiners=tuple(name for name in COMBINERS if name not in without.split(",")))
    results: dict[str, Any] = {"without": without, "loaded_mb": round(_peak())}
    begun, cpu = time.perf_counter(), time.process_time()
    ensemble = fit_ensemble(members, get_metric("accuracy"), params)
    results |= {"seconds": round(time.perf_counter() - begun, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
    each = {candidate.name: round(candidate.seconds, 1) for candidate in ensemble.candidates}
    return results | {"peak_mb": round(_peak()), "candidates": each, "chosen": ensemble.chosen.name}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "".join(sys.argv[3:]))
