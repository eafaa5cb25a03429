"""Joined columns: a head on features and columns tells what neither tells alone, and encodes on training rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import backbones, tiny
from support.fabricated import write_params
from support.trainings import SIZE, repository

from pipeline.core import tables
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.columns import Columns, name_columns
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_gain
from pipeline.core.paths import card_path, checkpoints_folder, oof_path
from pipeline.core.predictions import read_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.prepared import read_target
from pipeline.inference.trained_model import open_trained_model
from pipeline.stages import export, train
from pipeline.training.heads.joined_columns import fit_columns
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.tabular.features import FeatureTable

COLUMNS = Columns(train="t.csv", test="t.csv", id="id", features={"size": "number", "site": "category"})
PICTURE: dict[str, Any] = {
    "backbones": [{"input": {"size": 16}, "network": {"name": "pretrained", "backbone": "Tiny"}}],
    "head": {"name": "logistic"},
}
MODELS = {"picture": PICTURE, "columns": {"tabular": "linear"}, "both": PICTURE | {"columns": True}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with three trained models: the picture tells class 0 from the others, the column the others apart."""
    root = repository(tmp_path_factory.mktemp("joined"))
    write_params(root, list(MODELS), train={"seed": 0, "folds": None, "precision": "float32", "weights": "weights"})
    prepared, random = root / "data" / "prepared", np.random.default_rng(1)
    for part in ("train", "test"):
        index = tables.read_index(prepared / f"{part}.csv")
        labels = index["label"].to_numpy() if part == "train" else random.integers(0, 3, len(index))
        light = np.where(labels == 0, 40, 160)[:, None, None, None]
        images = light + random.integers(0, 60, (len(labels), SIZE, SIZE, 1))
        np.save(prepared / f"{part}_images.npy", images.astype(np.uint8))
        side = np.where(labels == 0, random.integers(1, 3, len(labels)), labels) * 2 - 3
        size = [f"{value:.2f}" for value in 1e6 + 50 * (side + random.normal(0, 0.3, len(labels)))]
        size[5] = ""
        cells = pd.DataFrame({"size": size, "site": random.choice(["arm", "leg", ""], len(labels))})
        tables.write_index(prepared / f"{part}.csv", pd.concat([index, name_columns(cells, COLUMNS)], axis=1))
    with pytest.MonkeyPatch.context() as patch:
        backbones.install(patch, root / "weights")
        for name, settings in MODELS.items():
            tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", settings)
            train.run(root, name)
        yield root


@pytest.mark.parametrize("alone", ["picture", "columns"])
def test_the_joined_head_beats_picture_and_columns_alone(root: Path, alone: str) -> None:
    target = read_target(root / "data" / "prepared")
    made, other = (read_predictions(oof_path(root, name), target) for name in ("both", alone))
    labels = tables.read_index(root / "data" / "prepared" / "train.csv").set_index("id")["label"].loc[list(made.ids)]
    rows = LabelledRows(labels.to_numpy(), np.arange(len(made.ids)))
    values = other.aligned(made.ids, alone)
    assert get_metric("accuracy").score(rows.labels, made.probs) > 0.9
    assert measure_gain(rows, made.probs, values, get_metric("accuracy")).low > 0


def test_the_card_says_what_each_column_adds(root: Path) -> None:
    gains = read_card(card_path(root, "both"), ModelCard).column_gains
    assert list(gains) == ["size", "site"]
    assert gains["size"][1] > 0.1 > gains["site"][0]
    assert read_card(card_path(root, "picture"), ModelCard).column_gains == {}


def test_other_images_lack_columns_and_are_refused_in_one_line(root: Path, tmp_path: Path) -> None:
    words = "both reads columns of the competition's tables, which other images lack; name a model of images"
    assert not list(checkpoints_folder(root, "both").glob("*"))
    with pytest.raises(InputError, match=words):  # as predict, demo and pack do
        open_trained_model(root, read_card(card_path(root, "both"), ModelCard))
    with pytest.raises(InputError, match=words):
        export.run(root, "both", "onnx", "float32", tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_a_competition_without_columns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = repository(tmp_path, weights="weights")
    backbones.install(monkeypatch, plain / "weights")
    tiny.write_yaml(plain / "configs" / "models" / "one.yaml", PICTURE | {"columns": True})
    with pytest.raises(InputError, match="the competition's file names none; describe them under columns"):
        train.run(plain, "one")


def table(values: np.ndarray[Any, np.dtype[np.float64]]) -> FeatureTable:
    """A number, another that is always known, and a code."""
    names = ("size", "age", "site")
    return FeatureTable(values.astype(np.float32), np.empty((0, 3), np.float32), names, names, (False, False, True))


def test_columns_are_encoded_on_training_rows_alone() -> None:
    values = np.array([[1, 5, 0], [3, 5, 1], [np.nan, 5, np.nan], [1e30, 6, 7], [-1e38, 5, 0]])
    encoder = fit_columns(table(values), np.array([0, 1, 2]))
    found = encoder.encode(values.astype(np.float32))
    root = 1.5**0.5  # the deviation of 1, 3 and their mean is sqrt(2 / 3)
    no, yes = -(0.5**0.5), 2**0.5  # the mark of a number that is not known, standardised
    assert found.dtype == np.float32
    assert np.allclose(found[:, :3], [[-root, 0, no], [root, 0, no], [0, 0, yes], [10, 1, no], [-10, 0, no]])
    assert found[:, 3:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    other = values.copy()
    other[3:] = [[7, 7, 1], [np.nan, 0, 0]]
    assert np.array_equal(found[:3], fit_columns(table(other), np.array([0, 1, 2])).encode(other.astype("f4"))[:3])


def test_columns_of_one_type_alone_are_encoded() -> None:
    values = np.array([[1, 5, 0], [3, 5, 1], [2, 4, 0]])
    whole = table(values)
    for kept in (slice(0, 2), slice(2, 3)):
        names = whole.names[kept]
        part = FeatureTable(whole.train[:, kept], whole.test[:, kept], names, names, whole.categories[kept])
        assert fit_columns(part, np.arange(3)).encode(part.train).shape == (3, 2)


def test_a_competition_without_test_images_is_encoded_too() -> None:
    whole = table(np.array([[1, 5, 0], [3, 5, 1], [2, 4, 0]]))
    encoder = fit_columns(whole, np.arange(3))
    assert encoder.encode(whole.test).shape == (0, encoder.encode(whole.train).shape[1])


@pytest.mark.parametrize("head", ["prototypes", "neighbours", "trees"])
def test_heads_that_weigh_no_feature_are_refused(head: str) -> None:
    with pytest.raises(InputError, match=f"{head} does not; say logistic, selected, ridge or discriminant, or name"):
        parse(PICTURE | {"head": {"name": head}, "columns": True}, HeadRecipe, "a test")
    assert "columns" not in parse(PICTURE, HeadRecipe, "a test").model_dump(mode="json")  # prints stay as they were
