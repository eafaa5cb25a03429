"""Predictions by checkpoints: for the same test images the same, to the bit, as training made."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import backbones, tiny, trained
from support.trained import CNN, HEAD, HOG, TRAINING

from pipeline.core import paths, predictions
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.digests import read_signed_json, write_digests, write_signed_json
from pipeline.core.errors import InputError
from pipeline.core.targets.prepared import read_target
from pipeline.images.store import open_store
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.exported_graph import build_graph
from pipeline.inference.selection import list_checkpoints
from pipeline.inference.task_shape import TaskShape
from pipeline.stages import export, train

SIFT = {"name": "sift", "size": 32, "dense": 8, "patches": [12, 20], "words": 12, "sample": 800}
TINY = {"name": "pretrained", "backbone": "Tiny"}
RECIPES: dict[str, dict[str, Any]] = {
    "cnn": CNN,
    "hog": HOG,
    "hog_preprocessed": HOG | {"input": {"preprocess": [{"name": "clahe", "grid": 2}]}},
    "sift_preprocessed": HOG | {"features": SIFT, "input": {"preprocess": [{"name": "equalize"}]}},
    "sift": HOG | {"features": SIFT},
    "head_on_hog": {"network": {"name": "mlp_hog"}, "training": HEAD, "views": {"mirror": True}},
    "frozen": {"network": TINY, "training": HEAD, "views": {"mirror": True}},
    "two_sizes": {"network": TINY, "training": TRAINING | {"size": 16, "before": [TRAINING | {"size": 8}]}},
    "larger": {"network": TINY, "training": TRAINING | {"size": 8}, "views": {"mirror": True, "size": 16}},
    "learned_views": CNN | {"views": {"mirror": True, "crops": 0.8, "average": "probabilities", "weights": "learned"}},
    "dataset_norm_averaged_probabilities": {
        "input": {"normalise": "dataset"},
        "network": {**CNN["network"], "kernels": [3, 2]},
        "training": TRAINING,
        "views": {"mirror": True, "scales": [1.2], "average": "probabilities"},
    },
    "hog_learned": HOG | {"views": {"mirror": True, "average": "probabilities", "weights": "learned"}},
    "tuned": {"network": TINY | {"norm": "reestimated"}, "training": TRAINING | {"before": [HEAD]}},
}


def train_folds(root: Path, folds: list[int]) -> Path:
    """Sets what is to be trained; returns ``root``."""
    params = tiny.read_yaml(root / "params.yaml")
    tiny.write_yaml(root / "params.yaml", params | {"train": {**params["train"], "folds": folds}})
    return root


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with folds, of which one is to be trained."""
    dense = {"network": {"name": "mlp_pixels", "units": [4]}, "training": TRAINING}
    root = trained.build(tmp_path_factory.mktemp("checkpoints"), RECIPES | {"dense": dense})
    return train_folds(root, [0])


@pytest.fixture
def root(prepared_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with folds and nothing trained; pretrained weights lie in ``data/weights``."""
    root = Path(shutil.copytree(prepared_once, tmp_path / "copy"))
    backbones.install(monkeypatch, root / "data" / "weights")
    return root


def apart(root: Path, model: str, weights: Path, work: Path) -> float:
    """The largest difference of a probability to the model's own test predictions."""
    card = read_card(paths.card_path(root, model), ModelCard)
    target = read_target(root / "data" / "prepared")
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    probs = predict_images(card, list_checkpoints(root, card), InferenceInput(images, target, weights, work))
    return float(
        np.abs(probs - predictions.read_predictions(paths.predicted_test_path(root, model), target).probs).max()
    )


# What these do, quick ones do in other ways.
SLOW = (
    "sift",
    "sift_preprocessed",
    "two_sizes",
    "larger",
    "learned_views",
    "tuned",
    "dataset_norm_averaged_probabilities",
)


@pytest.mark.parametrize(
    "model", [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in RECIPES]
)
def test_checkpoints_predict_what_training_predicted_to_the_bit(root: Path, tmp_path: Path, model: str) -> None:
    if model in (
        "cnn",
        "hog",
        "hog_learned",
        "learned_views",
        "frozen",
    ):  # a mean over folds, and weights of other folds
        train_folds(root, [0, 1])
    train.run(root, model)
    shutil.rmtree(root / "data" / "weights")  # a checkpoint holds all weights
    # Weighted views are summed in other pieces: the last bit of float32 may differ.
    assert apart(root, model, tmp_path / "none", tmp_path / "work") <= (6e-8 if model == "learned_views" else 0)


@pytest.mark.slow
def test_a_graph_predicts_at_the_size_of_the_views(root: Path) -> None:
    train.run(root, "larger")
    card, target = read_card(paths.card_path(root, "larger"), ModelCard), read_target(root / "data" / "prepared")
    images = open_store(root / "data" / "prepared" / "test_images.npy")
    shape = TaskShape(images.shape[1], images.shape[-1], target.n_outputs)
    graph = build_graph(card, list_checkpoints(root, card), shape, target, root / "data" / "weights")
    told = predictions.read_predictions(paths.predicted_test_path(root, "larger"), target).probs
    np.testing.assert_allclose(graph.predict_on_batch(np.asarray(images)), told, atol=1e-5)
    about = export._describe_graph(card, target, graph)
    assert about["inside"].startswith("resizing to 16 x 16 pixels, at which it predicts, normalisation")


def test_other_images_are_predicted_otherwise(root: Path, tmp_path: Path) -> None:
    train.run(root, "hog")
    path = root / "data" / "prepared" / "test_images.npy"
    np.save(path, np.load(path)[::-1])
    write_digests(path.parent)
    assert apart(root, "hog", tmp_path, tmp_path / "work") > 0.01


def test_a_checkpoint_of_another_network_is_refused(root: Path, tmp_path: Path) -> None:
    train.run(root, "dense")
    path = paths.card_path(root, "dense")
    card = read_signed_json(path, "")
    card["config"]["network"]["units"] = [5]
    write_signed_json(path, card)
    with pytest.raises(InputError, match=r"fold0.weights.h5 does not fit the card of its model .*; train that model"):
        apart(root, "dense", tmp_path, tmp_path / "work")


def test_a_missing_checkpoint_is_named_with_the_command_that_makes_it(root: Path, tmp_path: Path) -> None:
    train.run(root, "hog")
    (root / "folds" / "hog" / "checkpoints" / "fold0.npz").unlink()
    with pytest.raises(InputError, match=r"checkpoints lacks fold0.npz; run `dvc repro train@hog`, or `dvc checkout`"):
        apart(root, "hog", tmp_path, tmp_path / "work")
