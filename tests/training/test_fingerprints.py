"""What makes features other features, and what does not."""

from pathlib import Path
from typing import Any

import pytest
from support import backbones
from support.trainings import transfer

from pipeline.core.config import parse
from pipeline.networks import runtime
from pipeline.training import fingerprints
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.recipes.recipe import Recipe

IMAGES = ["train", "test"]
CLAHE = {"name": "clahe"}


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    runtime.start_backend("float32")
    return backbones.install(monkeypatch, tmp_path / "weights")


def digest(file: Path, images: list[str] = IMAGES, precision: str = "float32", **changes: Any) -> str:
    plain = transfer(unfreeze="head").model_dump(mode="json")
    recipe = parse(plain | {key: plain[key] | value for key, value in changes.items()}, Recipe, "a test")
    return fingerprints.fingerprint_features(images, recipe, (file,), precision)


@pytest.mark.parametrize(
    "changes",
    [
        {"images": ["train", "other"]},
        {"images": ["other", "test"]},
        {"precision": "bfloat16"},
        {"input": {"normalise": "unit"}},
        {"input": {"preprocess": [{"name": "clahe"}]}},
        {"network": {"pooling": "max"}},
        {"network": {"weights": "none"}},
    ],
)
def test_whatever_determines_features_makes_others(file: Path, changes: dict[str, Any]) -> None:
    assert digest(file, **changes) != digest(file)


def test_other_weights_make_other_features(file: Path) -> None:
    before = digest(file)
    with file.open("ab") as longer:
        longer.write(b"x")
    assert digest(file) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"head": {"units": [8]}}},
        {"network": {"norm": "adapted", "norm_momentum": 0.5}},
        {"training": {"epochs": 9, "batch_size": 3}},
        {"augmentation": {"flip": "random"}},
    ],
)
def test_heads_and_how_they_train_share_features(file: Path, changes: dict[str, Any]) -> None:
    assert digest(file, **changes) == digest(file)


def test_descriptors_of_images_that_went_through_something_are_others() -> None:
    classic = {"features": {"name": "sift"}, "classifier": {}}
    wanted = [parse(classic | more, ClassicRecipe, "a test") for more in ({}, {"input": {"preprocess": [CLAHE]}})]
    assert len({fingerprints.fingerprint_descriptors(IMAGES, recipe) for recipe in wanted}) == 2
