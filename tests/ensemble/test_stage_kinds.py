"""The stages `ensemble`, `add-member` and `scores` on every kind of target: what is written, and made again."""

from pathlib import Path

import pandas as pd
import pytest
from support.fabricated import write_model_card
from support.kinds import METRICS, TARGETS
from support.written_kinds import write_kind

from pipeline.cli import main
from pipeline.core import cards, paths
from pipeline.core.config import read_params
from pipeline.core.metrics import get_metric
from pipeline.core.predictions import read_predictions
from pipeline.ensemble.recombining import check_combination
from pipeline.reports.score_table import print_score_table
from pipeline.stages import ensemble

KINDS = sorted(set(TARGETS) - {"one_class", "several_targets"})
PLOTS = ("reports/confusion.png", "reports/calibration.png")


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
