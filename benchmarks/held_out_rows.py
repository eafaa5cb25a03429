"""Rows held out of a competition: drawn, written as the test set of a smaller one, and two answers to them compared."""

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML
from scipy.stats import binomtest

from pipeline.core import tables
from pipeline.core.arrays import Images
from pipeline.core.paired import error_of_mean
from pipeline.core.scores import resample_means
from pipeline.stages import fetch, prepare

ROOT = Path(__file__).parents[1]
NAME = "held_out"  # the smaller competition
_SHARE = 0.2
_YAML = YAML(typ="safe")


@dataclass(frozen=True)
class Pairing:
    """Two answers for each of the same rows, compared.

    Attributes:
        ours: share of right answers of the one.
        theirs: share of right answers of the other.
        difference: the first less the second.
        error: standard error of the difference over rows.
        interval: its 95 % percentile interval of a paired bootstrap of 10,000.
        only_ours: rows that the first alone has right.
        only_theirs: rows that the second alone has right.
        chance: exact two-sided probability of such a split or a more uneven one if both were as good (McNemar 1947,
            https://doi.org/10.1007/BF02295996).
    """

    ours: float
    theirs: float
    difference: float
    error: float
    interval: tuple[float, float]
    only_ours: int
    only_theirs: int
    chance: float


def hold_out(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Draws the rows to hold out: of each class its share, rounded.

    Args:
        labels: (n,) class indices.
        share: between 0 and 1.
        seed: of the draw.

    Returns:
        (n,) true for a row that is held out.
    """
    held, random = np.zeros(len(labels), dtype=bool), np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        held[random.permutation(rows)[: round(share * len(rows))]] = True
    return held


def pair_answers(truth: pd.Series, ours: pd.Series, theirs: pd.Series) -> Pairing:
    """Compares two sets of answers.

    Args:
        truth: labels by id.
        ours: answers by id, in any order.
        theirs: likewise.

    Raises:
        ValueError: an answer is missing, or one too many.
    """
    for answers in (ours, theirs):
        if sorted(answers.index) != sorted(truth.index):
            raise ValueError(f"{len(answers)} answers do not answer the {len(truth)} rows")
    right, other = (answers.loc[truth.index].to_numpy() == truth.to_numpy() for answers in (ours, theirs))
    gains, rows = right.astype(float) - other.astype(float), np.arange(len(truth))
    low, high = np.percentile(resample_means(gains, rows, np.random.default_rng(0), 10_000), [2.5, 97.5])
    first, second = int((right & ~other).sum()), int((other & ~right).sum())
    chance = float(binomtest(first, first + second).pvalue) if first + second else 1.0
    error = float(error_of_mean(gains, rows))
    interval = (float(low), float(high))
    return Pairing(
        float(right.mean()), float(other.mean()), float(gains.mean()), error, interval, first, second, chance
    )


def draw_of_each(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.bool_]:
    """Draws rows of each class, all of a class that has no more.

    Args:
        labels: (n,) class indices.
        count: rows of a class.
        seed: of the draw.

    Returns:
        (n,) true for a row that is drawn.
    """
    drawn, random = np.zeros(len(labels), dtype=bool), np.random.default_rng(seed)
    for label in np.unique(labels):
        drawn[random.permutation(np.flatnonzero(labels == label))[:count]] = True
    return drawn


def write_reduced(folder: Path, competition: str, seed: int) -> tuple[Path, "pd.Series[str]"]:
    """Writes a competition whose test set are training images held out: as a folder, and as a zip beside it.

    The pictures are those that `prepare` stores, in the layout of a Kaggle download.

    Args:
        folder: where to.
        competition: `digits`, or one whose files lie in $COMPETITIONS_DIR.
        seed: of the draw.

    Returns:
        The folder, and the held-out labels by id.
    """
    images, labels, classes = _prepare_whole(folder, competition)
    held = hold_out(labels, _SHARE, seed)
    return _write_files(folder, images, classes[labels], ~held, held)


def write_subset(folder: Path, competition: str, of_each: int, seed: int) -> tuple[Path, "pd.Series[str]"]:
    """Writes a competition of a few training images of each class, and as many of test as are left, a fifth at most.

    Args:
        folder: where to.
        competition: as `write_reduced`.
        of_each: training images of a class.
        seed: of the draw.

    Returns:
        As `write_reduced`.
    """
    images, labels, classes = _prepare_whole(folder, competition)
    drawn = draw_of_each(labels, of_each, seed)
    rest = np.flatnonzero(~drawn)
    others = np.zeros(len(labels), dtype=bool)
    others[rest[draw_of_each(labels[rest], max(1, round(_SHARE * of_each)), seed + 1)]] = True
    return _write_files(folder, images, classes[labels], drawn, others)


def _prepare_whole(folder: Path, competition: str) -> tuple[Images, NDArray[np.int64], NDArray[np.str_]]:
    """Prepares a competition; returns its training images, their class indices, and the classes' names."""
    whole = folder / "whole"
    shutil.copytree(ROOT / "configs", whole / "configs")
    params: dict[str, Any] = _YAML.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    with (whole / "params.yaml").open("w", encoding="utf-8") as file:
        _YAML.dump(params | {"competition": competition}, file)
    fetch.run(whole)
    prepare.run(whole)
    prepared = whole / "data" / "prepared"
    index, classes = tables.read_index(prepared / "train.csv"), np.array(tables.read_classes(prepared / "classes.json"))
    return np.load(prepared / "train_images.npy", mmap_mode="r"), index["label"].to_numpy(), classes


def _write_files(
    folder: Path, images: Images, names: NDArray[np.str_], train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> tuple[Path, "pd.Series[str]"]:
    """Writes rows as a Kaggle download: a folder of both parts and its tables, and a zip of it."""
    files = folder / NAME
    truth = pd.Series(names[test], _write_pictures(files / "test", images[test]), name="Label")
    known = pd.Series(names[train], _write_pictures(files / "train", images[train]), name="Label")
    known.to_csv(files / "train.csv", index_label="Id")
    pd.Series(names[0], truth.index, name="Label").to_csv(files / "sample_submission.csv", index_label="Id")
    with zipfile.ZipFile(folder / f"{NAME}.zip", "w") as archive:
        for path in sorted(files.rglob("*.*")):
            archive.write(path, path.relative_to(files))
    return files, truth


def _write_pictures(folder: Path, images: Images) -> list[str]:
    """Writes pictures and returns their ids."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels.squeeze()).save(folder / f"{number}.png")
    return [str(number) for number in range(len(images))]
