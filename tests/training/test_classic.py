"""Classic models: the same files and the same promises as a network's fold."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from support import trainings
from support.fabricated import CLASSES
from support.trainings import accuracy, repository

from pipeline.core import files, paths, predictions, tables
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.images.hog import Hog, compute_hog
from pipeline.images.views import Views
from pipeline.training.classic import local_features, training
from pipeline.training.classic import recipe as classic
from pipeline.training.classic.linear import LogisticRegression
from pipeline.training.classic.recipe import (
    ClassicModel,
    ClassicRecipe,
    load_classic_recipe,
    remove_mirror,
)
from pipeline.training.classic.training import ClassicSession, train_classic_fold
from pipeline.training.data import load_data
from pipeline.training.task import FoldTask

ROOT = Path(__file__).parents[2]
KEPT = ("checkpoint.npz", "valid.parquet", "test.parquet", "history.csv")
HOG: dict[str, Any] = {"name": "hog", "pixels_per_cell": 4}
SIFT: dict[str, Any] = {"name": "sift", "size": 32, "dense": 8, "patches": [12, 20], "words": 12, "sample": 800}
FAMILY = pytest.mark.parametrize("features", [HOG, SIFT], ids=["hog", "sift"])


def recipe(features: dict[str, Any], **changes: Any) -> ClassicRecipe:
    settings = {"features": features, "mirror_training": True, "views": {"mirror": True}}
    return parse(settings | {"classifier": {"C": 0.1, "max_iter": 60}} | changes, ClassicRecipe, "a test")


def train(root: Path, wanted: ClassicRecipe, work: str, folds: tuple[int, ...] = (0,), workers: int = 1) -> Path:
    """Trains folds in a session of their own and returns the first one's folder."""
    first: FoldTask = trainings.task(root, cast(Any, wanted), work, folds[0])
    session = ClassicSession(wanted, load_data(first.prepared, first.folds), root / work / "descriptors", workers)
    for fold in folds:
        train_classic_fold(dataclasses.replace(first, fold=fold), session)
    return first.folder


