"""What to try next: each suggestion from evidence, and none without."""

from pathlib import Path
from typing import Any

import pandas as pd
from support.fabricated import write_model_card

from pipeline.core.cards import EnsembleCard, ModelCard, read_card
from pipeline.core.paths import card_path, doubted_path, report_tables_folder
from pipeline.planning.prior import DataSize, MeasuredRecipe
from pipeline.planning.suggestions import suggest_next, suggest_untried

SIZE = DataSize(32, 1000)


def row(recipe: str, error: float, seconds: float) -> MeasuredRecipe:
    return MeasuredRecipe(recipe=recipe, competition="other", side=32, images=1000, error=error, seconds=seconds)


def card(root: Path, seconds: float, seeds: int = 1) -> ModelCard:
    several = {"scores": {str(seed): 0.5 for seed in range(seeds)}, "mean": 0.5, "std": 0.0} if seeds > 1 else None
    write_model_card(root, "one", train_seconds=seconds, seeds=several)
    return read_card(card_path(root, "one"), ModelCard)


def write_table(root: Path, name: str, columns: dict[str, list[Any]]) -> None:
    path = report_tables_folder(root) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


def test_the_best_untried_recipe_that_is_no_dearer_is_suggested(tmp_path: Path) -> None:
    table = [row("one", 0.2, 10), row("cheap", 0.1, 8), row("worse", 0.3, 1), row("dear", 0.05, 900)]
    found = suggest_untried({"one": card(tmp_path, 20)}, table, SIZE, {"one", "cheap", "worse", "dear"})
    assert found is not None
    assert found.reason == "cheap was not tried; about 16 s for all folds"  # this machine is half as fast
    assert found.command == "python -m pipeline look cheap"
    assert suggest_untried({"one": card(tmp_path, 20)}, table, SIZE, {"one", "dear"}) is None
    of_three_seeds = suggest_untried({"one": card(tmp_path, 60, seeds=3)}, table, SIZE, {"one", "cheap"})
    assert of_three_seeds == found  # a look trains one


def test_a_recipe_measured_on_images_of_quite_another_size_is_not_suggested(tmp_path: Path) -> None:
    table = [row("one", 0.2, 10), row("cheap", 0.1, 8)]
    for side, wanted in ((16, False), (17, True), (63, True), (64, False)):
        found = suggest_untried({"one": card(tmp_path, 20)}, table, DataSize(side, 1000), {"one", "cheap"})
        assert (found is not None) is wanted


def test_suggestions_come_from_the_tables_of_the_report(tmp_path: Path) -> None:
    ensemble = EnsembleCard.model_construct(shift=None, competition="tiny")
    assert suggest_next(tmp_path, ensemble, {"one": card(tmp_path, 1)}, [], SIZE) == []
    learning: dict[str, list[Any]] = {
        "model": ["one", "two", "three"],
        "verdict": ["overfits", "overfits strongly", "overfits slightly"],
        "gap": [0.2, 0.7, 0.1],
        "share": [0.15, 0.4, 0.06],
        "remedy": ["network.dropout=0.2", "training.epochs=9", "training.epochs=7"],
    }
    write_table(tmp_path, "learning", learning)
    write_table(tmp_path, "classes", {"class": ["007", "8", "9"], "f1": [0.6, 0.9, 0.9]})
    write_table(tmp_path, "doubted_labels", {"id": ["a", "b"]})
    found = [(each.reason, each.command) for each in suggest_next(tmp_path, ensemble, {}, [], SIZE)]
    assert found == [
        ("two overfits strongly (gap +0.70)", "python -m pipeline look two --set training.epochs=9"),
        ("class 007 is the weakest: F1 0.600, 0.800 on average", "open reports/report.html#mistakes"),
        ("2 labels are in doubt", "see reports/report/doubted_labels.csv"),
    ]
    trained = {name: card(tmp_path, seconds) for name, seconds in (("slow", 90), ("quick", 3))}
    found = [(each.reason, each.command) for each in suggest_next(tmp_path, ensemble, trained, [], SIZE)]
    assert found[-1] == ("2 labels are in doubt", "python -m pipeline doubt quick")
    others = trained["quick"].model_copy(update={"config": {"training": {"distill": {"teacher": "slow"}}}})
    commands = [each.command for each in suggest_next(tmp_path, ensemble, trained | {"quick": others}, [], SIZE)]
    assert commands[-1] == "python -m pipeline doubt slow"  # the other learns from predictions, which doubt refuses
    doubted_path(tmp_path, "tiny").parent.mkdir(parents=True)
    doubted_path(tmp_path, "tiny").touch()
    commands = [each.command for each in suggest_next(tmp_path, ensemble, trained, [], SIZE)]
    assert commands[-1] == "python -m pipeline look quick --set doubted=drop"
