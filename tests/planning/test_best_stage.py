"""The end of a budget: what is said where the pages did not fit any more."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from support.fabricated import write_params, write_repository

from pipeline.core.active import active_models
from pipeline.core.errors import InputError
from pipeline.planning.candidates import ModelsToTry
from pipeline.planning.choosing import Option
from pipeline.planning.outlook import Outlook
from pipeline.planning.pace import Pace, TooSlowError
from pipeline.planning.plan import Plan, PlannedSearch, PlanStep, read_plan
from pipeline.planning.prior import DataSize, Estimate, TrainingLength
from pipeline.planning.shortened import estimate_shortened
from pipeline.planning.steps import Tick
from pipeline.stages import best
from pipeline.workspace.running import Run


class _Read:
    def wait(self) -> ModelsToTry:
        return ModelsToTry({}, {})


@pytest.mark.parametrize("code", [0, None])
def test_pages_that_the_budget_cuts_off_are_left_to_dvc(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int | None,
) -> None:
    write_repository(tmp_path)
    write_params(tmp_path, ["one"])
    granted: list[float] = []

    def run_stages(root: Path, targets: tuple[str, ...], seconds: float, log: Path, tick: object) -> Run:
        granted.append(seconds)
        return Run(0 if targets else code, 1.0)

    def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: object, beside: object) -> Plan:
        step = PlanStep(model=option.model, outcome="kept", reason="", seconds=9.0, expected_seconds=9.0, score=0.8)
        update = {"steps": (step,), "models": ("one",), "metric": "accuracy", "score": 0.8, "interval": (0.7, 0.9)}
        return plan.model_copy(update=update | {"score_after_choice": 0.8})

    monkeypatch.setattr(best, "run_stages", run_stages)
    monkeypatch.setattr(best, "try_model", try_model)
    monkeypatch.setattr(best, "leave_out_idle", lambda root, plan, seconds, tick: plan)
    monkeypatch.setattr(best, "reading_candidates", lambda *settings: nullcontext(_Read()))
    monkeypatch.setattr(best, "measure_size", lambda root: DataSize(8, 100))
    monkeypatch.setattr(best, "look_ahead", lambda *settings: Outlook({"one": Estimate(1.0, 9.0, 1)}, {}))
    monkeypatch.setattr(best, "read_measured_recipes", lambda root: ())
    best.run(tmp_path, 0.1)
    printed = capsys.readouterr().out
    assert ("`dvc repro` makes the others" in printed) is (code is None)
    assert granted[-1] <= 360
    plan = read_plan(tmp_path, "tiny")
    assert plan
    assert plan.finished is (code == 0)
    assert (tmp_path / "reports" / "best.html").is_file()


def test_a_cluster_that_does_not_answer_ends_it_before_any_model_is_tried(tmp_path: Path) -> None:
    write_repository(tmp_path)
    write_params(tmp_path, ["one"], train={"executor": "ray", "ray": {"address": "127.0.0.1:1"}})
    with pytest.raises(InputError, match=r"train\.ray\.address: no Ray cluster answers at 127\.0\.0\.1:1"):
        best.run(tmp_path, 0.1)
    assert read_plan(tmp_path, "tiny") is None


@pytest.mark.parametrize(("cpu", "waiting"), [(5.0, 4.0), (30.0, 1.0), (0.5, 1.0)])
def test_how_busy_the_machine_is_shows_while_data_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: float, waiting: float
) -> None:
    write_repository(tmp_path)
    counted = iter((10.0, 10.0 + cpu))
    monkeypatch.setattr(best, "_count_cpu", lambda: next(counted))
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 1.0, 1.0))
    monkeypatch.setattr(best, "run_stages", lambda *settings: Run(0, 20.0))
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=600.0), 0.0)
    execution.begin()
    assert execution.plan.waiting == pytest.approx(waiting)


def test_pages_that_can_wait_take_no_more_than_a_quarter_of_a_short_budget() -> None:
    busy = Plan(competition="tiny", budget=600.0, waiting=10.0)
    assert best._reserve(busy) == 150.0
    assert best._reserve(busy.model_copy(update={"budget": 36000.0})) == pytest.approx(1.15 * 450)
    assert best._reserve(busy.model_copy(update={"waiting": 1.0})) == pytest.approx(1.15 * 45)


@pytest.mark.parametrize(("outcomes", "runs"), [(["kept"], 1), (["dropped"], 1), (["out_of_time", "kept"], 2)])
def test_a_search_is_tried_as_a_model_and_goes_on_where_time_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcomes: list[str], runs: int
) -> None:
    write_repository(tmp_path)
    write_params(tmp_path, ["one"])
    planned = PlannedSearch(model="one", new_model="one_tuned_tiny", seconds=60.0, step=9.0)
    path = tmp_path / "configs" / "models" / "one_tuned_tiny.yaml"
    asked: list[PlannedSearch] = []
    tried: list[tuple[str, float]] = []

    def choose(root: Path, plan: Plan, seconds: float) -> PlannedSearch | None:
        done = {step.model for step in plan.steps if step.outcome != "out_of_time"}
        return plan.search or (None if "one_tuned_tiny" in done else planned)

    def search(root: Path, plan: Plan, planned: PlannedSearch, seconds: float, tick: object) -> tuple[bool, Plan]:
        noted = read_plan(tmp_path, "tiny")
        assert noted
        assert noted.search == planned
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# Trial 1. Written by the verb search. On tiny.\n")
        asked.append(planned)
        return True, plan

    def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: object, beside: object) -> Plan:
        tried.append((option.model, seconds))
        step = PlanStep.model_validate({"model": option.model, "outcome": outcomes.pop(0), "reason": "", "seconds": 9})
        return plan.model_copy(update={"steps": (*plan.steps, step)})

    for name, stub in (("choose_search", choose), ("run_search", search), ("try_model", try_model)):
        monkeypatch.setattr(best, name, stub)
    plan = Plan(competition="tiny", budget=600.0, models=("one",))
    for _ in range(runs):
        execution = best._Execution(tmp_path, plan, 0.0)
        execution.searches()
        plan = execution.plan
    assert asked == [planned] * runs
    assert [model for model, _ in tried] == ["one_tuned_tiny"] * runs
    assert [seconds for _, seconds in tried] == pytest.approx([27.0] * runs)
    assert plan.search is None
    assert path.is_file() is (plan.steps[-1].outcome == "kept")


def test_a_third_of_the_budget_is_held_for_searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[float] = []
    monkeypatch.setattr(best._Execution, "begin", lambda self: None)
    monkeypatch.setattr(best._Execution, "steps", lambda self, outlook, seconds: held.append(seconds))
    monkeypatch.setattr(best._Execution, "searches", lambda self: held.append(-1.0))
    monkeypatch.setattr(best._Execution, "finish", lambda self, outlook: None)
    monkeypatch.setattr(best, "reading_candidates", lambda *settings: nullcontext(_Read()))
    monkeypatch.setattr(best, "measure_size", lambda root: DataSize(8, 100))
    monkeypatch.setattr(best, "look_ahead", lambda *settings: Outlook({}, {}))
    monkeypatch.setattr(best, "read_measured_recipes", lambda root: ())
    write_repository(tmp_path)
    write_params(tmp_path, ["one"])
    best.run(tmp_path, 0.1)
    best.run(tmp_path, 0.1, search=True)
    assert held == [0.0, pytest.approx(120.0), -1.0, 0.0]


def test_a_download_is_no_busy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path)
    counted = iter((10.0, 15.0))
    monkeypatch.setattr(best, "_count_cpu", lambda: next(counted))
    monkeypatch.setattr(best, "count_cores", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (1.0, 1.0, 1.0))
    monkeypatch.setattr(best, "run_stages", lambda *settings: Run(0, 300.0))
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=600.0), 0.0)
    execution.begin()
    assert execution.plan.waiting == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("machines", "seconds", "expected"),
    [
        ((True, False), 9.0, [("b",), ()]),
        ((False, False), 150.0, [(), ()]),
        ((False, True), 150.0, [("b",), ()]),
        ((False, True), 9.0, [(), ()]),  # too short to be worth it
    ],
)
def test_the_next_models_train_beside_a_step_on_ray_and_beside_a_long_network_here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machines: tuple[bool, bool],
    seconds: float,
    expected: list[tuple[str, ...]],
) -> None:
    write_repository(tmp_path)
    given: list[tuple[str, ...]] = []

    def try_model(
        root: Path, plan: Plan, option: Option, seconds: float, tick: object, beside: tuple[str, ...]
    ) -> Plan:
        given.append(beside)
        step = PlanStep.model_validate({"model": option.model, "outcome": "kept", "reason": "", "seconds": 9})
        return plan.model_copy(update={"steps": (*plan.steps, step), "models": (*plan.models, option.model)})

    monkeypatch.setattr(best, "try_model", try_model)
    monkeypatch.setattr(Outlook, "estimate", lambda self, root, plan: self.first)  # no further seeds
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=600.0), 0.0)
    length = TrainingLength("a", 9, 0, 9)
    estimates: dict[str, Estimate | None] = {
        "a": Estimate(1.0, seconds, 1, length=length),
        "b": Estimate(2.0, seconds, 1),
    }
    execution.steps(Outlook(estimates, {}, *machines), 0.0)
    assert given == expected


def test_what_trained_beside_a_step_is_noted_also_where_the_step_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_model(root: Path, plan: Plan, *_: object) -> Plan:
        path = root / ".work" / "train" / f"b-{'0' * 16}" / "fold0" / "done.json"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        raise KeyboardInterrupt

    write_repository(tmp_path)
    monkeypatch.setattr(best, "try_model", try_model)
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=600.0), 0.0)
    with pytest.raises(KeyboardInterrupt):
        execution._step(Option("a", 9.0, 0.1, 1), 60.0, 0.0, ("b", "c"))
    plan = read_plan(tmp_path, "tiny")
    assert plan
    assert plan.beside == ("b", "a")


def test_a_network_that_does_not_fit_is_trained_shorter_and_its_file_stays_with_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_repository(tmp_path)
    write_params(tmp_path, ["one"])
    folder = tmp_path / "configs" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("net", "other"):
        (folder / f"{name}.yaml").write_text("network: {name: plain_cnn}\ntraining: {epochs: 8}\n")
    lengths = {name: TrainingLength(name, 8, 0, 8) for name in ("net", "other")}
    whole = {name: Estimate(1.0, 900.0, 1, length=length) for name, length in lengths.items()}
    present: list[list[str]] = []

    def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: object, beside: object) -> Plan:
        assert isinstance(beside, tuple)
        present.append(sorted(path.stem for path in folder.glob("*_tiny.yaml")))
        assert {option.model, *beside} <= set(present[-1])
        kept = not plan.models
        step = PlanStep(model=option.model, outcome="kept" if kept else "dropped", reason="", seconds=99, score=0.8)
        update = {"metric": "accuracy", "score": 0.8, "interval": (0.7, 0.9), "score_after_choice": 0.8}
        models = (*plan.models, option.model) if kept else plan.models
        return plan.model_copy(update={"steps": (*plan.steps, step), "models": models} | update)

    monkeypatch.setattr(best, "try_model", try_model)
    monkeypatch.setattr(best, "run_stages", lambda *settings: Run(0, 1.0))
    monkeypatch.setattr(best, "leave_out_idle", lambda root, plan, seconds, tick: plan)
    outlook = Outlook(estimate_shortened(tmp_path, "tiny", whole), {}, on_ray=True)
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=700.0), 0.0)
    execution.steps(outlook, 0.0)
    execution.finish(outlook)
    (kept,) = execution.plan.models
    assert len(present) > 1
    assert [path.stem for path in folder.glob("*_tiny.yaml")] == [kept]


def test_a_step_that_its_epochs_show_to_be_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path)
    ended: list[float] = []

    def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: Tick, beside: object) -> Plan:
        try:
            tick(10.0)
        except TooSlowError as slow:
            ended.append(slow.projected)
        step = PlanStep.model_validate({"model": option.model, "outcome": "out_of_time", "reason": "", "seconds": 9})
        return plan.model_copy(update={"steps": (*plan.steps, step)})

    monkeypatch.setattr(best, "try_model", try_model)
    monkeypatch.setattr(Pace, "project", lambda self, gone: 50.0)
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=600.0, models=("one",)), 0.0)
    length = TrainingLength("net", 8, 0, 8)
    for seconds in (40.0, 60.0, 80.0):  # of which ensembling takes half of 25
        execution._step(Option("net", 30.0, 0.1, 1, 30.0, length=length), seconds, 0.0)
    execution._step(Option("head", 30.0, 0.1, 1, 30.0), 20.0, 0.0)
    assert ended == [50.0, 50.0]


def test_where_no_model_can_be_trained_all_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path)
    write_params(tmp_path, ["one"])
    folder = tmp_path / "configs" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.yaml").write_text("network: {name: plain_cnn}\ntraining: {epochs: 8}\n")
    tried: list[str] = []

    def try_model(root: Path, plan: Plan, option: Option, seconds: float, tick: object, beside: object) -> Plan:
        tried.append(option.model)
        write_params(root, [option.model])
        step = PlanStep.model_validate({"model": option.model, "outcome": "failed", "reason": "", "seconds": 1})
        return plan.model_copy(update={"steps": (*plan.steps, step)})

    monkeypatch.setattr(best, "try_model", try_model)
    whole: dict[str, Estimate | None] = {"net": Estimate(1.0, 900.0, 1, length=TrainingLength("net", 8, 0, 8))}
    outlook = Outlook(estimate_shortened(tmp_path, "tiny", whole), {})
    execution = best._Execution(tmp_path, Plan(competition="tiny", budget=300.0), 0.0)
    execution.steps(outlook, 0.0)
    with pytest.raises(InputError, match="no model could be trained"):
        execution.finish(outlook)
    assert tried[0].endswith("_epochs_tiny")
    assert active_models(tmp_path) == ("one",)
    assert [path.stem for path in folder.glob("*_epochs_*")] == []
