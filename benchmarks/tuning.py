"""Robustness and cost of a search, measured on a prepared competition: kills, pruning, memory, workers.

Run in a repository whose data are prepared and split; everything happens in scratch copies.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.trial import TrialState
from ruamel.yaml import YAML

from pipeline.core import cards
from pipeline.core.metrics import get_metric
from pipeline.tuning import storages, trial_states


def main() -> None:
    """Reads the command line and prints one line of figures per run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "pruning", "memory", "workers"])
    parser.add_argument("model")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    storages.silence_optuna()
    with tempfile.TemporaryDirectory() as scratch:
        measures: dict[str, Callable[[argparse.Namespace, Path], None]]
        measures = {"kills": _kills, "pruning": _pruning, "memory": _memory, "workers": _workers}
        measures[options.what](options, Path(scratch))


def _kills(options: argparse.Namespace, scratch: Path) -> None:
    whole = _copy(scratch / "whole", options, pruner="none")
    began = time.monotonic()
    _wait(_start(whole, options.model))
    seconds = time.monotonic() - began
    root, draw = _copy(scratch / "killed", options, pruner="none"), random.Random(options.seed)
    for moment in (draw.uniform(5, seconds / options.kills) for _ in range(options.kills)):
        running = _start(root, options.model)
        time.sleep(moment)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        finished = trial_states.tally_trials(_study(root, options.model)).finished
        print(f"killed after {moment:.1f} s: {finished} trials finished", flush=True)
    _wait(_start(root, options.model))
    first, second = (_study(place, options.model) for place in (whole, root))
    tally = trial_states.tally_trials(second)
    failed = second.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    interrupted = sum(trial_states.REASON not in trial.user_attrs for trial in failed)
    same = _outcomes(first) == _outcomes(second)
    print(
        f"{tally.finished} of {options.trials} finished, {interrupted} interrupted and run again, "
        f"{len(tally.running)} left running"
    )
    print(f"the same trials with the same scores as a search that was not killed: {same}")


def _pruning(options: argparse.Namespace, scratch: Path) -> None:
    for pruner in ("none", "successive_halving"):
        across = "none" if pruner == "none" else "wilcoxon"
        root = _copy(scratch / pruner, options, pruner=pruner, across=across)
        _wait(_start(root, options.model))
        print(f"{pruner}: {_summary(root, options.model)}", flush=True)


def _memory(options: argparse.Namespace, scratch: Path) -> None:
    root = _copy(scratch / "root", options, trials_per_process=options.trials)
    running = _start(root, options.model)
    peaks: dict[int, float] = {}
    while running.poll() is None:
        done = _finished(root, options.model)
        if done < options.trials:
            peaks[done + 1] = max(peaks.get(done + 1, 0.0), _tree(running.pid))
        time.sleep(0.2)
    megabytes = {
        trial: f"{peaks[trial] / 1e6:,.0f}"
        for trial in sorted({5, *range(10, options.trials + 1, 10)})
        if trial in peaks
    }
    print(f"peak RSS of the whole tree during a trial, MB, all trials in one process: {megabytes}")
    print(f"last against trial 5: {peaks[max(peaks)] / peaks[5]:.3f}")


def _workers(options: argparse.Namespace, scratch: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    rates = {}
    for workers in (1, 2):
        root = _copy(scratch / str(workers), options, workers=workers, pruner="none")
        url = f"sqlite:///{root / 'studies.db'}" if "TUNE_STORAGE" not in os.environ else os.environ["TUNE_STORAGE"]
        os.sched_setaffinity(0, cores[:workers])
        _wait(_start(root, options.model, TUNE_STORAGE=url))
        os.sched_setaffinity(0, cores)
        card = _card(root, options.model)
        rates[workers] = 3600 * card.complete / card.searched_seconds
        print(f"{workers} workers: {rates[workers]:.0f} trials an hour", flush=True)
    print(f"ratio {rates[2] / rates[1]:.2f}")


def _copy(root: Path, options: argparse.Namespace, **tune: Any) -> Path:
    """Copies what a search reads, and sets the ``tune`` section."""
    here = Path.cwd()
    for name in ("configs", "data/prepared"):
        shutil.copytree(here / name, root / name)
    (root / "folds").mkdir()
    shutil.copy(here / "folds" / "folds.csv", root / "folds")
    yaml = YAML()
    params = yaml.load((here / "params.yaml").read_text(encoding="utf-8"))
    params["tune"] |= {"n_trials": options.trials, "folds": options.folds, "seed": options.seed} | tune
    yaml.dump(params, root / "params.yaml")
    return root


def _start(root: Path, model: str, **environment: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline", "tune", model]
    variables = os.environ | {"PYTHONPATH": str(Path.cwd())} | environment
    with (root / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=root, env=variables, stdout=log, stderr=log, start_new_session=True)


def _wait(running: "subprocess.Popen[bytes]") -> None:
    if running.wait():
        raise SystemExit(f"the search ended with {running.returncode}")


def _study(root: Path, model: str) -> optuna.Study:
    storage = storages.open_storage(root, model, "")
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def _outcomes(study: optuna.Study) -> list[tuple[dict[str, Any], float | None]]:
    tally = trial_states.tally_trials(study)
    return [(trial.params, trial.value) for trial in (*tally.complete, *tally.failed)]


def _finished(root: Path, model: str) -> int:
    path = storages.journal_path(root, model)
    if not path.is_file():
        return 0
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}"))
    return sum(line.get("op_code") == 6 and line.get("state", 0) in (1, 2, 3) for line in lines)


def _tree(pid: int) -> float:
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


def _card(root: Path, model: str) -> cards.TuningCard:
    return cards.read_card(root / "reports" / "tuning" / f"{model}.json", cards.TuningCard)


def _summary(root: Path, model: str) -> str:
    card = _card(root, model)
    best, verdict = card.best, card.verdict
    assert best is not None
    searched = f"{card.searched_seconds:.0f} s, {card.complete} complete, {card.pruned} pruned"
    summary = f"{searched}, saved by its own estimate {card.saved_seconds:.0f} s, best {best.values[0]:.4f}"
    losses = f"log loss {best.log_loss:.4f}" if best.log_loss is not None else ""
    metric = get_metric(card.metric)
    if verdict is None:
        return f"{summary} {losses}; the default stayed the best"
    low, high = verdict.interval
    return (
        f"{summary} {losses}; unseen {metric.name} {verdict.default:.4f} -> {verdict.tuned:.4f}, {verdict.gain:+.4f} "
        f"[{low:+.4f}, {high:+.4f}]"
    )


if __name__ == "__main__":
    main()
