"""Searches of a plan: which model, for how long, and what becomes of a search that finds nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support.fabricated import train_fake, write_params, write_repository

from pipeline.core import cards, paths
from pipeline.core.files import write_json
from pipeline.planning import searching
from pipeline.planning.plan import Plan, PlanStep
from pipeline.planning.searching import PlannedSearch, choose_search, run_search
from pipeline.stages import ensemble
from pipeline.workspace.running import Run

SPACE = {"search": {"training.epochs": {"kind": "int", "low": 1, "high": 3}}}
PLANNED = PlannedSearch("weak", "weak_tuned", 100.0, 20.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three models in an ensemble, two of them with a search space; `strong` has the largest weight."""
    write_repository(tmp_path)
    models: Mapping[str, tuple[float, Mapping[str, object]]]
    models = {"weak": (0.4, SPACE), "strong": (0.9, SPACE), "plain": (0.5, {})}
    write_params(tmp_path, list(models), ensemble={"combiners": ["convex"]})
    for seed, (name, (skill, content)) in enumerate(models.items()):
        write_json(paths.model_path(tmp_path, name), dict(content))
        train_fake(tmp_path, name, seed=seed, skill=skill)
    ensemble.run(tmp_path)
    return tmp_path


def plan_of(*steps: tuple[str, float, str]) -> Plan:
    made = tuple(PlanStep.model_validate({"model": m, "seconds": s, "outcome": o, "reason": ""}) for m, s, o in steps)
    return Plan(competition="tiny", budget=9000.0, steps=made, models=("weak", "plain", "strong"))


TRAINED = (("weak", 20.0, "kept"), ("plain", 10.0, "kept"), ("strong", 100.0, "kept"))


def test_the_model_with_the_largest_weight_is_searched_first_and_time_is_shared(root: Path) -> None:
    plan = plan_of(*TRAINED)
    assert choose_search(root, plan, 2000.0) == PlannedSearch("strong", "strong_tuned", 1000.0 - 220.0, 100.0)
    after = plan_of(*TRAINED, ("strong_tuned", 5.0, "dropped"))
    assert choose_search(root, after, 1000.0) == PlannedSearch("weak", "weak_tuned", 1000.0 - 44.0, 20.0)
    assert choose_search(root, plan_of(*TRAINED, ("strong_tuned", 5.0, "out_of_time")), 2000.0) is not None
    done = plan_of(*TRAINED, ("strong_tuned", 5.0, "dropped"), ("weak_tuned", 5.0, "kept"))
    assert choose_search(root, done, 9000.0) is None


def test_a_search_that_would_be_too_short_is_not_begun(root: Path) -> None:
    plan = plan_of(*TRAINED)
    assert choose_search(root, plan, 83.0) is None
    chosen = choose_search(root, plan, 85.0)
    assert chosen
    assert chosen.model == "weak"
    assert chosen.seconds == pytest.approx(41.0)


@pytest.mark.parametrize(
    ("ran", "outcome", "reason"),
    [
        (Run(0, 90.0), "dropped", "a search of 7 trials found nothing better on other rows"),
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
        assert (plan.steps[-1].model, plan.steps[-1].outcome, plan.steps[-1].reason) == ("weak_tuned", outcome, reason)
