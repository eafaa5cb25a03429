"""Whole searches, in processes of their own: killed, shared, ended; and what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from studies import order, searched, set_tune, studied

from pipeline import cards
from pipeline.model_file import load_model
from pipeline.tuning import outcome, storing, studies

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def begun(root: Path) -> subprocess.Popen[str]:
    """Starts the stage as a person does, in a session of its own."""
    command = [sys.executable, "-m", "pipeline", "tune", "one"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(root: Path, trials: int) -> None:
    """Waits until so many trials are finished."""
    path, end = storing.journal_path(root, "one"), time.monotonic() + 120
    while time.monotonic() < end:
        if path.is_file() and path.read_text().count('"state":1') >= trials:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {trials} trials in time")


def test_a_search_that_is_killed_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    root = studied(tmp_path / "killed", n_trials=5)
    first = begun(root)
    wait_for(root, 2)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = begun(root)
    said, _ = second.communicate(timeout=200)
    assert second.returncode == 0, said
    study = order(root).study()
    tally = studies.tally(study)
    assert (len(tally.complete), tally.finished, tally.running) == (5, 5, ())
    assert not study.get_trials(states=(TrialState.WAITING,))
    whole = searched(studied(tmp_path / "whole", n_trials=5))
    assert [(trial.params, trial.values) for trial in tally.complete] == [
        (trial.params, trial.values) for trial in studies.tally(whole).complete
    ]
    assert "going on with study" in said
    card = cards.read_card(root / "reports" / "tuning" / "one.json", cards.TuningCard)
    assert card.complete == 5
    page = outcome.page_path(root, "one").read_text()
    assert "History" in page
    if card.verdict is not None:
        assert card.verdict.folds == (1, 2)
        assert card.adopted == (card.verdict.gain > 0)
        assert (load_model(root, "one", True) != load_model(tmp_path / "whole", "one", True)) == card.adopted


def test_a_search_asked_to_end_keeps_its_trials_and_says_how_to_go_on(tmp_path: Path) -> None:
    root = studied(tmp_path, n_trials=200)
    running = begun(root)
    wait_for(root, 2)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=100)
    assert running.returncode == 130, said
    assert "ended as asked" in said
    assert "Traceback" not in said
    tally = studies.tally(order(root).study())
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
