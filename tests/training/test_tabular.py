"""Tabular models: columns beside the picture learn what they hold, and no more."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from support import trainings
from support.trainings import repository

from pipeline.core import tables
from pipeline.core.columns import Columns, name_columns, select_columns
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.measures.class_metrics import METRICS
from pipeline.core.paths import oof_path, predicted_test_path
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.training.data import Data, load_data
from pipeline.training.tabular.column_gains import ScoredOof, measure_column_gains
from pipeline.training.tabular.estimators import fit_estimator
from pipeline.training.tabular.features import FeatureTable, digest_members, make_features
from pipeline.training.tabular.recipe import TabularRecipe
from pipeline.training.tabular.training import train_tabular_fold

COLUMNS = Columns(
    train="t.csv",
    test="t.csv",
    id="id",
    features={"size": "number", "site": "category", "noise": "number"},
    relative_to="patient",
)


def recipe(**changes: Any) -> TabularRecipe:
    quick = {"tabular": "boosting", "boosting": {"iterations": 30, "min_rows": 5, "learning_rate": 0.2}}
    return parse(quick | changes, TabularRecipe, "a test")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository root whose images have columns: ``size`` tells the class but for some noise."""
    root = repository(tmp_path_factory.mktemp("tabular"))
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        path = root / "data" / "prepared" / f"{part}.csv"
        index = tables.read_index(path)
        label = index["label"].to_numpy() if part == "train" else random.integers(0, 3, len(index))
        cells = pd.DataFrame(
            {
                "size": [f"{value:.3f}" for value in label + random.normal(0, 0.3, len(index))],
                "site": random.choice(["arm", "leg", ""], len(index)),
                "noise": [f"{value:.3f}" for value in random.normal(size=len(index))],
                "patient": [f"p{row // 4}" for row in range(len(index))],
            }
        )
        tables.write_index(path, pd.concat([index, name_columns(cells, COLUMNS)], axis=1))
    return root


def opened(root: Path, wanted: TabularRecipe) -> tuple[Data, FeatureTable]:
    prepared = root / "data" / "prepared"
    data = load_data(prepared, root / "folds" / "folds.csv")
    return data, make_features(root, prepared, wanted, data.target)


def train(root: Path, wanted: TabularRecipe, work: str) -> list[Path]:
    first = trainings.task(root, cast(Any, wanted), work, 0)
    data, table = opened(root, wanted)
    folders = []
    for fold in np.unique(data.fold_of).tolist():
        task = dataclasses.replace(first, fold=fold)
        train_tabular_fold(task, wanted, data, table)
        folders.append(task.folder)
    return folders


def test_the_index_keeps_the_types_of_columns(root: Path) -> None:
    columns = select_columns(tables.read_index(root / "data" / "prepared" / "train.csv"))
    assert columns.features == COLUMNS.features
    assert columns.unit == "patient"
    assert columns.cells.columns.tolist() == ["size", "site", "noise", "patient"]


def test_features_are_numbers_codes_and_what_is_relative_to_the_unit(root: Path) -> None:
    table = opened(root, recipe())[1]
    assert table.names == ("size", "size relative to patient", "site", "noise", "noise relative to patient")
    assert table.sources == ("size", "size", "site", "noise", "noise")
    assert table.categories == (False, False, True, False, False)
    np.testing.assert_allclose(table.train[:4, 1], table.train[:4, 0] - table.train[:4, 0].mean(), atol=1e-6)
    assert set(np.unique(table.train[:, 2][~np.isnan(table.train[:, 2])])) == {0.0, 1.0}
    assert np.isnan(table.train[:, 2]).any()
    assert opened(root, recipe(relative=False))[1].names == ("size", "site", "noise")


@pytest.mark.parametrize("kind", ["boosting", "linear"])
def test_a_column_that_tells_the_class_is_learned_and_its_gain_is_shown(root: Path, kind: str) -> None:
    folders = train(root, recipe(tabular=kind), kind)
    data = opened(root, recipe())[0]
    valid = [read_predictions(folder / "valid.parquet", data.target) for folder in folders]
    ids = tuple(name for part in valid for name in part.ids)
    oof = np.concatenate([part.probs for part in valid])
    place = {name: row for row, name in enumerate(data.ids)}
    labels = data.truth[[place[name] for name in ids]]
    assert METRICS["accuracy"].score(labels, oof) > 0.75
    rows = LabelledRows(labels, np.arange(len(labels)))
    gains = measure_column_gains(folders, valid, ScoredOof(ids, oof, rows), METRICS["accuracy"])
    assert next(iter(gains)) == "size"
    assert gains["size"][1] > 0.2 > gains["noise"][0]