def kept(place: Path) -> dict[str, bytes]:
    return {name: (place / name).read_bytes() for name in KEPT}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository root that the trainings of this file only read; each has a working folder of its own."""
    return repository(tmp_path_factory.mktemp("classic"))


def copy(root: Path, target: Path) -> Path:
    shutil.copytree(root / "data", target / "data")
    shutil.copytree(root / "folds", target / "folds")
    return target


def valid_rows(root: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    data = load_data(root / "data" / "prepared", paths.folds_path(root))
    return np.flatnonzero(data.fold_of == 0)


@FAMILY
def test_two_trainings_are_equal_bit_for_bit_whatever_the_threads(root: Path, features: dict[str, Any]) -> None:
    first = train(root, recipe(features), f"{features['name']} one")
    again = train(root, recipe(features), f"{features['name']} two", workers=3)
    assert kept(again) == kept(first)


@FAMILY
def test_a_fold_trained_after_another_equals_one_trained_alone(root: Path, features: dict[str, Any]) -> None:
    together = train(root, recipe(features), f"{features['name']} both", (2, 0))
    alone = train(root, recipe(features), f"{features['name']} alone", (2,))
    assert kept(together) == kept(alone)


@FAMILY
def test_labels_are_learnt_and_permuted_labels_score_at_chance(
    root: Path, tmp_path: Path, features: dict[str, Any]
) -> None:
    assert accuracy(root, train(root, recipe(features), f"{features['name']} learnt")) > 0.6
    path = copy(root, tmp_path) / "data" / "prepared" / "train.csv"
    index = tables.read_index(path)
    index["label"] = np.random.default_rng(1).permutation(index["label"])
    tables.write_index(path, index)
    place = train(tmp_path, recipe(features), "permuted", (0, 1, 2))
    scores = [accuracy(tmp_path, place.parent / f"fold{fold}") for fold in range(3)]
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.15)


@FAMILY
def test_a_fold_never_sees_its_valid_rows(root: Path, tmp_path: Path, features: dict[str, Any]) -> None:
    usual = train(root, recipe(features), f"{features['name']} usual")
    prepared = copy(root, tmp_path) / "data" / "prepared"
    rows = valid_rows(root)
    images, index = np.load(prepared / "train_images.npy"), tables.read_index(prepared / "train.csv")
    images[rows] = np.random.default_rng(0).integers(0, 256, images[rows].shape)
    index.loc[rows, "label"] = (index.loc[rows, "label"] + 1) % len(CLASSES)
    np.save(prepared / "train_images.npy", images)
    tables.write_index(prepared / "train.csv", index)
    other = train(tmp_path, recipe(features), "work")
    assert kept(other)["checkpoint.npz"] == kept(usual)["checkpoint.npz"]
    assert kept(other)["test.parquet"] == kept(usual)["test.parquet"]
    assert kept(other)["valid.parquet"] != kept(usual)["valid.parquet"]


@FAMILY
def test_a_checkpoint_read_back_predicts_what_the_fold_predicted(root: Path, features: dict[str, Any]) -> None:
    place = train(root, recipe(features), f"{features['name']} kept")
    data = load_data(root / "data" / "prepared", paths.folds_path(root))
    model = classic.load_classic_model(place / "checkpoint.npz")
    logits = classic.predict_logits(model, recipe(features), np.asarray(data.test_images), data.target)
    probs = predictions.read_predictions(place / "test.parquet", CLASSES).probs
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert probs == pytest.approx(shifted / shifted.sum(axis=1, keepdims=True), abs=1e-4)


@FAMILY
def test_a_killed_fold_comes_out_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch, features: dict[str, Any]
) -> None:
    whole = train(root, recipe(features), f"{features['name']} whole")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_done", fail)
        with pytest.raises(KeyboardInterrupt):
            train(root, recipe(features), f"{features['name']} killed")
    place = whole.parents[2] / f"{features['name']} killed" / whole.parent.name / "fold0"
    assert not (place / "done.json").exists()
    assert kept(train(root, recipe(features), f"{features['name']} killed")) == kept(whole)


def test_a_finished_fold_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = train(root, recipe(HOG), "finished")
    assert "one fold 0 " in capsys.readouterr().out
    monkeypatch.setattr(training, "fit_classifier", None)
    assert train(root, recipe(HOG), "finished") == place
    assert capsys.readouterr().out == ""


def test_a_fold_leaves_the_files_that_are_gathered_and_its_costs(root: Path) -> None:
    place = train(root, recipe(SIFT), "files")
    assert sorted(path.name for path in place.iterdir()) == sorted([*KEPT, "done.json"])
    history = pd.read_csv(place / "history.csv")
    assert history["fold"].tolist() == [0]
    assert history["valid_accuracy"][0] == pytest.approx(accuracy(root, place))
    done = files.read_json(place / "done.json", "")
    assert done["trainable_parameters"] == 12 * 3 + 3
    assert done["parameters"] == 12 * 128 + 12 * 3 + 3 + 2 * 12
    assert min(value for value in done.values() if isinstance(value, int | float)) > 0
    assert sorted(done["digests"]) == sorted(KEPT)


def test_sparse_keypoints_of_images_that_have_none_still_give_probabilities(root: Path, tmp_path: Path) -> None:
    path = copy(root, tmp_path) / "data" / "prepared" / "test_images.npy"
    images = np.load(path)
    images[:3] = 128
    np.save(path, images)
    place = train(tmp_path, recipe({"name": "sift", "size": 64, "words": 8}), "sparse")
    probs = predictions.read_predictions(place / "test.parquet", CLASSES).probs
    assert np.array_equal(probs[0], probs[1])
    assert np.isfinite(probs).all()


def test_folds_share_their_descriptors(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    cached = local_features.open_descriptors

    def count(path: Path, *arguments: Any) -> Any:
        made.append(path.stem)
        return cached(path, *arguments)

    monkeypatch.setattr(training, "open_descriptors", count)
    train(root, recipe(SIFT), "shared", (0, 1, 2))
    assert sorted(made) == ["test", "test-mirrored", "train", "train-mirrored"]


def test_a_competition_without_mirror_images_describes_none(root: Path) -> None:
    wanted = remove_mirror(recipe(SIFT))
    assert (wanted.mirror_training, wanted.views.mirror) == (False, False)
    train(root, wanted, "plain")
    assert not list((root / "plain" / "descriptors").glob("*mirrored*"))


def test_mirrored_rows_double_the_training(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, Any]] = []

    def look(features: Any, labels: Any, *rest: Any) -> Any:
        seen.append((features.copy(), labels))
        return classic.fit_classifier(features, labels, *rest)

    monkeypatch.setattr(training, "fit_classifier", look)
    train(root, recipe(HOG), "doubled")
    ((features, labels),) = seen
    data = load_data(root / "data" / "prepared", paths.folds_path(root))
    rows = data.rows(0)[0]
    images = np.concatenate([data.images[rows], data.images[rows][:, :, ::-1]])
    assert np.array_equal(features, compute_hog(images, parse(HOG, Hog, "a test")))
    assert labels.tolist() == [*data.labels[rows], *data.labels[rows]]


def random_fit(seed: int, section: LogisticRegression, classes: int = 3) -> ClassicModel:
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % classes
    features = (rng.normal(5, 3, (90, 6)) + np.eye(6)[labels] * 4).astype(np.float32)
    features[:, 5] = 7
    target = OneClass(columns=("a", "b", "c")[:classes])
    return classic.fit_classifier(features, labels, target, section, np.zeros((0, 128), dtype=np.float32))[0]


def test_scaling_is_learnt_and_a_constant_feature_left_alone() -> None:
    model = random_fit(0, LogisticRegression())
    assert model.mean[5] == 7
    assert model.scale[5] == 1
    assert model.mean[:5].tolist() == pytest.approx([19 / 3] * 3 + [5] * 2, abs=1.2)
    unscaled = random_fit(0, LogisticRegression(scale=False))
    assert not unscaled.mean.any()
    assert (unscaled.scale == 1).all()


def test_two_classes_have_two_logits() -> None:
    model = random_fit(0, LogisticRegression(), classes=2)
    assert model.coefficients.shape == (6, 2)
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 2
    features = (rng.normal(5, 3, (90, 6)) + np.eye(6)[labels] * 4).astype(np.float32)
    features[:, 5] = 7
    assert (model.logits(features).argmax(axis=1) == labels).mean() > 0.7


def test_balanced_classes_raise_a_rare_one() -> None:
    rng = np.random.default_rng(0)
    target, labels = OneClass(columns=("a", "b")), np.array([0] * 90 + [1] * 10)
    features = rng.normal(0, 1, (100, 2)).astype(np.float32)
    empty = np.zeros((0, 128), dtype=np.float32)
    plain, balanced = (
        classic.fit_classifier(features.copy(), labels, target, LogisticRegression(class_weight=weight), empty)[
            0
        ].intercepts
        for weight in ("none", "balanced")
    )
    assert plain[1] - plain[0] < -1
    assert balanced[1] - balanced[0] == pytest.approx(0, abs=0.5)


def test_stopping_at_the_last_iteration_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(root, recipe(HOG, classifier={"C": 100.0, "max_iter": 2}), "stopped")
    assert "2 iterations (max_iter)" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint.npz is no checkpoint of a classic model .*; train it again"):
        classic.load_classic_model(path)


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    names = ClassicModel.__dataclass_fields__
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **dict.fromkeys(names, np.array([print], dtype=object)))
    with pytest.raises(InputError, match="no checkpoint"):
        classic.load_classic_model(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": {"name": "surf"}}, "features.name: unknown 'surf'; .*sift"),
        ({"features": {"name": "hog", "words": 3}}, "unknown key features.hog.words"),
        ({"classifier": {"C": 0.0}}, "classifier.C: .* greater than 0"),
        ({"views": {"size": 12}}, "size is for networks; a classic model takes mirror alone"),
        ({"views": {"shift": 2}}, "shift is for networks; a classic model takes mirror alone"),
        ({"views": {"crops": 0.9}}, "crops is for networks; a classic model takes mirror alone"),
        ({"views": {"scales": [1.1]}}, "scales is for networks; a classic model takes mirror alone"),
        ({"training": {}}, "unknown key training"),
    ],
)
def test_wrong_recipes_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse({"features": HOG, "classifier": {}} | changes, ClassicRecipe, "a test")


def test_a_file_without_a_classifier_is_no_classic_model() -> None:
    assert load_classic_recipe(ROOT, "small_cnn") is None


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"hog_logrek.yaml does not exist; did you mean hog_logreg"):
        load_classic_recipe(ROOT, "hog_logrek")


def test_images_too_small_are_one_error_and_nothing_is_written(root: Path) -> None:
    with pytest.raises(InputError, match=r"a block is 16 pixels wide .* the images are 8"):
        train(root, recipe({"name": "hog", "pixels_per_cell": 8, "cells_per_block": 2}), "small")
    assert not (root / "small").exists()


@pytest.mark.parametrize("model", ["hog_logreg", "sift_bovw"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_shipped_recipes_describe_any_image(model: str, channels: int) -> None:
    wanted = load_classic_recipe(ROOT, model)
    assert wanted is not None
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, channels), dtype=np.uint8)
    words = 0 if wanted.features.name == "hog" else wanted.features.words
    vocabulary = np.random.default_rng(0).random((words, 128), dtype=np.float32)
    # The width of the features is what a first look at an image says.
    empty = ClassicModel(vocabulary, *np.zeros((4, 0), dtype=np.float32))
    found = classic.compute_features(empty, wanted, images)
    assert found.shape[0] == 2
    assert np.isfinite(found).all()
    assert wanted.views == Views(mirror=True)
