"""The `fold` stage: one task done as `train` would, and what its exit code tells a scheduler."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import tiny
from support.trainings import repository, settings

from pipeline import cli
from pipeline.core.errors import InputError, NoRoomError
from pipeline.stages import fold, train
from pipeline.training.model_folds import ModelFolds
from pipeline.training.task_list import list_tasks, render_tasks

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = repository(tmp_path_factory.mktemp("bare"))
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings())
    return root


@pytest.fixture
def root(bare: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bare, tmp_path / "root"))


def outputs(root: Path) -> dict[str, bytes]:
    found = [path for path in (root / "folds").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.suffix != ".json"}


@pytest.mark.slow
def test_folds_done_one_by_one_are_those_that_the_train_stage_trains(
    bare: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Path(shutil.copytree(bare, tmp_path / "plain"))
    train.run(plain, "one")
    for number in (2, 0):
        fold.run(root, "one", number)
    capsys.readouterr()
    fold.run(root, "one", 0)
    assert "one fold 0 is done" in capsys.readouterr().out
    assert [task.status for task in list_tasks(root, ("one",))] == ["done", "open", "done"]
    train.run(root, "one")
    assert "fold 1" in (printed := capsys.readouterr().out)
    assert "fold 0" not in printed
    assert outputs(root) == outputs(plain)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("diverged"), 65),
        (NoRoomError("memory ran out"), 75),
        (OSError(errno.ENOSPC, "No space left on device"), 75),
    ],
)
def test_the_exit_code_says_whether_another_machine_may_do_it(
    root: Path, error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ModelFolds, "train", fail)
    monkeypatch.chdir(root)
    assert cli.main(["fold", "one", "0"]) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_a_fold_that_is_not_there_is_wrong_everywhere(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert cli.main(["fold", "one", "7"]) == 65
    assert "fold must be in 0..2, got 7; see split.n_splits" in capsys.readouterr().err
    assert cli.main(["fold", "on", "0"]) == 65


def test_another_fingerprint_than_that_of_the_list_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert cli.main(["fold", "one", "0", "--fingerprint", "0123"]) == 75
    assert "here and 0123 where it was listed: code, versions" in capsys.readouterr().err
    assert not (root / ".work" / "train").exists()


def test_a_fold_that_another_process_trains_is_left_to_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = ModelFolds(root, "one").make_task(0)
    path = task.folder.parent / "fold0.lock"
    path.parent.mkdir(parents=True)
    monkeypatch.chdir(root)
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for minutes in (-600, 0, 600):  # what a clock elsewhere would make of it
            os.utime(path, (time.time() + 60 * minutes,) * 2)
            assert cli.main(["fold", "one", "0"]) == 75
            assert "another process trains it" in capsys.readouterr().err
            assert list_tasks(root, ("one",))[0].running
    assert not list_tasks(root, ("one",))[0].running


def test_another_seed_is_another_task(root: Path) -> None:
    assert ModelFolds(root, "one", seed=1).make_task(0).folder != ModelFolds(root, "one").make_task(0).folder


def test_a_model_whose_teacher_is_missing_is_blocked_with_the_reason(root: Path) -> None:
    path = root / "configs" / "models" / "student.yaml"
    tiny.write_yaml(path, settings(pseudo={"teachers": ["one"], "weight": 0.5}))
    (first, *_) = list_tasks(root, ("student",))
    assert first.status == "blocked"
    assert "one" in first.reason
    assert "blocked" in render_tasks([first])


@pytest.mark.slow
def test_a_fold_that_is_terminated_keeps_its_state_and_ends_with_75(root: Path) -> None:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(epochs=300))
    command = [sys.executable, "-m", "pipeline", "fold", "one", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not list(root.glob(".work/train/one-*/fold0/state-*")):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75
    (first, *_) = list_tasks(root, ("one",))
    assert first.status == "under way"
    assert 0 < first.epoch < first.epochs == 300
    assert "under way" in render_tasks([first])
