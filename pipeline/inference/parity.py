"""Parity: what a written graph predicts against the pipeline, from stored pixels and from picture files.

Pixels in tell the graph's own error; files in tell that of a reader, too, which has the card's words alone.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.core.arrays import Images, Values
from pipeline.core.formats import GraphFormat
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.inference.export_formats import PredictBatch, load_exported
from pipeline.inference.picture_reader import read_picture
from pipeline.inference.trained_model import TrainedModel

COMPARED = 100
_DIFFERENCES = {
    "max_probability_difference": "probabilities",
    "max_difference_in_deviations": "numbers, in their standard deviations,",
}


class PictureFiles(NamedTuple):
    """Files of a competition beside their stored pixels.

    Attributes:
        paths: of the files.
        pixels: uint8 (n, size, size, channels), as they are stored.
    """

    paths: Sequence[Path]
    pixels: Images


def choose_files(folder: Path | None, index: pd.DataFrame, store: Images) -> PictureFiles | None:
    """Chooses files of a competition over its whole index; None where they are not here as files."""
    if folder is None or not len(index):
        return None
    rows = np.unique(np.linspace(0, len(index) - 1, COMPARED).astype(np.int64))
    paths = {int(row): folder / str(index["source"].iloc[row]) for row in rows}
    there = [row for row, path in paths.items() if path.is_file()]
    return PictureFiles([paths[row] for row in there], store[there]) if there else None


def measure_graph(
    model: TrainedModel, folds: Sequence[int], path: Path, kind: GraphFormat, images: Images
) -> dict[str, Any]:
    """Compares a written model with the pipeline on stored pixels, and times it image by image.

    Args:
        model: the pipeline's.
        folds: those in the graph.
        path: of the written model.
        kind: its format.
        images: uint8 (n, size, size, channels).
    """
    expected = _predict_mean(model, images, folds)
    predict = load_exported(path, kind)
    predict(images[:1])
    seconds, outputs = [], []
    for image in images:
        begun = time.perf_counter()
        outputs.append(predict(image[None])[0])
        seconds.append(time.perf_counter() - begun)
    values = np.stack(outputs)
    written = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    return {
        "compared_pictures": len(images),
        **_compare(model.target, values, expected),
        "bytes": written,
        "milliseconds_per_picture": 1000 * float(np.median(seconds)),
    }


def measure_files(
    model: TrainedModel, folds: Sequence[int], predict: PredictBatch, outside: dict[str, Any], files: PictureFiles
) -> dict[str, Any]:
    """Compares a written model, fed by a reader that has the card's words alone, with the pipeline on stored pixels.

    Args:
        model: the pipeline's.
        folds: those in the graph.
        predict: the written model.
        outside: of the card.
        files: with their stored pixels.

    Returns:
        Counts and differences; ``not_read`` lists the files that the reader refuses, with its reason.
    """
    read, rows, refused = [], [], []
    for row, path in enumerate(files.paths):
        try:
            read.append(read_picture(path, outside))
            rows.append(row)
        except (ValueError, OSError) as error:
            refused.append(f"{path.name}: {' '.join(str(error).split())}")
    about: dict[str, Any] = {"compared_files": len(read), "not_read": refused}
    if not read:
        return about
    stored = files.pixels[rows]
    values = np.concatenate([predict(image[None]) for image in read])
    apart = np.abs(np.stack(read).astype(np.int16) - stored)
    about |= {"max_pixel_difference": int(apart.max()), "mean_pixel_difference": float(apart.mean())}
    return about | _compare(model.target, values, _predict_mean(model, stored, folds))


def describe_differences(about: dict[str, Any]) -> str:
    """Describes what was compared in a line for people."""
    apart = [f"{name} differ by {about[key]:.2g} at most" for key, name in _DIFFERENCES.items() if key in about]
    if "max_pixel_difference" in about:
        apart = [f"pixels differ by {about['max_pixel_difference']} levels at most", *apart]
    return ", ".join(apart) + (f", {about['same_class']:.0%} get the same class" if "same_class" in about else "")


def _compare(target: Target, values: Values, expected: Values) -> dict[str, float]:
    """Compares predictions: largest differences, of numbers in their deviations, and the share of equal decisions."""
    found: dict[str, float] = {}
    same = np.ones(len(values), dtype=np.bool_)
    for _, part, columns, _ in target.each():
        mine, wanted = values[:, columns], expected[:, columns]
        if isinstance(part, Numbers):
            name, apart = "max_difference_in_deviations", np.abs(mine - wanted) / part.scales
        else:
            name, apart = "max_probability_difference", np.abs(mine - wanted)
            several = isinstance(part, SeveralLabels)
            same &= (part.decide(mine) == part.decide(wanted)).all(1) if several else mine.argmax(1) == wanted.argmax(1)
        found[name] = max(found.get(name, 0.0), float(apart.max()))
    return found | ({"same_class": float(same.mean())} if "max_probability_difference" in found else {})


def _predict_mean(model: TrainedModel, images: Images, folds: Sequence[int]) -> Values:
    mean: Values = np.stack([fold.probs for fold in model.predict_folds(images, folds)]).mean(axis=0)
    return mean
