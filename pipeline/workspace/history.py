"""History of a competition's runs: the nested score of each, what had changed, and how surely it is better."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.core import files, tables
from pipeline.core.cards import EnsembleCard, ModelCard, read_card, write_card
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import describe_gain, measure_gain
from pipeline.core.paths import ENSEMBLE, folds_path, oof_path, prepared_folder, runs_folder
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_truth

COLUMNS = ("time", "metric", "better", "score", "low", "high", "models", "changed", "difference")
_NAMED = 4  # changes that a line lists


class RunSettings(Section):
    """The settings of a run.

    Attributes:
        score: nested.
        metric: its name.
        folds: digest of the fold table.
        models: settings and fingerprint of each model that was trained here.
        members: of the ensemble.
    """

    score: float
    metric: str
    folds: str
    members: tuple[str, ...] = ()
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A run against the one before.

    Attributes:
        changed: what is different, in a few words each.
        difference: of the nested scores, in words; empty for the first run.
    """

    changed: tuple[str, ...]
    difference: str


def record_run(
    root: Path, ensemble: EnsembleCard, models: Mapping[str, ModelCard], target: Target, metric: Metric
) -> Comparison:
    """Compares the ensemble with that of the run before and adds the run to the history.

    Args:
        root: the repository.
        ensemble: its card.
        models: the cards of those that were trained here.
        target: of the competition.
        metric: of the competition.
    """
    folder = runs_folder(root, ensemble.competition)
    oof = read_predictions(oof_path(root, ENSEMBLE), target)
    now = RunSettings(
        score=ensemble.pooled,
        metric=ensemble.metric,
        folds=oof.folds or "",
        members=ensemble.members,
        models={
            name: {
                **card.config,
                "seed": card.seed,
                **({"seeds": len(card.all_seeds)} if card.seeds else {}),
                "fingerprint": card.fingerprint,
            }
            for name, card in models.items()
        },
    )
    before = _read_last(folder)
    made = Comparison((), "")
    if before is not None:
        made = Comparison(
            tuple(list_changes(before, now)), _compare(root, before, now, (folder / "last.parquet", target, metric))
        )
    if before is None or now != before:
        write_predictions(folder / "last.parquet", oof)
        write_card(folder / "last.json", now)
        _append(folder / "runs.csv", ensemble, made)
    return made


def read_runs(root: Path, competition: str) -> list[dict[str, str]]:
    """Reads the runs of a competition, the first one first: a row each, by `COLUMNS`."""
    path = runs_folder(root, competition) / "runs.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def list_changes(before: RunSettings, now: RunSettings) -> list[str]:
    """Lists what is different between two runs, the most telling first."""
    found = ["another split"] if before.folds != now.folds else []
    found += [f"{name} joined" for name in now.members if name not in before.members]
    found += [f"{name} left" for name in before.members if name not in now.members]
    for name in now.models:
        if name not in before.models:
            continue
        old, new = (dict(flatten_settings(each.models[name])) for each in (before, now))
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key) and key != "fingerprint"]
        found += [f"{name}: {key} {old.get(key)} -> {new.get(key)}" for key in keys]
        if not keys and old.get("fingerprint") != new.get("fingerprint") and before.folds == now.folds:
            found.append(f"{name} trained again: other data or code")
    return found


def shorten_changes(changed: tuple[str, ...]) -> str:
    """Joins the first changes and counts the rest."""
    rest = len(changed) - _NAMED
    return "; ".join(changed[:_NAMED]) + (f"; {rest} more" if rest > 0 else "")


def flatten_settings(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of nested mappings with their paths, such as ``training.epochs``."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flatten_settings(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _read_last(folder: Path) -> RunSettings | None:
    path = folder / "last.json"
    if not path.is_file() or not (folder / "last.parquet").is_file():
        return None
    try:
        return read_card(path, RunSettings)
    except InputError:  # written by another version
        return None


def _compare(root: Path, before: RunSettings, now: RunSettings, about: tuple[Path, Target, Metric]) -> str:
    """Says how the score changed: paired on the same rows and folds, else as it stands."""
    path, target, metric = about
    if before.metric != now.metric:
        return f"{before.metric} before: not comparable"
    old = _read_predictions_before(path, target) if before.folds == now.folds else None
    new = read_predictions(oof_path(root, ENSEMBLE), target)
    if old is None or set(old.ids) != set(new.ids):
        change = now.score - before.score
        better = "the same" if not change else "better" if (change > 0) == metric.greater_is_better else "worse"
        return f"{abs(change):.4f} {'higher' if change > 0 else 'lower'} ({better}), on other rows or folds: not paired"
    table = tables.read_folds(folds_path(root), prepared_folder(root)).set_index("id")
    rows = LabelledRows(
        read_truth(prepared_folder(root), target, new.ids), table["group"].loc[list(new.ids)].to_numpy(dtype=np.int64)
    )
    return describe_gain(
        measure_gain(rows, new.probs, old.aligned(new.ids, str(path)), metric), metric.greater_is_better
    )


def _read_predictions_before(path: Path, target: Target) -> Predictions | None:
    """Reads the predictions of the run before; None where an earlier version wrote them, which must not end a run."""
    try:
        return read_predictions(path, target)
    except InputError:
        return None


def _append(path: Path, ensemble: EnsembleCard, made: Comparison) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not kept:
        writer.writerow(COLUMNS)
    low, high = ensemble.interval
    scores = (f"{value:.6g}" for value in (ensemble.pooled, low, high))
    time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    better = "higher" if ensemble.greater_is_better else "lower"
    words = (" ".join(ensemble.members), "; ".join(made.changed), made.difference)
    writer.writerow([time, ensemble.metric, better, *scores, *words])
    files.write_text(path, kept + text.getvalue())
