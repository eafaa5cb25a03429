"""A model's YAML as one recipe."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from support.trainings import recipe, settings

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.training.model_file import load_model
from pipeline.training.recipes.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "configs" / "models").glob("*.yaml"))
TEXTS = {model: (ROOT / "configs" / "models" / f"{model}.yaml").read_text(encoding="utf-8") for model in FILES}
MODELS = [model for model in FILES if "\nnetwork:" in TEXTS[model]]


@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model_loads(model: str) -> None:
    assert load_recipe(ROOT, model).training.epochs > 0


@pytest.mark.parametrize("model", FILES)
def test_every_shipped_model_opens_with_where_it_comes_from(model: str) -> None:
    lines = (ROOT / "configs" / "models" / f"{model}.yaml").read_text(encoding="utf-8").splitlines()
    head = "\n".join(itertools.takewhile(lambda line: line.startswith("# "), lines))
    assert re.search(r"\b(19|20)\d\d\b|https://", head), "its paper"
    assert re.search(r"\d (minutes|s)\b|seconds|Not trained here", head), "what it costs"
    assert re.search(r"\d\.\d{3,}|Not trained here", head), "what it scored"


def test_the_table_of_scores_has_every_shipped_model_or_says_why_not() -> None:
    lines = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").splitlines()
    table = {line.split("|")[2].split("(")[0].strip() for line in lines if line.startswith("| animals15 |")}
    reason = next(line for line in lines if line.startswith("Not trained on animals15:"))
    untrained = set(re.findall(r"`(\w+)`", reason))
    assert "`..._224`" in reason
    assert set(FILES) <= table | untrained | {f"{name}_224" for name in untrained}


@pytest.mark.parametrize("model", MODELS)
def test_no_shipped_model_peeks_at_the_fold_it_reports(model: str) -> None:
    assert load_recipe(ROOT, model).training.peeked == ()


def test_the_models_of_the_first_issue_are_shipped() -> None:
    assert {"mlp_pixels", "relu_cnn", "small_cnn", "deep_elu_cnn"} <= set(MODELS)


def test_an_unknown_model_is_refused_with_the_near_names() -> None:
    with pytest.raises(InputError, match=r"smal_cnn.yaml does not exist; did you mean small_cnn"):
        load_recipe(ROOT, "smal_cnn")


def test_an_unknown_key_names_its_place_and_the_near_keys(tmp_path: Path) -> None:
    data = settings()
    data["training"]["optimizer"]["learning_rat"] = 0.1
    tiny.write_yaml(tmp_path / "configs" / "models" / "one.yaml", data)
    with pytest.raises(InputError, match=r"one.yaml: unknown key training.optimizer.learning_rat; did you mean learni"):
        load_recipe(tmp_path, "one")


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"patience": 2}, "patience needs select: best"),
        ({"select": "best", "validate_every": 2}, "need validate_every: 1"),
        ({"schedule": {"name": "plateau"}, "validate_every": 3}, "need validate_every: 1"),
        (
            {"epochs": 2, "schedule": {"name": "cosine", "warmup_epochs": 2}},
            r"warmup_epochs must be less than epochs \(2\)",
        ),
        ({"optimizer": {"name": "adam", "learning_rate": 0.1, "momentum": 0.5}}, "momentum belongs to sgd and rmsprop"),
        ({"epochs": 0}, "training.epochs: .*greater than or equal to 1, got 0"),
        ({"epochs": "ten"}, "training.epochs: .*integer, got 'ten'"),
        ({"schedule": {"name": "linear"}}, "training.schedule.name: unknown 'linear'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(training: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe(**training)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            {"name": "plain_cnn", "filters": [8, 8], "kernels": [3]},
            "kernels needs one entry per filter count, got 1 for 2",
        ),
        ({"name": "deep_elu_cnn", "widths": [8], "blocks": [1, 1]}, "blocks needs one entry per level, got 2 for 1"),
        ({"name": "vgg"}, "'vgg'"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(network: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(settings() | {"network": network}, Recipe, "a.yaml")


@pytest.mark.parametrize(
    ("training", "peeked"),
    [
        ({}, ()),
        ({"select": "best"}, ("epoch chosen on the validation fold",)),
        (
            {"select": "best", "patience": 3},
            ("epoch chosen on the validation fold", "stopped on the validation fold"),
        ),
        ({"schedule": {"name": "plateau"}}, ("learning rate lowered on the validation fold",)),
    ],
)
def test_a_recipe_says_how_it_peeks(training: dict[str, Any], peeked: tuple[str, ...]) -> None:
    assert recipe(**training).training.peeked == peeked


@pytest.mark.parametrize("model", FILES)
def test_a_recipe_is_read_back_from_what_a_card_keeps_of_it(model: str) -> None:
    recipe = load_model(ROOT, model, mirror=True)
    assert parse(recipe.model_dump(mode="json"), type(recipe), "a card") == recipe
