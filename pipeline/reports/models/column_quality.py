"""Column quality: the sections about labels, numbers and targets one by one, and about the worst predictions.

Both stand where images have no single class: a matrix of confused classes has no meaning there.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score, r2_score, roc_auc_score

from pipeline.core.arrays import Truth, Values
from pipeline.core.targets.contract import CELL_SEPARATOR, Target, slice_truth
from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, SOFT, open_chart, render_chart, shorten_label
from pipeline.page.document import PageSection
from pipeline.page.markup import Html, join_html, tag
from pipeline.page.parts import Part
from pipeline.page.pictures import Picture, render_pictures, render_side_by_side
from pipeline.page.table import Column, render_table
from pipeline.reports.models.evaluation_data import EvaluationData

_SHOWN, _WIDTH = 36, 112
_PLOTS = 12  # numbers with a chart
_LONGEST = 60  # characters of an answer below a picture
_FORMS = {"images": ",d", "classes": ",d", "bias": "+.4g"}
_NOTES = {
    "sigmoid": "Share: of the images that have the label. F1 and the share predicted are at the decision: 0.5 and "
    "above, after the fitted thresholds. Without both kinds of images a label has no area under a curve.",
    "linear": "Bias: the mean of what is predicted less what is true. R²: 1 is perfect, 0 is the mean for every image.",
    "shares": "Means over the images of what is true and predicted, and of the absolute difference.",
    "softmax": "Accuracy and macro F1 of the most probable class; log loss of its probabilities.",
}


def show_column_quality(data: EvaluationData) -> Part:
    """Shows the quality of each label, number, share or target."""
    values, blocks, frames = data.judged.probs, [], {}
    blocks.append(render_paragraph(f"Predictions of {data.judged.name}, out-of-fold, column by column."))
    by_kind: dict[str, list[dict[str, str | float | None]]] = {}
    charts: list[Html] = []
    for name, part, columns, width in data.target.each():
        truth, own = slice_truth(part, data.labels, width), values[:, columns]
        kind: str = "shares" if part.exclusive and truth.ndim > 1 else part.activation
        by_kind.setdefault(kind, []).extend(measure_columns(part, name, truth, own))
        if kind == "linear":
            charts += [
                _draw_scatter(f"{name} {column}".strip() if name != column else column, truth[:, at], own[:, at])
                for at, column in enumerate(part.columns)
            ]
    for kind, rows in by_kind.items():
        frame = pd.DataFrame(rows)
        plain = ".4g" if kind == "linear" else ".4f"
        forms = [_FORMS.get(str(name), plain) for name in frame.columns[1:]]
        columns_shown = [Column(str(frame.columns[0]))]
        columns_shown += [Column(str(name), form) for name, form in zip(frame.columns[1:], forms, strict=True)]
        blocks += [
            render_table(f"Quality of each {frame.columns[0]}", columns_shown, [tuple(row.values()) for row in rows]),
            render_note(_NOTES[kind]),
        ]
        frames[f"quality_{frame.columns[0]}"] = frame
    if charts:
        blocks.append(render_side_by_side(charts[:_PLOTS]))
    return Part(PageSection("Columns", blocks, "classes"), {}, frames)


def measure_columns(target: Target, name: str, truth: Truth, values: Values) -> list[dict[str, str | float | None]]:
    """Measures one row for each label, number or share, and one for a target of classes.

    Args:
        target: one kind of it.
        name: of the target among several.
        truth: (n,) class indices or (n, n_columns).
        values: float32 (n, n_columns), predictions.
    """
    if truth.ndim == 1:
        decided = target.decide(values)
        return [
            {
                "target": name,
                "classes": len(target.columns),
                "accuracy": float((decided == truth).mean()),
                "macro F1": float(f1_score(truth, decided, average="macro", zero_division=0.0)),
                "log loss": float(target.measure_losses(truth, values).mean()),
            }
        ]
    measure = {"sigmoid": _measure_label, "linear": _measure_number}.get(target.activation, _measure_share)
    decided = target.decide(values) if target.activation == "sigmoid" else values
    return [measure(column, truth[:, at], values[:, at], decided[:, at]) for at, column in enumerate(target.columns)]


def _measure_label(name: str, truth: Truth, probs: Values, decided: Truth) -> dict[str, str | float | None]:
    both = 0 < truth.sum() < len(truth)
    return {
        "label": name,
        "images": int(truth.sum()),
        "share": float(truth.mean()),
        "share predicted": float(decided.mean()),
        "average precision": float(average_precision_score(truth, probs)) if both else None,
        "ROC AUC": float(roc_auc_score(truth, probs)) if both else None,
        "F1": float(f1_score(truth, decided, zero_division=0.0)),
    }


def _measure_number(name: str, truth: Truth, values: Values, _: Truth) -> dict[str, str | float | None]:
    apart = values.astype(np.float64) - truth
    return {
        "number": name,
        "mean": float(truth.mean()),
        "deviation": float(truth.std()),
        "RMSE": float(np.sqrt((apart**2).mean())),
        "MAE": float(np.abs(apart).mean()),
        "bias": float(apart.mean()),
        "R²": float(r2_score(truth, values)) if len(truth) > 1 else None,
    }


def _measure_share(name: str, truth: Truth, values: Values, _: Truth) -> dict[str, str | float | None]:
    shares = truth.astype(np.float64)
    return {
        "class": name,
        "mean share": float(shares.mean()),
        "mean predicted": float(values.mean(dtype=np.float64)),
        "mean difference": float(np.abs(values - shares).mean()),
    }


def _draw_scatter(name: str, truth: Truth, values: Values) -> Html:
    """Draws what is predicted over what is true."""
    low, high = float(min(truth.min(), values.min())), float(max(truth.max(), values.max()))
    with open_chart(3.15, 2.9) as figure:
        plot = figure.subplots()
        plot.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle=":")
        plot.scatter(truth, values, color=BLUE, s=8, alpha=0.6, linewidths=0)
        plot.set(xlabel="true", ylabel="predicted")
    return render_chart(figure, shorten_label(name), f"{len(truth):,} images; on the dotted line predictions are true.")


def show_worst_predictions(data: EvaluationData) -> Part:
    """Shows the images with the largest losses: what is true of them, and what is predicted."""
    values, target = data.judged.probs, data.target
    losses = target.measure_losses(data.labels, values)
    order = np.argsort(-losses, kind="stable")[:_SHOWN].tolist()
    true = [format_cell(cell) for cell in target.decode(data.labels[order])]
    decided = [format_cell(cell) for cell in target.decode(target.decide(values[order]))]
    pictures = [
        Picture(
            data.image(row),
            f"{data.ids[row]}, true {right}, predicted {given}",
            join_html(tag("strong", right), tag("br"), given),
        )
        for row, right, given in zip(order, true, decided, strict=True)
    ]
    hits = target.measure_hits(data.labels, values)
    words = f"The {len(order)} images of {len(losses):,} with the largest loss by {data.judged.name}."
    if hits is not None:
        words += f" {float(hits.mean()):.1%} of all decisions are right."
    frame = pd.DataFrame(
        {"id": [data.ids[row] for row in order], "true": true, "predicted": decided, "loss": losses[order]}
    )
    note = render_note("The largest loss first: what is true, and what is predicted below.")
    blocks = [render_paragraph(words), render_pictures(pictures, _WIDTH), note]
    return Part(PageSection("Worst predictions", blocks, "mistakes"), {}, {"worst": frame})


def format_cell(cell: str) -> str:
    """Formats a cell for people: its labels, numbers or answers, cut where there are too many."""
    parts = []
    for part in cell.split(CELL_SEPARATOR):
        try:
            parts.append(f"{float(part):.4g}")
        except ValueError:
            parts.append(part)
    words = ", ".join(parts) or "none"
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
