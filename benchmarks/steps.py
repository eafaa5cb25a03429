"""Training steps on random images: with and without oneDNN, one process on all cores and one on each at once.

The order turns round from one repeat to the next; every measurement is a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

_CELLS = (("0", 1), ("1", 1), ("0", 0), ("1", 0))  # oneDNN; one process, or as many as cores (0)


def main() -> None:
    """Measures every combination and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone", help="a name of keras.applications")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    parser.add_argument("--batches", type=int, default=6, help="of 32 images, after two that compile")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(_images_per_second(options.backbone, options.size, options.batches))
        return
    found: dict[str, list[float]] = {}
    for repeat in range(options.repeats):
        for onednn, processes in _CELLS if repeat % 2 == 0 else _CELLS[::-1]:
            name = f"oneDNN {'on' if onednn == '1' else 'off'}, {'one process' if processes else 'one on each core'}"
            found.setdefault(name, []).append(_together(onednn, not processes))
            print(f"{name}: {found[name][-1]:.1f} images/s", flush=True)
    rates = {
        name: [round(min(all_), 1), round(statistics.median(all_), 1), round(max(all_), 1)]
        for name, all_ in found.items()
    }
    print(json.dumps(vars(options) | {"images_per_second (least, median, most)": rates, "cores": os.cpu_count()}))


def _together(onednn: str, one_on_each_core: bool) -> float:
    """Sums what processes that run at once get done."""
    command = [sys.executable, "-m", "benchmarks.steps", *sys.argv[1:], "--alone"]
    around = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn}
    cores = sorted(os.sched_getaffinity(0))
    running = []
    for part in [[core] for core in cores] if one_on_each_core else [cores]:
        os.sched_setaffinity(0, part)
        running.append(subprocess.Popen(command, env=around, stdout=subprocess.PIPE, text=True))
    os.sched_setaffinity(0, cores)
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(1)
    return sum(float(words) for words in said)


def _images_per_second(backbone: str, size: int, batches: int) -> float:
    from pipeline import runtime  # sets what TensorFlow reads

    runtime.start("float32")
    import keras
    import numpy as np

    from pipeline.config import parse
    from pipeline.networks.build import build
    from pipeline.networks.pretrained import Pretrained

    section = parse({"name": "pretrained", "backbone": backbone, "weights": "none"}, Pretrained, "the command line")
    model = build(section, size, 3, 15).model
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-4), loss, jit_compile=runtime.use_xla())
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, size, size, 3), dtype=np.uint8)
    targets = np.eye(15, dtype=np.float32)[rng.integers(0, 15, 32)]
    for _ in range(2):
        model.train_on_batch(images, targets)
    begun = time.perf_counter()
    for _ in range(batches):
        model.train_on_batch(images, targets)
    return 32 * batches / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
