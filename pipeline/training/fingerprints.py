"""Digests of all that determines a training or a backbone's features: what is kept under them is never mistaken."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.closure import code_digest
from pipeline.core.digests import hash_file
from pipeline.core.files import sha256
from pipeline.images.sift import Sift
from pipeline.networks import hardware
from pipeline.training.classic.recipe import ClassicRecipe

if TYPE_CHECKING:  # which starts the backend
    from pipeline.training.recipes.recipe import Recipe

# Statistics rest while features are computed.
_NOT_IN_FEATURES = {"head", "norm", "norm_momentum"}


def digest_images(prepared: Path) -> list[str]:
    """Digests the image stores, each read once by a process."""
    return [hash_file(prepared / name) for name in ("train_images.npy", "test_images.npy")]


def fingerprint_training(
    prepared: Path,
    folds: Path,
    images: list[str],
    trainer: str,
    determined_by: dict[str, Any],
    surroundings: dict[str, Any] | None = None,
) -> str:
    """Returns the fingerprint of a training.

    Args:
        prepared: folder of the image stores and indices.
        folds: path of the fold table.
        images: as `digest_images` returns it.
        trainer: the module that trains, whose sources count.
        determined_by: what else determines it: recipe, score, seed, precision, features.
        surroundings: versions; None for all that a network depends on, which starts the backend. Hardware is no part:
            it stands in each fold's ``done.json`` and on the card.
    """
    tables = [sha256(prepared / name) for name in ("train.csv", "test.csv", "classes.json")]
    code = code_digest(trainer)
    return _digest(determined_by | {"data": [*images, *tables, sha256(folds)], "code": code}, surroundings)


def fingerprint_descriptors(images: list[str], recipe: ClassicRecipe) -> str:
    """Returns the fingerprint of local descriptors; words and classifiers play no part in them."""
    describing: dict[str, object] = recipe.features.extraction_settings() if isinstance(recipe.features, Sift) else {}
    determined_by = {
        "images": images,
        "preprocess": [step.model_dump(mode="json") for step in recipe.input.preprocess],
        "describing": describing,
        "code": [
            code_digest(f"pipeline.{name}") for name in ("training.classic.local_features", "images.preprocessing")
        ],
    }
    return _digest(determined_by | {"hardware": hardware.name_hardware()})


def fingerprint_features(images: list[str], recipe: "Recipe", weights: tuple[Path, ...], precision: str) -> str:
    """Returns the fingerprint of a backbone's features; heads, phases and folds play no part in them.

    Args:
        images: as `digest_images` returns it.
        recipe: which network, on which input.
        weights: the files it starts from.
        precision: what it computes in.
    """
    network = {
        key: value for key, value in recipe.network.model_dump(mode="json").items() if key not in _NOT_IN_FEATURES
    }
    determined_by = {
        "images": images,
        "network": network,
        "normalise": recipe.input.normalise,
        "preprocess": [step.model_dump(mode="json") for step in recipe.input.preprocess],
        "weights": [sha256(path) for path in weights],
        "precision": precision,
        "code": [
            code_digest(f"pipeline.{name}") for name in ("networks.features", "networks.build", "images.preprocessing")
        ],
    }
    return _digest(determined_by)


def name_features_folder(features: str) -> str:
    """Names the folder of a backbone's features: by their fingerprint, and by the hardware that computes them."""
    return hashlib.sha256(f"{features} {hardware.name_hardware()}".encode()).hexdigest()[:16]


def read_array_surroundings() -> dict[str, Any]:
    """Returns the versions that decide what is computed on arrays alone; starts no backend."""
    return {"versions": hardware.read_numeric_versions()}


def _digest(determined_by: dict[str, Any], surroundings: dict[str, Any] | None = None) -> str:
    known = surroundings or {
        "versions": hardware.read_versions(),
        "settings": hardware.read_numeric_settings(),
    }
    return hashlib.sha256(json.dumps(determined_by | known, sort_keys=True).encode()).hexdigest()
