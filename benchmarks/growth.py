"""CPU seconds and peak memory of stages against the number of images: how they grow.

    python -m benchmarks.growth 10000 100000

Each count of made pictures of 24 pixels (soft colours, ten classes) is prepared, split, explored and, with five
simulated members in place of trained models, ensembled and reported; each stage is a process of its own. A tenth as
many test images come on top. Memory is the largest sum over a stage's process tree, as in `benchmarks/memory.py`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.memory import RUN_STAGE, measure_peak
from benchmarks.simulated_members import mixed
from pipeline.core import paths, tables
from pipeline.core.predictions import Predictions, write_predictions

REPOSITORY = Path(__file__).resolve().parents[1]
_SIDE, _CLASSES, _MEMBERS = 24, 10, 5
_STAGES = ("prepare", "split", "explore", "ensemble", "report")
_COMPETITION = f"""
title: Synthetic
source: {{kind: local, path: download}}
train: {{layout: csv_images, images: train, table: train.csv, id: id, label: label}}
test: {{layout: images, images: test}}
storage: {{size: {_SIDE}, channels: 3}}
mirror: true
metric: {{name: accuracy}}
submission: {{kind: label, sample: sample.csv, id: id, label: label}}
models: [small_cnn]
"""
_NAMES = ["small_cnn", *(f"member_{number}" for number in range(1, _MEMBERS))]
_PARAMS = """competition: synthetic
models: [small_cnn]
prepare: {{workers: {workers}}}
ensemble: {{external: [{names}]}}
"""


def main() -> None:
    """Measures each count and prints one line of JSON for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--stages", nargs="+", default=_STAGES, choices=_STAGES)
    options = parser.parse_args()
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _write_competition(root, count, options.workers)
            for stage in ("fetch", *_STAGES):
                if stage == "ensemble":
                    _write_members(root, count)
                if stage in options.stages or stage in ("fetch", "prepare", "split"):
                    measured = measure_peak([sys.executable, str(root / "run.py"), stage], root)
                    if stage in options.stages:
                        print(json.dumps({"images": count, "stage": stage, **measured}), flush=True)


def _write_competition(root: Path, count: int, workers: int) -> None:
    random = np.random.default_rng(0)
    tints = random.integers(60, 196, (_CLASSES, 3))
    for part, size in (("train", count), ("test", count // 10)):
        folder = root / "download" / part
        folder.mkdir(parents=True)
        for name in range(size):
            rough = random.normal(tints[name % _CLASSES], 40, (5, 5, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(rough, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC))
    rows = "".join(f"{name},class_{name % _CLASSES}\n" for name in range(count))
    (root / "download" / "train.csv").write_text("id,label\n" + rows)
    rows = "".join(f"{name},class_0\n" for name in range(count // 10))
    (root / "download" / "sample.csv").write_text("id,label\n" + rows)
    configs = root / "configs" / "competitions"
    configs.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "configs" / "models", root / "configs" / "models")
    (configs / "synthetic.yaml").write_text(_COMPETITION)
    (root / "params.yaml").write_text(_PARAMS.format(workers=workers, names=", ".join(_NAMES[1:])))
    (root / "run.py").write_text(RUN_STAGE)


def _write_members(root: Path, count: int) -> None:
    """Writes predictions of members that are simulated, each row by a fold that did not see it."""
    random = np.random.default_rng(1)
    crew = mixed(_MEMBERS, random, _CLASSES)
    stacked, drawn = crew.draw(count + count // 10, random)
    folds = tables.read_folds(paths.folds_path(root))
    prepared = paths.prepared_folder(root)
    classes = tables.read_classes(prepared / "classes.json")
    test = tuple(tables.read_index(prepared / "test.csv")["id"])
    labels, digest = folds["label"].to_numpy(), tables.folds_digest(folds)
    swap = (np.arange(_CLASSES) + (labels - drawn[:count])[:, None]) % _CLASSES  # so that the drawn class is the row's
    for name, probs in zip(_NAMES, stacked, strict=True):
        oof = np.empty((count, _CLASSES), dtype=np.float32)
        np.put_along_axis(oof, swap, probs[:count], axis=1)
        write_predictions(paths.oof_path(root, name), Predictions(tuple(folds["id"]), oof, classes, digest))
        write_predictions(paths.predicted_test_path(root, name), Predictions(test, probs[count:], classes))


if __name__ == "__main__":
    main()
