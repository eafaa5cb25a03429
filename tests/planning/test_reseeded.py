"""Further seeds of the networks that stayed: when they are offered, what they are hoped to bring, and their files."""

from pathlib import Path

import pytest
from support.fabricated import write_repository

from pipeline.core.paths import model_path, models_folder
from pipeline.planning.choosing import rank_options
from pipeline.planning.derived_files import is_derived, name_derived, remove_derived, write_derived
from pipeline.planning.plan import Plan, PlanStep
from pipeline.planning.prior import Estimate, TrainingLength
from pipeline.planning.reseeded import estimate_reseeded
from pipeline.planning.standing import PlanStanding, expect_standing
from pipeline.training.recipes.recipe import load_recipe

ROOT = Path(__file__).parents[2]
WHOLE = TrainingLength("net", 20, 0, 20)
ESTIMATES = {
    "net": Estimate(1.0, 900.0, 1, length=WHOLE),
    "net_7_epochs_x": Estimate(1.2, 300.0, 1, length=TrainingLength("net", 20, 0, 7)),
    "other": Estimate(1.0, 900.0, 1, length=TrainingLength("other", 20, 0, 20)),
    "head": Estimate(2.0, 50.0, 1),
    "new": None,
}


def plan(*models: str, dropped: tuple[str, ...] = ()) -> Plan:
    steps = [
        PlanStep(model=model, outcome="dropped" if model in dropped else "kept", reason="", seconds=90)
        for model in (*models, *dropped)
    ]
    return Plan(competition="x", budget=36_000, steps=tuple(steps), models=models)


def list_new(root: Path, so_far: Plan) -> list[str]:
    return sorted(set(estimate_reseeded(root, so_far, ESTIMATES)) - set(ESTIMATES))


def test_another_seed_is_offered_of_networks_that_stayed(tmp_path: Path) -> None:
    assert list_new(tmp_path, plan()) == []
    assert list_new(tmp_path, plan("head")) == []
    assert list_new(tmp_path, plan("net", "head")) == ["net_seed_1_x"]
    assert list_new(tmp_path, plan("net_7_epochs_x")) == ["net_7_epochs_seed_1_x"]
    assert list_new(tmp_path, plan("net", "net_seed_1_x")) == ["net_seed_1_x", "net_seed_2_x"]
    assert list_new(tmp_path, plan("net_seed_1_x")) == ["net_seed_1_x", "net_seed_2_x"]  # the first one had no weight


def test_a_seed_that_did_not_stay_is_the_last(tmp_path: Path) -> None:
    so_far = plan("net", dropped=("net_seed_1_x",))
    names = [option.model for option in rank_options(so_far, estimate_reseeded(tmp_path, so_far, ESTIMATES), 10)]
    assert "other" in names
    assert not [name for name in names if "seed" in name]


def test_another_seed_is_hoped_to_bring_half_of_what_another_network_does(tmp_path: Path) -> None:
    so_far = plan("net")
    gains = {each.model: each for each in rank_options(so_far, estimate_reseeded(tmp_path, so_far, ESTIMATES), 10)}
    assert gains["net_seed_1_x"].gain == pytest.approx(gains["other"].gain / 2)
    assert gains["net_seed_1_x"].again
    assert not gains["other"].again
    assert gains["net_seed_1_x"].family == "net, seed 1"


def test_another_seed_is_never_hoped_to_be_better_than_what_is_there() -> None:
    assert PlanStanding(2.0).expect_gain(1.0, frozenset()) == pytest.approx(0.55)
    assert PlanStanding(2.0).expect_gain(1.0, frozenset(), again=True) == pytest.approx(0.05)
    again = Estimate(1.0, 9.0, 1, length=TrainingLength("net", 20, 0, 20, seed=1))
    assert expect_standing([ESTIMATES["net"], again]).error == pytest.approx(0.95)


def test_the_file_of_a_seed_is_the_recipe_with_another_seed(tmp_path: Path) -> None:
    models_folder(tmp_path).mkdir(parents=True)
    for name in ("small_cnn", "relu_cnn"):
        model_path(tmp_path, name).write_bytes(model_path(ROOT, name).read_bytes())
    whole = load_recipe(tmp_path, "small_cnn")
    epochs = whole.training.epochs
    lengths = [TrainingLength("small_cnn", epochs, 0, each, seed) for each, seed in ((epochs, 1), (2, 0), (2, 3))]
    names = [name_derived(length, "x") for length in lengths]
    assert names == ["small_cnn_seed_1_x", "small_cnn_2_epochs_x", "small_cnn_2_epochs_seed_3_x"]
    write_derived(tmp_path, dict(zip(names, lengths, strict=True)), "x")
    made = [load_recipe(tmp_path, name) for name in names]
    assert made[0] == whole.model_copy(update={"seed_offset": 1})
    assert [(each.seed_offset, each.training.epochs) for each in made] == [(1, epochs), (0, 2), (3, 2)]
    assert all(is_derived(tmp_path, name) for name in names)
    remove_derived(tmp_path, "x", names[:1])
    assert {path.stem for path in models_folder(tmp_path).iterdir()} == {"small_cnn", "relu_cnn", names[0]}


def test_files_of_other_competitions_and_of_yours_are_left_alone(tmp_path: Path) -> None:
    write_repository(tmp_path)
    models_folder(tmp_path).mkdir(exist_ok=True)
    mark = "# net trained again with another seed. Written by the verb best.\n"
    for name, text in (("net_seed_1_x", "# mine\n"), ("net_seed_1_a_x", mark), ("net_seed_2_x", mark)):
        model_path(tmp_path, name).write_text(text)
    assert list_new(tmp_path, plan("net")) == []
    remove_derived(tmp_path, "x", ())
    left = {path.stem for path in models_folder(tmp_path).iterdir()}
    assert {"net_seed_1_x", "net_seed_1_a_x"} <= left
    assert "net_seed_2_x" not in left
