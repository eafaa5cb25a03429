"""Searches of a plan: which model, for how long, and what becomes of a search that finds nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.fabricated import train_fake, write_params, write_repository
from support.once import remembered

from pipeline.core import cards, paths
from pipeline.core.errors import InputError
from pipeline.core.files import write_json
from pipeline.planning import searching
from pipeline.planning.plan import Plan, PlannedSearch, PlanStep
from pipeline.planning.searching import choose_search, run_search
from pipeline.stages import ensemble
from pipeline.workspace.running import Run

SPACE = {"search": {"training.epochs": {"kind": "int", "low": 1, "high": 3}}}
PLANNED = PlannedSearch(model="weak", new_model="weak_tuned_tiny", seconds=100.0, step=20.0)


@remembered
def write_searched(root: Path) -> Path:
    """Three models in an ensemble, two of them with a search space; `strong` has the largest weight."""
    write_repository(root)
    models: Mapping[str, tuple[float, Mapping[str, object]]]
    models = {"weak": (0.4, SPACE), "strong": (0.9, SPACE), "plain": (0.5, {})}
    write_params(root, list(models), ensemble={"combiners": ["convex"]})
    for seed, (name, (skill, content)) in enumerate(models.items()):
        write_json(paths.model_path(root, name), dict(content))
        train_fake(root, name, seed=seed, skill=skill)
    ensemble.run(root)
    weigh(root, {"weak": 0.3, "plain": 0.1, "strong": 0.6})
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_searched(tmp_path)


def weigh(root: Path, weights: dict[str, float]) -> None:
    path = paths.card_path(root, paths.ENSEMBLE)
    cards.write_card(path, cards.read_card(path, cards.EnsembleCard).model_copy(update={"weights": weights}))


def plan_of(*steps: tuple[str, float, str]) -> Plan:
    made = tuple(PlanStep.model_validate({"model": m, "seconds": s, "outcome": o, "reason": ""}) for m, s, o in steps)
    return Plan(competition="tiny", budget=9000.0, steps=made, models=("weak", "plain", "strong"))


def planned(model: str, seconds: float, training: float) -> PlannedSearch:
    return PlannedSearch(model=model, new_model=f"{model}_tuned_tiny", seconds=seconds, step=training)


TRAINED = (("weak", 20.0, "kept"), ("plain", 10.0, "kept"), ("strong", 100.0, "kept"))


def test_the_model_with_the_largest_weight_is_searched_first_and_time_is_shared(root: Path) -> None:
    plan = plan_of(*TRAINED)
    assert choose_search(root, plan, 2000.0) == planned("strong", 1000.0 - 220.0, 100.0)
    after = plan_of(*TRAINED, ("strong_tuned_tiny", 5.0, "dropped"))
    assert choose_search(root, after, 1000.0) == planned("weak", 1000.0 - 44.0, 20.0)
    assert choose_search(root, plan_of(*TRAINED, ("strong_tuned_tiny", 5.0, "out_of_time")), 2000.0) is not None
    done = plan_of(*TRAINED, ("strong_tuned_tiny", 5.0, "dropped"), ("weak_tuned_tiny", 5.0, "kept"))
    assert choose_search(root, done, 9000.0) is None


def test_a_search_that_would_be_too_short_is_not_begun(root: Path) -> None:
    plan = plan_of(*TRAINED)
    assert choose_search(root, plan, 103.0) is None
    chosen = choose_search(root, plan, 105.0)
    assert chosen
    assert chosen.model == "weak"
    assert chosen.seconds == pytest.approx(61.0)


@pytest.mark.parametrize(
    ("ran", "outcome", "reason"),
    [
        (Run(0, 90.0), "dropped", "a search of 7 trials found nothing better when measured again"),
        (Run(None, 90.0), "out_of_time", "the search was not done within 300 s; its trials are kept"),
        (Run(1, 90.0, "no disk"), "failed", "the search ended: no disk"),
    ],
)
@pytest.mark.parametrize("adopted", [True, False])
def test_what_comes_of_a_search_is_in_the_plan(
    root: Path, monkeypatch: pytest.MonkeyPatch, ran: Run, outcome: str, reason: str, adopted: bool
) -> None:
    asked: list[tuple[str, ...]] = []

    def run_verb(root: Path, words: tuple[str, ...], seconds: float, log: Path, tick: object) -> Run:
        asked.append(words)
        card = cards.TuningCard(
            model="weak",
            competition="tiny",
            metric="accuracy",
            greater_is_better=True,
            complete=4,
            pruned=3,
            adopted=adopted,
        )
        cards.write_card(root / "reports" / "search" / "weak.json", card)
        return ran

    monkeypatch.setattr(searching, "run_verb", run_verb)
    found, plan = run_search(root, plan_of(*TRAINED), PLANNED, 300.0, lambda gone: None)
    assert asked == [("search", "weak", "--hours", "0.02778")]
    assert found is (adopted and ran.code == 0)
    if found:
        assert plan == plan_of(*TRAINED)
    else:
        assert (plan.steps[-1].model, plan.steps[-1].outcome, plan.steps[-1].reason) == (
            "weak_tuned_tiny",
            outcome,
            reason,
        )


def test_a_search_that_was_broken_off_goes_on_for_as_long_as_it_was_planned(root: Path) -> None:
    begun = plan_of(*TRAINED).model_copy(update={"search": planned("strong", 780.0, 100.0)})
    assert choose_search(root, begun, 10.0) == planned("strong", 780.0, 100.0)
    assert choose_search(root, begun, 0.0) is None


def test_seconds_that_a_study_was_searched_by_hand_come_on_top(root: Path) -> None:
    for competition, before in (("tiny", 300.0), ("another", 0.0)):
        card = cards.TuningCard(
            model="strong",
            competition=competition,
            metric="accuracy",
            greater_is_better=True,
            searched_seconds=300.0,
        )
        cards.write_card(root / "reports" / "search" / "strong.json", card)
        assert choose_search(root, plan_of(*TRAINED), 2000.0) == planned("strong", before + 780.0, 100.0)


def test_models_without_weight_and_files_of_ones_own_are_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(paths.model_path(root, "strong_tuned_tiny"), {"mine": 1})
    assert choose_search(root, plan_of(*TRAINED), 1000.0) == planned("weak", 1000.0 - 44.0, 20.0)
    assert "strong is not searched: configs/models/strong_tuned_tiny.yaml is a file of yours" in capsys.readouterr().out
    paths.model_path(root, "strong_tuned_tiny").write_text("# Trial 1. Written by the verb search. On tiny.\n")
    weigh(root, {"weak": 0.0, "plain": 0.2, "strong": 0.8})
    assert choose_search(root, plan_of(*TRAINED), 1000.0) == planned("strong", 1000.0 - 220.0, 100.0)


def test_a_full_disk_is_no_failed_search(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "run_verb", lambda *given: Run(1, 9.0, "[Errno 28] No space left on device"))
    with pytest.raises(InputError, match="free some space, then the same command goes on"):
        run_search(root, plan_of(*TRAINED), PLANNED, 300.0, lambda gone: None)


def test_a_step_that_found_its_training_done_is_no_measure_of_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_read_costs", lambda root, plan, model: searching._Costs(400.0, 410.0))
    assert choose_search(root, plan_of(*TRAINED), 4000.0) == planned("strong", 2000.0 - 890.0, 410.0)
    quick = searching._Costs(7.0, 72.0)  # a step is mostly DVC and the ensemble
    assert [quick.least, quick.after] == pytest.approx([60.0, 80.4])
