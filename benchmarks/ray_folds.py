"""Wall seconds of all folds of some models: one process on one core, two Ray workers of one core, `train.workers: 2`.

All three end in the same files, whose OOF predictions are compared by their bytes. Needs a competition that is prepared
and split in ``--root``, Ray (requirements/ray.txt) and two cores that nothing else uses:
`python -m benchmarks.ray_folds --root . --models mlp_pixels small_cnn relu_cnn --pairs 3`.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.core.config import read_yaml
from pipeline.core.files import write_json
from pipeline.core.paths import measured_recipes_path, oof_path

CODE = Path(__file__).parents[1]
ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
GATHER = (
    "from pathlib import Path\nfrom pipeline.stages import train\nfor name in sys.argv[1:]: train.run(Path(), name)\n"
)
WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "one process, one core": (ONE_CORE + "import sys\n" + GATHER, {"executor": "local", "workers": 1}),
    "two Ray workers": (
        "import sys\nfrom pipeline.core import processes\nfrom pipeline.cli import main\n"
        "code = main(['train-all'])\nassert code == 0, code\n" + GATHER,
        {"executor": "ray", "workers": 1, "ray": {"cpus_per_fold": 1}},
    ),
    "train.workers: 2": ("import sys\n" + GATHER, {"executor": "local", "workers": 2}),
}


def copy_root(root: Path, target: Path, models: list[str], folds: list[int] | None, train: dict[str, object]) -> None:
    """Copies what training reads, with other settings of ``train``; nothing that was trained."""
    for name in ("configs/competitions", "configs/models", "configs/metrics", "data/prepared"):
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name)
    shutil.copy(measured_recipes_path(CODE), measured_recipes_path(target))
    (target / "folds").mkdir()
    shutil.copy(root / "folds" / "folds.csv", target / "folds")
    params = read_yaml(root / "params.yaml")
    section = dict(params.get("train") or {}) | {"precision": "float32", "folds": folds} | train
    write_json(target / "params.yaml", {**params, "models": models, "train": section})  # JSON is YAML


def measure(way: str, root: Path, models: list[str], folds: list[int] | None) -> tuple[float, str]:
    """Trains and gathers one way; returns wall seconds and the digest of all OOF predictions."""
    code, train = WAYS[way]
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        copy_root(root, target, models, folds, train)
        environment = os.environ | {"PYTHONPATH": str(CODE)}
        began = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-c", code, *models],
            cwd=target,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if ran.returncode:
            raise SystemExit(f"{way}: {ran.stderr[-2000:]}")
        content = b"".join(oof_path(target, model).read_bytes() for model in models)
    return seconds, hashlib.sha256(content).hexdigest()[:12]


def main() -> None:
    """Prints the seconds of each way, and the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the repository folder of a prepared competition")
    parser.add_argument("--models", nargs="+", default=["mlp_pixels", "small_cnn", "relu_cnn"])
    parser.add_argument("--folds", nargs="+", type=int, help="by default all")
    parser.add_argument("--pairs", type=int, default=3, help="times that all ways run, in turn")
    options = parser.parse_args()
    seconds = {way: list[float]() for way in WAYS}
    digests = set[str]()
    for _ in range(options.pairs):
        for way in WAYS:
            took, digest = measure(way, options.root.resolve(), options.models, options.folds)
            seconds[way].append(took)
            digests.add(digest)
            print(json.dumps({"way": way, "seconds": round(took, 1), "oof": digest}), flush=True)
    alone, ray, workers = seconds.values()
    gains = [one / two for one, two in zip(alone, ray, strict=True)]
    against = [one / two for one, two in zip(ray, workers, strict=True)]
    for way, values in seconds.items():
        print(f"{way}: {statistics.median(values):.1f} s ({min(values):.1f} - {max(values):.1f}, n = {len(values)})")
    print(f"Ray against one process: {statistics.median(gains):.2f} x ({min(gains):.2f} - {max(gains):.2f})")
    spread = f"{min(against):.2f} - {max(against):.2f}"
    print(f"Ray's time by that of train.workers: 2: {statistics.median(against):.2f} ({spread})")
    print("the same bytes each way" if len(digests) == 1 else f"UNLIKE BYTES: {sorted(digests)}")


if __name__ == "__main__":
    main()
