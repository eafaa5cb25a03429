"""Seconds to predict test images from the store against a bare ``predict`` on arrays in memory, in pairs.

python -m benchmarks.prediction [--model deep_elu_cnn] [--pairs 5]
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.pairs import in_turns, ratios
from pipeline.core.arrays import Images
from pipeline.core.targets.classes import OneClass
from pipeline.images.resizing import resize_unrounded
from pipeline.images.views import Views
from pipeline.networks import hardware, runtime
from pipeline.training.data import Data
from pipeline.training.fold_training import FoldTraining
from pipeline.training.inputs import NetworkInputs
from pipeline.training.recipes.recipe import Recipe, load_recipe
from pipeline.training.rows import TrainingRows
from pipeline.training.session import Session

ROOT = Path(__file__).resolve().parents[1]
_BATCH, _ROWS = 256, 500


def main() -> None:
    """Measures the pairs and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="deep_elu_cnn")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--stored", type=int, default=32, help="side of the stored images in pixels")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    runtime.start_backend(options.precision)
    shape = (options.images, options.stored, options.stored, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    training = _begin_training(load_recipe(ROOT, options.model), images)
    model = training.phase.net.model
    ready = np.stack([resize_unrounded(image, training.phase.size) for image in images])
    rows = np.arange(len(images))

    def streamed() -> float:
        begun = time.perf_counter()
        training.predict("test", rows, Views())
        return time.perf_counter() - begun

    def bare() -> float:
        begun = time.perf_counter()
        model.predict(ready, batch_size=_BATCH, verbose=0)
        return time.perf_counter() - begun

    pairs = in_turns(streamed, bare, options.pairs, ("from the store", "bare predict"))
    summary = ratios([(second, first) for first, second in pairs], "speed_ratio") | {
        "images_per_second": round(options.images / statistics.median(pair[0] for pair in pairs)),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(vars(options) | summary | {"hardware": hardware.name_hardware()}))


def _begin_training(recipe: Recipe, images: Images) -> FoldTraining:
    """Builds a network with random weights, in its last phase, with the images as test images."""
    if "weights" in recipe.network.model_dump():
        recipe = recipe.model_copy(update={"network": recipe.network.model_copy(update={"weights": "none"})})
    rows, ids = np.arange(2 * _ROWS), tuple(map(str, range(len(images))))
    target = OneClass(columns=tuple("abcdefghij"))
    data = Data(images[: 2 * _ROWS], rows % 10, ids[: 2 * _ROWS], rows % 2, images, ids, target)
    with tempfile.TemporaryDirectory() as folder:
        inputs = NetworkInputs(recipe, data, TrainingRows(recipe, data, {}, None), Path(folder))
        training = Session(inputs, Path(folder)).begin(0, 0)
    training.enter(training.phases[-1])
    return training


if __name__ == "__main__":
    main()
