"""Five folds of a frozen backbone against one, each from nothing but prepared images, whole processes in pairs.

COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.frozen_folds [--model mobilenet_v2_frozen] [--pairs 5]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.networks import hardware
from pipeline.stages import fetch, prepare, split

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measures the pairs and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--competition", default="animals15")
    parser.add_argument("--model", default="mobilenet_v2_frozen")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="folds-") as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "configs", root / "configs")
        _write_params(root, options, None)
        for stage in (fetch, prepare, split):
            stage.run(root)
        _time_training(root, options, [0])  # what has to be read comes from memory afterwards
        pairs = []
        for number in range(options.pairs):
            order: tuple[list[int] | None, ...] = ([0], None) if number % 2 == 0 else (None, [0])
            seconds = {"all" if folds is None else "one": _time_training(root, options, folds) for folds in order}
            pairs.append(seconds)
            print(f"pair {number + 1}: one fold {seconds['one']:.1f} s, all {seconds['all']:.1f} s", flush=True)
    ratios = sorted(each["all"] / each["one"] for each in pairs)
    summary = {
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
        "seconds_all_median": round(statistics.median(each["all"] for each in pairs), 1),
        "cores": os.cpu_count(),
    }
    print(json.dumps(vars(options) | summary | {"hardware": hardware.name_hardware()}))


def _write_params(root: Path, options: argparse.Namespace, folds: list[int] | None) -> None:
    yaml = YAML(typ="safe")
    params: dict[str, Any] = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"competition": options.competition, "models": [options.model]}
    params["train"] |= {"folds": folds}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def _time_training(root: Path, options: argparse.Namespace, folds: list[int] | None) -> float:
    _write_params(root, options, folds)
    shutil.rmtree(root / ".work", ignore_errors=True)
    command = [sys.executable, "-m", "pipeline", "train", options.model]
    begun = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
