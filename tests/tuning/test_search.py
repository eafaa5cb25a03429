"""The search: whole ones in processes of their own, killed, shared and ended; and workers that die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import psutil
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from support.postgres import postgres
from support.studies import make_context, make_spec, run_search, set_tune, write_repository

from pipeline.core import cards
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.training.model_file import load_model
from pipeline.tuning import results, storages, trial_states
from pipeline.tuning.locks import OWNER
from pipeline.tuning.search import Search

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


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


@pytest.mark.slow
def test_machines_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    words = (
        "import sys, time; from pathlib import Path; from pipeline.tuning import storages\n"
        "time.sleep(max(0.0, float(sys.argv[2]) - time.time()))\n"
        "storages.open_storage(Path(), 'one', sys.argv[1]).get_all_studies()"
    )
    with postgres() as url:
        start = str(time.time() + 8)
        command = [sys.executable, "-c", words, url, start]
        opening = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        output = [process.communicate()[1] for process in opening]
    assert [process.returncode for process in opening] == [0] * 4, output


def wait_for(root: Path, trials: int) -> None:
    """Waits until so many trials are finished."""
    path = storages.journal_path(root, "one")
    wait(lambda: path.is_file() and path.read_text().count('"state":1') >= trials)


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 200
    while not until():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    root = write_repository(tmp_path / "killed", n_trials=5)
    with begun(root) as first:
        wait_for(root, 2)
        os.killpg(first.pid, signal.SIGKILL)
    with begun(root) as second:
        output, _ = second.communicate(timeout=280)
    assert second.returncode == 0, output
    study = make_spec(root).open_study()
    tally = trial_states.tally_trials(study)
    assert (len(tally.complete), tally.finished, tally.running) == (5, 5, ())
    assert not study.get_trials(states=(TrialState.WAITING,))
    whole = run_search(write_repository(tmp_path / "whole", n_trials=5))
    assert [(trial.params, trial.values) for trial in tally.complete] == [
        (trial.params, trial.values) for trial in trial_states.tally_trials(whole).complete
    ]
    assert "continuing study" in output
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert card.complete == 5
    page = results.study_page_path(root, "one").read_text()
    assert "History" in page
    if card.verdict is not None:
        assert card.verdict.folds == (1, 2)
        assert card.adopted == (card.verdict.gain > 0)
        assert (load_model(root, "one", True) != load_model(tmp_path / "whole", "one", True)) == card.adopted


@pytest.mark.slow
def test_a_search_that_is_asked_to_end_keeps_its_trials_and_says_how_to_continue(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 2)
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=100)
    assert running.returncode == 130, output
    assert "interrupted;" in output
    assert "Traceback" not in output
    tally = trial_states.tally_trials(make_spec(root).open_study())
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


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_which_reaches_every_process_ends_the_search_as_quietly(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 1)
        os.killpg(running.pid, signal.SIGINT)
        output, _ = running.communicate(timeout=100)
    assert running.returncode == 130, output
    assert "interrupted;" in output
    assert "Traceback" not in output
    tally = trial_states.tally_trials(make_spec(root).open_study())
    assert (tally.failed, tally.running) == ((), ())


@pytest.mark.slow
def test_no_process_outlives_a_search_that_is_killed_alone(tmp_path: Path) -> None:
    root = write_repository(tmp_path, n_trials=200)
    with begun(root) as running:
        wait_for(root, 1)
        children = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        assert children
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


@pytest.mark.slow
def test_two_machines_share_one_database_and_one_takes_over_trials_of_the_other(tmp_path: Path) -> None:
    here, there = (write_repository(tmp_path / name, n_trials=8) for name in ("here", "there"))
    with postgres() as url, begun(here, TUNE_STORAGE=url) as stays, begun(there, TUNE_STORAGE=url) as falls:
        name, storage = make_context(here).study_name, storages.open_storage(here, "one", url)
        wait(lambda: name in optuna.get_all_study_names(storage))
        study = optuna.load_study(study_name=name, storage=storage)
        wait(lambda: any(of(there, trial) for trial in trial_states.tally_trials(study).complete))
        wait(lambda: any(of(there, trial) for trial in trial_states.tally_trials(study).running))
        os.killpg(falls.pid, signal.SIGKILL)
        output, _ = stays.communicate(timeout=280)
        tally = trial_states.tally_trials(study)
        storage.remove_session()
        storage.engine.dispose()  # type: ignore[attr-defined]
    assert stays.returncode == 0, output
    assert (tally.finished, tally.running) == (8, ())
    assert any("retry_history" in trial.system_attrs for trial in tally.complete)
    assert {of(here, trial) for trial in tally.complete} == {True, False}
    assert url not in output


def of(root: Path, trial: FrozenTrial) -> bool:
    """Says whether a trial was run in a repository."""
    owner = trial.user_attrs.get(OWNER)
    return owner is not None and Path(owner[1]).is_relative_to(root)


def test_processes_that_die_before_a_trial_is_finished_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(write_repository(tmp_path))
    began = []

    def dead(*_: Any) -> Any:
        began.append(1)
        return SimpleNamespace(is_alive=lambda: False, join=lambda *_: None, exitcode=-9)

    monkeypatch.setattr("pipeline.core.processes.start_process", dead)
    monkeypatch.setattr("pipeline.tuning.search._POLL", 0.0)
    with pytest.raises(InputError, match=r"one: 10 processes in a row ended by signal 9 \(out of memory\?\) before"):
        Search(spec, spec.open_study(), get_metric("accuracy"), 0.0).run()
    assert len(began) == 10


@pytest.mark.filterwarnings("ignore:Heartbeat of storage is supposed to be used")
def test_the_time_searched_is_saved_and_trials_of_other_machines_are_queued_again(tmp_path: Path) -> None:
    spec = make_spec(write_repository(tmp_path), url=f"sqlite:///{tmp_path / 'studies.db'}")
    study = spec.open_study()
    dropped = study.ask()
    dropped.set_user_attr(OWNER, ["another-host", "/x.lock", ""])
    storage: Any = study._storage
    storage.record_heartbeat(dropped._trial_id)
    with storage._backend.engine.begin() as connection:
        connection.execute(sqlalchemy.text("update trial_heartbeats set heartbeat = '2000-01-01 00:00:00'"))
    Search(spec, study, get_metric("accuracy"), before=100.0)._save_seconds()
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
    assert spec.open_study().user_attrs[trial_states.SEARCHED] >= 100
    Search(spec, study, get_metric("accuracy"), before=1.0)._save_seconds()
    assert spec.open_study().user_attrs[trial_states.SEARCHED] >= 100  # another machine's time is not taken back
    storage._backend.engine.dispose()
