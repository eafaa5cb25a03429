"""A look at a model: its settings, its comparison with present results, and what adopting them writes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.fabricated import CLASSES, train_fake, write_model_card
from support.tiny import write_yaml
from support.trainings import repository, settings

from pipeline.core import tables
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.paths import folds_path, oof_path, oof_seed_path
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.training.context import read_context
from pipeline.training.looking import (
    check_keepable,
    choose_train_params,
    compare_with_present,
    keep_changes,
    parse_changes,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    repository(tmp_path, workers=2)
    write_yaml(tmp_path / "configs" / "models" / "one.yaml", settings())
    return tmp_path


def look_at_fold(root: Path, seed: int) -> list[Predictions]:
    """What a look says of fold 0: nearly the truth where ``seed`` is the one of the present results."""
    train_fake(root, "looked", seed, skill=0.9)
    ids = tables.read_folds(folds_path(root)).query("fold == 0")["id"].tolist()
    every = read_predictions(oof_path(root, "looked"), CLASSES)
    at = [every.ids.index(name) for name in ids]
    return [Predictions(tuple(ids), every.probs[at], CLASSES)]


def describe(root: Path, made: list[Predictions]) -> str:
    return compare_with_present(root, "one", made, (read_context(root), get_metric("log_loss")))


def test_values_are_read_as_yaml_and_train_settings_stand_apart() -> None:
    changes = parse_changes(["training.epochs=60", "network.units=[9, 16]", "augmentation=null", "train.seed=1"])
    assert changes.model == {"training.epochs": 60, "network.units": [9, 16], "augmentation": None}
    assert changes.train == {"seed": 1}
    assert str(changes) == "training.epochs=60, network.units=[9, 16], augmentation=None, train.seed=1"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["training.epochs"], "wanted key=value"),
        (["a=1", "a=2"], "names a twice"),
        (["a=[1"], "is not YAML; quote it"),
        (["train.folds=[0]"], "folds are chosen by --fold"),
        (["train.sed=0"], "did you mean train.seed"),
    ],
)
def test_a_setting_that_cannot_be_tried_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_changes(texts)


def test_other_settings_of_params_yaml_stay(root: Path) -> None:
    params = choose_train_params(root, parse_changes(["train.seed=7"]), [1])
    assert (params.seed, params.folds, params.workers, params.precision) == (7, (1,), 1, "float32")


def test_the_present_results_are_compared_on_the_same_rows(root: Path) -> None:
    train_fake(root, "one", 3, skill=0.5)
    write_model_card(root, "one", metric="log_loss", greater_is_better=False)
    said = describe(root, look_at_fold(root, 3))
    data, present = read_context(root).data, read_predictions(oof_path(root, "one"), CLASSES)
    row_of = {name: row for row, name in enumerate(present.ids)}
    rows = data.rows(0)[1]
    old = present.probs[[row_of[data.ids[row]] for row in rows]]
    score = float(-np.log(old[np.arange(len(rows)), data.labels[rows]]).mean())
    assert "log_loss on 20 rows: " in said
    assert f"at present {score:.4f}\n" in said
    assert "lower (better), beyond chance" in said


def test_the_same_predictions_are_the_same(root: Path) -> None:
    train_fake(root, "one", 3, skill=0.9)
    write_model_card(root, "one")
    assert describe(root, look_at_fold(root, 3)).endswith("\nthe same")


def test_a_seed_is_compared_with_itself_or_the_mean_is_called_so(root: Path) -> None:
    made = look_at_fold(root, 3)
    path = oof_seed_path(root, "one", read_context(root).seed)
    path.parent.mkdir(parents=True)
    shutil.copy(oof_path(root, "looked"), path)
    train_fake(root, "one", 4, skill=0.5)
    write_model_card(root, "one", seeds={"scores": {"3": 0.9, "4": 0.5}, "mean": 0.7, "std": 0.28})
    assert describe(root, made).endswith("\nthe same")
    path.unlink()
    assert ", the mean of 2 seeds\n" in describe(root, made)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"competition": "other"}, "the present results of one are of other"),
        ({}, "of another split"),
        (None, "no results"),
    ],
)
def test_results_of_other_rows_are_not_compared(root: Path, changes: dict[str, str] | None, words: str) -> None:
    made = look_at_fold(root, 3)
    if changes is not None:
        train_fake(root, "one", 3)
        write_model_card(root, "one", **changes)
        table = tables.read_folds(folds_path(root))
        tables.write_folds(folds_path(root), table.assign(fold=(table["fold"] + 1) % 3))
    assert words in describe(root, made)


def test_what_is_adopted_stands_in_the_files(root: Path) -> None:
    lines = keep_changes(root, "one", parse_changes(["training.epochs=9", "train.seed=4"]))
    assert lines == [
        "kept in configs/models/one.yaml: training.epochs: 9",
        "kept in params.yaml: train.seed: 4 (of all models)",
    ]
    assert "epochs: 9" in (root / "configs" / "models" / "one.yaml").read_text(encoding="utf-8")
    assert read_context(root).seed == 4


def test_nothing_is_adopted_that_tuning_overrules(root: Path) -> None:
    with pytest.raises(InputError, match="give one with --set"):
        check_keepable(root, "one", parse_changes([]))
    write_yaml(
        root / "configs" / "tuned" / "one.yaml",
        {"competition": "tiny", "settings": {"training.optimizer.learning_rate": 0.1}},
    )
    with pytest.raises(InputError, match=r"--keep training.optimizer: .* sets training.optimizer.learning_rate over"):
        check_keepable(root, "one", parse_changes(["training.optimizer={name: adam}"]))
    check_keepable(root, "one", parse_changes(["training.epochs=3"]))
