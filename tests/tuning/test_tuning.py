"""Studies and their trials: what is tried, reused, pruned, recorded, begun again, and told in the end."""

import dataclasses
import errno
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from support import tiny
from support.studies import SEARCH, bench_of, order, searched, set_tune, studied
from support.trainings import settings

from pipeline.core import cards
from pipeline.core.competition import Score
from pipeline.core.config import parse
from pipeline.core.errors import DivergedError, InputError, NoRoomError
from pipeline.core.files import locked
from pipeline.core.metrics import get_metric
from pipeline.core.paths import tuned_path
from pipeline.core.processes import EndRequest
from pipeline.stages import train, tune
from pipeline.tuning import optuna_studies, page, results, storing, trials, verdict
from pipeline.tuning import search as night
from pipeline.tuning.locks import OWNER, abandoned, alone
from pipeline.tuning.params import TuneParams
from pipeline.tuning.worker import DATABASE_DOWN, run_trials

ACCURACY = get_metric("accuracy")
DEFAULT = {"training.optimizer.learning_rate": 0.05, "network.units": "[8]"}
QUIET = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
pytestmark = QUIET


@pytest.fixture(scope="module")
def studied_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose study has four trials; tests read it."""
    root = studied(tmp_path_factory.mktemp("studied"))
    searched(root)
    return root


def outcomes(study: optuna.Study) -> list[tuple[dict[str, Any], Any]]:
    return [(trial.params, trial.values) for trial in study.get_trials() if trial.state == TrialState.COMPLETE]


def complete(value: float, log_loss: float = 1.0, blocks: list[float] | None = None) -> optuna.trial.FrozenTrial:
    return optuna.create_trial(value=value, user_attrs={optuna_studies.LOG_LOSS: log_loss, trials.BLOCKS: blocks or []})


def params(**changes: Any) -> TuneParams:
    return parse(changes, TuneParams, "params.yaml: tune")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_trials": 0, "hours": 8}, "n_trials: 0 means no tuning, but hours is 8"),
        ({"n_trials": None}, "a study needs an end"),
        ({"n_trials": None, "hours": 0}, "greater than 0"),
        ({"n_trials": -1}, "greater than or equal to 0"),
        ({"folds": []}, "at least 1 item"),
        ({"folds": [0, 0]}, "folds must differ"),
        ({"sampler": "tpee"}, "'tpe'"),
        ({"objectives": ["seconds"]}, r"objectives must be \[score\]"),
        ({"objectives": ["score", "seconds"], "sampler": "cmaes"}, "cmaes knows one objective"),
        ({"terminator": True}, "needs one objective and two folds"),
        ({"workers": 0}, "greater than 0"),
    ],
)
def test_a_budget_or_a_setting_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        params(**changes)


def test_the_default_is_trial_nought(studied_root: Path) -> None:
    study = order(studied_root).study()
    assert study.get_trials()[0].params == DEFAULT
    assert len(study.get_trials()) == 4


def test_a_trial_scores_what_train_would_score(studied_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    train.run(root, "one")
    card = cards.read_card(root / "folds" / "one" / "card.json", cards.ModelCard)
    assert order(studied_root).study().get_trials()[0].value == card.fold_scores["0"]


def test_a_fold_that_train_finished_is_not_trained_again(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=1, folds=[0, 1])
    train.run(root, "one")
    before = {path: path.stat().st_mtime_ns for path in (root / ".work" / "train").rglob("*")}
    study = searched(root)
    assert study.get_trials()[0].state == TrialState.COMPLETE
    assert {path: path.stat().st_mtime_ns for path in (root / ".work" / "train").rglob("*")} == before


def test_train_finishes_what_the_search_trained_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = studied(tmp_path, n_trials=1)
    searched(root)
    assert "trial 0 fold 0 epoch 4/4" in capsys.readouterr().out
    set_tune(root, train={"folds": [0]})
    train.run(root, "one")
    assert "epoch" not in capsys.readouterr().out
    card = cards.read_card(root / "folds" / "one" / "card.json", cards.ModelCard)
    assert card.pooled == order(root).study().get_trials()[0].value


def test_two_searches_with_one_seed_try_the_same_and_score_the_same(studied_root: Path, tmp_path: Path) -> None:
    again = searched(studied(tmp_path))
    assert outcomes(again) == outcomes(order(studied_root).study())


def test_a_search_that_was_interrupted_tries_the_same_as_one_that_was_not(studied_root: Path, tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=2)
    searched(root)
    set_tune(root, n_trials=4, trials_per_process=1)
    assert outcomes(searched(root)) == outcomes(order(studied_root).study())


def test_half_done_trainings_of_the_best_and_the_default_alone_are_kept(studied_root: Path) -> None:
    study = order(studied_root).study()
    leader = optuna_studies.best(optuna_studies.tally(study).complete, ACCURACY)
    assert leader is not None
    wanted = {study.get_trials()[0].user_attrs[trials.FOLDER], leader.user_attrs[trials.FOLDER]}
    assert {path.name for path in (studied_root / ".work" / "train").iterdir()} == wanted


def test_settings_that_were_tried_are_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = studied(tmp_path, n_trials=2)
    told = order(root)
    told.study().enqueue_trial(DEFAULT)
    study = searched(root)
    first, second = study.get_trials()
    assert (first.params, first.values) == (second.params, second.values)
    assert second.user_attrs["same_as"] == 0
    assert "trial 1" not in capsys.readouterr().out


def test_a_training_that_diverges_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    search = SEARCH | {"training.optimizer.learning_rate": {"kind": "float", "low": 0.05, "high": 1e30, "log": True}}
    root = studied(tmp_path, search, n_trials=2)
    told = order(root)
    told.study().enqueue_trial({"training.optimizer.learning_rate": 1e30, "network.units": "[8]"})
    study = searched(root)
    assert [trial.state for trial in study.get_trials()] == [TrialState.COMPLETE, TrialState.FAIL]
    assert "became NaN or infinite" in study.get_trials()[1].user_attrs[optuna_studies.REASON]


def test_settings_that_do_not_agree_are_recorded(tmp_path: Path) -> None:
    epochs = {"training.epochs": {"kind": "int", "low": 1, "high": 4}}
    warmup = {
        "training.schedule": {"kind": "categorical", "choices": [{"name": "constant"}, {"name": "cosine"}]},
        "training.schedule.warmup_epochs": {
            "kind": "int",
            "low": 0,
            "high": 3,
            "when": {"training.schedule.name": "cosine"},
        },
    }
    root = studied(tmp_path, epochs | warmup, n_trials=2)
    cosine = '{"name": "cosine"}'
    wrong = {"training.epochs": 2, "training.schedule": cosine, "training.schedule.warmup_epochs": 3}
    order(root).study().enqueue_trial(wrong)
    reason = searched(root).get_trials()[1].user_attrs[optuna_studies.REASON]
    assert "warmup_epochs must be less than epochs (2)" in reason


def test_a_full_disk_blames_no_trial_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = studied(tmp_path, n_trials=2)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", str(root))

    monkeypatch.setattr("pipeline.tuning.trials.open_model", full)
    told = order(root)
    with pytest.raises(KeyboardInterrupt, match=r"No space left on device.*make room .* run the command again"):
        run_trials(told, EndRequest())
    (failed,) = optuna_studies.cut_off(told.study())
    optuna_studies.requeue(told.study(), [failed])
    monkeypatch.undo()
    study = searched(root)
    assert optuna_studies.tally(study).complete[0].params == DEFAULT


def test_trials_are_pruned_by_their_epochs_but_never_the_default(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=3, pruner="median")
    told = order(root)
    study = told.study()
    for value in (0.9, 0.95, 0.9, 0.95):
        study.add_trial(complete(value))
        steps = dict.fromkeys(range(1, 5), value)
        study.add_trial(
            optuna.create_trial(value=value, intermediate_values=steps, user_attrs={optuna_studies.LOG_LOSS: 0.1})
        )
    set_tune(root, n_trials=10, pruner="median")
    study = searched(root)
    own = [trial for trial in study.get_trials() if trial.params]
    assert own[0].state == TrialState.COMPLETE
    assert [trial.state for trial in own[1:]] == [TrialState.PRUNED]
    assert own[1].user_attrs[optuna_studies.SAVED] > 0


def test_the_default_competes_though_it_is_never_stopped(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=1, pruner="successive_halving")
    (trial,) = searched(root).get_trials()
    assert trial.state == TrialState.COMPLETE
    assert "completed_rung_0" in trial.system_attrs


def test_a_trial_that_was_begun_again_competes_once() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna_studies.pruner(params(n_trials=9), 6))

    def reached(value: float) -> tuple[bool, optuna.Trial]:
        trial = study.ask()
        trial.report(value, 1)
        return trial.should_prune(), trial

    _, cut = reached(0.5)
    optuna_studies.requeue(study, [study.get_trials()[cut.number]])
    for value in (0.5, 0.9, 0.8, 0.7):
        reached(value)
    # The best third of five is the best; were the one that was cut off a sixth, two would go on.
    assert reached(0.85)[0]


def test_a_fold_that_is_worse_on_most_blocks_is_hopeless(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(complete(0.9, blocks=[0.9] * 12))
    worse, equal = study.ask(), study.ask()
    worse.set_user_attr(trials.BLOCKS, list(np.linspace(0.7, 0.85, 12)))
    equal.set_user_attr(trials.BLOCKS, [0.88, 0.92] * 6)
    assert trials.hopeless(study, worse, Score(name="accuracy"))
    assert not trials.hopeless(study, equal, Score(name="accuracy"))


def test_blocks_are_scores_of_the_same_rows_in_every_trial() -> None:
    labels = np.arange(300) % 3
    probs = np.eye(3, dtype=np.float32)[labels]
    probs[::5] = 1 / 3
    found = trials.blocks(Score(name="accuracy"), labels, probs)
    assert len(found) == 7
    assert found == trials.blocks(Score(name="accuracy"), labels, probs)
    assert trials.blocks(Score(name="accuracy"), labels[:20], probs[:20]) == []


def test_the_log_loss_decides_between_equal_scores_and_then_who_came_first() -> None:
    study = optuna.create_study(direction="maximize")
    for value, loss in ((0.8, 0.1), (0.9, 0.5), (0.9, 0.4), (0.9, 0.4)):
        study.add_trial(complete(value, loss))
    leader = optuna_studies.best(study.get_trials(), ACCURACY)
    assert leader is not None
    assert leader.number == 2


def test_trials_that_were_cut_off_begin_again_once(tmp_path: Path) -> None:
    told = order(studied(tmp_path))
    study = told.study()
    trial = study.ask()
    trial.set_user_attr(OWNER, ["elsewhere", "/nowhere", "token"])
    gone = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    optuna_studies.requeue(study, gone)
    optuna_studies.requeue(study, optuna_studies.cut_off(study))
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [each.user_attrs for each in waiting] == [{}]
    assert optuna_studies.tally(study).finished == 0


def test_a_trial_belongs_to_a_living_process_as_long_as_that_holds_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "trial.lock"
    trial = optuna.create_trial(value=1.0, user_attrs={OWNER: [os.uname().nodename, str(path), "token"]})
    with locked(path):
        path.write_text("token")
        assert not abandoned(trial, tmp_path, alone=True)
    assert abandoned(trial, tmp_path, alone=False)
    other = optuna.create_trial(value=1.0, user_attrs={OWNER: ["another-host", str(path), "token"]})
    assert not abandoned(other, tmp_path, alone=False)
    assert abandoned(optuna.create_trial(value=1.0), tmp_path, alone=True)


def test_a_lock_of_another_machine_of_this_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "trial.lock"
    trial = optuna.create_trial(value=1.0, user_attrs={OWNER: [os.uname().nodename, str(path), "theirs"]})
    assert not abandoned(trial, tmp_path, alone=False)  # it lies on their disk
    path.write_text("ours")
    assert not abandoned(trial, tmp_path, alone=False)


def test_failures_that_differ_in_numbers_alone_are_alike() -> None:
    study = optuna.create_study()
    for number in range(10):
        words = (
            f"one trial {number} fold 0: in epoch {1 + number % 3} the loss (in the first 16 of 180 steps) became NaN"
        )
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={optuna_studies.REASON: words}))
    assert "one trial 9 fold 0" in str(optuna_studies.same_failures(study))
    reasons = ["trial 1: lost 1.5e-3", "trial 22: lost 7", "trial 3: found 7"]
    assert optuna_studies.counted_reasons(reasons) == {reasons[0]: 2, reasons[2]: 1}
    died = ["its process died 2 times, by signal 9", "its process died 2 times, by signal 11"]
    assert optuna_studies.counted_reasons(died) == dict.fromkeys(died, 1)


def test_ten_failures_alike_are_told_but_not_nine_or_others_in_between() -> None:
    study = optuna.create_study()
    for _ in range(9):
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={optuna_studies.REASON: "too wide"}))
    assert optuna_studies.same_failures(study) is None
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={optuna_studies.REASON: "too wide"}))
    assert optuna_studies.same_failures(study) == "too wide"
    study.add_trial(complete(1.0))
    assert optuna_studies.same_failures(study) is None


@pytest.mark.parametrize("name", ["tpe", "random", "cmaes"])
def test_samplers_by_name_suggest_within_the_space(name: str) -> None:
    study = optuna.create_study(sampler=optuna_studies.sampler(params(n_trials=3, sampler=name), 0))
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=12)
    assert 0 <= study.best_value < 0.3


@pytest.mark.parametrize("name", ["successive_halving", "hyperband", "median", "none"])
def test_pruners_by_name_take_the_longest_training_into_account(name: str) -> None:
    found = optuna_studies.pruner(params(n_trials=3, pruner=name), 44)
    assert type(found).__name__.lower().startswith(name.replace("_", "").replace("none", "nop"))


def test_what_needs_pytorch_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tune\.sampler: gp needs PyTorch; install it with"):
        optuna_studies.sampler(params(n_trials=3, sampler="gp"), 0)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"workers": 3, "n_trials": 7, "pruner": "median"}, True),
        ({"folds": [1]}, False),
        ({"seed": 1}, False),
    ],
)
def test_a_study_has_another_name_when_its_scores_would_differ(
    studied_root: Path, tmp_path: Path, change: dict[str, Any], same: bool
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    set_tune(root, **change)
    assert (bench_of(root).study_name == bench_of(studied_root).study_name) == same


@pytest.mark.parametrize("what", ["space", "order", "recipe", "folds", "data", "metric"])
def test_a_changed_space_recipe_fold_or_image_is_another_study(studied_root: Path, tmp_path: Path, what: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root, ignore=shutil.ignore_patterns(".work"))
    model = root / "configs" / "models" / "one.yaml"
    if what == "space":
        more = SEARCH | {"network.units": {"kind": "categorical", "choices": [[8], [16]]}}
        tiny.write_yaml(model, settings() | {"search": more})
    elif what == "order":
        tiny.write_yaml(model, settings() | {"search": dict(reversed(SEARCH.items()))})
    elif what == "recipe":
        tiny.write_yaml(model, settings(label_smoothing=0.1) | {"search": SEARCH})
    elif what == "folds":
        path = root / "folds" / "folds.csv"
        path.write_text(path.read_text().replace(",0\n", ",9\n").replace(",1\n", ",0\n").replace(",9\n", ",1\n"))
    elif what == "data":
        images = np.load(root / "data" / "prepared" / "train_images.npy")
        images[0, 0, 0, 0] ^= 1
        np.save(root / "data" / "prepared" / "train_images.npy", images)
    else:
        path = root / "configs" / "competitions" / "tiny.yaml"
        path.write_text(path.read_text().replace('"accuracy"', '"macro_f1"'))
    assert bench_of(root).study_name != bench_of(studied_root).study_name


def test_a_journal_that_ends_in_half_a_line_is_mended(studied_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    path = storing.journal_path(root, "one")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "worker')
    storing.mend_journal(path)
    assert path.read_bytes() == whole


def test_nothing_is_written_behind_half_a_line(tmp_path: Path) -> None:
    backend = storing._Journal(str(tmp_path / "one.journal"))
    backend.append_logs([{"number": 1}])
    with (tmp_path / "one.journal").open("a") as file:
        file.write('{"number": 2, "hal')
    backend.append_logs([{"number": 3}])
    assert list(backend.read_logs(0)) == [{"number": 1}, {"number": 3}]


def test_a_database_that_refuses_to_be_set_up_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refused(url: str, **_: Any) -> Any:
        asked.append(url)
        raise sqlalchemy.exc.ProgrammingError("create table", {}, Exception("permission denied for schema public"))

    monkeypatch.setattr(storing, "RDBStorage", refused)
    monkeypatch.setattr(storing, "_TABLES", (0.0, 0.0))
    with pytest.raises(InputError, match=r"refuses to be set up \(permission denied for schema public\)"):
        storing.open_storage(Path(), "one", "postgresql://me:secret@host/studies")
    assert len(asked) == 3


def test_a_database_that_goes_in_the_middle_of_a_trial_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(studied(tmp_path, n_trials=1))

    def gone(*_: Any) -> Any:
        raise sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection"))

    def silent(*_: Any, **__: Any) -> Any:
        raise sqlalchemy.exc.OperationalError("update", {}, Exception("server closed the connection"))

    monkeypatch.setattr("pipeline.tuning.worker.run_trial", gone)
    monkeypatch.setattr("optuna.study._optimize._tell_with_warning", silent)
    with pytest.raises(SystemExit) as ended:
        run_trials(told, EndRequest())
    assert ended.value.code == DATABASE_DOWN


def test_a_database_that_is_down_is_tried_again_and_its_password_is_never_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://me:s3cret@127.0.0.1:1/studies"
    with pytest.raises(InputError, match=r"does not answer.*trials that are done are safe") as refused:
        storing.open_storage(tmp_path, "one", url, waits=(0.01, 0.01))
    said = capsys.readouterr().out
    assert said.count("trying again") == 2
    assert "s3cret" not in said + str(refused.value)


@pytest.mark.parametrize("url", ["no url", "nosuch://x/y"])
def test_a_storage_that_is_no_database_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"tune.storage is no URL of a database .* for instance sqlite:///"):
        storing.open_storage(tmp_path, "one", url, waits=())


@pytest.mark.parametrize(
    ("searched_folds", "wanted"), [([0], ((1, 2), 5)), ([2, 0], ((1,), 5)), ([0, 1, 2], ((0, 1, 2), 6))]
)
def test_the_last_word_is_on_folds_or_a_seed_the_search_did_not_use(
    searched_folds: list[int], wanted: tuple[tuple[int, ...], int]
) -> None:
    assert verdict.unseen(searched_folds, 3, 5) == wanted


def test_without_a_budget_the_stage_leaves_every_recipe_as_it_stands(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=0)
    tune.run(root, "one")
    assert tuned_path(root, "one").read_text().startswith("# Not tuned")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.study, card.adopted) == ("", False)
    assert "make overnight" in results.page_path(root, "one").read_text()
    assert not (root / ".work").exists()


def test_a_model_without_a_space_is_left_alone_in_a_night_of_tuning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = studied(tmp_path)
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings())
    tune.run(root, "one")
    assert "not tuned (configs/models/one.yaml has no section search)" in capsys.readouterr().out


def test_folds_that_are_not_there_are_refused(tmp_path: Path) -> None:
    root = studied(tmp_path, folds=[0, 3])
    with pytest.raises(InputError, match=r"tune.folds must name folds in 0..2, got \[0, 3\]"):
        tune.run(root, "one")


def test_a_trial_whose_outcome_was_told_a_moment_ago_is_not_held_for_dead(tmp_path: Path) -> None:
    study = order(studied(tmp_path)).study()
    trial = study.ask()
    (seen,) = study.get_trials(states=(TrialState.RUNNING,))
    study.tell(trial, 0.5)
    optuna_studies.requeue(study, [seen])
    assert [each.state for each in study.get_trials()] == [TrialState.COMPLETE]


def test_a_trial_is_owned_until_its_outcome_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = order(studied(tmp_path, n_trials=1))
    gone = []

    def tell(study: optuna.Study, **more: Any) -> Any:
        (trial,) = study.get_trials(states=(TrialState.RUNNING,))
        gone.append(abandoned(trial, told.folder, alone=True))
        return original(study=study, **more)

    original = optuna.study._tell._tell_with_warning
    monkeypatch.setattr("optuna.study._optimize._tell_with_warning", tell)
    monkeypatch.setattr("pipeline.tuning.worker.run_trial", lambda *_: (0.5,))
    run_trials(told, EndRequest())
    assert gone == [False]


def test_a_trial_that_others_took_over_ends_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = order(studied(tmp_path, n_trials=1))

    def taken(trial: optuna.Trial, study: optuna.Study, *_: Any) -> tuple[float, ...]:
        optuna_studies.requeue(study, study.get_trials(states=(TrialState.RUNNING,)))
        trial.set_user_attr("too", "late")
        return (0.5,)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.tuning.worker.run_trial", taken)
        patched.setattr("pipeline.tuning.worker.forget", lambda *_: patched.undo())  # the second one runs as it is
        patched.setattr("pipeline.tuning.worker._room", lambda study, params: not optuna_studies.cut_off(study))
        told = dataclasses.replace(told, params=told.params.model_copy(update={"trials_per_process": 1}))
        run_trials(told, EndRequest())
    states = [trial.state for trial in told.study().get_trials()]
    assert states == [TrialState.FAIL, TrialState.WAITING]


def test_what_another_machine_left_is_begun_again_when_nobody_has_done_so(tmp_path: Path) -> None:
    def cut(seconds: float, **attrs: Any) -> bool:
        trial = optuna.create_trial(state=TrialState.FAIL, user_attrs=attrs)
        trial.datetime_complete = datetime.now() - timedelta(seconds=seconds)
        return abandoned(trial, tmp_path, alone=False)

    elsewhere, beside = ["another-host", "/x.lock", ""], [os.uname().nodename, "/other/.work/tune/x.lock", ""]
    assert not cut(1, owner=elsewhere)
    assert not cut(1, owner=beside)
    assert not cut(1)
    assert cut(1, owner=[os.uname().nodename, str(tmp_path / "x.lock"), ""])
    assert cut(100, owner=elsewhere)
    assert cut(100, owner=beside)
    assert cut(100)


def test_a_journal_is_held_by_one_run(tmp_path: Path) -> None:
    with (
        alone(tmp_path, "one"),
        pytest.raises(InputError, match="one is being tuned here already"),
        alone(tmp_path, "one"),
    ):
        pass


def test_several_workers_draw_different_settings(tmp_path: Path) -> None:
    told = order(studied(tmp_path, sampler="random"))
    drawn = [told.study().ask().suggest_float("x", 0, 1) for _ in range(4)]
    assert len(set(drawn)) == 4


def test_beginning_again_leaves_the_history_of_the_trial_that_was_cut_off(tmp_path: Path) -> None:
    study = order(studied(tmp_path)).study()
    for _ in range(2):
        study.ask()
        optuna_studies.requeue(study, study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
    histories = [trial.system_attrs.get("retry_history") for trial in study.get_trials()]
    assert histories == [None, [0], [0, 1]]


def test_failures_of_an_earlier_run_do_not_end_the_next(tmp_path: Path) -> None:
    study = optuna.create_study()
    for _ in range(10):
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={optuna_studies.REASON: "no memory"}))
    assert optuna_studies.same_failures(study) == "no memory"
    assert optuna_studies.same_failures(study, range(10)) is None


def test_a_score_that_is_no_number_fails_the_trial_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(studied(tmp_path, n_trials=1))
    monkeypatch.setattr(
        "pipeline.tuning.trials.open_model", lambda *_: SimpleNamespace(recipe=None, score=lambda *_: 1.0)
    )
    monkeypatch.setattr("pipeline.tuning.trials.fold_task", lambda *_: SimpleNamespace(folder=tmp_path / "a" / "b"))
    monkeypatch.setattr(
        "pipeline.tuning.trials.scored", lambda *_: (np.zeros(2, int), np.full((2, 3), 1 / 3, np.float32))
    )
    monkeypatch.setattr(
        "pipeline.core.competition.Score.metric",
        SimpleNamespace(name="accuracy", greater_is_better=True, score=lambda *_: float("nan")),
    )
    run_trials(told, EndRequest())
    assert optuna_studies.tally(told.study()).failed[0].user_attrs[optuna_studies.REASON] == "its accuracy is nan"


@pytest.mark.slow
def test_nothing_is_stopped_between_folds_when_seconds_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tuning.trials.hopeless", lambda *_: True)
    one = searched(studied(tmp_path / "one", n_trials=2, folds=[0, 1]))
    both = searched(studied(tmp_path / "two", n_trials=2, folds=[0, 1], objectives=["score", "seconds"]))
    assert [trial.state for trial in one.get_trials()] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert [trial.state for trial in both.get_trials()] == [TrialState.COMPLETE, TrialState.COMPLETE]


@pytest.mark.parametrize(("theirs", "own", "expected"), [(0.2, 0.5, True), (0.5, 0.2, False)])
def test_between_folds_a_loss_is_better_when_it_is_less(theirs: float, own: float, expected: bool) -> None:
    study = optuna.create_study(direction="minimize")
    study.add_trial(complete(theirs, blocks=[theirs] * 12))
    trial = study.ask()
    trial.set_user_attr(trials.BLOCKS, list(np.linspace(own, own + 0.1, 12)))
    assert trials.hopeless(study, trial, Score(name="log_loss")) is expected


def test_a_folder_that_is_none_of_the_models_trainings_is_never_removed(tmp_path: Path) -> None:
    root = studied(tmp_path)
    study = order(root).study()
    for name in ("..", ".", "other-1234", "/"):
        attrs = {trials.FOLDER: name, optuna_studies.LOG_LOSS: 1.0}
        study.add_trial(optuna.create_trial(value=0.5, user_attrs=attrs))
    study.add_trial(complete(0.9))
    other = root / ".work" / "train" / "other-1234"
    other.mkdir(parents=True)
    trials.forget(study, bench_of(root))
    assert other.is_dir()
    assert (root / ".work" / "tune").is_dir()


def test_a_study_has_another_name_when_what_its_model_learns_from_changes(
    studied_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench_of(studied_root).study_name
    monkeypatch.setattr("pipeline.tuning.trials.outside", lambda *_: {"oof": {"teacher": "another"}})
    assert bench_of(studied_root).study_name != before


def test_secrets_in_the_query_of_a_url_are_never_told() -> None:
    told = storing.masked("postgresql://me:one@/studies?host=/tmp/socket&password=two&sslpassword=three")
    assert "host" in told
    assert not any(secret in told for secret in ("one", "two", "three"))


def test_a_default_that_cannot_be_trained_gives_way_to_the_best_trial(
    studied_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    study = order(root).study()
    attrs = {optuna_studies.LOG_LOSS: 0.0, optuna_studies.SETTINGS: {"network.units": [32]}}
    best = {"training.optimizer.learning_rate": 0.1, "network.units": "[32]"}
    distributions = study.get_trials()[1].distributions
    study.add_trial(optuna.create_trial(value=2.0, params=best, distributions=distributions, user_attrs=attrs))
    scorer = verdict.fold_scorer

    errors: list[InputError] = [DivergedError("the loss became NaN"), NoRoomError("memory ran out")]

    def falls(told: Any, settings: Any, seed: int) -> Any:
        if not settings:
            raise errors[-1]
        return scorer(told, settings, seed)

    monkeypatch.setattr(verdict, "side_by_side", lambda opened, given, folds, _: [falls(*given)(one) for one in folds])
    with pytest.raises(NoRoomError):  # which says nothing about the recipe
        tune.run(root, "one")
    errors.pop()
    tune.run(root, "one")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.adopted, card.verdict) == (True, None)
    assert list(card.reasons) == [f"{page.DEFAULT_ELSEWHERE} the loss became NaN"]
    assert "laid over the recipe, which could not be trained" in results.page_path(root, "one").read_text()
    assert "- 32" in tuned_path(root, "one").read_text()


def test_a_best_trial_that_fails_elsewhere_leaves_the_recipe_and_the_night(
    studied_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(studied_root, root)
    told = order(root)
    study = told.study()
    best = {"training.optimizer.learning_rate": 0.1, "network.units": "[32]"}
    distributions = study.get_trials()[1].distributions
    attrs = {optuna_studies.LOG_LOSS: 0.0, optuna_studies.SETTINGS: {"network.units": [32]}}
    study.add_trial(optuna.create_trial(value=2.0, params=best, distributions=distributions, user_attrs=attrs))

    def falls(*_: Any) -> Any:
        raise verdict.FellError("the loss became NaN")

    monkeypatch.setattr("pipeline.tuning.study.judge", falls)
    tune.run(root, "one")
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert (card.reasons, card.adopted, card.verdict) == ({f"{page.ELSEWHERE} the loss became NaN": 1}, False, None)
    assert "the loss became NaN" in results.page_path(root, "one").read_text()
    assert "settings" not in tuned_path(root, "one").read_text()


@pytest.mark.parametrize(("judged", "words"), [((1, 2), "did not use"), ((0, 1, 2), "that chose it too")])
def test_rows_that_the_search_used_are_not_called_unseen(judged: tuple[int, ...], words: str) -> None:
    assert words in page.whose_rows(judged, (0, 1, 2) if 0 in judged else (0,))


def test_processes_that_die_before_a_trial_is_done_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = order(studied(tmp_path))
    began = []

    def dead(*_: Any) -> Any:
        began.append(1)
        return SimpleNamespace(is_alive=lambda: False, join=lambda *_: None, exitcode=-9)

    monkeypatch.setattr("pipeline.core.processes.start_process", dead)
    monkeypatch.setattr("pipeline.tuning.search._POLL", 0.0)
    with pytest.raises(InputError, match=r"one: 10 processes in a row ended by signal 9 \(out of memory\?\) before"):
        night.Night(told, told.study(), ACCURACY, 0.0).search()
    assert len(began) == 10


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed to be used")
def test_the_time_searched_and_what_other_machines_dropped_are_looked_after(tmp_path: Path) -> None:
    told = order(studied(tmp_path), url=f"sqlite:///{tmp_path / 'studies.db'}")
    study = told.study()
    dropped = study.ask()
    dropped.set_user_attr(OWNER, ["another-host", "/x.lock", ""])
    storage: Any = study._storage
    storage.record_heartbeat(dropped._trial_id)
    with storage._backend.engine.begin() as connection:
        connection.execute(sqlalchemy.text("update trial_heartbeats set heartbeat = '2000-01-01 00:00:00'"))
    night.Night(told, study, ACCURACY, before=100.0)._note()
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
    assert told.study().user_attrs[optuna_studies.SEARCHED] >= 100
    night.Night(told, study, ACCURACY, before=1.0)._note()
    assert told.study().user_attrs[optuna_studies.SEARCHED] >= 100  # another machine's time is not taken back
    storage._backend.engine.dispose()


def test_a_process_that_is_asked_to_end_tells_its_outcome_first() -> None:
    ending, done = EndRequest(), list[str]()

    def tells() -> None:
        with ending.deferred():
            ending.receive(15, None)
            done.append("told")

    with pytest.raises(KeyboardInterrupt):
        tells()
    ending.receive(15, None)  # once is enough
    assert done == ["told"]


def test_a_process_that_is_asked_to_end_stops_its_training_at_once() -> None:
    ending, done = EndRequest(), list[str]()

    def trains() -> None:
        with ending.deferred(), ending.immediate():
            ending.receive(15, None)
            done.append("trained")

    with pytest.raises(KeyboardInterrupt):
        trains()
    assert not done
