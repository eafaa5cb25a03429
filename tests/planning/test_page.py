"""The page of a plan."""

from pathlib import Path

from support.tiny import write_yaml

from pipeline.core.paths import reports_folder
from pipeline.planning.choosing import Option
from pipeline.planning.page import write_plan_page
from pipeline.planning.plan import Plan, PlanStep


def make_step(model: str, outcome: str, score: float) -> PlanStep:
    return PlanStep.model_validate(
        {"model": model, "outcome": outcome, "reason": "<b>", "seconds": 30.0, "score": score, "gain": 0.01}
    )


def test_the_page_tells_steps_score_and_what_would_come_next(tmp_path: Path) -> None:
    steps = (make_step("one", "kept", 0.7), make_step("two", "dropped", 0.69), make_step("three", "kept", 0.75))
    plan = Plan(
        competition="x",
        budget=600.0,
        spent=300.0,
        steps=steps,
        models=("one", "three"),
        metric="accuracy",
        score=0.75,
        interval=(0.7, 0.8),
        score_after_choice=0.744,
    )
    write_yaml(tmp_path / "params.yaml", {"competition": "x"})
    write_plan_page(tmp_path, plan, [Option("four", 100.0, 0.05, 2)], {"five": "learns from another model"})
    page = (reports_folder(tmp_path) / "best.html").read_text(encoding="utf-8")
    for text in ("one, three", "0.7500 [0.7000, 0.8000]", "0.7440", "four", "learns from another model", "+0.0100"):
        assert text in page
    assert "<b>" not in page


def test_a_plan_without_steps_has_a_page(tmp_path: Path) -> None:
    write_yaml(tmp_path / "params.yaml", {"competition": "x"})
    write_plan_page(tmp_path, Plan(competition="x", budget=600.0), [], {})
    assert "Nothing was trained." in (reports_folder(tmp_path) / "best.html").read_text(encoding="utf-8")
