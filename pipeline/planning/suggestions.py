"""Suggestions for what to try next, each from something that a run has shown and with its command."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

from pipeline.core.cards import EnsembleCard, ModelCard
from pipeline.core.paths import doubted_path, models_folder, report_tables_folder
from pipeline.planning.prior import DataSize, MeasuredRecipe, estimate_recipe

_WEAK = 1.5  # times the mean error: a class that stands out
_ALIKE = 2.0  # times as many pixels a side, or as few: below that a score elsewhere says something here
_CHEAP = 1.0  # an untried model costs at most as many times the seconds of those that ran


@dataclass(frozen=True)
class NextStep:
    """Something to try.

    Attributes:
        reason: what the run has shown.
        command: to type, or the page to open.
    """

    reason: str
    command: str


def suggest_next(
    root: Path,
    ensemble: EnsembleCard,
    models: Mapping[str, ModelCard],
    table: Sequence[MeasuredRecipe],
    size: DataSize,
) -> list[NextStep]:
    """Suggests what to try next, from the tables of the report and from measured recipes.

    Args:
        root: the repository.
        ensemble: of the run.
        models: the cards of those that were trained here.
        table: of measured recipes.
        size: of the competition.
    """
    found = [
        _shift(ensemble),
        _overfitting(_read_table(root, "learning")),
        _weak_class(_read_table(root, "classes")),
        _doubted(_read_table(root, "doubted_labels"), models, doubted_path(root, ensemble.competition).is_file()),
        suggest_untried(models, table, size, {file.stem for file in models_folder(root).glob("*.yaml")}),
    ]
    return [each for each in found if each is not None]


def suggest_untried(
    models: Mapping[str, ModelCard], table: Sequence[MeasuredRecipe], size: DataSize, files: set[str]
) -> NextStep | None:
    """Suggests the recipe with the lowest expected error that was not tried and takes no longer than what was.

    It was measured on images of a similar size. Seconds go by how much slower or faster this machine was on the models
    that both know.
    """
    known = {name: estimate_recipe(name, size, table) for name in models}
    pace = [_seconds(models[name]) / each.seconds for name, each in known.items() if each and each.seconds]
    slowness = median(pace) if pace else 1.0
    budget = _CHEAP * sum(_seconds(card) + card.feature_seconds for card in models.values())
    best: tuple[float, float, str] = (math.inf, 0.0, "")
    alike = {row.recipe for row in table if 1 / _ALIKE < row.side / size.side < _ALIKE}
    for name in sorted((alike & files) - set(models)):
        estimate = estimate_recipe(name, size, table)
        if estimate and estimate.seconds * slowness <= budget:
            best = min(best, (estimate.relative_error, estimate.seconds * slowness, name))
    if not best[2]:
        return None
    return NextStep(
        f"{best[2]} was not tried; about {best[1]:,.0f} s for all folds", f"python -m pipeline look {best[2]}"
    )


def _seconds(card: ModelCard) -> float:
    """Seconds that all folds of one seed took: a look trains one, and so did the measured recipes."""
    return card.train_seconds / len(card.all_seeds)


def _read_table(root: Path, name: str) -> pd.DataFrame | None:
    path = report_tables_folder(root) / f"{name}.csv"
    return pd.read_csv(path, dtype={"class": "str"}) if path.is_file() else None


def _shift(ensemble: EnsembleCard) -> NextStep | None:
    if ensemble.shift is None or not ensemble.shift.shares:
        return None
    return NextStep("the test set has other class shares than training", "open reports/report.html#test-set")


def _overfitting(learning: pd.DataFrame | None) -> NextStep | None:
    if learning is None or not {"remedy", "verdict", "share"} <= set(learning.columns):
        return None
    over = learning[learning["remedy"].notna() & learning["verdict"].ne("overfits slightly")]
    if over.empty:
        return None
    worst = over.iloc[int(over["share"].to_numpy().argmax())]
    verdict = "overfits: its loss rose again" if worst["verdict"] == "turned" else worst["verdict"]
    return NextStep(
        f"{worst['model']} {verdict} (gap {worst['gap']:+.2f})",
        f"python -m pipeline look {worst['model']} --set {worst['remedy']}",
    )


def _weak_class(classes: pd.DataFrame | None) -> NextStep | None:
    if classes is None or not {"class", "f1"} <= set(classes.columns) or len(classes) < 2:
        return None
    weakest = classes.iloc[int(classes["f1"].to_numpy().argmin())]
    if 1 - weakest["f1"] <= _WEAK * (1 - classes["f1"].mean()):
        return None
    return NextStep(
        f"class {weakest['class']} is the weakest: F1 {weakest['f1']:.3f}, {classes['f1'].mean():.3f} on average",
        "open reports/report.html#mistakes",
    )


def _doubted(doubted: pd.DataFrame | None, models: Mapping[str, ModelCard], listed: bool) -> NextStep | None:
    """Points at the list, at the verb that makes a clean one with the quickest model that can, or at what is next."""
    if doubted is None or doubted.empty:
        return None
    plural = "labels are" if len(doubted) > 1 else "label is"
    clean = {name: _seconds(card) for name, card in models.items() if _is_clean(card)}
    if not clean:
        return NextStep(f"{len(doubted)} {plural} in doubt", "see reports/report/doubted_labels.csv")
    quickest = min(clean, key=clean.__getitem__)
    verb = f"look {quickest} --set doubted=drop" if listed else f"doubt {quickest}"
    return NextStep(f"{len(doubted)} {plural} in doubt", f"python -m pipeline {verb}")


def _is_clean(card: ModelCard) -> bool:
    """Says whether a model learns from nothing but the rows of its folds, of which there are enough."""
    training = card.config.get("training") or {}
    others = training.get("distill") or training.get("pseudo") or card.config.get("members")
    weak = (card.config.get("balance") or {}).get("weak")
    return not (card.peeked or others or weak) and len(card.fold_scores) > 2
