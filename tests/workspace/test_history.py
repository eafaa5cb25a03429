"""The history of runs: what changed, and how surely the nested score is better."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.fabricated import train_fake, write_model_card, write_repository

from pipeline.core.cards import EnsembleCard, ModelCard, read_card
from pipeline.core.metrics import get_metric
from pipeline.core.paths import card_path, oof_path, prepared_folder, runs_folder
from pipeline.core.targets.prepared import read_target
from pipeline.workspace.history import Comparison, RunSettings, list_changes, record_run, shorten_changes


def settings(folds: str = "a", **models: dict[str, Any]) -> RunSettings:
    return RunSettings(score=0.5, metric="accuracy", folds=folds, members=tuple(models), models=models)


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (settings(one={"seed": 0}), settings(one={"seed": 0}), []),
        (settings(one={}, two={}), settings(one={}, three={}), ["three joined", "two left"]),
        (
            settings(one={"training": {"epochs": 9, "size": None}, "fingerprint": "x"}),
            settings(one={"training": {"epochs": 12, "size": None}, "fingerprint": "y"}),
            ["one: training.epochs 9 -> 12"],
        ),
        (
            settings(one={"fingerprint": "x"}),
            settings(one={"fingerprint": "y"}),
            ["one trained again: other data or code"],
        ),
        (settings("a", one={"fingerprint": "x"}), settings("b", one={"fingerprint": "y"}), ["another split"]),
    ],
)
def test_changes_are_named(before: RunSettings, now: RunSettings, changes: list[str]) -> None:
    assert list_changes(before, now) == changes


def test_many_changes_are_counted() -> None:
    assert shorten_changes(("a", "b", "c", "d", "e", "f")) == "a; b; c; d; 2 more"


def record(root: Path, skill: float, seed: int = 3) -> Comparison:
    """Records a run whose ensemble is one made-up model of a skill."""
    train_fake(root, "ensemble", seed, skill=skill)
    write_model_card(root, "one")
    card = read_card(card_path(root, "one"), ModelCard)
    fields = card.model_dump() | {"pooled": skill, "metric": "log_loss", "greater_is_better": False}
    ensemble = EnsembleCard.model_construct(**fields, members=("one",))
    return record_run(root, ensemble, {"one": card}, read_target(prepared_folder(root)), get_metric("log_loss"))


def test_a_run_is_compared_with_the_one_before_and_kept(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    assert record(root, 0.5) == Comparison((), "")
    assert record(root, 0.5).difference == "the same"
    second = record(root, 0.9)
    assert "lower (better), beyond chance" in second.difference
    runs = pd.read_csv(runs_folder(root, "tiny") / "runs.csv")
    assert runs["score"].tolist() == [0.5, 0.9]
    assert runs["difference"].tolist()[1] == second.difference
    assert oof_path(root, "ensemble").read_bytes() == (runs_folder(root, "tiny") / "last.parquet").read_bytes()


def test_predictions_of_an_earlier_version_end_no_run_and_scores_are_compared_as_they_are(tmp_path: Path) -> None:
    root = write_repository(tmp_path)
    record(root, 0.5)
    last = runs_folder(root, "tiny") / "last.parquet"
    pd.read_parquet(last).to_parquet(last)  # the same rows without the digest of this version
    assert record(root, 0.9).difference == "0.4000 higher (worse), on other rows or folds: not paired"
