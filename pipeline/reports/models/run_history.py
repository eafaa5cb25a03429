"""Runs: the section about the nested score over time, and what had changed before each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from pipeline.page.blocks import render_note, render_paragraph
from pipeline.page.chart import BLUE, SKY, open_chart, render_chart
from pipeline.page.document import PageSection
from pipeline.page.markup import Html
from pipeline.page.parts import Part
from pipeline.page.table import Column, FormattedNumber, render_table
from pipeline.reports.models.evaluation_data import EvaluationData


class _Run(NamedTuple):
    """A run: when, nested score with the ends of its interval, members, what had changed, and the difference."""

    time: str
    score: float
    low: float
    high: float
    models: str
    changed: str
    difference: str


def show_runs(data: EvaluationData, lines: Sequence[Mapping[str, str]]) -> Part | None:
    """Shows how the nested score of the ensemble went, run by run; None before the second run.

    The last stage of a run writes its line, after this page: the present run is the last one where it is new.

    Args:
        data: of the present run.
        lines: those of the history of runs, the first one first (`workspace/history.py`).
    """
    runs = _list_runs(data, lines)
    if len(runs) < 2:
        return None
    better = max if data.metric.greater_is_better else min
    best = better(runs, key=lambda run: run.score)
    place = "the last one is the best" if best.score == runs[-1].score else f"the best is that of {best.time}"
    words = render_paragraph(f"{len(runs)} runs; {place}, nested {data.metric.name} {best.score:.4f}.")
    note = render_note(
        "A line for each run that changed something. The difference is to the run before, paired on the same rows "
        "where the folds are the same; across other folds or rows scores are not comparable to the last digit."
    )
    return Part(PageSection("Runs", [words, _draw(runs, data.metric.name), _render_table(runs), note], "runs"))


def _list_runs(data: EvaluationData, lines: Sequence[Mapping[str, str]]) -> list[_Run]:
    """The runs by this metric, and the present ensemble where no line is its own yet."""
    rows = [row for row in lines if row["metric"] == data.metric.name]
    runs = [
        _Run(
            row["time"],
            float(row["score"]),
            float(row["low"]),
            float(row["high"]),
            row["models"],
            row["changed"],
            row["difference"],
        )
        for row in rows
    ]
    card = data.ensemble_card
    if card is None:
        return runs
    now = _Run("now", card.pooled, *card.interval, " ".join(card.members), "", "")
    last = runs[-1] if runs else None
    same = last is not None and f"{last.score:.6g}" == f"{now.score:.6g}" and last.models == now.models
    return runs if same else [*runs, now]


def _draw(runs: list[_Run], metric: str) -> Html:
    numbers = range(1, len(runs) + 1)
    with open_chart(7.5, 2.6) as figure:
        axes = figure.subplots()
        axes.vlines(list(numbers), [run.low for run in runs], [run.high for run in runs], color=SKY, linewidth=2)
        axes.plot(list(numbers), [run.score for run in runs], color=BLUE, marker="o", markersize=5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="run", ylabel=f"nested {metric}")
        axes.grid(axis="y")
    about = "; ".join(f"run {number} {run.score:.4f}" for number, run in zip(numbers, runs, strict=True))
    return render_chart(figure, f"Nested {metric} by run, with 95% intervals", about)


def _render_table(runs: list[_Run]) -> Html:
    columns = [Column("run", ",d"), Column("when (UTC)"), Column("nested [95%]", ".4f")]
    columns += [Column("what had changed"), Column("against the run before"), Column("members")]
    rows = [
        (
            number,
            run.time,
            FormattedNumber(run.score, f"{run.score:.4f} [{run.low:.4f}, {run.high:.4f}]"),
            run.changed,
            run.difference,
            run.models,
        )
        for number, run in enumerate(runs, 1)
    ]
    return render_table("Runs, the last one first", columns, rows[::-1])
