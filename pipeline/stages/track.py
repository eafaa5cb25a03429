"""Logs the present results in MLflow, as ``track.mlflow`` says. Run by hand, or by `summary`: no stage of dvc.yaml.

Reads: cards, histories, report.html. Writes: to MLflow's folder or server
"""

from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.workspace.tracking import log_results, read_track_params


def run(root: Path) -> None:
    """Logs what the last run left.

    Raises:
        InputError: ``track.mlflow`` is null, or MLflow cannot take it.
    """
    place = read_track_params(root).mlflow
    if place is None:
        raise InputError("track.mlflow is null in params.yaml: give it a folder, such as mlruns, or a server's address")
    print(log_results(root, place))
