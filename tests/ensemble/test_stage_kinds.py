"""The stages `ensemble`, `add-member` and `scores` on every kind of target: what is written, and made again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.fabricated import LABELS, competition, write_model_card, write_params, write_repository
from support.kinds import METRICS, TARGETS, draw_truth, make_outputs

from pipeline.cli import main
from pipeline.core import cards, files, paths, tables
from pipeline.core.config import read_params
from pipeline.core.metrics import get_metric
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.prepared import format_cells, write_target
from pipeline.ensemble.recombining import check_combination
from pipeline.reports.score_table import print_score_table
from pipeline.stages import ensemble

KINDS = sorted(set(TARGETS) - {"one_class", "several_targets"})
PLOTS = ("reports/confusion.png", "reports/calibration.png")


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


@pytest.mark.usefixtures("real_pictures")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_combined_scored_drawn_and_combined_again(tmp_path: Path, kind: str) -> None:
    target = write_kind(tmp_path, kind)
    ensemble.run(tmp_path)
    card = cards.read_card(paths.card_path(tmp_path, "ensemble"), cards.EnsembleCard)
    assert card.metric == METRICS[kind]
    oof = read_predictions(paths.oof_path(tmp_path, "ensemble"), target)
    assert len(oof.ids) == 60
    assert all((tmp_path / name).stat().st_size > 1000 for name in PLOTS)
    check_combination(tmp_path, get_metric(METRICS[kind], target=target))


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_made_elsewhere_joins(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kind(tmp_path, kind)
    monkeypatch.chdir(tmp_path)
    for part, path in (("oof", paths.oof_path(tmp_path, "one")), ("test", paths.predicted_test_path(tmp_path, "one"))):
        pd.read_parquet(path).to_csv(f"{part}.csv", index=False)
    assert main(["add-member", "there", "--oof", "oof.csv", "--test", "test.csv", "--folds", "folds/folds.csv"]) == 0
    assert read_params(tmp_path)["ensemble"]["external"] == ["there"]


def test_a_member_with_other_values_than_the_target_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_kind(tmp_path, "several_labels")
    monkeypatch.chdir(tmp_path)
    frame = pd.read_parquet(paths.oof_path(tmp_path, "one"))
    frame.assign(road=frame["road"] + 1).to_csv("oof.csv", index=False)
    pd.read_parquet(paths.predicted_test_path(tmp_path, "one")).to_csv("test.csv", index=False)
    assert main(["add-member", "there", "--oof", "oof.csv", "--test", "test.csv", "--folds", "folds/folds.csv"]) == 1
    error = capsys.readouterr().err
    assert "are no probabilities (0 to 1 for each label)" in error
    assert "for road: write probabilities after sigmoid" in error
    assert not paths.oof_path(tmp_path, "there").exists()


def test_the_score_table_sorts_numbers_by_their_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kind(tmp_path, "numbers")
    for name, pooled in (("one", 2.0), ("two", 1.0)):
        write_model_card(tmp_path, name, metric="rmse", greater_is_better=False, pooled=pooled, scores={"rmse": pooled})
    print_score_table(tmp_path)
    out = capsys.readouterr().out
    assert "rmse (lower is better)" in out
    assert out.index("two") < out.index("one ")
