"""The plan as a file."""

from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.planning.plan import Plan, PlanStep, plan_folder, plan_path, read_plan, write_plan

STEP = PlanStep(
    model="a", outcome="kept", reason="the first", seconds=12.5, expected_seconds=10.0, score=0.5, spent=20.0
)


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan(competition="x", budget=60.0, steps=(STEP,), models=("a",), score=0.5, interval=(0.4, 0.6))
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path, "x") == plan
    assert plan_path(tmp_path).is_file()
    assert read_plan(tmp_path, "y") is None


def test_what_a_step_trained_that_was_broken_off_counts_as_trained_before_its_turn(tmp_path: Path) -> None:
    plan = Plan(competition="x", budget=60.0, begun="b", beside=("a", "b"))
    for begun, beside in (("b", ("a", "b")), ("c", ("a", "b", "c")), ("", ("a", "b"))):
        write_plan(tmp_path, plan.model_copy(update={"begun": begun}))
        read = read_plan(tmp_path, "x")
        assert read
        assert (read.begun, read.beside) == ("", beside)


def test_what_is_no_plan_is_named(tmp_path: Path) -> None:
    path = plan_folder(tmp_path, "x") / "plan.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"competition": "x", "budgets": 3}')
    with pytest.raises(InputError, match="budgets"):
        read_plan(tmp_path, "x")


def test_the_present_ensemble_is_that_of_the_last_step_kept() -> None:
    dropped = STEP.model_copy(update={"outcome": "dropped"})
    assert Plan(competition="x", budget=1.0).present == -1
    assert Plan(competition="x", budget=1.0, steps=(STEP, dropped, STEP, dropped)).present == 2


def test_a_busy_machine_is_expected_to_be_slow_until_steps_say_otherwise() -> None:
    steps = tuple(
        PlanStep(model=name, outcome="kept", reason="", seconds=20.0, table_seconds=10.0) for name in ("one", "two")
    )
    plan = Plan(competition="tiny", budget=60.0, waiting=4.0)
    assert Plan(competition="tiny", budget=60.0).slowness == 1.0
    assert plan.slowness == pytest.approx(4.0)
    assert plan.model_copy(update={"steps": steps}).slowness == pytest.approx((4 * 2 * 2) ** (1 / 3))


def test_a_step_whose_folds_were_trained_before_does_not_make_the_machine_quick() -> None:
    own, spared, slow = (
        PlanStep(model=name, outcome="kept", reason="", seconds=seconds, table_seconds=10.0)
        for name, seconds in (("own", 20.0), ("spared", 1.0), ("slow", 80.0))
    )
    plan = Plan(competition="tiny", budget=60.0, waiting=2.0, beside=("spared", "slow"))
    assert plan.model_copy(update={"steps": (own, spared)}).slowness == pytest.approx(2.0)
    assert plan.model_copy(update={"steps": (own, spared, slow)}).slowness == pytest.approx((2 * 2 * 8) ** (1 / 3))
