"""Whole searches, in processes of their own: killed, shared, ended; and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState
from support.postgres import postgres
from support.studies import bench_of, order, searched, set_tune, studied

from pipeline.core import cards
from pipeline.training.model_file import load_model
from pipeline.tuning import optuna_studies, results, storing
from pipeline.tuning.locks import OWNER

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")]


@contextmanager
def begun(root: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Starts the stage as a person does, in a session of its own."""
    command = [sys.executable, "-m", "pipeline", "tune", "one"]
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_machines_that_open_a_new_database_at_once_all_get_in(tmp_path: Path) -> None:
    words = (
        "import sys, time; from pathlib import Path; from pipeline.tuning import storing\n"
        "time.sleep(max(0.0, float(sys.argv[2]) - time.time()))\n"
        "storing.open_storage(Path(), 'one', sys.argv[1]).get_all_studies()"
    )
    with postgres() as url:
        start = str(time.time() + 8)
        command = [sys.executable, "-c", words, url, start]
        opening = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        said = [process.communicate()[1] for process in opening]
    assert [process.returncode for process in opening] == [0] * 4, said


def wait_for(root: Path, trials: int) -> None:
    """Waits until so many trials are finished."""
    path = storing.journal_path(root, "one")
    wait(lambda: path.is_file() and path.read_text().count('"state":1') >= trials)


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 200
    while not until():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def test_a_search_that_is_killed_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    root = studied(tmp_path / "killed", n_trials=5)
    with begun(root) as first:
        wait_for(root, 2)
        os.killpg(first.pid, signal.SIGKILL)
    with begun(root) as second:
        said, _ = second.communicate(timeout=280)
    assert second.returncode == 0, said
    study = order(root).study()
    tally = optuna_studies.tally(study)
    assert (len(tally.complete), tally.finished, tally.running) == (5, 5, ())
    assert not study.get_trials(states=(TrialState.WAITING,))
    whole = searched(studied(tmp_path / "whole", n_trials=5))
    assert [(trial.params, trial.values) for trial in tally.complete] == [
        (trial.params, trial.values) for trial in optuna_studies.tally(whole).complete
    ]
    assert "going on with study" in said
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert card.complete == 5
    page = results.page_path(root, "one").read_text()
    assert "History" in page
    if card.verdict is not None:
        assert card.verdict.folds == (1, 2)
        assert card.adopted == (card.verdict.gain > 0)
        assert (load_model(root, "one", True) != load_model(tmp_path / "whole", "one", True)) == card.adopted


def test_a_search_asked_to_end_keeps_its_trials_and_says_how_to_go_on(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 2)
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=100)
    assert running.returncode == 130, said
    assert "ended as asked" in said
    assert "Traceback" not in said
    tally = optuna_studies.tally(order(root).study())
    assert tally.finished >= 1
    assert not tally.running
    assert not (root / "configs" / "tuned" / "one.yaml").exists()
    done = len(tally.complete)
    set_tune(root, n_trials=tally.finished)
    again = subprocess.run(
        [sys.executable, "-m", "pipeline", "tune", "one"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (root / "configs" / "tuned" / "one.yaml").exists(), again.stdout
    assert json.loads((root / "reports" / "tuning" / "one.metrics.json").read_text())["complete"] == done


def test_ctrl_c_in_a_terminal_which_reaches_every_process_ends_the_search_as_quietly(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 1)
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=100)
    assert running.returncode == 130, said
    assert "ended as asked" in said
    assert "Traceback" not in said
    tally = optuna_studies.tally(order(root).study())
    assert (tally.failed, tally.running) == ((), ())


def test_no_process_outlives_a_search_that_is_killed_alone(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 1)
        children = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        assert children
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_two_machines_share_one_database_and_one_takes_over_what_the_other_dropped(tmp_path: Path) -> None:
    here, there = (studied(tmp_path / name, n_trials=8) for name in ("here", "there"))
    with postgres() as url, begun(here, TUNE_STORAGE=url) as stays, begun(there, TUNE_STORAGE=url) as falls:
        name, storage = bench_of(here).study_name, storing.open_storage(here, "one", url)
        wait(lambda: name in optuna.get_all_study_names(storage))
        study = optuna.load_study(study_name=name, storage=storage)
        wait(lambda: any(of(there, trial) for trial in optuna_studies.tally(study).complete))
        wait(lambda: any(of(there, trial) for trial in optuna_studies.tally(study).running))
        os.killpg(falls.pid, signal.SIGKILL)
        said, _ = stays.communicate(timeout=280)
        tally = optuna_studies.tally(study)
        storage.remove_session()
        storage.engine.dispose()  # type: ignore[attr-defined]
    assert stays.returncode == 0, said
    assert (tally.finished, tally.running) == (8, ())
    assert any("retry_history" in trial.system_attrs for trial in tally.complete)
    assert {of(here, trial) for trial in tally.complete} == {True, False}
    assert url not in said


def of(root: Path, trial: FrozenTrial) -> bool:
    """Says whether a trial was run in a repository."""
    owner = trial.user_attrs.get(OWNER)
    return owner is not None and Path(owner[1]).is_relative_to(root)
