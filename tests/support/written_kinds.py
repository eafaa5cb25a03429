"""A repository of any kind of target, with two members: as `fabricated` writes it for one class."""

from pathlib import Path

import numpy as np
from support.fabricated import LABELS, competition, write_params, write_repository
from support.kinds import METRICS, TARGETS, draw_truth, make_outputs

from pipeline.core import files, paths, tables
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.prepared import format_cells, write_target


def write_kind(root: Path, kind: str, combiners: tuple[str, ...] = ("mean", "convex")) -> Target:
    """A repository whose 60 training images have a target of a kind, and two members."""
    target, random = TARGETS[kind], np.random.default_rng(5)
    write_repository(root)
    files.write_json(root / "configs" / "competitions" / "tiny.yaml", competition(LABELS, METRICS[kind]))
    write_params(root, ["one", "two"], ensemble={"combiners": list(combiners)})
    prepared = root / "data" / "prepared"
    truth = draw_truth(target, 60, random)
    write_target(prepared, target)
    files.write_json(prepared / "class_names.json", list(target.columns))
    index = tables.read_index(prepared / "train.csv")
    folds = tables.read_folds(paths.folds_path(root))
    if isinstance(target, OneClass):
        index["label"] = truth
        folds["label"] = folds["id"].map(dict(zip(index["id"], truth, strict=True)))
    else:
        index["label"], folds["label"] = -1, -1
        index[kind] = format_cells(decode(target, truth))
    tables.write_index(prepared / "train.csv", index)
    tables.write_folds(paths.folds_path(root), folds)
    digest = tables.folds_digest(tables.read_folds(paths.folds_path(root)))
    right = make_outputs(target, truth)
    test_ids = tuple(tables.read_index(prepared / "test.csv")["id"])
    for name in ("one", "two"):
        oof = target.from_outputs(right + 0.7 * random.normal(size=right.shape))
        test = target.from_outputs(random.normal(size=(len(test_ids), right.shape[1])))
        columns = target.columns
        write_predictions(
            paths.oof_path(root, name), Predictions(tuple(index["id"]), oof, columns, digest, target=target)
        )
        write_predictions(paths.predicted_test_path(root, name), Predictions(test_ids, test, columns, target=target))
    return target


def decode(target: Target, truth: np.ndarray) -> list[str]:
    if target.kind == "vote_shares":  # decoded they are the class with the most votes
        return [CELL_SEPARATOR.join(map(str, row)) for row in truth.tolist()]
    return target.decode(truth)
