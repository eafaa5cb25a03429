"""Small pictures for reports: the same input gives the same bytes, and the colours serve colour-blind readers.

Images only, so that `dvc plots` renders without a network.
Reference: https://jfly.uni-koeln.de/color (Okabe and Ito's palette).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.errors import InputError, some
from pipeline.core.files import atomic_path
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.several_targets import SeveralTargets

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MOST_NUMBERS, _MOST_POINTS = 15, 5000


class Bins(Protocol):
    """Rows by confidence, and how well it fits on the whole."""

    @property
    def confidence(self) -> Sequence[float]:
        """Mean confidence of each bin."""

    @property
    def accuracy(self) -> Sequence[float]:
        """Accuracy of each bin."""

    @property
    def error(self) -> float:
        """Expected calibration error."""


def draw_learning_curves(history: pd.DataFrame, path: Path) -> None:
    """Draws each fold's losses and accuracies over the epochs: solid on its validation rows, dashed in training.

    Args:
        history: one row per fold and epoch: ``fold``, ``epoch`` and one column per curve; ``valid_`` begins the name of
            a curve on validation rows.
        path: a .png or .svg file.

    Raises:
        InputError: ``fold`` or ``epoch`` is missing, or there is no curve.
    """
    names = {str(name).removeprefix("valid_") for name in history.columns}
    shown = [name for name in ("loss", "accuracy") if name in names]
    lacking = [name for name in ("fold", "epoch") if name not in history.columns]
    if lacking or not shown:
        wanted = [*lacking, *([] if shown else ["loss"])]
        raise InputError(f"{path}: the history lacks the columns {some(wanted)}; it has {some(history.columns)}")
    figure = Figure(figsize=(4.5 * len(shown), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _curves(axes, history, name)
    _save(figure, path)


def draw_confusion(labels: NDArray[np.int64], probs: NDArray[np.float32], classes: Sequence[str], path: Path) -> None:
    """Draws how often each class (rows) is taken for which (columns), as shares of the true class.

    Args:
        labels: (n,) true class indices.
        probs: (n, n_classes) probabilities.
        classes: class names; none are written where they are too many to read.
        path: a .png or .svg file.
    """
    from sklearn.metrics import confusion_matrix  # here alone: it takes seconds to start, and curves need none

    counts = confusion_matrix(labels, probs.argmax(axis=1), labels=list(range(len(classes))))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.32 * min(len(classes), 24)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= 2 * _MOST_NUMBERS:
        ticks = range(len(classes))
        axes.set_xticks(ticks, [_plain(name) for name in classes], rotation=90, fontsize=7)
        axes.set_yticks(ticks, [_plain(name) for name in classes], fontsize=7)
    if len(classes) <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts > 0):
            colour = "black" if shares[row, column] > 0.5 else "white"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=6, color=colour)
    _save(figure, path)


def draw_decisions(target: Target, truth: Truth, values: Values, names: Sequence[str], path: Path) -> None:
    """Draws what is decided beside what is true: of classes `draw_confusion`, of labels their counts, else points.

    Args:
        target: what is predicted.
        truth: (n,) class indices, or (n, truth_width).
        values: (n, n_columns) predictions.
        names: readable names of the columns.
        path: a .png or .svg file.
    """
    if isinstance(target, OneClass):
        draw_confusion(target.index_labels(truth), values, names, path)
        return
    if isinstance(target, SeveralTargets):
        _draw_parts(target, truth, values, path)
        return
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    axes = figure.subplots()
    if target.activation == "linear":
        _scatter(axes, target, truth, values, names)
    else:
        _count(axes, target, truth, values, names)
    _save(figure, path)


def draw_calibration(before: Bins, after: Bins, path: Path) -> None:
    """Draws accuracy against confidence, before and after the last temperature; on the diagonal both agree.

    Args:
        before: what was combined.
        after: the same once cooled.
        path: a .png or .svg file.
    """
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for bins, words, colour, marker in ((before, "as combined", _COLOURS[1], "s"), (after, "cooled", _COLOURS[0], "o")):
        label = f"{words}: error {bins.error:.3f}"
        axes.plot(bins.confidence, bins.accuracy, color=colour, marker=marker, markersize=3, linewidth=1.2, label=label)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    _save(figure, path)


def _draw_parts(target: SeveralTargets, truth: Truth, values: Values, path: Path) -> None:
    from sklearn.metrics import confusion_matrix

    parts = list(target.each())
    figure = Figure(figsize=(4.4 * len(parts), 3.6), layout="constrained")
    for axes, (name, part, columns, width) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        if part.activation == "linear":
            _scatter(axes, part, truth[:, width], values[:, columns], part.columns)
        else:
            labels = part.index_labels(truth[:, width])
            counts = confusion_matrix(labels, values[:, columns].argmax(axis=1), labels=list(range(len(part.columns))))
            axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="cividis", vmin=0, vmax=1)
            axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(_plain(name), fontsize=9)
    _save(figure, path)


def _scatter(axes: Axes, target: Target, truth: Truth, values: Values, names: Sequence[str]) -> None:
    true, predicted = target.to_outputs(truth), target.to_outputs(values)
    shown = np.linspace(0, len(true) - 1, min(len(true), _MOST_POINTS)).astype(np.int64)
    for column, name in enumerate(names[: len(_COLOURS)]):
        axes.plot(true[shown, column], predicted[shown, column], ".", color=_COLOURS[column], markersize=2, label=name)
    axes.axline((0, 0), slope=1, color="0.6", linewidth=1)
    axes.set(xlabel="true (standardised)", ylabel="predicted")
    if len(names) > 1:
        axes.legend(fontsize=7)


def _count(axes: Axes, target: Target, truth: Truth, values: Values, names: Sequence[str]) -> None:
    """Draws how often each column is true, and how often it is decided for."""
    true, decided = truth.sum(axis=0), target.decide(values).sum(axis=0)
    places = np.argsort(-true, kind="stable")[: 2 * _MOST_NUMBERS]
    axes.barh(np.arange(len(places)) - 0.2, true[places], 0.4, color=_COLOURS[0], label="true")
    axes.barh(np.arange(len(places)) + 0.2, decided[places], 0.4, color=_COLOURS[1], label="predicted")
    axes.set_yticks(range(len(places)), [_plain(names[place]) for place in places], fontsize=7)
    axes.invert_yaxis()
    axes.set(xlabel="rows")
    axes.legend(fontsize=7)


def _curves(axes: Axes, history: pd.DataFrame, name: str) -> None:
    for order, (fold, rows) in enumerate(history.groupby("fold")):
        colour = _COLOURS[order % len(_COLOURS)]
        for column, style, label in ((f"valid_{name}", "-", f"fold {fold}"), (name, "--", None)):
            if column in rows:
                seen = rows.dropna(subset=[column])  # epochs that did not look at the valid rows
                marker = "." if len(seen) == 1 else None  # a line of one point draws nothing
                axes.plot(seen["epoch"], seen[column], style, color=colour, linewidth=1.2, label=label, marker=marker)
    axes.set(xlabel="epoch", title=f"{name} (solid: validation, dashed: training)")
    axes.title.set_fontsize(9)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)


def _plain(name: str) -> str:
    # A dollar sign would start a formula.
    return (name if len(name) <= 20 else name[:19] + "…").replace("$", r"\$")


def _save(figure: Figure, path: Path) -> None:
    metadata: dict[str, str | None] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "pipeline"}), atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata=metadata)
