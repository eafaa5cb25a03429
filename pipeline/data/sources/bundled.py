"""Data sets that come with a library, written to disk as a Kaggle download.

``train/<Id>.png``, ``train.csv`` (Id,Label), ``test/<Id>.png``, ``sample_submission.csv`` and the held-back
``solution.csv``. Ids count from 0, so that their lexicographic order is wrong, as it so often is.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Images
from pipeline.core.errors import InputError
from pipeline.core.files import write_text
from pipeline.core.processes import make_guard
from pipeline.core.source_kinds import BundledSource, KerasSource

# The numpy backend starts in half a second, and a process of its own keeps Keras out of this one.
_KERAS = """
import sys, keras, numpy
(a, b), (c, d) = getattr(keras.datasets, sys.argv[1]).load_data()
numpy.savez(sys.argv[2], train=a, train_labels=b.ravel(), test=c, test_labels=d.ravel())
"""


def write_digits(folder: Path, source: BundledSource) -> None:
    """Writes scikit-learn's 1,797 handwritten digits (8x8, 17 grey levels) with a stratified test part.

    Reference: https://archive.ics.uci.edu/dataset/80
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = [str(label) for label in digits.target]
    train, test = train_test_split(
        np.arange(len(labels)), test_size=source.test_fraction, random_state=source.seed, stratify=labels
    )
    _write(folder, images[train], [labels[row] for row in train], images[test], [labels[row] for row in test])


def write_keras(folder: Path, source: KerasSource) -> None:
    """Writes a data set of ``keras.datasets``, or the classes of it that ``source.classes`` names.

    Raises:
        InputError: Keras could not download it, or it has no class of that number.
    """
    arrays = _load_keras(folder, source.name)
    names = source.classes or {int(label): str(label) for label in np.unique(arrays["train_labels"])}
    absent = sorted(set(names) - set(arrays["train_labels"].tolist()))
    if absent:
        highest = int(arrays["train_labels"].max())
        raise InputError(f"source.classes: {source.name} has no class {absent[0]}; its classes are 0..{highest}")
    parts: list[tuple[Images, list[str]]] = []
    for part in ("train", "test"):
        kept = np.isin(arrays[f"{part}_labels"], list(names))
        labels = [names[int(label)] for label in arrays[f"{part}_labels"][kept]]
        parts.append((arrays[part][kept].astype(np.uint8), labels))
    _write(folder, *parts[0], *parts[1])


def _load_keras(folder: Path, name: str) -> dict[str, NDArray[np.generic]]:
    archive = folder / "arrays.npz"
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", make_guard() + _KERAS, name, str(archive)],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"keras.datasets.{name} could not be loaded ({reason}); it needs the internet once")
    with np.load(archive, allow_pickle=False) as arrays:
        loaded = dict(arrays)
    archive.unlink()
    return loaded


def _write(folder: Path, train: Images, labels: Sequence[str], test: Images, solution: Sequence[str]) -> None:
    _write_images(folder / "train", train)
    _write_images(folder / "test", test)
    _write_table(folder / "train.csv", labels)
    _write_table(folder / "sample_submission.csv", [labels[0]] * len(solution))
    _write_table(folder / "solution.csv", solution)


def _write_images(folder: Path, images: Images) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{number}.png")


def _write_table(path: Path, labels: Sequence[str]) -> None:
    write_text(path, "Id,Label\n" + "".join(f"{number},{label}\n" for number, label in enumerate(labels)))
