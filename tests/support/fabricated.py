"""A repository folder as if prepare, split and train had run: tables without images or networks."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from support.once import remembered

from pipeline.core import cards, files, paths, tables
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.data.prepared import folds

CLASSES = ("ant", "bee", "cat")
LABELS = {"kind": "label", "sample": "sample.csv", "id": "Id", "label": "Category"}
PROBABILITIES = {"kind": "probabilities", "sample": "sample.csv", "id": "Id"}
TRAIN, TEST = 60, 20


def competition(submission: dict[str, Any], metric: str = "accuracy") -> dict[str, Any]:
    """Returns the content of a competition's file (JSON is YAML)."""
    return {
        "title": "Fabricated",
        "source": {"kind": "local", "path": "nowhere"},
        "train": {"layout": "folders", "images": "train"},
        "test": {"layout": "images", "images": "test"},
        "storage": {"size": 8},
        "mirror": True,
        "metric": {"name": metric},
        "submission": submission,
        "models": ["one", "two"],
    }


@remembered
def write_repository(
    root: Path,
    submission: dict[str, Any] = LABELS,
    metric: str = "accuracy",
    models: Sequence[str] = ("one", "two"),
    classes: Sequence[str] = CLASSES,
) -> Path:
    """Writes a competition, its models' names, prepared tables and folds; returns ``root``."""
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", competition(submission, metric))
    write_params(root, models)
    for name in models:
        files.write_json(root / "configs" / "models" / f"{name}.yaml", {})
    prepared = root / "data" / "prepared"
    tables.write_classes(prepared / "classes.json", classes)
    files.write_json(prepared / "class_names.json", list(classes))
    train = index([str(number) for number in range(TRAIN)], np.arange(TRAIN) % len(classes))
    test = index([f"t{number}" for number in range(TEST)], np.full(TEST, -1))
    tables.write_index(prepared / "train.csv", train)
    tables.write_index(prepared / "test.csv", test)
    values = ["Category"] if submission["kind"] == "label" else list(classes)
    sample = pd.DataFrame({"Id": test["id"][::-1]} | dict.fromkeys(values, "0"))
    sample.to_csv(prepared / "sample_submission.csv", index=False)
    tables.write_folds(paths.folds_path(root), folds.make_fold_table(train, classes, 3, 0, True))
    return root


def write_params(root: Path, models: Sequence[str], **sections: Any) -> None:
    """Writes params.yaml; two combiners, unless the sections say otherwise: all of them take seconds."""
    params = {"competition": "tiny", "models": list(models), "ensemble": {"combiners": ["mean", "convex"]}}
    files.write_json(root / "params.yaml", params | sections)


def index(
    ids: Sequence[str],
    labels: Sequence[int] | NDArray[np.int64],
    groups: Sequence[str] | None = None,
    hashes: Sequence[str] | None = None,
    perceptual: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Returns an image index; without hashes every image is unlike any other."""
    count = len(ids)
    return pd.DataFrame(
        {
            "id": pd.Series(list(ids), dtype="str"),
            "source": [f"images/{name}.png" for name in ids],
            "label": np.asarray(labels, dtype=np.int64),
            "group": list(groups) if groups is not None else [""] * count,
            "width": 8,
            "height": 8,
            "hash": list(hashes) if hashes is not None else [f"h{name}" for name in ids],
            "perceptual_hash": list(perceptual) if perceptual is not None else [f"p{name}" for name in ids],
        }
    )


def random_probs(rows: int, n_classes: int, seed: int) -> NDArray[np.float32]:
    """Returns (rows, n_classes) float32 probabilities."""
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), rows).astype(np.float32)


def train_fake(
    root: Path,
    name: str,
    seed: int,
    scored: Sequence[int] | None = None,
    skill: float = 0.5,
    peeked: tuple[str, ...] = (),
) -> None:
    """Writes the predictions of a model that was never trained.

    Args:
        root: the repository.
        name: the model.
        seed: of its guesses.
        scored: the folds it scored; None: all.
        skill: weight of the truth in its out-of-fold predictions.
        peeked: what looked at the rows that it is scored on.
    """
    classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
    table = tables.read_folds(paths.folds_path(root))
    digest = tables.folds_digest(table)
    table = table if scored is None else table[table["fold"].isin(scored)]
    truth = np.eye(len(classes), dtype=np.float32)[table["label"]]
    oof = skill * truth + (1 - skill) * random_probs(len(table), len(classes), seed)
    test_ids = tables.read_index(root / "data" / "prepared" / "test.csv")["id"]
    test = random_probs(len(test_ids), len(classes), seed + 1)
    predictions = Predictions(tuple(table["id"]), oof, classes, digest, peeked)
    write_predictions(paths.oof_path(root, name), predictions)
    write_predictions(paths.predicted_test_path(root, name), Predictions(tuple(test_ids), test, classes))


def shuffle_predictions(path: Path, classes: Sequence[str], seed: int) -> None:
    """Rewrites predictions with their rows in another order."""
    kept = read_predictions(path, classes)
    order = np.random.default_rng(seed).permutation(len(kept.ids))
    ids = tuple(kept.ids[row] for row in order)
    shuffled = replace(kept, ids=ids, probs=kept.probs[order])
    write_predictions(path, shuffled)


def write_model_card(root: Path, name: str, **changes: Any) -> None:
    """Writes a model card with plausible numbers."""
    card = {
        "model": name,
        "competition": "tiny",
        "metric": "accuracy",
        "greater_is_better": True,
        "fold_scores": {"0": 0.8, "1": 0.7, "2": 0.9},
        "mean": 0.8,
        "std": 0.1,
        "pooled": 0.8012,
        "interval": (0.75, 0.85),
        "scores": {"accuracy": 0.8012, "log_loss": 0.5432, "macro_f1": 0.79, "top_3_accuracy": 0.9876},
        "parameters": 1234567,
        "trainable_parameters": 1234000,
        "train_seconds": 75.4,
        "predict_milliseconds_per_image": 0.123,
        "images_per_second": 900.0,
        "seed": 0,
        "precision": "float32",
        "peeked": (),
        "fingerprint": "0" * 64,
        "versions": {},
        "config": {},
    } | changes
    checked = cards.ModelCard.model_validate_json(json.dumps(card))
    cards.write_card(paths.card_path(root, name), checked)
