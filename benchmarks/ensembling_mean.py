"""Plain mean of members compared with the best of them: `python -m benchmarks.ensembling mean`.

Run it in a repository with the competition's folds. Members come from folds/predictions or from kept files: models that
take hours to train need not be trained on one machine or at one time.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.core import paths, tables
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import atomic_path
from pipeline.core.paired import measure_gain
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.scores import LabelledRows
from pipeline.ensemble.members import renormalise_rows

_DECIMALS = 4


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the subcommand."""
    parser.add_argument("members", nargs="+", help="models")
    parser.add_argument("--kept", type=Path, help="folder of <model>.parquet to read before folds/predictions")
    parser.add_argument("--keep", type=Path, help=f"folder to write them to, rounded to {_DECIMALS} decimals")


def run(options: argparse.Namespace) -> None:
    """Prints a line for each member and for their mean, and one of JSON."""
    root = Path.cwd()
    metric = load_competition(root).metric.metric
    classes = tables.read_classes(root / "data" / "prepared" / "classes.json")
    folds = tables.read_folds(paths.folds_path(root))
    labels, groups = (folds[name].to_numpy(dtype=np.int64) for name in ("label", "group"))
    members: dict[str, NDArray[np.float32]] = {}
    for name in options.members:
        path = _path(root, name, options.kept)
        predictions = read_predictions(path, classes)
        if predictions.folds != tables.folds_digest(folds) or predictions.peeked:
            raise InputError(
                f"{path} was made on other folds than folds/folds.csv, or uses validation labels; train {name} again"
            )
        if options.keep:
            _keep(options.keep / f"{name}.parquet", predictions)
        members[name] = renormalise_rows(predictions.aligned(folds["id"].tolist(), str(path)))
        print(f"{name}: {metric.name} {metric.score(labels, members[name]):.4f}", flush=True)
    scores = {name: metric.score(labels, probs) for name, probs in members.items()}
    best = (max if metric.greater_is_better else min)(scores, key=lambda name: scores[name])
    mean: NDArray[np.float32] = np.stack(list(members.values())).mean(axis=0, dtype=np.float64).astype(np.float32)
    added = measure_gain(LabelledRows(labels, groups), mean, members[best], metric)
    print(
        f"mean of {len(members)}: {metric.name} {metric.score(labels, mean):.4f}, against {best} "
        f"{added.value:+.4f} [{added.low:+.4f}, {added.high:+.4f}]"
    )
    rounded = {name: round(score, 4) for name, score in (scores | {"mean": metric.score(labels, mean)}).items()}
    print(json.dumps({"rows": len(labels), metric.name: rounded}))


def _path(root: Path, name: str, kept: Path | None) -> Path:
    path = kept / f"{name}.parquet" if kept else None
    return path if path and path.is_file() else paths.oof_path(root, name)


def _keep(path: Path, predictions: Predictions) -> None:
    """Writes predictions with few digits, which compress: a fifth of the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(path, replace(predictions, probs=predictions.probs.round(_DECIMALS)))
    table = pq.read_table(path)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=19)
