"""Seconds to compute features of a frozen backbone against a bare ``predict`` on arrays in memory, in pairs."""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.pairs import in_turns, ratios
from pipeline.core.config import parse
from pipeline.images.prefetching import default_workers
from pipeline.images.resizing import resize_image
from pipeline.images.views import Views
from pipeline.networks import hardware, runtime
from pipeline.networks.backbones.pretrained import Pretrained
from pipeline.networks.build import build_network
from pipeline.networks.features import FeatureCache


def main() -> None:
    """Measures the pairs and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--stored", type=int, default=32, help="side of the stored images in pixels")
    parser.add_argument("--size", type=int, default=96, help="side of the input in pixels")
    parser.add_argument("--backbone", default="MobileNetV2")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    runtime.start_backend(options.precision)
    section = parse(
        {"name": "pretrained", "backbone": options.backbone, "weights": "none"}, Pretrained, "the command line"
    )
    net = build_network(section, options.size, 3, 10)
    assert net.extract is not None
    shape = (options.images, options.stored, options.stored, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ready = np.stack([resize_image(image, options.size) for image in images])
    bare = keras.Model(net.model.input, net.model.get_layer("pool").output)
    bare.compile(jit_compile=runtime.use_xla())
    extract = net.extract

    def cached() -> float:
        folder = Path(tempfile.mkdtemp())
        begun = time.perf_counter()
        FeatureCache(folder, extract, options.size, default_workers()).compute_views("train", images, Views())
        spent = time.perf_counter() - begun
        shutil.rmtree(folder)
        return spent

    def predicted() -> float:
        begun = time.perf_counter()
        bare.predict(ready, batch_size=64, verbose=0)
        return time.perf_counter() - begun

    pairs = in_turns(cached, predicted, options.pairs, ("features", "bare predict"))
    summary = ratios([(second, first) for first, second in pairs], "speed_ratio") | {
        "images_per_second": round(options.images / statistics.median(pair[0] for pair in pairs)),
        "cores": os.cpu_count(),
    }
    print(json.dumps(vars(options) | summary | {"hardware": hardware.name_hardware()}))


if __name__ == "__main__":
    main()
