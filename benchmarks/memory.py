"""Peak memory of `prepare` and `explore` against the number of images, over the whole process tree.

    python benchmarks/memory.py 1000 100000

Each count of synthetic 64x64 PNG images (noise, two classes) is prepared, split and explored, each in a process of its
own; this process adds up the memory of that process and its children every 50 ms: USS (memory that is theirs alone,
summed) and RSS (which counts shared libraries once per process).
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
RUN_STAGE = """
import sys
from pathlib import Path
from importlib import import_module
if __name__ == "__main__":
    import_module(f"pipeline.stages.{sys.argv[1]}").run(Path("."))
"""
_COMPETITION = """
title: Synthetic
source: {kind: local, path: download}
train: {layout: csv_images, images: train, table: train.csv, id: id, label: label}
test: {layout: images, images: test}
storage: {size: 64, channels: 3}
mirror: true
metric: {name: accuracy}
submission: {kind: label, sample: sample.csv, id: id, label: label}
models: [small_cnn]
"""


def main() -> None:
    """Measures each count and prints one line of JSON for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(_measure(Path(folder), count, options.workers)), flush=True)


def _measure(root: Path, count: int, workers: int) -> dict[str, object]:
    _write_competition(root, count, workers)
    run = root / "run.py"
    run.write_text(RUN_STAGE)
    peaks = {
        stage: measure_peak([sys.executable, str(run), stage], root)
        for stage in ("fetch", "prepare", "split", "explore")
    }
    page = (root / "reports" / "explore.html").stat().st_size
    measured = {stage: peaks[stage] for stage in ("prepare", "explore")}
    return {"images": count, "workers": workers, **measured, "page_mb": round(page / 1e6, 1)}


def _write_competition(root: Path, count: int, workers: int) -> None:
    rng = np.random.default_rng(0)
    for part, size in (("train", count), ("test", 2)):
        folder = root / "download" / part
        folder.mkdir(parents=True)
        for name in range(size):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}.png", compress_level=0)
    rows = "".join(f"{name},{'ab'[name % 2]}\n" for name in range(count))
    (root / "download" / "train.csv").write_text("id,label\n" + rows)
    (root / "download" / "sample.csv").write_text("id,label\n0,a\n1,a\n")
    configs = root / "configs" / "competitions"
    configs.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "configs" / "models", root / "configs" / "models")
    (configs / "synthetic.yaml").write_text(_COMPETITION)
    (root / "params.yaml").write_text(f"competition: synthetic\nmodels: [small_cnn]\nprepare: {{workers: {workers}}}\n")


def measure_peak(command: list[str], root: Path) -> dict[str, float | int]:
    """Runs a command in a folder; returns its seconds (CPU's too) and the largest USS and RSS of its process tree."""
    start, peak_uss, peak_rss = time.monotonic(), 0, 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, cwd=root, env={**psutil.Process().environ(), "PYTHONPATH": str(REPOSITORY)})
    while process.poll() is None:
        uss, rss = _tree_memory(process.pid)
        peak_uss, peak_rss = max(peak_uss, uss), max(peak_rss, rss)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    seconds, after = round(time.monotonic() - start, 1), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    peaks = {"peak_uss_mb": round(peak_uss / 1e6), "peak_rss_mb": round(peak_rss / 1e6)}
    return {**peaks, "seconds": seconds, "cpu_seconds": cpu}


def _tree_memory(pid: int) -> tuple[int, int]:
    uss = rss = 0
    try:
        parent = psutil.Process(pid)
        for member in (parent, *parent.children(recursive=True)):
            memory = member.memory_full_info()
            uss, rss = uss + memory.uss, rss + memory.rss
    except psutil.NoSuchProcess:
        pass  # it ended while it was being measured
    return uss, rss


if __name__ == "__main__":
    main()
