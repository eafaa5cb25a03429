"""Charts of the page about the models: matrices, learning curves, intervals, reliability."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from pipeline.core.paths import ENSEMBLE
from pipeline.ensemble.calibration import Reliability, join_small_bins
from pipeline.page.chart import (
    BLUE,
    CATEGORIES,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    RED,
    SOFT,
    open_chart,
    render_chart,
    shorten_label,
)
from pipeline.page.markup import Html
from pipeline.page.pictures import render_side_by_side

Matrix = NDArray[np.float64]
MOST = 25  # classes that a matrix shows
_NUMBERS = 20  # up to so many, numbers stand in the cells
_STRONGEST = 0.62
_NAME = 22  # characters that a label has room for
_LEGEND = 6  # folds that a legend names


def draw_matrix(
    shares: Matrix, texts: Sequence[Sequence[str]], names: Sequence[str], name: str, about: str, truth: bool = True
) -> Html:
    """Draws a square matrix, the stronger the larger; where they are too many to read, the numbers are left out.

    Args:
        shares: (n, n) in [0, 1]; colours follow their square roots, so that small ones are visible; NaN is left empty.
        texts: n times n, what stands in the cells that are not empty.
        names: of rows and columns.
        name: of the figure.
        about: what it shows, in words.
        truth: whether rows are true classes and columns predicted ones: then entries off the diagonal are errors.
    """
    side = 1.3 + 0.36 * max(len(names), 4)
    with open_chart(side, side) as figure:
        plot = figure.subplots()
        for row, column in np.argwhere(np.isfinite(shares)):
            colour = RED if truth and row != column else BLUE
            # Never so strong that the ink on it cannot be read, in light or dark.
            strength = _STRONGEST * shares[row, column] ** 0.5
            plot.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=strength, linewidth=0))
            if len(names) <= _NUMBERS:
                text = texts[row][column]
                plot.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7, color=INK)
        ticks = np.arange(len(names)) + 0.5
        plot.set_xticks(ticks, [shorten_label(each, _NAME) for each in names], rotation=90)
        plot.set_yticks(ticks, [shorten_label(each, _NAME) for each in names])
        plot.tick_params(length=0, labelcolor=INK)
        plot.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal")
        plot.spines[["top", "right"]].set_visible(True)
        if truth:
            plot.set(xlabel="predicted", ylabel="true")
    return render_chart(figure, name, about, phone="scrolled")


def draw_fold_curves(history: pd.DataFrame, metric: str, model: str, about: str) -> Html:
    """Draws loss, score and learning rate over the epochs, one colour per fold; training dashed.

    Args:
        history: one row per fold and epoch.
        metric: what ``valid_score`` is.
        model: whose.
        about: what the curves end in, in words.
    """
    panels = {
        f"{model}: loss": ("loss", "valid_loss"),
        f"{model}: {metric}": ("valid_score",),
        f"{model}: learning rate": ("learning_rate",),
    }
    return render_side_by_side([_draw_panel(history, columns, name, about) for name, columns in panels.items()])


def _draw_panel(history: pd.DataFrame, columns: Sequence[str], name: str, about: str) -> Html:
    folds = history.groupby("fold")
    with open_chart(3.15, 2.3) as figure:
        plot = figure.subplots()
        for order, (fold, rows) in enumerate(folds):
            for column in columns:
                known = rows.dropna(subset=[column])
                plot.plot(
                    known["epoch"],
                    known[column],
                    "--" if column == "loss" else "-",
                    color=CATEGORIES[order % len(CATEGORIES)],
                    linewidth=1.3,
                    marker="o" if len(known) == 1 else None,  # a line of one point draws nothing
                    markersize=4,
                    label=f"fold {fold}",
                )
        plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        plot.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        plot.grid(axis="y")
        plot.set_xlabel("epoch")
        if columns == ("valid_score",) and 1 < len(folds) <= _LEGEND:
            figure.legend(handlelength=1, loc="outside upper center", ncols=3)  # never on the curves
    return render_chart(figure, name, about)


def draw_intervals(
    lines: Sequence[tuple[str, float, float, float]], label: str, name: str, about: str, zero: bool = False
) -> Html:
    """Draws values with their intervals, one line each, the first on top.

    Args:
        lines: name, value, low and high end.
        label: of the axis.
        name: of the figure.
        about: what it shows, in words.
        zero: whether a line marks zero.
    """
    with open_chart(7.5, 0.75 + 0.27 * len(lines)) as figure:
        plot = figure.subplots()
        places = np.arange(len(lines))[::-1]
        if zero:
            plot.axvline(0, color=SOFT, linewidth=1)
        for place, (line, value, low, high) in zip(places, lines, strict=True):
            colour = ORANGE if line == ENSEMBLE else BLUE
            plot.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            plot.plot([value], [place], "o", color=colour, markersize=5)
        plot.set_yticks(places, [shorten_label(line, _NAME) for line, *_ in lines])
        plot.set_ylim(-0.6, len(lines) - 0.4)
        plot.set_xlabel(label)
        plot.grid(axis="x")
        plot.tick_params(axis="y", length=0, labelcolor=INK)
        plot.spines["left"].set_visible(False)
    return render_chart(figure, name, about)


def draw_reliability(reliabilities: Sequence[tuple[str, Reliability]], name: str, about: str) -> Html:
    """Draws accuracy over confidence for several models, bins of few rows joined, and the rows of the first one's bins.

    Args:
        reliabilities: the models' names and bins.
        name: of the figure.
        about: what it shows, in words.
    """
    with open_chart(7.5, 4.6) as figure:
        plot, counts = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
        plot.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":")
        for order, (model, bins) in enumerate(reliabilities):
            colour, marker = CATEGORIES[order % len(CATEGORIES)], MARKERS[order % len(MARKERS)]
            label = f"{shorten_label(model, _NAME)}: {bins.error:.3f}"
            bins = join_small_bins(bins)
            plot.plot(bins.confidence, bins.accuracy, color=colour, marker=marker, markersize=4, label=label)
        plot.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.02, 1.02))
        plot.grid()
        figure.legend(title="calibration error", loc="outside upper left", title_fontsize=8, alignment="left")
        first, bins = reliabilities[0]
        counts.bar(bins.confidence, bins.rows, width=0.035, color=GREY)
        counts.set(xlabel="confidence: the largest probability", ylabel=f"rows, {shorten_label(first, _NAME)}")
    return render_chart(figure, name, about)
