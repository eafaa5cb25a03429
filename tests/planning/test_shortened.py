"""Shortened trainings: what they are expected to cost, their files, and how a plan chooses among lengths."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.fabricated import write_repository

from pipeline.core.competition import load_competition
from pipeline.core.paths import model_path, models_folder, tuned_path
from pipeline.planning.choosing import choose_beside, choose_option, rank_options
from pipeline.planning.derived_files import is_derived, remove_derived, write_derived
from pipeline.planning.plan import Outcome, Plan, PlanStep
from pipeline.planning.prior import Estimate, TrainingLength
from pipeline.planning.readable import read_model_facts
from pipeline.planning.shortened import estimate_shortened
from pipeline.planning.standing import PlanStanding
from pipeline.training.recipes.phase_recipe import Prefix
from pipeline.training.recipes.recipe import load_recipe

ROOT = Path(__file__).parents[2]
NETWORK = Estimate(1.0, 1000.0, 1, length=TrainingLength("net", 20, 0, 20), start=100.0)
HEAD = Estimate(2.0, 50.0, 1)


def plan(*steps: tuple[str, Outcome, float, float | None]) -> Plan:
    made = tuple(
        PlanStep(model=model, outcome=outcome, reason="", seconds=seconds, table_seconds=100.0, projected=projected)
        for model, outcome, seconds, projected in steps
    )
    return Plan(competition="x", budget=3600, steps=made)


def test_fewer_epochs_x_cost_less_and_score_worse(tmp_path: Path) -> None:
    found = estimate_shortened(tmp_path, "x", {"net": NETWORK, "head": HEAD, "new": None})
    short = {name: estimate for name, estimate in found.items() if name not in ("net", "head", "new")}
    assert list(short) == ["net_14_epochs_x", "net_10_epochs_x", "net_7_epochs_x", "net_5_epochs_x", "net_4_epochs_x"]
    costs = [(each.seconds, each.relative_error) for each in (NETWORK, *short.values()) if each]
    assert costs == sorted(costs, key=lambda cost: -cost[0])
    assert costs == sorted(costs, key=lambda cost: cost[1])
    half = short["net_10_epochs_x"]
    assert half
    assert half.seconds == pytest.approx(550)


def test_a_file_of_yours_is_left_alone(tmp_path: Path) -> None:
    write_repository(tmp_path)
    models_folder(tmp_path).mkdir(exist_ok=True)
    model_path(tmp_path, "net_10_epochs_x").write_text("# mine\nnetwork: {name: small}\n")
    assert "net_10_epochs_x" not in estimate_shortened(tmp_path, "x", {"net": NETWORK})
    remove_derived(tmp_path, "x", ())
    assert model_path(tmp_path, "net_10_epochs_x").is_file()


@pytest.mark.parametrize("base", ["relu_cnn", "small_cnn", "deep_elu_cnn", "mobilenet_v2", "xception", "vgg19"])
def test_each_length_of_a_shipped_recipe_is_a_recipe(tmp_path: Path, base: str) -> None:
    (known, _) = read_model_facts(ROOT, load_competition(ROOT), [base])
    whole = known[base].length
    assert whole
    found = estimate_shortened(tmp_path, "x", {base: Estimate(1.0, 1000.0, 1, length=whole)})
    models_folder(tmp_path).mkdir(parents=True)
    model_path(tmp_path, base).write_bytes(model_path(ROOT, base).read_bytes())
    assert len(found) > 1
    for name, estimate in found.items():
        assert estimate
        assert estimate.length
        write_derived(tmp_path, {name: estimate.length}, "x")
        recipe = load_recipe(tmp_path, name)
        assert recipe.training.epochs == estimate.length.epochs
        assert recipe.training.before == load_recipe(ROOT, base).training.before
        assert is_derived(tmp_path, name) is (name != base)
    *others, kept = sorted(set(found) - {base})
    remove_derived(tmp_path, "y", ())
    assert {path.stem for path in models_folder(tmp_path).iterdir()} == set(found)
    remove_derived(tmp_path, "x", (kept,))
    assert {path.stem for path in models_folder(tmp_path).iterdir()} == {base, kept}
    assert others


def test_settings_of_tuning_stay(tmp_path: Path) -> None:
    models_folder(tmp_path).mkdir(parents=True)
    model_path(tmp_path, "relu_cnn").write_bytes(model_path(ROOT, "relu_cnn").read_bytes())
    tuned_path(tmp_path, "relu_cnn").parent.mkdir(parents=True)
    tuned_path(tmp_path, "relu_cnn").write_text("competition: x\nsettings: {training.batch_size: 32}\n")
    write_derived(tmp_path, {"relu_cnn_5_epochs_x": TrainingLength("relu_cnn", 20, 0, 5)}, "x")
    assert load_recipe(tmp_path, "relu_cnn_5_epochs_x").training.batch_size == 32


def test_settings_that_count_epochs_shrink_with_them(tmp_path: Path) -> None:
    models_folder(tmp_path).mkdir(parents=True)
    model_path(tmp_path, "net").write_text(
        "network: {name: plain_cnn, filters: [4], kernels: [3]}\n"
        "training: {epochs: 8, batch_size: 4, optimizer: {name: adam, learning_rate: 0.1}, validate_every: 4, "
        "schedule: {name: cosine, warmup_epochs: 3}}\n"
    )
    write_derived(tmp_path, {"net_2_epochs_x": TrainingLength("net", 8, 0, 2)}, "x")
    training = load_recipe(tmp_path, "net_2_epochs_x").training
    assert training.validate_every == 2
    assert training.schedule.model_dump()["warmup_epochs"] == 0.75


@pytest.mark.parametrize(
    "settings",
    [
        "select: best, patience: 3",
        "average: {epochs: 3}",
        "plain_epochs: 2",
        "schedule: {name: step, every: 2}",
        "schedule: {name: plateau}",
    ],
)
def test_what_counts_epochs_by_itself_has_one_length(tmp_path: Path, settings: str) -> None:
    write_repository(tmp_path)
    models_folder(tmp_path).mkdir(exist_ok=True)
    network = "network: {name: plain_cnn, filters: [4], kernels: [3]}\n"
    plain = "epochs: 8, batch_size: 4, optimizer: {name: adam, learning_rate: 0.1}"
    for name, more in (("counts", f", {settings}"), ("plain", "")):
        model_path(tmp_path, name).write_text(f"{network}training: {{{plain}{more}}}\n")
    known, left_out = read_model_facts(tmp_path, load_competition(tmp_path), ["counts", "plain"])
    assert not left_out
    assert known["counts"].length is None
    assert known["plain"].length == TrainingLength("plain", 8, 0, 8)


def test_tuned_settings_of_a_section_that_the_file_leaves_out_stay(tmp_path: Path) -> None:
    models_folder(tmp_path).mkdir(parents=True)
    model_path(tmp_path, "net").write_text(
        "network: {name: plain_cnn, filters: [4], kernels: [3]}\ntraining: {epochs: 8}\n"
    )
    tuned_path(tmp_path, "net").parent.mkdir(parents=True)
    tuned_path(tmp_path, "net").write_text("competition: x\nsettings: {training.optimizer.weight_decay: 0.1}\n")
    write_derived(tmp_path, {"net_4_epochs_x": TrainingLength("net", 8, 0, 4)}, "x")
    assert "weight_decay: 0.1" in model_path(tmp_path, "net_4_epochs_x").read_text()


def test_heads_and_settings_that_count_epochs_x_have_one_length_alone() -> None:
    names = ["mobilenet_v2_frozen", "mobilenet_v2_160_logistic", "hog_logreg"]
    known, _ = read_model_facts(ROOT, load_competition(ROOT), names)
    assert {name: known[name].length for name in names} == dict.fromkeys(names)


def test_layers_above_a_kept_prefix_can_train_for_fewer_epochs(tmp_path: Path) -> None:
    name = "mobilenet_v2_160_upper_blocks"
    known, _ = read_model_facts(ROOT, load_competition(ROOT), [name])
    assert known[name].length == TrainingLength(name, 5, 20, 5)
    write_repository(tmp_path)
    models_folder(tmp_path).mkdir(exist_ok=True)
    model_path(tmp_path, name).write_text(model_path(ROOT, name).read_text(encoding="utf-8"), encoding="utf-8")

    short = f"{name}_2_epochs_x"
    write_derived(tmp_path, {short: TrainingLength(name, 5, 20, 2)}, "x")

    recipe = load_recipe(tmp_path, short)
    assert (recipe.training.epochs, recipe.training.prefix) == (2, Prefix(after="block_5_add", draws=2, limit_gb=50))


def test_the_one_pass_over_the_images_costs_what_it_costs(tmp_path: Path) -> None:
    above = replace(NETWORK, features=400.0)
    estimates = estimate_shortened(tmp_path, "x", {"net": above})
    half = estimates["net_10_epochs_x"]
    assert half is not None
    assert half.seconds == 500 + 0.5 * 500


def test_the_longest_training_that_fits_comes_and_no_two_lengths_of_one_network(tmp_path: Path) -> None:
    estimates = estimate_shortened(tmp_path, "x", {"net": NETWORK})
    options = rank_options(plan(), estimates, 0.0)
    standing = PlanStanding(6.0)
    chosen = {seconds: choose_option(options, standing, seconds, first=False) for seconds in (2000, 700, 330)}
    assert {seconds: each.model for seconds, each in chosen.items() if each} == {
        2000: "net",
        700: "net_10_epochs_x",
        330: "net_4_epochs_x",
    }
    longest = chosen[700]
    assert longest
    assert choose_beside(options, longest, standing, 3000) == ()


def test_what_goes_ahead_for_an_early_score_is_trained_whole_where_it_can_be(tmp_path: Path) -> None:
    estimates = estimate_shortened(tmp_path, "x", {"net": NETWORK})
    options = rank_options(plan(), estimates, 25.0)
    assert options[0].model != "net"
    chosen = {seconds: choose_option(options, PlanStanding(6.0), seconds, first=True) for seconds in (20_000, 4000)}
    assert {seconds: each.model for seconds, each in chosen.items() if each} == {20_000: "net", 4000: options[0].model}


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (("net_10_epochs_x", "kept", 50.0, None), {"net", "net_14_epochs_x"}),
        (("net", "dropped", 50.0, None), set()),
        (("net_4_epochs_x", "failed", 50.0, None), set()),
        (("net_14_epochs_x", "out_of_time", 50.0, 200.0), {"net", *(f"net_{n}_epochs_x" for n in (14, 10, 7, 5, 4))}),
    ],
)
def test_only_longer_trainings_follow_one_that_was_tried(
    tmp_path: Path, step: tuple[str, Outcome, float, float | None], left: set[str]
) -> None:
    estimates = estimate_shortened(tmp_path, "x", {"net": NETWORK})
    assert {option.model for option in rank_options(plan(step), estimates, 0.0)} == left


def test_first_epochs_x_say_what_other_lengths_take_here(tmp_path: Path) -> None:
    estimates = estimate_shortened(tmp_path, "x", {"net": NETWORK, "head": HEAD})
    slow = plan(("net", "out_of_time", 30.0, 400.0))
    seconds = {option.model: option.seconds for option in rank_options(slow, estimates, 0.0)}
    assert seconds["net"] == pytest.approx(4000)
    assert seconds["net_10_epochs_x"] == pytest.approx(2200)
    assert 50 < seconds["head"] < 200
    cut = plan(("net", "out_of_time", 30.0, None))
    assert {each.model: each.seconds for each in rank_options(cut, estimates, 0.0)}["net"] == pytest.approx(1000)
    again = plan(("net", "out_of_time", 300.0, 400.0), ("net_10_epochs_x", "out_of_time", 9.0, None))
    partly = plan(("net_10_epochs_x", "out_of_time", 90.0, 200.0), ("net_10_epochs_x", "kept", 5.0, None))
    assert again.slowness > 1
    paces = {each.model: each.seconds for each in rank_options(partly, estimates, 0.0)}
    assert paces["net"] >= 0.99 * partly.slowness * 1000
    fast = rank_options(plan(("net", "out_of_time", 30.0, 50.0)), estimates, 0.0)
    assert {option.model: option.seconds for option in fast}["net_10_epochs_x"] == pytest.approx(275)
