"""Gain of each step of an ensemble, on trained models: `python -m benchmarks.ensembling steps`.

Run it in a repository whose active models are trained. Each line adds one step to the one above: the plain mean, views
(without them every member predicts its out-of-fold rows again from its checkpoints, kept in .work/plain), weights,
calibration, members trained with pseudo-labels. Every score is nested.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.core import paths
from pipeline.core.active import active_members
from pipeline.core.arrays import Probs
from pipeline.core.cards import ModelCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.config import parse
from pipeline.core.files import atomic_path
from pipeline.core.paired import Gain, measure_gain
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.prepared import read_target
from pipeline.ensemble.calibration import measure_reliability
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.ensemble.members import Members, read_members
from pipeline.images.views import Views
from pipeline.inference.trained_model import open_trained_model
from pipeline.networks import hardware
from pipeline.training.data import Data, load_data


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--pseudo", default="", help="active models that learn from pseudo-labels, by commas")


def run(options: argparse.Namespace) -> None:
    """Prints a line for each step and one of JSON."""
    root = Path.cwd()
    metric = load_competition(root).metric.metric
    target = read_target(paths.prepared_folder(root))
    pseudo = {name for name in options.pseudo.split(",") if name}
    every = read_members(root, active_members(root), target, allow_peeked=False)
    first = read_members(root, [name for name in every.names if name not in pseudo], target, allow_peeked=False)
    labels, groups = (first.rows[name].to_numpy(dtype=np.int64) for name in ("label", "group"))
    data = load_data(root / "data" / "prepared", paths.folds_path(root))
    plain = replace(first, stacked=np.stack([_predict_one_view(root, data, name, first) for name in first.names]))
    scores = np.array([metric.score(labels, one) for one in first.stacked])
    best = first.names[int(scores.argmax() if metric.greater_is_better else scores.argmin())]
    steps: list[tuple[str, Callable[[], Probs]]] = [
        (f"{best}, one view", lambda: plain.stacked[plain.names.index(best)]),
        (f"{best}, its views", lambda: first.stacked[first.names.index(best)]),
        ("mean, one view", lambda: _mean(plain)),
        ("mean, views", lambda: _mean(first)),
        ("weights", lambda: fit_ensemble(first, metric, EnsembleParams(temperature="never")).nested),
        ("calibration", lambda: fit_ensemble(first, metric, EnsembleParams()).nested),
    ]
    if pseudo:
        steps.append(("pseudo-labels", lambda: fit_ensemble(every, metric, EnsembleParams()).nested))
    alone = before = first.stacked[first.names.index(best)]
    results: list[dict[str, str | float]] = []
    for name, make in steps:
        probs = make()
        score, off = metric.score(labels, probs), measure_reliability(labels, probs).error
        added, over = (
            _format_gain(measure_gain(LabelledRows(labels, groups), probs, other, metric)) for other in (before, alone)
        )
        print(f"{name}: {metric.name} {score:.4f}, calibration error {off:.4f}", flush=True)
        above = f"against the step above {added}, " if results else ""
        print(f"    {above}against {best} with its views {over}", flush=True)
        results.append({"step": name, metric.name: round(score, 4), "calibration_error": round(off, 4)})
        before = probs
    print(json.dumps({"members": every.names, "steps": results, "hardware": hardware.name_hardware()}))


def _format_gain(one: Gain) -> str:
    return f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"


def _mean(members: Members) -> Probs:
    mean: Probs = members.stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _predict_one_view(root: Path, data: Data, name: str, members: Members) -> Probs:
    """Predicts the out-of-fold rows again from the image alone; members of one view are taken as they are."""
    as_it_is: Probs = members.stacked[members.names.index(name)]
    if not paths.card_path(root, name).is_file():
        return as_it_is  # made elsewhere
    card = read_card(paths.card_path(root, name), ModelCard)
    if parse(card.config.get("views") or {}, Views, f"card of {name}: views") == Views():
        return as_it_is
    kept = root / ".work" / "plain" / f"{name}-{card.fingerprint[:16]}.npy"
    if not kept.is_file():
        config = card.config | {"views": Views().model_dump(mode="json")}
        model = open_trained_model(root, card.model_copy(update={"config": config, "view_weights": {}}))
        probs = np.empty((len(data.ids), len(data.classes)), dtype=np.float32)
        for fold in model.checkpoints:
            rows = data.rows(fold)[1]
            probs[rows] = next(model.predict_folds(np.ascontiguousarray(data.images[rows]), [fold])).probs
            print(f"{name}: fold {fold} again from one view", flush=True)
        with atomic_path(kept) as temporary:
            np.save(temporary, probs)
    at = {one: row for row, one in enumerate(data.ids)}
    again: Probs = np.load(kept)[[at[one] for one in members.rows["id"]]]
    return again
