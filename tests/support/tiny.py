"""A tiny competition for tests: three classes of small stripy pictures, a complete repository root around them."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML
from support.once import remembered

from pipeline.stages import fetch, prepare

CLASSES = ("cat", "dog", "owl")
_ANGLES = {"cat": 0.0, "dog": np.pi / 2, "owl": np.pi / 4}
_COLOURS = {"cat": (1.0, 0.7, 0.4), "dog": (0.4, 1.0, 0.7), "owl": (0.7, 0.4, 1.0)}


def stripes(label: str, size: int, rng: np.random.Generator, channels: int = 3) -> NDArray[np.uint8]:
    """Draws noisy stripes whose direction and colour tell the class; (size, size[, 3]) uint8."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    angle, phase, turns = _ANGLES[label], rng.uniform(0, 2 * np.pi), rng.uniform(2, 4)
    wave = np.sin(2 * np.pi * turns * (rows * np.cos(angle) + columns * np.sin(angle)) + phase)
    grey = 120 + 70 * wave + rng.normal(0, 25, (size, size))
    pixels = grey[:, :, None] * np.array(_COLOURS[label]) if channels == 3 else grey
    drawn: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return drawn


@remembered
def build(
    root: Path,
    layout: str = "csv_images",
    submission: str = "label",
    per_class: int = 15,
    n_test: int = 9,
    size: int = 12,
    channels: int = 3,
    models: tuple[str, ...] = ("small_cnn",),
    zipped: bool = False,
) -> Path:
    """Builds a repository root: params.yaml, configs/competitions/tiny.yaml and the download it speaks of.

    Args:
        root: an empty folder.
        layout: ``csv_images``, ``csv_one_hot``, ``folders``, ``file_names`` or ``csv_pixels``.
        submission: ``label`` or ``probabilities``.
        per_class: training images of each class.
        n_test: test images; their true labels lie in ``solution.csv`` (Id,Label).
        size: height and width of the pictures and of the store.
        channels: 1 or 3.
        models: what ``params.yaml`` and the competition name.
        zipped: the download is ``download/tiny.zip`` instead of the folder ``download/tiny``.

    Returns:
        The folder of the download (the zip, if ``zipped``).
    """
    rng = np.random.default_rng(0)
    labels = [CLASSES[row % 3] for row in range(3 * per_class)]
    truth = [CLASSES[row % 3] for row in range(n_test)]
    images = [stripes(label, size, rng, channels) for label in labels]
    test = [stripes(label, size, rng, channels) for label in truth]
    download = root / "download" / "tiny"
    download.mkdir(parents=True)
    _write_train(download, layout, images, labels)
    # Pixel rows have no id column: they are numbered from 1.
    first = 1 if layout == "csv_pixels" else 0
    _write_test(download, layout, test)
    ids = [str(first + row) for row in range(n_test)]
    sample = {"Id": ids, "Label": "cat"} if submission == "label" else {"Id": ids, **dict.fromkeys(CLASSES, 1 / 3)}
    pd.DataFrame(sample).to_csv(download / "sample_submission.csv", index=False)
    pd.DataFrame({"Id": ids, "Label": truth}).to_csv(download / "solution.csv", index=False)
    write_yaml(
        root / "configs" / "competitions" / "tiny.yaml", describe(layout, submission, size, channels, models, zipped)
    )
    write_yaml(
        root / "params.yaml",
        {
            "competition": "tiny",
            "models": list(models),
            "prepare": {"workers": 1, "drop_broken": False},
            "split": {"n_splits": 3, "seed": 0, "group_duplicates": True},
            "tune": {"n_trials": 0},
            "train": {"seed": 0, "folds": None, "precision": "float32"},
            "ensemble": {"combiners": ["mean", "convex"]},
        },
    )
    return zip_folder(download) if zipped else download


def describe(
    layout: str, submission: str, size: int, channels: int, models: tuple[str, ...], zipped: bool
) -> dict[str, object]:
    """Returns the competition's file as a mapping."""
    trains: dict[str, dict[str, object]] = {
        "csv_images": {"layout": layout, "images": "train", "table": "train.csv", "id": "Id", "label": "Label"},
        "csv_one_hot": {
            "layout": layout,
            "images": "train",
            "table": "train.csv",
            "id": "Id",
            "classes": list(CLASSES),
        },
        "folders": {"layout": layout, "images": "train"},
        "file_names": {"layout": layout, "images": "train", "pattern": r"^(?P<label>\w+)\.\d+"},
        "csv_pixels": {"layout": layout, "table": "train.csv", "label": "Label"},
    }
    test = (
        {"layout": "csv_pixels", "table": "test.csv"}
        if layout == "csv_pixels"
        else {"layout": "images", "images": "test"}
    )
    columns = {"label": "Label"} if submission == "label" else {}
    return {
        "title": "Tiny",
        "source": {"kind": "local", "path": "download/tiny" + (".zip" if zipped else "")},
        "train": trains[layout],
        "test": test,
        "storage": {"size": size, "channels": channels, "resize": "crop"},
        "mirror": True,
        "metric": {"name": "accuracy" if submission == "label" else "log_loss"},
        "submission": {"kind": submission, "sample": "sample_submission.csv", "id": "Id", **columns},
        "models": list(models),
        "solution": "solution.csv",
    }


def prepare_tiny(root: Path) -> None:
    """Runs fetch and prepare on a root made by `build`."""
    fetch.run(root)
    prepare.run(root)


def write_yaml(path: Path, data: object) -> None:
    """Writes YAML, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yaml = YAML()
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)


def read_yaml(path: Path) -> dict[str, dict[str, object]]:
    """Reads YAML as plain values, to be changed and written back."""
    data: dict[str, dict[str, object]] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return data


def zip_folder(folder: Path) -> Path:
    """Packs a folder into a zip beside it and removes it."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                zipped.write(path, path.relative_to(folder))
    shutil.rmtree(folder)
    return archive


def _write_train(folder: Path, layout: str, images: list[NDArray[np.uint8]], labels: list[str]) -> None:
    if layout == "csv_pixels":
        table = _pixel_table(images)
        table.insert(0, "Label", labels)
        table.to_csv(folder / "train.csv", index=False)
        return
    for row, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        name = {"folders": f"{label}/{row}.png", "file_names": f"{label}.{row}.png"}.get(layout, f"{row}.png")
        path = folder / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    if layout == "csv_images":
        # Table order is not natural order: nothing may lean on positions.
        table = pd.DataFrame({"Id": range(len(labels)), "Label": labels})
        table.sample(frac=1, random_state=0).to_csv(folder / "train.csv", index=False)
    if layout == "csv_one_hot":
        marks = pd.DataFrame(
            {"Id": range(len(labels)), **{name: [int(name == own) for own in labels] for name in CLASSES}}
        )
        marks.sample(frac=1, random_state=0).to_csv(folder / "train.csv", index=False)


def _write_test(folder: Path, layout: str, images: list[NDArray[np.uint8]]) -> None:
    if layout == "csv_pixels":
        _pixel_table(images).to_csv(folder / "test.csv", index=False)
        return
    (folder / "test").mkdir()
    for row, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / "test" / f"{row}.png")


def _pixel_table(images: list[NDArray[np.uint8]]) -> pd.DataFrame:
    flat = np.stack([pixels.ravel() for pixels in images])
    return pd.DataFrame(flat, columns=[f"pixel{number}" for number in range(flat.shape[1])])
