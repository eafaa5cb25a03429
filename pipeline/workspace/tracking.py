"""The log of runs in MLflow: settings, scores by fold, curves and report; made after a run, from what it left.

One run of MLflow for the ensemble, with the report, and one below it for each model. Nothing is logged twice.
Reference: https://mlflow.org/docs/latest/ml/tracking/
"""

import csv
import hashlib
import importlib.util
import logging
import math
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.core import paths
from pipeline.core.active import active_models
from pipeline.core.cards import EnsembleCard, ModelCard, Scored, read_card
from pipeline.core.config import Section, load_params, read_params
from pipeline.core.errors import InputError, one_line
from pipeline.workspace.history import flatten_settings

_BATCH = 100  # entries of one call; MLflow refuses more parameters at once
_CONNECT = 10.0  # seconds
_DIGEST = "pipeline.digest"
_LOGGED = ("competition", "models", "split", "train", "ensemble")  # tuning may name a database with its password
# MLflow sends statistics of use, and tries a server that is away for minutes, where nobody says otherwise.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class TrackParams(Section):
    """The section ``track`` of ``params.yaml``.

    Attributes:
        mlflow: where MLflow keeps its log of runs: a folder, relative to the repository, or a server's address; None
            for no log.
    """

    mlflow: str | None = None


def log_results(root: Path, place: str) -> str:
    """Logs the present results in MLflow, under the competition's name, unless they are there; returns a line about it.

    Args:
        root: the repository.
        place: as `TrackParams.mlflow`.

    Raises:
        InputError: MLflow is not installed, the place does not fit or does not answer, or nothing is trained yet.
    """
    address = make_address(root, place)
    ensemble = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    models = {name: read_card(paths.card_path(root, name), ModelCard) for name in active_models(root)}
    client, failures = _open_client(address)
    try:
        experiment = _find_experiment(client, ensemble.competition)
        digest = _digest_results(root, tuple(models))
        logged = client.search_runs([experiment], f"tags.`{_DIGEST}` = '{digest}'", max_results=1)
        if logged:
            return f"MLflow at {place} holds these results already: run {logged[0].info.run_id}"
        run = _Run(client, experiment, "ensemble", {})
        with run:
            run.log_settings({key: value for key, value in read_params(root).items() if key in _LOGGED})
            run.log_scores(ensemble)
            run.log_files([paths.reports_folder(root) / "report.html", paths.card_path(root, paths.ENSEMBLE)])
            for name, card in models.items():
                with _Run(client, experiment, name, {"mlflow.parentRunId": run.id}) as child:
                    _log_model(child, root, card)
            client.set_tag(run.id, _DIGEST, digest)  # last: what broke off is logged again
    except (failures, OSError) as error:
        raise InputError(
            f"track.mlflow: {place} did not take the log ({one_line(error)}); see that it works"
        ) from error
    return f"logged in MLflow at {place}, experiment {ensemble.competition}: run {run.id}"


def read_track_params(root: Path) -> TrackParams:
    """Reads the section ``track``."""
    return load_params(root, "track", TrackParams)


def make_address(root: Path, place: str) -> str:
    """Makes the address that MLflow takes.

    Args:
        root: the repository.
        place: a folder, or the address of a server.

    Raises:
        InputError: another kind of address, or one that holds a password.
    """
    if "://" not in place:
        return (root / Path(place).expanduser()).resolve().as_uri()
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"track.mlflow must be a folder or an http address, got {parts.scheme}://...; see params.yaml")
    if parts.username or parts.password:
        raise InputError(
            "track.mlflow holds a user name or password, and params.yaml goes into Git: set MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD in the environment instead"
        )
    return place


class _Run:
    """A run of MLflow that ends as finished or, after an error, as failed."""

    def __init__(self, client: Any, experiment: str, name: str, tags: dict[str, str]) -> None:
        self._client, self._now = client, int(time.time() * 1000)
        self.id: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._client.set_terminated(self.id, "FINISHED" if kind is None else "FAILED")

    def log_settings(self, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        self._log("params", [Param(_clean(key), str(value)) for key, value in flatten_settings(settings)])

    def log_scores(self, card: Scored) -> None:
        low, high = card.interval
        numbers = card.scores | {card.metric: card.pooled, "interval/low": low, "interval/high": high}
        by_fold = [(f"{card.metric}_by_fold", value, int(fold)) for fold, value in card.fold_scores.items()]
        self.log_numbers([*((name, value, 0) for name, value in numbers.items()), *by_fold])

    def log_numbers(self, numbers: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        entries = [
            Metric(_clean(name), value, self._now, step) for name, value, step in numbers if math.isfinite(value)
        ]
        self._log("metrics", entries)

    def log_files(self, files: list[Path]) -> None:
        for path in files:
            if path.is_file():
                self._client.log_artifact(self.id, str(path))

    def _log(self, kind: str, entries: list[Any]) -> None:
        for first in range(0, len(entries), _BATCH):
            self._client.log_batch(self.id, **{kind: entries[first : first + _BATCH]})


def _log_model(run: _Run, root: Path, card: ModelCard) -> None:
    run.log_settings({**card.config, "seed": card.seed, "precision": card.precision, "fingerprint": card.fingerprint})
    run.log_scores(card)
    costs = {key: float(getattr(card, key)) for key in ("train_seconds", "feature_seconds", "parameters")}
    run.log_numbers([(name, value, 0) for name, value in costs.items()])
    run.log_numbers(list(_read_curves(paths.history_path(root, card.model))))
    folder = paths.model_folder(root, card.model)
    run.log_files([folder / "card.json", folder / "curves.png"])


def _read_curves(path: Path) -> Iterator[tuple[str, float, int]]:
    """Yields the numbers of each epoch of each fold: name, value, epoch."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            fold, epoch, seed = row.pop("fold"), int(float(row.pop("epoch"))), row.pop("seed", None)
            place = f"fold{fold}" if seed is None else f"fold{fold}-seed{seed}"
            for name, value in row.items():
                if value:
                    yield f"{place}/{name}", float(value), epoch


def _open_client(address: str) -> tuple[Any, type[Exception]]:
    """Returns MLflow's client, and the type of its errors."""
    if importlib.util.find_spec("mlflow") is None:
        raise InputError(
            "track.mlflow needs MLflow, which is not installed: run `.tools/bin/uv pip install --python "
            ".venv/bin/python --require-hashes --no-deps -r requirements/mlflow.txt`, or set track.mlflow: null"
        )
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address.startswith("file:"):  # in maintenance, says MLflow, which wants to be asked for it
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    else:
        _require_answer(address)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        return MlflowClient(tracking_uri=address), MlflowException
    except (MlflowException, OSError) as error:
        raise InputError(f"track.mlflow: {address} cannot be used ({one_line(error)}); give another folder") from error


def _require_answer(address: str) -> None:
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"track.mlflow: no MLflow server answers at {address} ({one_line(error)}); start it, or set track.mlflow "
            "to a folder or null"
        ) from error


def _find_experiment(client: Any, competition: str) -> str:
    found = client.get_experiment_by_name(competition)
    experiment: str = found.experiment_id if found else client.create_experiment(competition)
    return experiment


def _digest_results(root: Path, models: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in (paths.ENSEMBLE, *models):
        digest.update(paths.card_path(root, name).read_bytes())
    return digest.hexdigest()


def _clean(name: str) -> str:
    """Returns a name as MLflow takes it, such as ``map_5`` for ``map@5``."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)
