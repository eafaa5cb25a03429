"""Stores, indices and fold table, joined by id."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core import paths, tables
from pipeline.core.errors import InputError
from pipeline.training import data


@pytest.mark.parametrize("name", ["train_images.npy", "test_images.npy"])
def test_a_store_that_does_not_fit_its_index_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    path = tmp_path / "data" / "prepared" / name
    np.save(path, np.load(path)[:-1])
    with pytest.raises(InputError, match=rf"{name} holds \d+ images, its index \d+ rows; run `dvc repro -f prepare`"):
        data.load_data(tmp_path / "data" / "prepared", paths.folds_path(root))


def test_a_missing_store_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "data")
    (tmp_path / "data" / "prepared" / "test_images.npy").unlink()
    with pytest.raises(InputError, match=r"test_images.npy does not exist; run `dvc repro prepare`"):
        data.load_data(tmp_path / "data" / "prepared", paths.folds_path(root))


def test_folds_of_other_images_are_refused(root: Path, tmp_path: Path) -> None:
    folds = tables.read_folds(paths.folds_path(root))
    folds.loc[0, "id"] = "another"
    tables.write_folds(tmp_path / "folds.csv", folds)
    with pytest.raises(InputError, match="hold different ids; run `dvc repro split`"):
        data.load_data(root / "data" / "prepared", tmp_path / "folds.csv")


def test_the_order_of_the_fold_table_changes_nothing(root: Path, tmp_path: Path) -> None:
    folds = tables.read_folds(paths.folds_path(root)).sample(frac=1, random_state=0)
    tables.write_folds(tmp_path / "folds.csv", folds)
    prepared = root / "data" / "prepared"
    usual = data.load_data(prepared, paths.folds_path(root)).fold_of
    assert np.array_equal(data.load_data(prepared, tmp_path / "folds.csv").fold_of, usual)
