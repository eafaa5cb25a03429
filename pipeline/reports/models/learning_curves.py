"""Learning curves: the section about the training of each model, fold by fold."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from pipeline.page.blocks import render_details, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.evaluation_data import EvaluatedModel, EvaluationData
from pipeline.reports.models.overfitting import (
    RULE,
    FitDiagnosis,
    describe_fit,
    diagnose_fit,
    measure_guessing,
    name_remedy,
)

_OVER = ("overfits", "overfits strongly", "turned")
_GUESSING = "Here guessing is the mean of all training targets for every image, and the unit is its loss."
_OPEN = 3  # models whose curves are shown without a click


def show_learning_curves(data: EvaluationData) -> Part:
    """Shows which models over- or underfit, and the curves of every model trained in epochs."""
    guessing = measure_guessing(data.target, data.labels)
    diagnoses = {model.name: _diagnose(model, guessing) for model in data.models}
    diagnosed = {name: each for name, each in diagnoses.items() if each is not None}
    remedies = {model.name: _name_remedy(model, diagnosed.get(model.name)) for model in data.models}
    remarkable = {
        name: " ".join([describe_fit(name, each), *_advise(name, remedies[name])])
        for name, each in diagnosed.items()
        if each.verdict != "fits"
    }
    without = [model.name for model in data.models if not _in_epochs(model)]
    blocks: list[Html] = [render_paragraph(_summarise(diagnosed), *remarkable.values())]
    blocks += [_render_table(diagnosed, without), render_note(RULE)] if diagnosed else []
    curves = [_draw_curves(model, data.metric.name) for model in data.models if _in_epochs(model)]
    if diagnosed and not data.has_classes:
        blocks.append(render_note(_GUESSING))
    blocks += curves[:_OPEN]
    rest = len(curves) - _OPEN
    if rest > 0:
        blocks.append(render_details(f"Curves of {rest} more model{'s' * (rest > 1)}", *curves[_OPEN:]))
    if without:
        blocks.append(render_note(f"Without epochs, so without curves: {', '.join(without)}."))
    records = [{"model": name} | asdict(each) | {"remedy": remedies[name]} for name, each in diagnosed.items()]
    findings = [remarkable[name] for name in remarkable if diagnosed[name].verdict in _OVER]
    return Part(
        PageSection("Learning curves", blocks, "learning"),
        {},
        {"learning": pd.DataFrame(records)} if diagnosed else {},
        tuple(findings),
    )


def _diagnose(model: EvaluatedModel, guessing: float) -> FitDiagnosis | None:
    return None if model.history is None else diagnose_fit(model.history, guessing)


def _name_remedy(model: EvaluatedModel, diagnosis: FitDiagnosis | None) -> str:
    return name_remedy(diagnosis, model.card.config) if diagnosis is not None and model.card is not None else ""


def _advise(name: str, remedy: str) -> list[str]:
    return [f"To try: python -m pipeline look {name} --set {remedy}."] if remedy else []


def _in_epochs(model: EvaluatedModel) -> bool:
    """Says whether a model is trained in epochs; classical ones have one row per fold, of the last iteration."""
    return model.history is not None and "learning_rate" in model.history


def _summarise(diagnosed: dict[str, FitDiagnosis]) -> str:
    if not diagnosed:
        return "No model has a history of its training."
    over = sum(each.verdict in _OVER for each in diagnosed.values())
    under = sum(each.verdict == "underfits" for each in diagnosed.values())
    verdicts = f"{over or 'none'} overfit{'s' * (over == 1)} and {under or 'none'} underfit{'s' * (under == 1)}"
    return f"Of {len(diagnosed)} models {verdicts}."


def _render_table(diagnosed: dict[str, FitDiagnosis], without: Sequence[str]) -> Html:
    """Renders losses; a classical model ends at an iteration, which is no epoch."""
    columns = [
        Column("model"),
        Column("verdict"),
        Column("training loss", ".3f"),
        Column("validation loss", ".3f"),
        Column("gap", "+.3f"),
        Column("lowest validation loss", ".3f"),
        Column("epochs", ",d"),
    ]
    words = {"turned": "overfits, increased again"}
    rows = [
        (
            name,
            words.get(each.verdict, each.verdict),
            each.train_loss,
            each.valid_loss,
            each.gap,
            each.lowest,
            None if name in without else each.epochs,
        )
        for name, each in diagnosed.items()
    ]
    return render_table("Loss at the end of training, means over folds", columns, rows)


def _draw_curves(model: EvaluatedModel, metric: str) -> Html:
    history = model.history
    assert history is not None  # `_in_epochs`
    last = history.sort_values("epoch").groupby("fold").last()
    about = "; ".join(
        f"fold {render_details} ends at training loss {row['loss']:.3f}, validation loss {row['valid_loss']:.3f}, "
        f"{metric} {row['valid_score']:.4f}"
        for render_details, row in last.iterrows()
    )
    return charts.draw_fold_curves(history, metric, model.name, about)
