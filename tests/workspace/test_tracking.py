"""The log of runs: what MLflow's own folder holds afterwards, and what is refused."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fabricated import write_model_card, write_repository
from support.project_imports import ROOT

from pipeline.core import paths
from pipeline.core.candidate_cards import GainCard, ReliabilityCard
from pipeline.core.cards import EnsembleCard, ModelCard, Scored, read_card, write_card
from pipeline.core.errors import InputError
from pipeline.stages import track
from pipeline.workspace.tracking import log_results, make_address

TWICE = """
import socket, sys
from pathlib import Path

def refuse(*place, **_):
    print("network:", place)
    raise OSError("no network here")

socket.socket.connect = socket.getaddrinfo = refuse
from pipeline.stages import track
track.run(Path(sys.argv[1]))
track.run(Path(sys.argv[1]))
"""
HISTORY = "fold,epoch,loss,valid_loss\n0,1,2.5,\n0,2,1.5,1.25\n1,1,2.25,\n1,2,1.0,\n"
NONE = ReliabilityCard(confidence=(), accuracy=(), rows=(), error=0.0)
COMBINED: dict[str, Any] = {
    **{"combiner": "mean", "members": ("one", "two"), "alone": {}, "weights": {}, "candidates": (), "skipped": {}},
    **{"by_fold": {}, "gain": GainCard(member="one", value=0.0, interval=(0.0, 0.0)), "temperature": 1.0},
    **{"decision": {}, "before": NONE, "after": NONE, "correlation": {}, "disagreement": {}, "same": (), "peeked": {}},
}
needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")


def write_results(root: Path, **settings: Any) -> Path:
    write_repository(root, metric="MAP@3")
    for name in ("one", "two"):
        write_model_card(root, name, config={"training": {"epochs": 9}}, **settings)
        paths.history_path(root, name).write_text(HISTORY)
    card = read_card(paths.card_path(root, "one"), ModelCard)
    scored = {name: getattr(card, name) for name in Scored.model_fields}
    changed = {"pooled": 0.9, "metric": "MAP@3", "scores": {"log_loss": 0.25}}
    write_card(paths.card_path(root, "ensemble"), EnsembleCard(**scored | changed | COMBINED))
    (root / "reports" / "report.html").write_text("<html>")
    params = json.loads((root / "params.yaml").read_text())
    secret = {"tune": {"storage": "postgresql://me:hunter2@host/x"}, "track": {"mlflow": "my runs"}}
    (root / "params.yaml").write_text(json.dumps(params | secret))
    return root


@needs_mlflow
@pytest.mark.slow
def test_a_run_is_logged_once_with_settings_scores_curves_and_report_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_results(tmp_path)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI", "MLFLOW"))}
    command = [sys.executable, "-c", TWICE, str(root)]
    ran = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)
    lines = ran.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("logged in MLflow at my runs, experiment tiny: run ")
    assert lines[1].startswith("MLflow at my runs holds these results already: run ")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(root / "my runs").as_uri())
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(map(str, runs)) == ["ensemble", "one", "two"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["one"].data.tags["mlflow.parentRunId"] == runs["ensemble"].info.run_id
    assert runs["ensemble"].data.metrics == {
        "MAP_3": 0.9,
        "log_loss": 0.25,
        "interval/low": 0.75,
        "interval/high": 0.85,
        "MAP_3_by_fold": 0.9,
    }
    assert runs["one"].data.params["training.epochs"] == "9"
    curve = client.get_metric_history(runs["one"].info.run_id, "fold0/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.5), (2, 1.5)]
    assert [p.value for p in client.get_metric_history(runs["one"].info.run_id, "accuracy_by_fold")] == [0.8, 0.7, 0.9]
    files = [file.path for file in client.list_artifacts(runs["ensemble"].info.run_id)]
    assert sorted(files) == ["ensemble.json", "report.html"]
    assert not [path for path in (root / "my runs").rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_a_folder_is_relative_to_the_repository(tmp_path: Path) -> None:
    assert make_address(tmp_path, "mlruns") == (tmp_path / "mlruns").as_uri()
    assert make_address(tmp_path, "http://host:5000") == "http://host:5000"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("sqlite:///runs.db", r"track\.mlflow must be a folder or an http address, got sqlite://\.\.\."),
        ("https://me:hunter2@host", r"goes into Git: set MLFLOW_TRACKING_USERNAME"),
    ],
)
def test_another_place_is_refused_in_a_line_without_its_password(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_address(tmp_path, place)
    assert "hunter2" not in str(caught.value)


def test_without_a_place_or_mlflow_or_a_server_the_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_results(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(InputError, match=rf"no MLflow server answers at http://127\.0\.0\.1:{port} .*; start it"):
        log_results(root, f"http://127.0.0.1:{port}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"MLflow, which is not installed: run .* requirements/mlflow\.txt"):
        log_results(root, "mlruns")
    (root / "params.yaml").write_text("competition: tiny\nmodels: [one]\n")
    with pytest.raises(InputError, match=r"track\.mlflow is null in params\.yaml: give it a folder"):
        track.run(root)
