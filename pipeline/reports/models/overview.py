"""The section of all models: what each is worth, what it cost."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from pipeline.core.paths import ENSEMBLE
from pipeline.page.blocks import render_note, render_paragraph, render_warning
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Cell, Column, FormattedNumber, render_table
from pipeline.reports.models import charts
from pipeline.reports.models.material import Material
from pipeline.reports.models.standings import Standing, standings


def models(material: Material) -> Part:
    """Says who is best and by how much."""
    lines, metric = standings(material), material.metric
    direction = "higher is better" if metric.greater_is_better else "lower is better"
    drawn = charts.intervals(
        [(line.name, line.pooled, line.low, line.high) for line in lines],
        f"{metric.name}, 95% interval",
        f"Out-of-fold {metric.name} of all models",
        "; ".join(f"{line.name} {line.pooled:.4f} [{line.low:.4f}, {line.high:.4f}]" for line in lines),
    )
    words = render_note(
        f"{metric.name}: {direction}. OOF: every row predicted by the fold that did not see it; mean and "
        "standard deviation over folds. Nested: the same, and "
        "no weight, temperature or choice saw the row's fold either; a single model has nothing else that was fitted, "
        "so its nested score is its OOF score, unless it peeked. In-sample: the ensemble on the rows that its weights "
        "were fitted to. The interval is a 95% bootstrap of whole groups. ECE: expected calibration error, 15 bins. "
        "Seconds to train are over all folds, features of a frozen backbone included; LB is that of the last "
        "submission under this name."
    )
    findings = _findings(material, lines)
    blocks = [
        render_paragraph(*_sentences(material, lines)),
        *map(render_warning, findings),
        drawn,
        _scores(lines),
        *_costs(lines),
        words,
    ]
    told = [asdict(line) | {"peeked": "; ".join(line.peeked)} for line in lines]
    return Part(
        PageSection("Models", blocks),
        {},
        {"models": pd.DataFrame(told)},
        tuple(findings),
    )


def figures(material: Material) -> list[tuple[str, str]]:
    """Returns the key figures of the page."""
    score, metric = material.metric.score, material.metric.name.replace("_", " ")
    best, whole = material.models[0], material.ensemble
    told = [
        ("models", f"{len(material.models)}"),
        ("images scored", f"{len(material.ids):,}"),
        ("classes", f"{len(material.names):,}"),
        (f"{metric}, {best.name}", f"{score(material.labels, best.probs):.4f}"),
    ]
    if whole is not None:
        told.append((f"{metric}, ensemble, nested", f"{score(material.labels, whole.probs):.4f}"))
    return told


def _sentences(material: Material, lines: Sequence[Standing]) -> list[str]:
    metric = material.metric
    alone = [line for line in lines if line.name != ENSEMBLE]
    best = alone[0]
    told = [
        f"{len(alone)} model{'s' * (len(alone) > 1)} on {len(material.ids):,} images of {len(material.names):,} "
        f"classes; the best alone is {best.name} with {metric.name} {best.pooled:.4f} "
        f"[{best.low:.4f}, {best.high:.4f}]."
    ]
    card = material.ensemble_card
    if card is not None and len(alone) > 1:
        low, high = card.gain.interval
        sure = "surely better" if low > 0 else "surely worse" if high < 0 else "not surely different"
        told.append(
            f"The ensemble scores {lines[0].pooled:.4f}, {card.gain.value:+.4f} [{low:+.4f}, {high:+.4f}] against "
            f"{card.gain.member}: {sure}."
        )
    costs = [line for line in alone if line.train_seconds is not None]
    if len(costs) > 1:
        dear = max(costs, key=lambda line: line.train_seconds or 0.0)
        if dear.times_cheapest is not None and dear.times_cheapest >= 2:
            told.append(f"{dear.name} took longest to train, {dear.times_cheapest:,.0f} times the quickest.")
    return told


def _findings(material: Material, lines: Sequence[Standing]) -> list[str]:
    told = [
        f"{line.name} looked at the rows that it is scored on ({', '.join(line.peeked)}): its score is too good."
        for line in lines
        if line.peeked
    ]
    if material.missing:
        told.append(f"Not trained for this competition yet: {', '.join(material.missing)}; run `dvc repro`.")
    if material.ensemble is None and len(material.models) > 1:
        told.append("There is no ensemble of these models yet; run `dvc repro ensemble`.")
    folds = sorted(set(material.folds.tolist()))
    if len(folds) < material.n_folds:
        told.append(f"Only fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))} of {material.n_folds} is scored.")
    return told


def _scores(lines: Sequence[Standing]) -> Html:
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
    for line in lines:
        spread = "" if line.std is None else f" ± {line.std:.4f}"
        seen = " peeked" if line.peeked else ""
        rows.append(
            [
                line.name,
                FormattedNumber(line.mean, f"{line.mean:.4f}{spread}"),
                FormattedNumber(line.pooled, f"{line.pooled:.4f} [{line.low:.4f}, {line.high:.4f}]{seen}"),
                line.in_sample,
                line.top_3,
                line.log_loss,
                line.macro_f1,
                line.ece,
                line.public_lb,
                line.private_lb,
            ]
        )
    return _without_empty("What they are worth", columns, rows)


def _costs(lines: Sequence[Standing]) -> list[Html]:
    columns = [
        Column("model"),
        Column("parameters", ",d"),
        Column("trainable", ",d"),
        Column("seconds to train", ",.0f"),
        Column("times the quickest", ",.1f"),
        Column("ms to predict an image", ".3g"),
    ]
    rows: list[list[Cell]] = [
        [line.name, line.parameters, line.trainable, line.train_seconds, line.times_cheapest, line.predict_ms]
        for line in lines
        if line.parameters is not None
    ]
    return [_without_empty("What they cost", columns, rows)] if rows else []


def _without_empty(caption: str, columns: list[Column], rows: list[list[Cell]]) -> Html:
    """Leaves out columns of which nothing is known, such as a leaderboard's before the first submission."""
    kept = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
    return render_table(caption, [columns[place] for place in kept], [[row[place] for place in kept] for row in rows])
