from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.errors import InputError
from pipeline.core.files import sha256
from pipeline.core.source_kinds import BundledSource, KerasSource
from pipeline.data.sources import bundled


def _tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_digits_are_laid_out_as_a_download(tmp_path: Path) -> None:
    bundled.write_digits(tmp_path, BundledSource(kind="sklearn", name="digits"))
    train = pd.read_csv(tmp_path / "train.csv")
    solution = pd.read_csv(tmp_path / "solution.csv")
    assert (len(train), len(solution)) == (1437, 360)
    assert train.columns.tolist() == ["Id", "Label"]
    assert pd.read_csv(tmp_path / "sample_submission.csv")["Id"].tolist() == solution["Id"].tolist()
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == sorted(f"{name}.png" for name in train["Id"])
    with Image.open(tmp_path / "test" / "0.png") as image:
        assert image.size == (8, 8)


def test_the_test_part_of_the_digits_is_stratified(tmp_path: Path) -> None:
    bundled.write_digits(tmp_path, BundledSource(kind="sklearn", name="digits"))
    assert pd.read_csv(tmp_path / "solution.csv")["Label"].value_counts().between(34, 38).all()


def test_the_digits_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        bundled.write_digits(tmp_path / name, BundledSource(kind="sklearn", name="digits"))
    assert _tree(tmp_path / "a") == _tree(tmp_path / "b")


def test_keras_classes_are_chosen_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.generic]] = {
        "train": rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8),
        "train_labels": np.arange(30) % 3,
        "test": rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8),
        "test_labels": np.arange(6) % 3,
    }
    monkeypatch.setattr(bundled, "_load_keras", lambda folder, name: arrays)
    bundled.write_keras(tmp_path, KerasSource(kind="keras", name="cifar10", classes={0: "plane", 2: "bird"}))
    assert pd.read_csv(tmp_path / "train.csv")["Label"].tolist() == ["plane", "bird"] * 10
    with Image.open(tmp_path / "train" / "1.png") as image:
        assert np.array_equal(np.asarray(image), arrays["train"][2])
    with pytest.raises(InputError, match=r"cifar10 has no class 7; its classes are 0\.\.2"):
        bundled.write_keras(tmp_path, KerasSource(kind="keras", name="cifar10", classes={7: "horse"}))
