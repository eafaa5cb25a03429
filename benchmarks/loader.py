"""Seconds per epoch of `fit` fed by our augmenting stream, against `fit` on arrays augmented beforehand.

    python -m benchmarks.loader --pairs 5

Both train the network of a model's file on synthetic images, in one process and in turn; which goes first alternates
from pair to pair. The target is a median ratio of at most 1.10 on two cores.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.pairs import in_turns, ratios
from pipeline.core.targets.classes import OneClass
from pipeline.images.prefetching import default_workers
from pipeline.networks import hardware, runtime
from pipeline.training.data import Data
from pipeline.training.fold_training import FoldTraining
from pipeline.training.inputs import NetworkInputs
from pipeline.training.recipes.recipe import load_recipe
from pipeline.training.rows import TrainingRows
from pipeline.training.session import Session

REPOSITORY = Path(__file__).resolve().parents[1]
N_CLASSES = 15


def main() -> None:
    """Measures the pairs and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5760)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--model", default="deep_elu_cnn")
    parser.add_argument("--workers", type=int, default=default_workers(), help="threads of the loader")
    options = parser.parse_args()
    precision = runtime.start_backend("auto")
    here = Path()  # neither weights nor features are read
    data = _make_noise(options.rows, options.size)
    recipe = load_recipe(REPOSITORY, options.model)
    inputs = NetworkInputs(recipe, data, TrainingRows(recipe, data, {}, None), here, options.workers)
    training = Session(inputs, here).begin(0, 0)
    from_stream, from_arrays = _time_stream(training), _time_arrays(training)
    pairs = in_turns(from_stream, from_arrays, options.pairs, ("stream", "arrays"))
    summary = ratios(pairs, "ratio") | {
        "stream_seconds": round(statistics.median(streamed for streamed, _ in pairs), 2),
        "arrays_seconds": round(statistics.median(arrays for _, arrays in pairs), 2),
    }
    print(json.dumps(vars(options) | summary | {"precision": precision, "hardware": hardware.name_hardware()}))


def _make_noise(rows: int, size: int) -> Data:
    """Noise in two folds, so that the training part of each has ``rows`` rows."""
    rng = np.random.default_rng(0)
    fold_of = np.repeat([0, 1], [rows, rows])
    return Data(
        images=rng.integers(0, 256, (2 * rows, size, size, 3), dtype=np.uint8),
        truth=rng.integers(0, N_CLASSES, 2 * rows),
        ids=tuple(map(str, range(2 * rows))),
        fold_of=fold_of,
        test_images=np.zeros((0, size, size, 3), dtype=np.uint8),
        test_ids=(),
        target=OneClass(columns=tuple(map(str, range(N_CLASSES)))),
    )


def _time_stream(training: FoldTraining) -> Callable[[], float]:
    def epoch() -> float:
        started = time.perf_counter()
        with training.feed(0) as batches:
            training.phase.model.fit(batches, steps_per_epoch=training.phase.steps, shuffle=False, verbose=0)
        return time.perf_counter() - started

    return epoch


def _time_arrays(training: FoldTraining) -> Callable[[], float]:
    phase = training.phase
    batches = training.inputs.image_batches(phase, 0, 0)
    transform = batches.plan.transform()
    made = [batches.batch(step, transform) for step in range(phase.steps)]
    images, targets = (np.concatenate(part) for part in zip(*made, strict=True))

    def epoch() -> float:
        started = time.perf_counter()
        phase.model.fit(images, targets, batch_size=phase.batch_size, shuffle=False, verbose=0)
        return time.perf_counter() - started

    return epoch


if __name__ == "__main__":
    main()
