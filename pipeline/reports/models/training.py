"""The section of learning curves: how training went, fold by fold."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from pipeline.page.blocks import render_details, render_note, render_paragraph
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.learning import RULE, Learned, learned, sentence
from pipeline.reports.models.material import Material, Model

_OPEN = 3  # models whose curves are shown unasked


def learning(material: Material) -> Part:
    """Says who over- or underfits, and draws every model that learned in epochs."""
    found = {model.name: _learned(model, len(material.names)) for model in material.models}
    judged = {name: each for name, each in found.items() if each is not None}
    odd = {name: sentence(name, each) for name, each in judged.items() if each.verdict != "fits"}
    without = [model.name for model in material.models if not _in_epochs(model)]
    blocks: list[Html] = [render_paragraph(_summary(judged), *odd.values())]
    blocks += [_table(judged, without), render_note(RULE)] if judged else []
    curves = [_curves(model, material.metric.name) for model in material.models if _in_epochs(model)]
    blocks += curves[:_OPEN]
    rest = len(curves) - _OPEN
    if rest > 0:
        blocks.append(render_details(f"Curves of {rest} more model{'s' * (rest > 1)}", *curves[_OPEN:]))
    if without:
        blocks.append(render_note(f"No epochs, so no curves: {', '.join(without)}."))
    render_table = pd.DataFrame([{"model": name} | asdict(each) for name, each in judged.items()])
    findings = [odd[name] for name in odd if judged[name].verdict in ("overfits", "turned")]
    return Part(PageSection("Learning", blocks), {}, {"learning": render_table} if judged else {}, tuple(findings))


def _learned(model: Model, n_classes: int) -> Learned | None:
    return None if model.history is None else learned(model.history, n_classes)


def _in_epochs(model: Model) -> bool:
    """Classical models have one line per fold, at their last iteration."""
    return model.history is not None and "learning_rate" in model.history


def _summary(judged: dict[str, Learned]) -> str:
    if not judged:
        return "No model here left a history of its training."
    over = sum(each.verdict in ("overfits", "turned") for each in judged.values())
    under = sum(each.verdict == "underfits" for each in judged.values())
    told = f"{over or 'none'} overfit{'s' * (over == 1)} and {under or 'none'} underfit{'s' * (under == 1)}"
    return f"Of {len(judged)} models {told}."


def _table(judged: dict[str, Learned], without: Sequence[str]) -> Html:
    """Shows losses; a classical model ends at an iteration, which is no epoch."""
    columns = [
        Column("model"),
        Column("verdict"),
        Column("training loss", ".3f"),
        Column("validation loss", ".3f"),
        Column("gap", "+.3f"),
        Column("lowest validation loss", ".3f"),
        Column("epochs", ",d"),
    ]
    words = {"turned": "overfits, rose again"}
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
        for name, each in judged.items()
    ]
    return render_table("Loss at the end of training, means over folds", columns, rows)


def _curves(model: Model, metric: str) -> Html:
    history = model.history
    assert history is not None  # `_in_epochs`
    last = history.sort_values("epoch").groupby("fold").last()
    about = "; ".join(
        f"fold {render_details} ends at training loss {row['loss']:.3f}, validation loss {row['valid_loss']:.3f}, "
        f"{metric} {row['valid_score']:.4f}"
        for render_details, row in last.iterrows()
    )
    return charts.curves(history, metric, model.name, about)
