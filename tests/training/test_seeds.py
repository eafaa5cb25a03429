"""Seeds: several trainings of each fold make one model, and one more trains nothing again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.fabricated import CLASSES, write_params
from support.trainings import recipe, repository, settings

from pipeline.core import cards, predictions, tables
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.paths import (
    card_path,
    checkpoints_folder,
    history_path,
    oof_path,
    oof_seed_path,
    predicted_test_path,
)
from pipeline.core.targets.classes import OneClass
from pipeline.images.store import open_store
from pipeline.images.views import Views, average_seeds
from pipeline.inference.checkpoints import InferenceInput, predict_images
from pipeline.inference.selection import list_checkpoints
from pipeline.stages import train
from pipeline.training.classic.recipe import parse_classic_recipe
from pipeline.training.context import TrainParams
from pipeline.training.model_folds import ModelFolds
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.seeds import are_alike, dump_trained_recipe, list_seeds, name_fold
from pipeline.training.task_list import list_tasks, render_tasks

TARGET = OneClass(columns=CLASSES)


def choose(root: Path, **section: object) -> None:
    write_params(root, ["one"], train={"seed": 3, "folds": [0, 2], "precision": "float32"} | section)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repository(tmp_path)
    tiny.write_yaml(made / "configs" / "models" / "one.yaml", settings(epochs=2) | {"views": {"mirror": True}})
    return made


def read_oof(root: Path, path: Path) -> predictions.Predictions:
    return predictions.read_predictions(path, CLASSES)


def test_the_models_own_number_of_seeds_comes_before_that_of_all() -> None:
    own = recipe().model_copy(update={"seeds": 2})
    assert list_seeds(recipe(), 5, 3) == (5, 6, 7)
    assert list_seeds(own, 5, 3) == (5, 6)
    assert dump_trained_recipe(own) == dump_trained_recipe(recipe()) == recipe().model_dump(mode="json")


def test_what_draws_nothing_is_trained_once() -> None:
    classifier = {"features": {"name": "hog"}, "classifier": {"C": 1.0}, "seeds": 4}
    words = classifier | {"features": {"name": "sift"}}
    assert list_seeds(parse_classic_recipe(classifier, "a test"), 0, 3) == (0,)
    assert list_seeds(parse_classic_recipe(words, "a test"), 0, 3) == (0, 1, 2, 3)


@pytest.mark.parametrize("seeds", [0, 101, 1.5, "three"])
def test_a_number_of_seeds_that_is_none_is_refused(seeds: object) -> None:
    with pytest.raises(InputError, match="seeds"):
        parse(settings() | {"seeds": seeds}, Recipe, "a test")
    with pytest.raises(InputError, match="train: seeds: Input should be"):
        parse({"seeds": seeds}, TrainParams, "train")


def test_seeds_are_averaged_as_views_are() -> None:
    made = [np.array([[0.8, 0.1, 0.1]], np.float32), np.array([[0.2, 0.4, 0.4]], np.float32)]
    roots = np.sqrt(made[0] * made[1])
    assert average_seeds(made, Views(), TARGET) == pytest.approx(roots / roots.sum(), abs=1e-6)
    mean = average_seeds(made, Views(average="probabilities"), TARGET)
    assert mean == pytest.approx(np.array([[0.5, 0.25, 0.25]]))
    assert average_seeds(made[:1], Views(), TARGET) is made[0]


def test_each_fold_of_each_seed_is_a_task(root: Path) -> None:
    choose(root, seeds=2)
    listed = list_tasks(root, ("one",))
    assert [(task.seed, task.fold) for task in listed] == [(3, 0), (3, 2), (4, 0), (4, 2)]
    assert [task.name for task in listed][::3] == ["one seed 3 fold 0", "one seed 4 fold 2"]
    assert render_tasks(listed).endswith("0 of 4 tasks done")
    first = ModelFolds(root, "one", seed=4)
    assert first.seeds == (4,)
    assert first.make_task(0).folder == ModelFolds(root, "one").make_task(0, 4).folder


def test_a_model_with_another_seed_is_trained_as_the_next_seed_of_its_like(root: Path) -> None:
    choose(root, seeds=2)
    file = root / "configs" / "models" / "two.yaml"
    tiny.write_yaml(file, settings(epochs=2) | {"views": {"mirror": True}, "seed_offset": 1})
    both, again = ModelFolds(root, "one"), ModelFolds(root, "two")
    assert again.seeds == (4, 5)
    assert [task.fingerprint for task in again.make_tasks()[:2]] == [task.fingerprint for task in both.make_tasks()[2:]]
    assert (
        ModelFolds(root, "two", seed=9).make_task(0).fingerprint
        == ModelFolds(root, "one", seed=9).make_task(0).fingerprint
    )
    with pytest.raises(InputError, match="seed_offset"):
        parse(settings() | {"seed_offset": -1}, Recipe, "a test")


def test_seeds_of_unlike_precisions_or_batch_sizes_make_no_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(root, seeds=2)
    *first, last = ModelFolds(root, "one").make_tasks()
    assert are_alike([*first, last])
    training = recipe(epochs=2, batch_size=4).training
    assert isinstance(last.recipe, Recipe)
    others: tuple[dict[str, Any], ...] = (
        {"precision": "float16"},
        {"recipe": last.recipe.model_copy(update={"training": training})},
    )
    for other in others:
        settled = [*first[:2], *(replace(task, **other, fingerprint="other") for task in [first[2], last])]
        monkeypatch.setattr(train, "_train_folds", lambda *_, settled=settled: settled)
        with pytest.raises(InputError, match="unlike precisions or batch sizes"):
            train.run(root, "one")


@pytest.mark.slow
def test_one_more_seed_trains_itself_alone_and_the_model_is_the_mean(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(root)
    train.run(root, "one")
    alone, digest = oof_path(root, "one").read_bytes(), cards.read_card(card_path(root, "one"), cards.ModelCard)
    assert oof_seed_path(root, "one", 3).read_bytes() == alone
    assert digest.seeds is None
    assert "seed" not in history_path(root, "one").read_text().splitlines()[0]
    kept = {path: path.stat().st_mtime_ns for path in (root / ".work" / "train").rglob("*.h5")}
    checkpoint = (checkpoints_folder(root, "one") / "fold0.weights.h5").read_bytes()
    capsys.readouterr()
    choose(root, seeds=2)
    train.run(root, "one")
    printed = capsys.readouterr().out
    assert "one seed 4 fold 2" in printed
    assert "one seed 3" not in printed
    assert "2 seeds alone" in printed
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())
    assert (checkpoints_folder(root, "one") / "fold0.weights.h5").read_bytes() == checkpoint
    assert sorted(path.name for path in checkpoints_folder(root, "one").iterdir()) == [
        "fold0-seed4.weights.h5",
        "fold0.weights.h5",
        "fold2-seed4.weights.h5",
        "fold2.weights.h5",
    ]
    made = [read_oof(root, oof_seed_path(root, "one", seed)) for seed in (3, 4)]
    assert oof_seed_path(root, "one", 3).read_bytes() == alone
    whole, card = read_oof(root, oof_path(root, "one")), cards.read_card(card_path(root, "one"), cards.ModelCard)
    assert whole.probs == pytest.approx(average_seeds([each.probs for each in made], Views(), TARGET), abs=1e-7)
    labels = tables.read_index(root / "data" / "prepared" / "train.csv").set_index("id")["label"][list(whole.ids)]
    scores = [get_metric("accuracy").score(labels.to_numpy(), each.probs) for each in made]
    assert card.seeds is not None
    assert list(card.seeds.scores.values()) == pytest.approx(scores)
    assert card.seeds.std == pytest.approx(np.std(scores, ddof=1))
    assert card.fingerprint == digest.fingerprint
    assert card.all_seeds == (3, 4)
    history = history_path(root, "one").read_text().splitlines()
    assert history[0].startswith("fold,seed,epoch")
    assert len(history) == 1 + 2 * 2 * 2
    inputs = InferenceInput(open_store(root / "data/prepared/test_images.npy"), TARGET, root, root / "predicting")
    found = predict_images(card, list_checkpoints(root, card), inputs)
    tests = predictions.read_predictions(predicted_test_path(root, "one"), CLASSES)
    assert np.abs(found - tests.probs).max() <= 1e-7
    choose(root)
    train.run(root, "one")
    assert oof_path(root, "one").read_bytes() == alone
    assert [path.name for path in oof_seed_path(root, "one", 3).parent.iterdir()] == ["seed3.parquet"]
    assert name_fold(2, 4, 3) == "fold2-seed4"
