"""A step of a plan: what stays, what is put back; the stages run in this process, training is made up."""

from pathlib import Path

import pytest
from support.fabricated import train_fake, write_params, write_repository

from pipeline.core import paths
from pipeline.core.active import active_models
from pipeline.core.errors import InputError
from pipeline.core.files import write_json
from pipeline.planning import steps
from pipeline.planning.choosing import Option
from pipeline.planning.pace import TooSlowError
from pipeline.planning.plan import Plan
from pipeline.planning.steps import Tick
from pipeline.stages import ensemble
from pipeline.workspace.running import Run

SKILLS = {"good": 0.45, "bad": 0.0, "best": 0.9}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose models are as good as `SKILLS` says, once DVC is requested to train them."""
    write_repository(tmp_path)
    write_params(tmp_path, ["one"], ensemble={"combiners": ["convex"]})
    for name in (*SKILLS, "late", "torn", "broken", "full"):
        write_json(tmp_path / "configs" / "models" / f"{name}.yaml", {})

    def run_stages(root: Path, targets: tuple[str, ...], seconds: float, log: Path, tick: object) -> Run:
        for target in targets:
            model = target.partition("@")[2]
            if model == "late":
                return Run(None, seconds)
            if model == "torn":  # ended within `ensemble`, whose outs DVC had removed
                paths.oof_path(root, paths.ENSEMBLE).unlink()
                return Run(None, seconds)
            if model in ("broken", "full"):
                return Run(1, 1.0, {"broken": "no such backbone", "full": "[Errno 28] No space left on device"}[model])
            if model:
                train_fake(root, model, seed=list(SKILLS).index(model), skill=SKILLS[model])
        ensemble.run(root)
        return Run(0, 1.0)

    monkeypatch.setattr(steps, "run_stages", run_stages)
    return tmp_path


def attempt(root: Path, plan: Plan, model: str) -> Plan:
    return steps.try_model(root, plan, Option(model, 10.0, 0.1, 1), 60.0, lambda gone: None)


def test_the_first_model_stays_and_a_better_ensemble_replaces_it(root: Path) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "good")
    assert (plan.models, plan.steps[0].outcome) == (("good",), "kept")
    plan = attempt(root, plan, "best")
    assert plan.models == active_models(root) == ("good", "best")
    assert plan.steps[1].gain
    assert plan.steps[1].gain > 0
    assert plan.score == plan.steps[1].score
    assert plan.score_after_choice is not None


def test_a_step_that_its_first_epochs_end_says_what_it_would_take(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "good")
    ensemble_file = paths.oof_path(root, paths.ENSEMBLE).read_bytes()

    def tick(gone: float) -> None:
        raise TooSlowError(20.0, 400.0)

    def run_stages(root: Path, targets: tuple[str, ...], seconds: float, log: Path, tick: Tick) -> Run:
        assert targets[0] == "train@late"
        tick(20.0)
        raise AssertionError("nothing follows")

    monkeypatch.setattr(steps, "run_stages", run_stages)
    after = steps.try_model(root, plan, Option("late", 10.0, 0.1, 1, 10.0), 60.0, tick)
    step = after.steps[-1]
    assert (step.outcome, step.seconds, step.projected, step.pace) == ("out_of_time", 20.0, 400.0, 40.0)
    assert "takes 400 s of 60 s" in step.reason
    assert after.models == active_models(root) == ("good",)
    assert paths.oof_path(root, paths.ENSEMBLE).read_bytes() == ensemble_file
    assert plan.slowness < after.slowness


def test_a_model_that_does_not_help_leaves_nothing_behind(root: Path) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "best")
    before = paths.oof_path(root, paths.ENSEMBLE).read_bytes()
    plan = attempt(root, plan, "bad")
    assert (plan.models, plan.steps[1].outcome) == (("best",), "dropped")
    assert active_models(root) == ("best",)
    assert not paths.oof_path(root, "bad").exists()
    assert paths.oof_path(root, paths.ENSEMBLE).read_bytes() == before


@pytest.mark.parametrize(("model", "outcome"), [("late", "out_of_time"), ("broken", "failed")])
def test_a_step_that_does_not_end_well_is_recorded_and_the_rest_stays(root: Path, model: str, outcome: str) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "best")
    after = attempt(root, plan, model)
    assert (after.steps[1].outcome, after.models, active_models(root)) == (outcome, ("best",), ("best",))
    assert after.steps[1].reason in ("no such backbone", "not done within 60 s; what was trained is kept")
    assert after.score == plan.score


def test_a_step_that_is_ended_within_ensembling_leaves_the_ensemble_as_it_was(root: Path) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "best")
    before = paths.oof_path(root, paths.ENSEMBLE).read_bytes()
    assert attempt(root, plan, "torn").models == ("best",)
    assert paths.oof_path(root, paths.ENSEMBLE).read_bytes() == before


def test_a_full_disk_ends_the_run_and_blames_no_model(root: Path) -> None:
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "best")
    with pytest.raises(InputError, match="free some space, then the same command goes on"):
        attempt(root, plan, "full")
    assert active_models(root) == ("best",)


def test_a_cluster_that_is_gone_ends_the_run_and_blames_no_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(root, ["one"], train={"executor": "ray"})
    gone = "train.ray.address: the head of the cluster at 10.0.0.1:6379 is gone"
    monkeypatch.setattr(steps, "run_verb", lambda *_: Run(1, 1.0, gone))
    with pytest.raises(InputError, match=r"10\.0\.0\.1:6379 is gone; the same command goes on"):
        attempt(root, Plan(competition="tiny", budget=600.0), "best")


def test_a_model_without_weight_is_left_out_at_the_end_where_that_costs_nothing(root: Path) -> None:
    plan = Plan(competition="tiny", budget=600.0, models=("bad", "best"))
    for name in plan.models:
        train_fake(root, name, seed=list(SKILLS).index(name), skill=SKILLS[name])
    write_params(root, plan.models, ensemble={"combiners": ["convex"]})
    ensemble.run(root)
    after = steps.leave_out_idle(root, plan, 60.0, lambda gone: None)
    assert after.models == active_models(root) == ("best",)
    assert not paths.oof_path(root, "bad").exists()
    assert steps.leave_out_idle(root, after, 60.0, lambda gone: None) == after


def test_folds_go_to_ray_at_once_before_dvc_gathers_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, float]] = []
    codes: list[int | None] = [0, 1, None]
    stages = vars(steps)["run_stages"]  # that of the fixture

    def run_verb(root: Path, arguments: tuple[str, ...], seconds: float, log: Path, tick: object) -> Run:
        called.append((" ".join(arguments), seconds))
        return Run(codes.pop(0), 20.0, "one fold failed")

    def run_stages(root: Path, targets: tuple[str, ...], seconds: float, log: Path, tick: Tick) -> Run:
        called.append((targets[0], seconds))
        ran: Run = stages(root, targets, seconds, log, tick)
        return ran

    write_params(root, ["one"], ensemble={"combiners": ["convex"]}, train={"executor": "ray"})
    monkeypatch.setattr(steps, "run_verb", run_verb)
    monkeypatch.setattr(steps, "run_stages", run_stages)
    plan = attempt(root, Plan(competition="tiny", budget=600.0), "best")
    assert called == [("train-all best", 60.0), ("train@best", 40.0)]
    assert plan.models == ("best",)
    assert attempt(root, plan, "good").steps[1].reason == "one fold failed"
    assert attempt(root, plan, "good").steps[1].outcome == "out_of_time"
    assert not [target for target, _ in called if target == "train@good"]


@pytest.mark.parametrize(("executor", "verb"), [("ray", "train-all"), ("local", "train")])
def test_other_models_train_beside_a_step_and_are_no_members(
    root: Path, monkeypatch: pytest.MonkeyPatch, executor: str, verb: str
) -> None:
    called: list[tuple[str, ...]] = []

    def run_verb(root: Path, arguments: tuple[str, ...], seconds: float, log: Path, tick: object) -> Run:
        called.append(arguments)
        return Run(0, 20.0)

    write_params(root, ["one"], ensemble={"combiners": ["convex"]}, train={"executor": executor})
    monkeypatch.setattr(steps, "run_verb", run_verb)
    plan = Plan(competition="tiny", budget=600.0)
    for model, beside in (("best", ("good", "bad")), ("good", ("bad",))):
        plan = steps.try_model(root, plan, Option(model, 10.0, 0.1, 1), 60.0, lambda gone: None, beside)
    assert called == [(verb, "best", "--next=good", "--next=bad"), (verb, "good", "--next=bad")]
    assert set(active_models(root)) == set(plan.models) <= {"best", "good"}


def test_only_models_whose_folds_began_count_as_trained_beside_a_step(tmp_path: Path) -> None:
    def write(model: str, fingerprint: str, file: str) -> None:
        path = tmp_path / ".work" / "train" / f"{model}-{fingerprint * 16}" / "fold0" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(model)

    write("old", "0", "done.json")  # of other settings
    before = steps.read_progress_of(tmp_path, ("old", "waited", "one", "one-more", "done"))
    write("old", "1", "fold.log")
    write("one-more", "1", "state-1.npz")
    write("done", "1", "done.json")
    plan = Plan(competition="tiny", budget=600.0, beside=("done", "earlier"))
    assert steps.note_beside(tmp_path, plan, before).beside == ("done", "earlier", "one-more")
