"""Tiny trainings for tests: fabricated prepared folders, small recipes, and what a training leaves behind."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny
from support.fabricated import CLASSES, write_model_card, write_params, write_repository
from support.once import remembered

from pipeline.core import paths, predictions, tables
from pipeline.core.competition import Score
from pipeline.core.config import parse
from pipeline.core.targets.grade_heads import give_head
from pipeline.networks import runtime
from pipeline.training.callback import StateCallback
from pipeline.training.data import load_data
from pipeline.training.inputs import NetworkInputs
from pipeline.training.recipes.pseudo import Teachers
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.rows import TrainingRows
from pipeline.training.session import Session
from pipeline.training.task import FoldTask
from pipeline.training.trainer import train_fold

SIZE = 8
KEPT = ("checkpoint.weights.h5", "valid.parquet", "test.parquet", "history.csv")

# Each leaves state of its own between epochs; 40 training rows make five batches, so accumulation crosses epochs.
RECIPES: dict[str, dict[str, Any]] = {
    "momentum": {},
    "average": {"optimizer": {"name": "sgd", "learning_rate": 0.05, "ema": 0.8}},
    "average, best": {"optimizer": {"name": "adam", "learning_rate": 0.01, "ema": 0.8}, "select": "best"},
    "average of epochs": {"average": {"epochs": 3, "learning_rate": 0.02}},
    "average of the best": {"average": {"best": 2}, "optimizer": {"name": "adam", "learning_rate": 0.03}},
    "accumulation": {"optimizer": {"name": "adam", "learning_rate": 0.01, "accumulate": 3, "weight_decay": 0.01}},
    "plateau": {
        "epochs": 8,
        "optimizer": {"name": "rmsprop", "learning_rate": 0.05},
        "schedule": {"name": "plateau", "patience": 1},
    },
    "patience": {
        "epochs": 12,
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "select": "best",
        "patience": 3,
    },
    "mixing, cosine": {
        "augmentation": {
            "flip": "random",
            "transforms": [{"Affine": {"rotate": [-9, 9]}}],
            "mixup": 0.3,
            "cutmix": 1.0,
        },
        "schedule": {"name": "cosine", "warmup_epochs": 1},
        "label_smoothing": 0.1,
        "validate_every": 2,
    },
    "pseudo-labels": {"pseudo": {"teachers": ["wise"], "weight": 0.5}},
}

ALL: dict[str, Any] = {"epochs": 2, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.02}}


@remembered
def repository(root: Path, /, **train: Any) -> Path:
    """Writes a root with 60 training and 20 test images (8x8 grey) of three learnable classes, three folds.

    Args:
        root: an empty folder.
        train: the ``train`` section of params.yaml.
    """
    write_repository(root)
    write_params(root, ["one"], train={"seed": 0, "folds": None, "precision": "float32"} | train)
    prepared, rng = root / "data" / "prepared", np.random.default_rng(0)
    labels = {"train": tables.read_index(prepared / "train.csv")["label"].tolist(), "test": [0, 1, 2, 0] * 5}
    for name, of_part in labels.items():
        drawn = [tiny.stripes(tiny.CLASSES[label], SIZE, rng, 1)[..., None] for label in of_part]
        np.save(prepared / f"{name}_images.npy", np.stack(drawn))
    return root


def settings(augmentation: dict[str, Any] | None = None, units: int = 8, **training: Any) -> dict[str, Any]:
    """Returns a small model's YAML as a mapping; dropout, so that the random state matters."""
    return {
        "augmentation": augmentation or {"flip": "alternating"},
        "network": {"name": "mlp_pixels", "units": [units], "dropout": 0.2},
        "training": {"epochs": 4, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.05}} | training,
    }


def recipe(**changes: Any) -> Recipe:
    """Returns the small model as a recipe; takes what `settings` takes."""
    return parse(settings(**changes), Recipe, "a test")


def task(root: Path, wanted: Recipe, work: str, fold: int = 0, seed: int = 0) -> FoldTask:
    """Returns a task on a root made by `repository`; ``work`` names its working folder."""
    return FoldTask(
        model="one",
        fold=fold,
        recipe=wanted,
        prepared=root / "data" / "prepared",
        folds=paths.folds_path(root),
        work=root / work,
        fingerprint="f" * 64,
        score=Score(name="accuracy"),
        seed=seed,
        precision="float32",
    )


