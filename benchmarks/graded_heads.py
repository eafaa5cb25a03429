"""Ordered heads in the ensemble against the classification head alone, by quadratic kappa: on grades made from fashion.

    python -m benchmarks.graded_heads fashion_pixels.zip --seeds 5

Each image blends a garment into another, and its grade is how far, seen through noise: five grades of unequal size.
The three heads are fitted to gradients (HOG) on the same folds. Both ensembles are what the stage would make, with
thresholds on the expected grade, and each is scored by its nested predictions.
"""

import argparse
import json
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_gain
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import Grades
from pipeline.core.targets.grade_heads import GradesHead, give_head
from pipeline.ensemble.fitting import Ensemble, EnsembleParams, fit_ensemble
from pipeline.ensemble.members import Members
from pipeline.images.hog import Hog, compute_hog
from pipeline.training.classic.linear import LogisticRegression
from pipeline.training.classic.recipe import fit_classifier

FOLDS, SIDE, FROM, INTO = 5, 28, 0, 4  # T-shirts that become coats
BORDERS, NOISE = np.array([0.4, 0.62, 0.78, 0.9]), 0.08  # of the share that is blended in
HEADS: tuple[GradesHead, ...] = get_args(GradesHead)


def main() -> None:
    """Prints a line of JSON for each seed, and the mean gain."""
    parser = argparse.ArgumentParser()
    parser.add_argument("archive", type=Path, help="fashion_pixels.zip, whose train.csv holds label and pixels")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    labels, pixels = read_pixels(options.archive)
    gains = [measure_seed(labels, pixels, options.rows, seed) for seed in range(options.seeds)]
    spread = float(np.std(gains, ddof=1)) if len(gains) > 1 else 0.0
    print(f"gain in kappa: {np.mean(gains):+.4f} on average, deviation {spread:.4f}, {len(gains)} draws", flush=True)


def read_pixels(archive: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Reads labels (n,) and pixels (n, 28, 28) of the training table."""
    with zipfile.ZipFile(archive) as opened:
        name = next(each for each in opened.namelist() if each.endswith("train.csv"))
        with opened.open(name) as file:
            table = pd.read_csv(file)
    pixels = table.filter(regex=r"^pixel\d+$").to_numpy(dtype=np.uint8)
    return table["label"].to_numpy(dtype=np.int64), pixels.reshape(-1, SIDE, SIDE)


def draw_grades(
    labels: NDArray[np.int64], pixels: NDArray[np.uint8], rows: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draws images uint8 (rows, 28, 28, 1) and their grades (rows,); a garment lies in one fold alone."""
    parts = []
    for label in (FROM, INTO):
        own = random.permutation(np.flatnonzero(labels == label))
        fold = np.arange(len(own)) % FOLDS
        parts.append([own[fold == number] for number in range(FOLDS)])
    share = random.uniform(0, 1, rows)
    chosen = [[random.choice(part[row % FOLDS]) for row in range(rows)] for part in parts]
    first, second = (pixels[np.array(each)].astype(np.float32) for each in chosen)
    blended = first + share[:, None, None] * (second - first) + random.normal(0, 12, first.shape)
    images = np.clip(blended, 0, 255).astype(np.uint8)[..., None]
    return images, np.digitize(share + random.normal(0, NOISE, rows), BORDERS)


def measure_seed(labels: NDArray[np.int64], pixels: NDArray[np.uint8], rows: int, seed: int) -> float:
    """Measures one draw; returns how much better all heads are than the classification head."""
    random = np.random.default_rng(seed)
    images, grades = draw_grades(labels, pixels, rows, random)
    target = Grades(columns=("0", "1", "2", "3", "4"), numbers=(0.0, 1.0, 2.0, 3.0, 4.0))
    folds, features = np.arange(rows) % FOLDS, compute_hog(images, Hog(name="hog", pixels_per_cell=7))
    stacked = np.stack([fit_head(features, grades, folds, target, head) for head in HEADS])
    metric = get_metric("quadratic_kappa", target=target)
    alone = _combine(stacked[:1], grades, folds, target, HEADS[:1])
    mixed = _combine(stacked, grades, folds, target, HEADS)
    gain = measure_gain(LabelledRows(grades, np.arange(rows)), mixed.nested, alone.nested, metric)
    line = {
        "seed": seed,
        "plain": {head: round(metric.score(grades, one), 4) for head, one in zip(HEADS, stacked, strict=True)},
        "classification_alone": round(metric.score(grades, alone.nested), 4),
        "all_heads": round(metric.score(grades, mixed.nested), 4),
        "combiner": mixed.chosen.name,
        "gain": round(gain.value, 4),
        "interval": [round(gain.low, 4), round(gain.high, 4)],
    }
    print(json.dumps(line), flush=True)
    return gain.value


def fit_head(
    features: NDArray[np.float32], grades: NDArray[np.int64], folds: NDArray[np.int64], target: Grades, head: GradesHead
) -> NDArray[np.float32]:
    """Returns out-of-fold predictions (rows, n_grades) of a linear model with a head."""
    own, made = give_head(target, head, "head"), np.empty((len(grades), len(target.columns)), dtype=np.float32)
    section = LogisticRegression(C=0.01, grades=head)
    for fold in range(FOLDS):
        held = folds == fold
        words = np.zeros((0, 128), dtype=np.float32)
        model, _ = fit_classifier(features[~held].copy(), grades[~held], own, section, words)
        made[held] = own.from_outputs(model.logits(features[held]))
    return made


def _combine(
    stacked: NDArray[np.float32],
    grades: NDArray[np.int64],
    folds: NDArray[np.int64],
    target: Grades,
    names: tuple[str, ...],
) -> Ensemble:
    rows = np.arange(len(grades))
    table = pd.DataFrame({"id": rows.astype(str), "label": grades, "group": rows, "fold": folds})
    members = Members(names, table, grades, stacked, target, {})
    return fit_ensemble(members, get_metric("quadratic_kappa", target=target), EnsembleParams())


if __name__ == "__main__":
    main()
