"""The candidates of a plan: read in a process apart, so that none of its seconds go into a start of TensorFlow."""

import sys
from pathlib import Path

import pytest
from support.fabricated import write_repository

from pipeline.core.competition import load_competition
from pipeline.core.paths import model_path, models_folder
from pipeline.planning import candidates
from pipeline.planning.candidates import ModelsToTry, estimate_candidates, reading_candidates
from pipeline.planning.prior import DataSize, ModelFacts, TrainingLength, Work, list_networks, read_measured_recipes
from pipeline.planning.readable import read_model_facts
from pipeline.training import missing_weights
from pipeline.training.step_time import MachineTimes

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_models_are_read_while_the_plan_does_something_else() -> None:
    table = read_measured_recipes(ROOT)
    before = "tensorflow" in sys.modules
    with reading_candidates(ROOT, load_competition(ROOT), ["mobilenet_v2_frozen_pseudo", "no_such"], table) as read:
        found = read.wait()
    assert ("tensorflow" in sys.modules) is before
    assert {*found.known, *found.left_out} >= {row.recipe for row in table}
    assert 0.02 < found.times.step < 200
    assert 0.02 < found.times.frozen < 200
    assert found.left_out["mobilenet_v2_frozen_pseudo"] == "learns from the predictions of another model"


def test_shortened_models_come_with_what_they_shorten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path)
    models_folder(tmp_path).mkdir(exist_ok=True)
    for name, headline in (("net", "Mine."), ("net_7_epochs_tiny", "7 of 20. Written by the verb best.")):
        model_path(tmp_path, name).write_text(f"# {headline}\nnetwork: {{name: plain_cnn}}\n")
    read: list[list[str]] = []
    monkeypatch.setattr(candidates, "start_process", lambda target, given, words: read.append(given[3]))
    monkeypatch.setattr(candidates, "end_process", lambda process: None)
    with reading_candidates(tmp_path, load_competition(tmp_path), ["net", "net_7_epochs_tiny"], ()):
        assert read == [["net", "one", "two"]]


def test_models_whose_weights_cannot_be_had_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    names = ["mobilenet_v2", "mobilenet_v2_160_logistic", "small_cnn", "hog_logreg"]
    monkeypatch.setattr(missing_weights, "explain_unreachable", lambda file: "host: no route")
    known, left_out = read_model_facts(ROOT, load_competition(ROOT), names)
    assert list(known) == ["small_cnn", "hog_logreg"]
    assert left_out["mobilenet_v2_160_logistic"] == (
        "its weights (mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5) are not in "
        f"{tmp_path} and cannot be downloaded (host: no route)"
    )
    monkeypatch.setattr(missing_weights, "explain_unreachable", lambda file: "")
    known, left_out = read_model_facts(ROOT, load_competition(ROOT), names)
    assert list(known) == names
    assert not left_out


def test_facts_say_what_a_model_costs_by_and_which_features_it_reads() -> None:
    heads = [f"mobilenet_v2_{each}" for each in ("160_logistic", "160_inner_logistic", "frozen_160", "224_logistic")]
    names = [*heads, "mobilenet_v2_xception_logistic", "mobilenet_v2_frozen_pseudo", "mobilenet_v2", "small_cnn"]
    names += ["mobilenet_v2_160_upper_blocks", "mlp_hog"]
    known, left_out = read_model_facts(ROOT, load_competition(ROOT), [*names, "no_such"])
    assert left_out["mobilenet_v2_frozen_pseudo"] == "learns from the predictions of another model"
    assert "no_such" in left_out["no_such"]
    assert known["small_cnn"] == ModelFacts(True, length=TrainingLength("small_cnn", 40, 0, 40), work="step")
    works = {"mobilenet_v2": "backbone", "mobilenet_v2_frozen_160": "pass", "mobilenet_v2_160_logistic": "other"}
    works |= {"mobilenet_v2_160_upper_blocks": "pass", "mlp_hog": "other"}
    assert {name: known[name].work for name in works} == works
    assert not known["mobilenet_v2_160_logistic"].by_pixels
    small, inner, network, large = (known[each].backbones for each in heads)
    assert small < known["mobilenet_v2_xception_logistic"].backbones
    assert len({small, inner, network}) == 3  # passes of their own
    assert list_networks(small) == list_networks(inner) == list_networks(network) != list_networks(large)
    assert not known["mobilenet_v2"].backbones  # which trains them


def test_estimates_know_what_features_a_head_reads() -> None:
    table = read_measured_recipes(ROOT)
    known = {"small_cnn": ModelFacts(by_pixels=True), "mobilenet_v2_frozen": ModelFacts(False, frozenset({"a"}))}
    found = estimate_candidates(ModelsToTry(known | {"new": ModelFacts(True)}, {}), DataSize(32, 7200), table)
    assert found["new"] is None
    assert found["small_cnn"]
    assert not found["small_cnn"].backbones
    assert found["mobilenet_v2_frozen"]
    assert found["mobilenet_v2_frozen"].backbones == {"a"}


def test_a_machine_that_is_slow_with_networks_takes_longer_for_them_alone() -> None:
    table = read_measured_recipes(ROOT)
    kinds: dict[str, Work] = {"small_cnn": "step", "hog_logreg": "other", "xception": "backbone"}
    kinds |= {"mobilenet_v2_frozen": "pass", "xception_160_logistic": "other", "xception_160_upper_blocks": "pass"}
    known = {name: ModelFacts(False, work=work) for name, work in kinds.items()}
    plain, trains, passes = (
        estimate_candidates(ModelsToTry(known, {}, times), DataSize(32, 7200), table)
        for times in (MachineTimes(), MachineTimes(step=4.0), MachineTimes(frozen=4.0))
    )
    longer = {"step": (4, 1), "backbone": (2, 2), "pass": (1, 4), "other": (1, 1)}
    for name, work in kinds.items():
        known_as, trained, passed = plain[name], trains[name], passes[name]
        assert known_as
        assert trained
        assert passed
        start = known_as.start * (1 if work == "other" else 4)
        own = known_as.seconds - known_as.features - known_as.start
        assert own > 0
        assert trained.seconds == pytest.approx(known_as.seconds + (longer[work][0] - 1) * own)
        assert passed.seconds == pytest.approx(start + longer[work][1] * own + 4 * known_as.features)
        assert (trained.features, passed.features) == pytest.approx((known_as.features, 4 * known_as.features))
        assert (trained.start, passed.start) == pytest.approx((known_as.start, start))
