"""Training steps on random images: with and without oneDNN, one process on all cores and one on each at once.

With `--norms` instead: batch normalisation in one pass, and as Keras composes it. The order turns round from one repeat
to the next; every measurement is a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

Cell = tuple[dict[str, str], bool, bool]  # environment; one process on each core; Keras's own normalisation
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_CELLS: dict[str, Cell] = {
    "oneDNN off, one process": ({_ONEDNN: "0"}, False, False),
    "oneDNN on, one process": ({_ONEDNN: "1"}, False, False),
    "oneDNN off, one on each core": ({_ONEDNN: "0"}, True, False),
    "oneDNN on, one on each core": ({_ONEDNN: "1"}, True, False),
}
_NORMS: dict[str, Cell] = {"as Keras composes it": ({}, False, True), "in one pass": ({}, False, False)}


def main() -> None:
    """Measures every combination and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", help="a name of keras.applications, or a file of configs/models")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=6, help="after two that compile")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--norms", action="store_true", help="compare batch normalisations")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keras", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(_images_per_second(options))
        return
    measured: dict[str, list[float]] = {}
    cells = list((_NORMS if options.norms else _CELLS).items())
    for repeat in range(options.repeats):
        for name, cell in cells if repeat % 2 == 0 else cells[::-1]:
            measured.setdefault(name, []).append(_measure_together(*cell))
            print(f"{name}: {measured[name][-1]:.1f} images/s", flush=True)
    rates = {
        name: [round(min(all_), 1), round(statistics.median(all_), 1), round(max(all_), 1)]
        for name, all_ in measured.items()
    }
    print(json.dumps(vars(options) | {"images_per_second (least, median, most)": rates, "cores": os.cpu_count()}))


def _measure_together(variables: dict[str, str], one_on_each_core: bool, keras_norms: bool) -> float:
    """Sums the images a second of processes that run at once."""
    command = [sys.executable, "-m", "benchmarks.steps", *sys.argv[1:], "--alone"]
    command += ["--keras"] if keras_norms else []
    environment = os.environ | variables
    cores = sorted(os.sched_getaffinity(0))
    running = []
    for part in [[core] for core in cores] if one_on_each_core else [cores]:
        os.sched_setaffinity(0, part)
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    os.sched_setaffinity(0, cores)
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(1)
    return sum(float(output) for output in outputs)


def _images_per_second(options: argparse.Namespace) -> float:
    from pipeline.networks import runtime  # sets what TensorFlow reads

    runtime.start_backend(options.precision)
    if options.keras:
        runtime.get_fused_batch_norm = lambda: None
    import keras
    import numpy as np

    from pipeline.core.config import parse
    from pipeline.networks.backbones.pretrained import Pretrained
    from pipeline.networks.build import build_network
    from pipeline.training.recipes.recipe import load_recipe

    size, each = options.size, options.batch_size
    if (Path("configs") / "models" / f"{options.network}.yaml").is_file():
        section = load_recipe(Path(), options.network).network
    else:
        named = {"name": "pretrained", "backbone": options.network, "weights": "none"}
        section = parse(named, Pretrained, "the command line")
    model = build_network(section, size, 3, 15).model
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-4), loss, jit_compile=runtime.use_xla())
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (each, size, size, 3), dtype=np.uint8)
    targets = np.eye(15, dtype=np.float32)[rng.integers(0, 15, each)]
    for _ in range(2):
        model.train_on_batch(images, targets)
    begun = time.perf_counter()
    for _ in range(options.batches):
        model.train_on_batch(images, targets)
    return float(each * options.batches) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
