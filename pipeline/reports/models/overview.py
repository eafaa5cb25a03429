"""Comparison of all models: scores and costs."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.metrics import list_own_columns
from pipeline.core.paired import Gain, describe_gain
from pipeline.core.paths import ENSEMBLE
from pipeline.core.students import describe_student
from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Cell, Column, FormattedNumber, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.evaluation_data import EvaluationData
from pipeline.reports.models.model_summary import ModelSummary, summarise_models


def show_models(data: EvaluationData) -> Part:
    """Shows the scores and costs of all models, the best first."""
    summaries, metric = summarise_models(data), data.metric
    direction = "higher is better" if metric.greater_is_better else "lower is better"
    intervals = charts.draw_intervals(
        [(summary.name, summary.pooled, summary.low, summary.high) for summary in summaries],
        f"{metric.name}, 95% interval",
        f"Out-of-fold {metric.name} of all models",
        "; ".join(
            f"{summary.name} {summary.pooled:.4f} [{summary.low:.4f}, {summary.high:.4f}]" for summary in summaries
        ),
    )
    words = render_note(
        f"{metric.name}: {direction}. OOF: every row predicted by the fold not trained on it; mean and standard "
        "deviation over folds. Nested: the same, and no weight, temperature or selection used the row's fold either; "
        "for a single model nothing else was fitted, so its nested score is its OOF score, unless it used the "
        "validation labels. In-sample: the ensemble on the rows that its weights were fitted to. The interval is a 95% "
        "bootstrap of whole groups. ECE: expected calibration error, 15 bins. Seconds to train are over all folds, "
        "features of a frozen backbone included; LB is that of the last submission under this name."
    )
    findings = _list_findings(data, summaries)
    blocks = [
        render_paragraph(*_compare(data, summaries)),
        *map(render_warning, findings),
        intervals,
        _render_scores(summaries),
        *_render_beside(data),
        *_render_costs(summaries),
        words,
    ]
    records = [asdict(summary) | {"peeked": "; ".join(summary.peeked)} for summary in summaries]
    return Part(
        PageSection("Models", blocks),
        {},
        {"models": pd.DataFrame(records)},
        tuple(findings),
    )


def list_model_figures(data: EvaluationData) -> list[tuple[str, str]]:
    """Returns the key figures of the page."""
    score, metric = data.metric.score, data.metric.name.replace("_", " ")
    best, whole = data.models[0], data.ensemble
    sentences = [
        ("models", f"{len(data.models)}"),
        ("images scored", f"{len(data.ids):,}"),
        ("classes" if data.has_classes else "columns", f"{len(data.names):,}"),
        (f"{metric}, {best.name}", f"{score(data.labels, best.probs):.4f}"),
    ]
    if whole is not None:
        sentences.append((f"{metric}, ensemble, nested", f"{score(data.labels, whole.probs):.4f}"))
    return sentences


def _compare(data: EvaluationData, summaries: Sequence[ModelSummary]) -> list[str]:
    metric = data.metric
    alone = [summary for summary in summaries if summary.name != ENSEMBLE]
    best = alone[0]
    sentences = [
        f"{len(alone)} model{'s' * (len(alone) > 1)} on {len(data.ids):,} images of {len(data.names):,} "
        f"{'classes' if data.has_classes else 'columns'}; the best alone is {best.name} with {metric.name} "
        f"{best.pooled:.4f} [{best.low:.4f}, {best.high:.4f}]."
    ]
    card = data.ensemble_card
    if card is not None and len(alone) > 1:
        gain = describe_gain(Gain(card.gain.value, *card.gain.interval), card.greater_is_better)
        sentences.append(f"The ensemble scores {summaries[0].pooled:.4f}; against {card.gain.member} that is {gain}.")
    for model in data.models:
        if model.card is not None and model.card.seeds is not None:
            sentences.append(f"{model.name} is the mean of {model.card.seeds.describe()}.")
        if model.card is not None and model.card.student is not None:
            told = describe_student(model.card.student, model.card.greater_is_better)
            sentences.append(f"{model.name} is a student; {told}.")
    costs = [summary for summary in alone if summary.train_seconds is not None]
    if len(costs) > 1:
        dear = max(costs, key=lambda summary: summary.train_seconds or 0.0)
        if dear.times_cheapest is not None and dear.times_cheapest >= 2:
            sentences.append(f"{dear.name} took longest to train, {dear.times_cheapest:,.0f} times the fastest.")
    return sentences


def _list_findings(data: EvaluationData, summaries: Sequence[ModelSummary]) -> list[str]:
    sentences = [
        f"The score of {summary.name} may be optimistic: {', '.join(summary.peeked)}."
        for summary in summaries
        if summary.peeked
    ]
    if data.missing:
        sentences.append(f"Not trained for this competition yet: {', '.join(data.missing)}; run `dvc repro`.")
    if data.ensemble is None and len(data.models) > 1:
        sentences.append("There is no ensemble of these models yet; run `dvc repro ensemble`.")
    folds = sorted(set(data.folds.tolist()))
    if len(folds) < data.n_folds:
        sentences.append(f"Only fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))} of {data.n_folds} is scored.")
    return sentences


def _render_scores(summaries: Sequence[ModelSummary]) -> Html:
    columns = [
        Column("model"),
        Column("OOF ± std", ".4f"),
        Column("nested [95%]", ".4f"),
        Column("in-sample", ".4f"),
        Column("top-3", ".4f"),
        Column("log loss", ".4f"),
        Column("macro F1", ".4f"),
        Column("ECE", ".3f"),
        Column("LB public", ".4f"),
        Column("LB private", ".4f"),
    ]
    rows: list[list[Cell]] = []
    for summary in summaries:
        spread = "" if summary.std is None else f" ± {summary.std:.4f}"
        mark = " (uses validation labels)" if summary.peeked else ""
        rows.append(
            [
                summary.name,
                FormattedNumber(summary.mean, f"{summary.mean:.4f}{spread}"),
                FormattedNumber(summary.pooled, f"{summary.pooled:.4f} [{summary.low:.4f}, {summary.high:.4f}]{mark}"),
                summary.in_sample,
                summary.top_3,
                summary.log_loss,
                summary.macro_f1,
                summary.ece,
                summary.public_lb,
                summary.private_lb,
            ]
        )
    return _render_known_columns("Scores", columns, rows)


def _render_beside(data: EvaluationData) -> list[Html]:
    """Renders the metrics beside the competition's; one class per image has them among the scores."""
    beside = list_own_columns(data.metric)
    if not beside:
        return []
    columns = [Column("model"), *(Column(metric.name, ".4f") for metric in beside)]
    rows: list[list[Cell]] = [
        [model.name, *(_score_or_none(metric, data.labels, model.probs) for metric in beside)]
        for model in data.everyone
    ]
    return [_render_known_columns("Other metrics, all rows together", columns, rows)]


def _score_or_none(metric: Metric, truth: Truth, values: Values) -> float | None:
    try:
        return metric.score(truth, values)
    except InputError:  # not defined for these rows
        return None


def _render_costs(summaries: Sequence[ModelSummary]) -> list[Html]:
    columns = [
        Column("model"),
        Column("parameters", ",d"),
        Column("trainable", ",d"),
        Column("seconds to train", ",.0f"),
        Column("times the fastest", ",.1f"),
        Column("ms to predict an image", ".3g"),
    ]
    rows: list[list[Cell]] = [
        [
            summary.name,
            summary.parameters,
            summary.trainable,
            summary.train_seconds,
            summary.times_cheapest,
            summary.predict_ms,
        ]
        for summary in summaries
        if summary.parameters is not None
    ]
    return [_render_known_columns("Costs", columns, rows)] if rows else []


def _render_known_columns(caption: str, columns: list[Column], rows: list[list[Cell]]) -> Html:
    """Renders a table without empty columns, such as the leaderboard's before the first submission."""
    kept = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
    return render_table(caption, [columns[place] for place in kept], [[row[place] for place in kept] for row in rows])
