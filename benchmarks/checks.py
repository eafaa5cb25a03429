"""CPU seconds of all checks in `dvc repro` of digits, and their share: digests, page checksums, bounds, orphans.

    python -m benchmarks.checks --runs 3

Each run lays the files that git tracks into a fresh folder and runs the whole chain there. Every Python process of it
wraps the functions of `CHECKS` when their modules are imported, and notes the CPU seconds of its thread in the
outermost of them; the whole is what the system counts for DVC and everything below it.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

REPOSITORY = Path(__file__).resolve().parents[1]
# By module, functions; none are all that are public. `_watch_all` is a thread that looks for DVC once a second.
CHECKS = {
    "pipeline.core.files": ["sha256", "list_stale", "list_temporary", "has_no_writer", "require_space"],
    "pipeline.core.digests": [],
    "pipeline.core.confined": [],
    "pipeline.core.yaml_text": ["_find_bomb"],
    "pipeline.core.memory": [],
    "pipeline.core.room": ["require_threads", "_make_room"],
    "pipeline.core.processes": ["end_with_dvc", "_watch_all"],
    "pipeline.core.ids": ["check_unique"],
    "pipeline.core.tables": ["folds_digest"],
    "pipeline.core.predictions": ["_hash", "check_predictions"],
    "pipeline.kaggle.submission_checks": [],
}
_READS = 50
# Runs at the start of every Python process.
_WRAPPER = """
import atexit, functools, importlib.abc, importlib.machinery, inspect, json, os, sys, threading, time

CHECKS, FOLDER = json.loads(os.environ["CHECKS"]), os.environ["CHECKS_FOLDER"]
seconds, calls, watching, inside = {}, {}, [], threading.local()


def wrap(name, function):
    @functools.wraps(function)
    def timed(*arguments, **named):
        calls[name] = calls.get(name, 0) + 1
        if name.endswith("._watch_all"):
            watching.append(time.pthread_getcpuclockid(threading.get_ident()))
            return function(*arguments, **named)
        if getattr(inside, "check", False):
            return function(*arguments, **named)
        inside.check, began = True, time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            inside.check = False
            seconds[name] = seconds.get(name, 0.0) + time.thread_time() - began

    return timed


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in CHECKS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_wrapped(module):
            execute(module)
            public = [key for key, each in vars(module).items() if inspect.isfunction(each) and key[0] != "_"]
            for key in CHECKS[name] or [key for key in public if getattr(module, key).__module__ == name]:
                setattr(module, key, wrap(f"{name}.{key}", getattr(module, key)))

        spec.loader.exec_module = execute_wrapped
        return spec


def write():
    for clock in watching:
        seconds["pipeline.core.processes._watch_all"] = time.clock_gettime(clock)
    with open(f"{FOLDER}/{os.getpid()}.json", "w") as file:
        json.dump({"verb": sys.orig_argv[3:], "cpu": time.process_time(), "seconds": seconds, "calls": calls}, file)


if "pipeline" in sys.orig_argv or "multiprocessing" in " ".join(sys.orig_argv):
    sys.meta_path.insert(0, Finder())
    atexit.register(write)
    import multiprocessing.util

    multiprocessing.util.Finalize(None, write, exitpriority=-100)
"""


def main() -> None:
    """Prints what each check took, a line a run, and the share of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            print(measure_run(Path(folder)), flush=True)


def measure_run(folder: Path) -> str:
    """Runs the whole chain in an empty folder; returns what its checks took."""
    root, wrapper, notes = folder / "root", folder / "wrapper", folder / "notes"
    for each in (root, wrapper, notes):
        each.mkdir()
    (wrapper / "sitecustomize.py").write_text(_WRAPPER, encoding="utf-8")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in tracked.decode().split("\0"):
        if (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    environment = {**os.environ, "PYTHONPATH": str(wrapper), "CHECKS": json.dumps(CHECKS), "CHECKS_FOLDER": str(notes)}
    before, began = _count_children(), time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=root, env=environment, capture_output=True, text=True
    )
    whole, elapsed = _count_children() - before, time.monotonic() - began
    if ran.returncode:
        raise SystemExit(f"dvc repro fails: {ran.stdout[-2000:]} {ran.stderr[-2000:]}")
    seconds, calls, processes = _sum_notes(notes)
    reads = calls["pipeline.core.predictions._hash"]  # one for each file that is read or written
    seconds["page checksums of parquet"] = reads * _measure_checksums(root)
    spent = sum(seconds.values())
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    lines = [f"{name:<48} {calls[name]:>6} calls {1000 * value:>9.1f} ms" for name, value in longest]
    lines.append(
        f"checks {spent:.3f} s of {whole:.1f} CPU seconds: {spent / whole:.3%} ({elapsed:.0f} s on the clock, "
        f"{processes} processes of the pipeline)"
    )
    return "\n".join(lines)


def _sum_notes(notes: Path) -> tuple[dict[str, float], Counter[str], int]:
    seconds: dict[str, float] = {}
    calls: Counter[str] = Counter()
    paths = list(notes.glob("*.json"))
    for path in paths:
        note = json.loads(path.read_text(encoding="utf-8"))
        for name, spent in note["seconds"].items():
            seconds[name] = seconds.get(name, 0.0) + spent
        calls.update(note["calls"])
    return seconds, calls, len(paths)


def _measure_checksums(root: Path) -> float:
    """Measures the CPU seconds that the checksums of one file of predictions take."""
    spent = {True: 0.0, False: 0.0}
    paths = sorted((root / "folds").rglob("*.parquet"))
    for path in paths:
        for verified in (True, False) * _READS:
            began = time.process_time()
            pq.read_table(path, page_checksum_verification=verified)
            spent[verified] += time.process_time() - began
    return max(0.0, spent[True] - spent[False]) / (_READS * len(paths))


def _count_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