def test_a_fold_comes_out_the_same_again(root: Path) -> None:
    one, other = train(root, recipe(), "one")[0], train(root, recipe(), "other")[0]
    for name in ("valid.parquet", "test.parquet", "permuted.npz"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_permuted_classes_are_predicted_at_chance(root: Path) -> None:
    data, table = opened(root, recipe())
    shuffled = np.random.default_rng(1).permutation(data.truth)
    rows, valid = data.rows(0)
    predict = fit_estimator(recipe(), data.target, table.train[rows], shuffled[rows], table.categories, 0)
    share = METRICS["accuracy"].score(shuffled[valid], predict(table.train[valid]))
    assert share == pytest.approx(1 / len(data.classes), abs=0.25)


@pytest.mark.parametrize("kind", ["boosting", "linear"])
@pytest.mark.parametrize(
    "target",
    [
        SeveralLabels(columns=("a", "b", "never")),
        Numbers(columns=("x", "y"), means=(1.0, 2.0), scales=(2.0, 3.0)),
    ],
    ids=lambda target: str(target.kind),
)
def test_every_column_of_a_target_is_learned(kind: str, target: Target) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 3)).astype(np.float32)
    features[::7, 2] = np.nan
    if isinstance(target, Numbers):
        truth = np.stack([1 + 2 * features[:, 0], 2 - 3 * features[:, 1]], axis=1)
    else:
        truth = np.stack([features[:, 0] > 0, features[:, 1] > 0.5, np.zeros(300)], axis=1).astype(np.float32)
    predict = fit_estimator(recipe(tabular=kind), target, features[:200], truth[:200], (False,) * 3, 0)
    values = predict(features[200:])
    target.check_values(values, [str(row) for row in range(100)], "here")
    assert target.measure_losses(truth[200:], values).mean() < 0.35


@pytest.mark.parametrize("kind", ["boosting", "linear"])
def test_the_largest_numbers_of_float32_do_no_harm(kind: str) -> None:
    random, labels = np.random.default_rng(0), np.arange(200) % 2
    features = np.stack([labels + random.normal(0, 0.3, 200), random.normal(size=200)], axis=1).astype(np.float32)
    features[::7, 1] = np.finfo(np.float32).max
    target = OneClass(columns=("a", "b"))
    predict = fit_estimator(recipe(tabular=kind), target, features[:150], labels[:150], (False, False), 0)
    assert METRICS["accuracy"].score(labels[150:], predict(features[150:])) > 0.8


def test_members_are_columns_too(root: Path, tmp_path: Path) -> None:
    data = opened(root, recipe())[0]
    with pytest.raises(InputError, match=r"members: .*oof.parquet does not exist; run `dvc repro train@image` first"):
        digest_members(root, recipe(members=["image"]))
    random = np.random.default_rng(0)
    probs = random.dirichlet(np.ones(len(data.classes)), len(data.ids)).astype(np.float32)
    tests = random.dirichlet(np.ones(len(data.classes)), len(data.test_ids)).astype(np.float32)
    write_predictions(oof_path(root, "image"), Predictions(data.ids[1:], probs[1:], data.classes))
    write_predictions(predicted_test_path(root, "image"), Predictions(data.test_ids, tests, data.classes))
    table = opened(root, recipe(members=["image"]))[1]
    assert table.names[-len(data.classes) :] == tuple(f"image: {name}" for name in data.classes)
    outputs = table.train[:, -len(data.classes) :]
    assert np.isnan(outputs[0]).all()  # no fold scored that row
    np.testing.assert_allclose(np.exp(outputs[1:]), probs[1:], atol=1e-6)
    assert set(digest_members(root, recipe(members=["image"]))["members"]) == {
        "folds/predictions/image/oof.parquet",
        "folds/predictions/image/test.parquet",
    }


def test_a_competition_without_columns_is_refused(tmp_path: Path) -> None:
    plain = repository(tmp_path)
    with pytest.raises(InputError, match="the competition's file names none; describe them under columns"):
        make_features(plain, plain / "data" / "prepared", recipe(), OneClass(columns=("a", "b")))