def session(root: Path, wanted: Recipe, workers: int = 2) -> Session:
    """Returns a session in float32."""
    runtime.start_backend("float32")
    data = load_data(root / "data" / "prepared", paths.folds_path(root))
    data = replace(data, target=give_head(data.target, wanted.training.grades, "training.grades"))
    pseudo = wanted.training.pseudo
    rows = TrainingRows(wanted, data, {}, Teachers(root, pseudo) if pseudo else None)
    return Session(NetworkInputs(wanted, data, rows, root / "features", workers), root / "weights")


def teach(root: Path, name: str = "wise", seed: int = 0) -> dict[int, NDArray[np.float32]]:
    """Writes what a teacher that was never trained would leave behind; returns its test predictions by fold.

    Each fold is sure of other images, of more in fold 1 than in fold 0.
    """
    tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", settings())
    write_model_card(root, name, fold_table=tables.folds_digest(tables.read_folds(paths.folds_path(root))))
    return {fold: write_taught(root, name, fold, seed) for fold in range(3)}


def write_taught(root: Path, name: str, fold: int, seed: int, sure: int | None = None) -> NDArray[np.float32]:
    """Writes a teacher's test predictions on one fold, sure of ``sure`` images, of 6 and twice the fold by default."""
    ids = tuple(tables.read_index(root / "data" / "prepared" / "test.csv")["id"])
    rng = np.random.default_rng([seed, fold])
    probs = np.full((len(ids), len(CLASSES)), 1 / len(CLASSES), dtype=np.float32)
    rows = rng.permutation(len(ids))[: 6 + 2 * fold if sure is None else sure]
    probs[rows] = 0.02
    probs[rows, rng.integers(0, len(CLASSES), len(rows))] = 0.96
    predictions.write_predictions(
        paths.predicted_test_fold_path(root, name, fold), predictions.Predictions(ids, probs, CLASSES)
    )
    return probs


def train(root: Path, wanted: Recipe, work: str, folds: tuple[int, ...] = (0,), seed: int = 0) -> Path:
    """Trains folds in a session of their own and returns the first one's folder."""
    first = task(root, wanted, work, folds[0], seed)
    opened = session(root, wanted)
    for fold in folds:
        train_fold(replace(first, fold=fold), opened)
    return first.folder


def kept(place: Path) -> dict[str, bytes]:
    """Reads what a finished fold leaves behind, all that must be equal bit for bit."""
    names = (*KEPT[1:], KEPT[0] if (place / KEPT[0]).is_file() else "checkpoint.head.npz")
    return {name: (place / name).read_bytes() for name in names}


def accuracy(root: Path, place: Path) -> float:
    """Scores a fold's valid predictions."""
    truth = tables.read_index(root / "data" / "prepared" / "train.csv").set_index("id")["label"]
    found = predictions.read_predictions(place / "valid.parquet", CLASSES)
    labels = truth.reindex(list(found.ids)).to_numpy()
    return float((found.probs.argmax(axis=1) == labels).mean())


def transfer(
    *before: dict[str, Any],
    size: int = 16,
    network: dict[str, Any] | None = None,
    augmentation: dict[str, Any] | None = None,
    **training: Any,
) -> Recipe:
    data = settings(augmentation) | {
        "input": {"size": size},
        "network": {"name": "pretrained", "backbone": "Tiny"} | (network or {}),
        "training": ALL | training | {"before": list(before)},
    }
    return parse(data, Recipe, "a test")


def break_off(root: Path, recipe: Recipe, name: str, stops: Sequence[int]) -> None:
    """Breaks a training off at the end of one epoch after another, going on in between; ``stops`` count from 1."""
    ended = StateCallback.on_epoch_end

    class StopError(Exception):
        pass

    for stop in stops:
        with pytest.MonkeyPatch.context() as patch:

            def stopping(
                self: StateCallback, epoch: int, logs: dict[str, float] | None = None, stop: int = stop
            ) -> None:
                ended(self, epoch, logs)
                if epoch + 1 == stop:
                    raise StopError

            patch.setattr(StateCallback, "on_epoch_end", stopping)
            with pytest.raises(StopError):
                train(root, recipe, name)
