"""Re-weighted score and alarm under other class shares in the test set: `python -m benchmarks.ensembling shift`.

Rows are divided into training and test at random, and test rows drawn so that their classes have shares of a Dirichlet
distribution. With `--kept` the rows are those of kept out-of-fold files (in a repository with the competition's folds),
without it those of simulated members.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.simulated_members import as_members, mixed
from pipeline.core import paths, tables
from pipeline.core.arrays import Labels, Probs
from pipeline.core.errors import InputError
from pipeline.core.metrics import get_metric
from pipeline.core.predictions import read_predictions
from pipeline.core.scores import bootstrap_interval
from pipeline.ensemble.class_shares import draw_by_class
from pipeline.ensemble.decisions import apply_class_factors
from pipeline.ensemble.fitting import EnsembleParams, fit_ensemble
from pipeline.ensemble.members import Members, renormalise_rows
from pipeline.ensemble.shift import LEAST, LEVEL, judge_rows, measure_shift

SHIFTS = {"none": None, "mild": 20.0, "strong": 3.0}
_COMBINERS = ("mean", "weighted_geometric")
Source = Callable[[np.random.Generator], tuple[Probs, Labels]]


@dataclass(frozen=True)
class Draw:
    """One training set and one test set.

    Attributes:
        alarm: whether the shares differ beyond chance.
        chance: of such a difference without any.
        distance: of the estimated shares from training's (total variation).
        off: of the estimated shares from the test set's.
        nested: score on the training rows, and whether its interval covers the hidden score.
        reweighted: the same of the re-weighted score; None without an alarm.
        hidden: score of the test set, as it would be handed in.
        uncorrected: the same without the correction.
        applied: whether the predictions are corrected.
    """

    alarm: bool
    chance: float
    distance: float
    off: float
    nested: tuple[float, bool]
    reweighted: tuple[float, bool] | None
    hidden: float
    uncorrected: float
    applied: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("--kept", type=Path, help="folder of <model>.parquet; simulated members if absent")
    parser.add_argument("--folds", type=Path, help="their fold table; folds/folds.csv if absent")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000, help="with labels")
    parser.add_argument("--test", type=int, default=1000, help="rows of the test set")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--shift", choices=sorted(SHIFTS), nargs="+", default=list(SHIFTS))


def run(options: argparse.Namespace) -> None:
    """Prints a line for each shift, and one of JSON."""
    source = _simulate if options.kept is None else _read_kept(options.kept, options.folds or paths.folds_path(Path()))
    results = {}
    for shift in options.shift:
        draws = [
            draw_once(source, (options.rows, options.test), options.metric, SHIFTS[shift], number)
            for number in range(options.draws)
        ]
        results[shift] = summarise_draws(draws)
        print(f"{shift}: {results[shift]}", flush=True)
    print(json.dumps({"rows": options.rows, "test": options.test, "metric": options.metric, **results}))


def summarise_draws(draws: list[Draw]) -> dict[str, float]:
    """Counts alarms and hidden scores inside of the intervals, and averages the rest."""
    known = [(draw, draw.reweighted) for draw in draws if draw.reweighted is not None]
    applied = [draw for draw in draws if draw.applied]
    numbers: dict[str, float] = {"draws": len(draws), "alarms": sum(draw.alarm for draw in draws)}
    if known:
        numbers |= {
            "nested_covers": sum(draw.nested[1] for draw, _ in known),
            "reweighted_covers": sum(covers for _, (_, covers) in known),
            "nested_off": float(np.mean([abs(draw.nested[0] - draw.hidden) for draw, _ in known])),
            "reweighted_off": float(np.mean([abs(score - draw.hidden) for draw, (score, _) in known])),
            "shares_off": float(np.mean([draw.off for draw, _ in known])),
            "distance": float(np.mean([draw.distance for draw, _ in known])),
        }
    numbers["applied"] = len(applied)
    if applied:
        gains = [draw.hidden - draw.uncorrected for draw in applied]
        numbers |= {"hidden_gain": float(np.mean(gains)), "gain_deviation": float(np.std(gains))}
    return {name: round(number, 4) for name, number in numbers.items()}


def draw_once(source: Source, rows: tuple[int, int], metric_name: str, concentration: float | None, seed: int) -> Draw:
    """Draws a training set and a test set, fits an ensemble, and compares what it says with the hidden score.

    Args:
        source: gives members' predictions and labels of all rows.
        rows: of the training set and of the test set.
        metric_name: the competition's.
        concentration: of the Dirichlet distribution of the test set's shares; None for those of training.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    metric = get_metric(metric_name)
    stacked, labels = source(random)
    n_classes = stacked.shape[2]
    order = random.permutation(len(labels))
    train, pool = order[: rows[0]], order[rows[0] :]
    test = pool[: rows[1]]
    if concentration is not None:
        shares = random.dirichlet(np.full(n_classes, concentration))
        counts = random.multinomial(rows[1], shares) / rows[1]
        test = pool[draw_by_class(labels[pool], counts, rows[1], random)]
    members: Members = as_members(stacked[:, train], labels[train])
    fitted = fit_ensemble(members, metric, EnsembleParams(combiners=_COMBINERS))
    judged = judge_rows(fitted, stacked[:, test])
    measured = measure_shift(judged, LEVEL if concentration is None else 1.0)
    card, uncorrected = measured.card, fitted(stacked[:, test])
    alarm = card.chance < LEVEL and card.distance >= LEAST
    used = uncorrected if measured.factors is None else apply_class_factors(uncorrected, measured.factors)
    hidden = metric.score(labels[test], used)
    plain = metric.score(labels[test], uncorrected)
    low, high = bootstrap_interval(judged.rows, fitted.nested, metric)
    estimated = np.array([share.test for share in card.shares.values()])
    true = np.bincount(labels[test], minlength=n_classes) / len(test)
    reweighted = card.reweighted
    covers = reweighted is not None and reweighted.interval[0] <= hidden <= reweighted.interval[1]
    return Draw(
        alarm=alarm,
        chance=card.chance,
        distance=card.distance,
        off=float(np.abs(estimated - true).sum() / 2) if len(estimated) else 0.0,
        nested=(metric.score(labels[train], fitted.nested), low <= plain <= high),
        reweighted=None if reweighted is None else (reweighted.score, covers),
        hidden=hidden,
        uncorrected=plain,
        applied=measured.factors is not None,
    )


def _simulate(random: np.random.Generator) -> tuple[Probs, Labels]:
    return mixed(5, random).draw(8000, random)


def _read_kept(folder: Path, folds_file: Path) -> Source:
    folds = tables.read_folds(folds_file)
    labels, digest = folds["label"].to_numpy(dtype=np.int64), tables.folds_digest(folds)
    stacked = []
    for path in sorted(folder.glob("*.parquet")):
        columns = [name for name in pq.read_schema(path).names if name != "id"]
        predictions = read_predictions(path, columns)
        if predictions.folds != digest:
            raise InputError(f"{path} was made on other folds than {folds_file}; give theirs with --folds")
        stacked.append(renormalise_rows(predictions.aligned(folds["id"].tolist(), str(path))))
    kept: Probs = np.stack(stacked)
    return lambda random: (kept, labels)
