"""Balance, distillation, preprocessing and plain epochs, as a training sees them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import tiny
from support.fabricated import CLASSES, write_params
from support.trainings import repository, settings

from pipeline.core import cards, paths, predictions, tables
from pipeline.core.errors import InputError
from pipeline.stages import train


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path, folds=[0])


def run(root: Path, name: str = "one", **changes: Any) -> bytes:
    """Trains a model and returns its OOF predictions."""
    data = settings() | {key: value for key, value in changes.items() if key != "training"}
    data["training"] = data["training"] | changes.get("training", {})
    tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", data)
    write_params(root, [name], train={"seed": 0, "folds": [0], "precision": "float32"})
    train.run(root, name)
    return paths.oof_path(root, name).read_bytes()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """OOF predictions of the plain recipe after an epoch."""
    return run(repository(tmp_path_factory.mktemp("plain")), training={"epochs": 1})


def teacher(root: Path, favourite: int) -> str:
    """Writes OOF predictions of all training rows that favour a class; returns the file's name."""
    ids = tuple(tables.read_index(root / "data" / "prepared" / "train.csv")["id"])
    probs = np.full((len(ids), len(CLASSES)), 0.1, dtype=np.float32)
    probs[:, favourite] = 0.8
    predictions.write_predictions(root / "teachers" / "one.parquet", predictions.Predictions(ids, probs, CLASSES))
    return "teachers/one.parquet"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"balance": {"class_weight": {CLASSES[0]: 20.0}}},
        {"balance": {"oversample": {CLASSES[0]: 6.0}}},
        {"balance": {"stronger": {"classes": [CLASSES[1]], "transforms": [{"GaussNoise": {"p": 1.0}}]}}},
        {"input": {"preprocess": [{"name": "equalize"}]}},
        {"input": {"normalise": "dataset"}},
        {"input": {"normalise": "image"}},
        {"training": {"focal_gamma": 2.0}},
        {"augmentation": {"policy": {"name": "rand_augment"}}},
    ],
)
def test_each_setting_reaches_the_training(root: Path, plain: bytes, changes: dict[str, Any]) -> None:
    assert run(root, "two", **changes | {"training": {"epochs": 1} | changes.get("training", {})}) != plain


@pytest.mark.slow
def test_a_setting_that_is_the_usual_one_changes_nothing(root: Path, plain: bytes) -> None:
    assert run(root, "two", training={"epochs": 1, "focal_gamma": 0.0}) == plain


@pytest.mark.slow
def test_plain_epochs_switch_augmentation_off(root: Path) -> None:
    noisy = {"transforms": [{"GaussNoise": {"p": 1.0}}]}
    always, half, never = (
        run(root, name, augmentation=noisy, training={"plain_epochs": epochs})
        for name, epochs in (("always", 0), ("half", 2), ("never", 4))
    )
    assert len({always, half, never}) == 3
    assert never == run(root, "plain", augmentation={})


@pytest.mark.slow
def test_a_weighted_class_is_guessed_more_often(root: Path) -> None:
    run(root, training={"epochs": 2})
    run(root, "two", training={"epochs": 2}, balance={"class_weight": {CLASSES[2]: 50.0}})

    def mean(name: str) -> float:
        return float(pd.read_parquet(paths.oof_path(root, name))[CLASSES[2]].mean())

    assert mean("two") > mean("one") + 0.1


@pytest.mark.slow
def test_a_student_follows_its_teacher_and_the_card_says_so(root: Path) -> None:
    run(root, training={"distill": {"oof": teacher(root, 1), "weight": 1.0}, "epochs": 8})
    guesses = pd.read_parquet(paths.oof_path(root, "one"))[list(CLASSES)].to_numpy().argmax(axis=1)
    assert (guesses == 1).mean() > 0.9
    card = cards.read_card(paths.card_path(root, "one"), cards.ModelCard)
    assert "soft labels" in " ".join(card.peeked)
    assert card.student is not None
    assert card.student.peeked
    assert card.pooled - card.student.teacher_score == pytest.approx(card.student.value)


@pytest.mark.slow
def test_another_teacher_is_another_training(root: Path) -> None:
    def follow(favourite: int) -> bytes:
        return run(root, training={"epochs": 1, "distill": {"oof": teacher(root, favourite), "weight": 1.0}})

    assert follow(1) != follow(2)


def test_a_missing_teacher_is_one_clear_error(root: Path) -> None:
    with pytest.raises(InputError, match=r"gone.parquet"):
        run(root, training={"distill": {"oof": "teachers/gone.parquet"}})


def test_a_class_that_does_not_exist_cannot_be_balanced(root: Path) -> None:
    with pytest.raises(InputError, match="balance"):
        run(root, balance={"oversample": {"unicorn": 2.0}})


def test_classic_models_leave_what_the_other_stages_read(root: Path) -> None:
    classic = {"features": {"name": "hog", "pixels_per_cell": 2}, "classifier": {"C": 0.1}}
    tiny.write_yaml(root / "configs" / "models" / "classic.yaml", classic)
    train.run(root, "classic")
    card = cards.read_card(paths.card_path(root, "classic"), cards.ModelCard)
    assert card.pooled > 0.6
    assert json.loads((root / "folds" / "classic" / "metrics.json").read_text(encoding="utf-8"))
    assert [path.name for path in (root / "folds" / "classic" / "checkpoints").iterdir()] == ["fold0.npz"]
