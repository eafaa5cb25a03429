"""Search spaces: refused, suggested to trials; every shipped one fits its model."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from support import tiny
from support.fabricated import write_params
from support.trainings import settings

from pipeline.core.errors import InputError
from pipeline.core.paths import model_path, tuned_path
from pipeline.training.model_file import load_model, recipe_from
from pipeline.training.recipes.model_yaml import get_setting, overlay_settings, read_model
from pipeline.training.recipes.recipe import Recipe
from pipeline.tuning.space import Space, load_space

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "configs" / "models").glob("*.yaml"))
RATE = {"training.optimizer.learning_rate": {"kind": "float", "low": 0.01, "high": 0.1, "log": True}}
SCHEDULES = {
    "training.schedule": {"kind": "categorical", "choices": [{"name": "constant"}, {"name": "cosine"}]},
    "training.schedule.final": {"kind": "float", "low": 0.0, "high": 0.5, "when": {"training.schedule.name": "cosine"}},
}


def write_space(root: Path, search: dict[str, Any], **changes: Any) -> Space:
    """Writes the small model with a search space and loads that."""
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(**changes) | {"search": search})
    return load_space(root, "one", mirror=True)


def suggest(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    return space.suggest_settings(optuna.trial.FixedTrial(params))


@pytest.mark.parametrize("model", [name for name in SHIPPED if read_model(ROOT, name)[1]])
def test_every_shipped_space_fits_its_model_and_holds_its_defaults(model: str) -> None:
    space = load_space(ROOT, model, mirror=True)
    defaults = suggest(space, dict(space.default_params()))
    assert space.make_recipe(defaults) == space.make_recipe({}) == load_model(ROOT, model, mirror=True)


@pytest.mark.parametrize("model", SHIPPED)
def test_a_recipe_written_out_in_full_is_the_same_recipe(model: str) -> None:
    recipe = recipe_from(read_model(ROOT, model)[0], model)
    assert recipe_from(recipe.model_dump(mode="json"), model) == recipe


def test_values_are_laid_over_the_model_by_path(tmp_path: Path) -> None:
    space = write_space(tmp_path, RATE | {"network.units": {"kind": "categorical", "choices": [[8], [16, 4]]}})
    chosen = suggest(space, {"training.optimizer.learning_rate": 0.02, "network.units": "[16, 4]"})
    recipe = space.make_recipe(chosen)
    assert isinstance(recipe, Recipe)
    assert recipe.training.optimizer.learning_rate == 0.02
    assert recipe.network.model_dump()["units"] == (16, 4)
    assert recipe.training.optimizer.name == "sgd"  # what does not vary stays


def test_a_place_in_a_list_can_vary(tmp_path: Path) -> None:
    wanted = {"augmentation.transforms.0.Affine.p": {"kind": "float", "low": 0.0, "high": 1.0}}
    augmentation = {"flip": "none", "transforms": [{"Affine": {"rotate": [-5, 5], "p": 0.5}}]}
    space = write_space(tmp_path, wanted, augmentation=augmentation)
    changed = space.make_recipe(suggest(space, {"augmentation.transforms.0.Affine.p": 0.25}))
    assert get_setting(changed.model_dump(mode="json"), "augmentation.transforms.0.Affine.p") == 0.25


def test_a_condition_decides_what_is_suggested(tmp_path: Path) -> None:
    space = write_space(tmp_path, SCHEDULES)
    assert suggest(space, {"training.schedule": '{"name": "constant"}'}) == {"training.schedule": {"name": "constant"}}
    both = suggest(space, {"training.schedule": '{"name": "cosine"}', "training.schedule.final": 0.25})
    recipe = space.make_recipe(both)
    assert isinstance(recipe, Recipe)
    assert recipe.training.schedule.model_dump() == {"name": "cosine", "warmup_epochs": 0.0, "final": 0.25}


def test_the_default_names_its_choice_and_leaves_out_what_its_condition_shuts(tmp_path: Path) -> None:
    assert write_space(tmp_path, SCHEDULES).default_params() == {"training.schedule": '{"name": "constant"}'}


def test_a_classic_model_can_be_searched(tmp_path: Path) -> None:
    recipe = {"features": {"name": "hog"}, "classifier": {"C": 0.1}}
    search = {"classifier.C": {"kind": "float", "low": 0.01, "high": 1.0, "log": True}}
    tiny.write_yaml(tmp_path / "configs" / "models" / "one.yaml", recipe | {"search": search})
    assert load_space(tmp_path, "one", mirror=True).default_params() == {"classifier.C": 0.1}


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"training.optimizer.learning_rat": RATE["training.optimizer.learning_rate"]}, "did you mean learning_rate"),
        ({"trainin.epochs": {"kind": "int", "low": 2, "high": 8}}, "did you mean training"),
        ({"training.epochs": {"kind": "int", "low": 8, "high": 2}}, "low must be less than high, got 8 and 2"),
        ({"training.epochs": {"kind": "int", "low": 0, "high": 8, "log": True}}, "log needs low above 0, got 0"),
        ({"training.epochs": {"kind": "categorical", "choices": [4]}}, "at least 2 items"),
        ({"training.epochs": {"kind": "categorical", "choices": [4, 4]}}, "choices must differ"),
        ({"network.dropout": {"kind": "categorical", "choices": [0, False]}}, "choices must differ"),
        ({"network.units": {"kind": "categorical", "choices": [[8], "[8]"]}}, "choices must differ"),
        ({"training.epochs": {"kind": "int", "low": 5, "high": 8}}, r"does not hold the model's own value 4: .*5\.\.8"),
        (
            {"training.epochs": {"kind": "int", "low": 1, "high": 9, "step": 2}},
            "4: must be 1 plus whole steps",
        ),
        ({"training.epochs": {"kind": "categorical", "choices": [2, 3]}}, r"own value 4: must be one of \[2, 3\]"),
        ({"training.epochs": {"kind": "int", "low": 0, "high": 8}}, "allows 0, but then .*greater than or equal to 1"),
        ({"network.dropout": {"kind": "float", "low": 0.1, "high": 1.5}}, "allows 1.5, but then .*less than 1"),
        ({"training.epochs": {"kind": "integer", "low": 2, "high": 8}}, "unknown 'integer'"),
        ({"training.epochs": {"kind": "int", "low": 2, "high": 8, "when": {"network.units": 3}}}, "never holds"),
        ([], "must map settings to the values to try"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(tmp_path: Path, search: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        write_space(tmp_path, search)
    assert "one.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_without_a_space_says_so(tmp_path: Path) -> None:
    tiny.write_yaml(tmp_path / "configs" / "models" / "one.yaml", settings())
    with pytest.raises(InputError, match="has no section search"):
        load_space(tmp_path, "one", mirror=True)


def test_tuned_settings_are_laid_over_the_model(tmp_path: Path) -> None:
    write_params(tmp_path, ["one"])
    tiny.write_yaml(model_path(tmp_path, "one"), settings())
    tuned = {"training.optimizer.learning_rate": 0.01, "network.units": [16]}
    tiny.write_yaml(tuned_path(tmp_path, "one"), {"competition": "tiny", "settings": tuned})
    recipe = load_model(tmp_path, "one", mirror=True)
    assert isinstance(recipe, Recipe)
    assert (recipe.training.optimizer.learning_rate, recipe.network.model_dump()["units"]) == (0.01, (16,))


def test_settings_tuned_on_another_competition_are_refused(tmp_path: Path) -> None:
    write_params(tmp_path, ["one"])
    tiny.write_yaml(model_path(tmp_path, "one"), settings())
    tiny.write_yaml(tuned_path(tmp_path, "one"), {"competition": "other", "settings": {"training.epochs": 1}})
    with pytest.raises(InputError, match=r"found on other, .* competition is tiny; run `dvc repro tune@one`"):
        load_model(tmp_path, "one", mirror=True)


def test_a_tuned_setting_that_is_gone_names_the_tuned_file(tmp_path: Path) -> None:
    write_params(tmp_path, ["one"])
    tiny.write_yaml(model_path(tmp_path, "one"), settings())
    tiny.write_yaml(tuned_path(tmp_path, "one"), {"competition": "tiny", "settings": {"training.epoch": 1}})
    with pytest.raises(InputError, match=r"tuned/one.yaml: unknown key training.epoch"):
        load_model(tmp_path, "one", mirror=True)


def test_laying_over_leaves_the_original_alone_and_refuses_what_has_no_parts() -> None:
    original = {"a": {"b": [1, 2]}}
    assert overlay_settings(original, {"a.b.1": 5, "a.c": 7}) == {"a": {"b": [1, 5], "c": 7}}
    assert json.dumps(original) == '{"a": {"b": [1, 2]}}'
    with pytest.raises(InputError, match=r"a.b.2: no setting 2; known: 0, 1"):
        overlay_settings(original, {"a.b.2": 5})
    with pytest.raises(InputError, match=r"a.b.1.x: a.b.1 is 2, which has no settings"):
        overlay_settings(original, {"a.b.1.x": 5})


def test_a_whole_number_may_be_the_default_of_a_setting_that_takes_fractions(tmp_path: Path) -> None:
    search = {"training.schedule.warmup_epochs": {"kind": "int", "low": 0, "high": 3}}
    space = write_space(tmp_path, search, schedule={"name": "cosine", "warmup_epochs": 2})
    assert space.default_params() == {"training.schedule.warmup_epochs": 2}


def test_a_condition_may_name_two_settings_and_one_that_has_a_condition(tmp_path: Path) -> None:
    both = {"training.schedule.name": "cosine", "network.units": [16]}
    search = SCHEDULES | {
        "network.units": {"kind": "categorical", "choices": [[8], [16]]},
        "network.dropout": {"kind": "float", "low": 0.0, "high": 0.5, "when": both},
        "training.label_smoothing": {
            "kind": "float",
            "low": 0.0,
            "high": 0.1,
            "when": {"training.schedule.final": 0.5},
        },
    }
    assert list(write_space(tmp_path, search).parameters) == list(search)


def test_a_step_that_misses_the_upper_bound_asks_for_what_it_reaches(tmp_path: Path) -> None:
    search = {
        "network.dropout": {"kind": "float", "low": 0.0, "high": 0.5, "step": 0.2},
        "training.epochs": {"kind": "int", "low": 1, "high": 6, "step": 3},
    }
    space = write_space(tmp_path, search)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    space.suggest_settings(trial)
    assert [trial.distributions[name].high for name in search] == [0.4, 4]  # type: ignore[attr-defined]
