"""What backbones cost: features against bare `predict`, and a step of fine-tuning, for shipped recipes, random weights.

``python -m benchmarks.backbones dinov2_small_frozen --rounds 5`` prints the CPU milliseconds an image of the product's
features (one pass over stored pictures, resized, written) and of `predict` on an array of pictures of that size, round
by round in turn, with the median of their ratios, in CPU time and by the clock; ``--train`` adds those of a training
step on all weights. CPU time does not count what else runs on the machine.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.images.views import Views
from pipeline.networks import hardware, runtime
from pipeline.networks.build import BuiltNetwork, build_network
from pipeline.networks.features import FeatureCache
from pipeline.networks.runtime import keras
from pipeline.training.recipes.recipe import load_recipe

_BATCH = 64


def read_clocks() -> NDArray[np.float64]:
    """Returns CPU seconds of this process and seconds by the clock."""
    return np.array([time.process_time(), time.perf_counter()])


def measure_features(net: BuiltNetwork, size: int, stored: int, rows: int, rounds: int) -> NDArray[np.float64]:
    """Returns seconds (rounds, 2, 2): of the product's features and of bare `predict`; CPU time and by the clock."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (rows, stored, stored, 3)).astype(np.uint8)
    ready = rng.integers(0, 256, (rows, size, size, 3)).astype(np.float32)
    assert net.extract is not None
    assert net.head is not None
    features = keras.Model(net.model.input, net.head._inbound_nodes[0].input_tensors[0])
    features.compile(jit_compile=runtime.use_xla())
    features.predict(ready[:_BATCH], batch_size=_BATCH, verbose=0)
    with tempfile.TemporaryDirectory() as folder:  # traced for what the pass gives it
        FeatureCache(Path(folder), net.extract, size, 2).compute_views("train", images[:_BATCH], Views())
    found = []
    for _ in range(rounds):
        begun = read_clocks()
        with tempfile.TemporaryDirectory() as folder:
            FeatureCache(Path(folder), net.extract, size, 2).compute_views("train", images, Views())
        between = read_clocks()
        features.predict(ready, batch_size=_BATCH, verbose=0)
        found.append([between - begun, read_clocks() - between])
    return np.array(found)


def measure_step(net: BuiltNetwork, size: int, rounds: int) -> float:
    """Returns the CPU seconds of a training step on all weights, 32 images; the median of some."""
    images, targets = np.zeros((32, size, size, 3), dtype=np.uint8), np.zeros((32, 15), dtype=np.float32)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    net.model.compile(keras.optimizers.AdamW(1e-4), loss, jit_compile=runtime.use_xla())
    net.model.train_on_batch(images, targets)
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        net.model.train_on_batch(images, targets)
        found.append(time.process_time() - begun)
    return statistics.median(found)


def main() -> None:
    """Measures each named recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stored", type=int, default=0, help="side of the stored pictures; 0: that of the input")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    print(f"{hardware.name_hardware()}, {options.precision}, {options.rows} images, {options.rounds} rounds")
    for name in options.models:
        runtime.start_backend(options.precision)
        recipe = load_recipe(Path(), name)
        size = recipe.input.size or 32
        net = build_network(recipe.network, size, 3, 15)
        seconds = measure_features(net, size, options.stored or size, options.rows, options.rounds)
        ours, bare = 1000 * np.median(seconds[:, :, 0], axis=0) / options.rows
        ratios = seconds[:, 0] / seconds[:, 1]
        low, middle, high = (function(ratios[:, 0]) for function in (np.min, np.median, np.max))
        line = f"{name} at {size}: features {ours:.1f} CPU ms an image, predict {bare:.1f}; {middle:.3f} x "
        line += f"({low:.3f} to {high:.3f}), by the clock {np.median(ratios[:, 1]):.3f} x"
        if options.train:
            line += f"; training {1000 * measure_step(net, size, options.rounds) / 32:.1f} CPU ms an image"
        print(line, flush=True)


if __name__ == "__main__":
    main()
