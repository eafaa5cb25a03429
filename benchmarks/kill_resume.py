"""Kills `python -m pipeline train MODEL` at random moments and compares what it resumes to with an unbroken run.

    python benchmarks/kill_resume.py mlp_pixels --runs 10

Works on the active competition after `dvc repro split`, in a scratch folder. Each run is killed by SIGKILL one to
three times, at moments drawn between half of the start-up and the length of the unbroken run, and then left to finish.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    """Runs them all and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="where data/prepared and folds/folds.csv lie")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = _scratch(options.root.resolve(), Path(folder))
        started = time.monotonic()
        start_up = _train(root, options.model, None)
        whole = time.monotonic() - started
        wanted = _predictions(root, options.model)
        print(f"unbroken: {whole:.1f} s, of which {start_up:.1f} s until the first epoch", flush=True)
        identical = kills = 0
        for run in range(options.runs):
            moments: list[float] = []
            while not moments:  # a moment after the end kills nothing
                shutil.rmtree(root / ".work")
                shutil.rmtree(root / "folds" / "predictions")
                for moment in [rng.uniform(start_up / 2, whole) for _ in range(rng.randint(1, 3))]:
                    if _train(root, options.model, moment) < 0:
                        moments.append(round(moment, 1))
            _train(root, options.model, None)
            same = _predictions(root, options.model) == wanted
            identical, kills = identical + same, kills + len(moments)
            print(f"run {run + 1}: killed after {moments} s, {'identical' if same else 'DIFFERENT'}", flush=True)
    result = {"identical": identical, "runs": options.runs, "kills": kills, "unbroken_seconds": round(whole, 1)}
    print(json.dumps({"model": options.model, "seed": options.seed} | result))
    raise SystemExit(identical != options.runs)


def _scratch(source: Path, root: Path) -> Path:
    """Lays out a root with the same params, configs, data and folds, and nothing trained."""
    shutil.copy(source / "params.yaml", root)
    shutil.copytree(source / "configs", root / "configs")
    (root / "data").symlink_to(source / "data")
    (root / "folds").mkdir()
    shutil.copy(source / "folds" / "folds.csv", root / "folds")
    return root


def _train(root: Path, model: str, kill_after: float | None) -> float:
    """Trains until the end or the kill; returns the seconds until the first epoch line, or -1 if it was killed."""
    command = [sys.executable, "-m", "pipeline", "train", model]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    started, first = time.monotonic(), 0.0
    with (root / "log.txt").open("w+") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            now = time.monotonic() - started
            if kill_after is not None and now >= kill_after:
                process.kill()
                process.wait()
                return -1
            if not first and (root / "log.txt").stat().st_size:
                first = now
            time.sleep(0.01)
        if process.returncode:
            log.seek(0)
            raise SystemExit(log.read())
    return first


def _predictions(root: Path, model: str) -> list[bytes]:
    folder = root / "folds" / "predictions" / model
    return [(folder / name).read_bytes() for name in ("oof.parquet", "test.parquet")]


if __name__ == "__main__":
    main()
