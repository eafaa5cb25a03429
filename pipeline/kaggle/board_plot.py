"""Draws our own scores against the leaderboard's; the same input gives the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.core.files import atomic_path
from pipeline.kaggle.board import Agreement

_AGREES, _DISAGREES = "#0072B2", "#D55E00"
_NAMED = 15


def draw(agreements: Sequence[Agreement], metric: str, path: Path) -> None:
    """Draws one picture per part of the leaderboard: CV across, LB up, those that disagree in another colour.

    Args:
        agreements: one or more comparisons.
        metric: the competition's, for the axes.
        path: a .png file.
    """
    figure = Figure(figsize=(4.4 * len(agreements), 4.0), layout="constrained")
    for axes, agreement in zip(figure.subplots(1, len(agreements), squeeze=False)[0], agreements, strict=True):
        _points(axes, agreement)
        rank = "" if agreement.correlation is None else f", rank correlation {agreement.correlation:.2f}"
        axes.set_title(f"{agreement.part} LB: {len(agreement.entries)} submissions{rank}", fontsize=9)
        axes.set(xlabel=f"CV ({metric})", ylabel=f"{agreement.part} LB ({metric})")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def _points(axes: Axes, agreement: Agreement) -> None:
    ours, theirs = agreement.ours, agreement.theirs
    apart = np.isin(np.arange(len(ours)), agreement.disagreeing)
    # On the line both scores are equal.
    low, high = min(ours.min(), theirs.min()), max(ours.max(), theirs.max())
    axes.plot([low, high], [low, high], color="#999999", linewidth=0.8, linestyle=":", label="equal scores")
    for rows, colour, marker, label in ((~apart, _AGREES, "o", "agrees"), (apart, _DISAGREES, "D", "disagrees")):
        if rows.any():
            axes.scatter(ours[rows], theirs[rows], c=colour, marker=marker, s=26, label=label, zorder=3)
    for row, entry in enumerate(agreement.entries):
        if apart[row] or len(ours) <= _NAMED:
            axes.annotate(
                _plain(entry.name), (ours[row], theirs[row]), fontsize=6, xytext=(4, 3), textcoords="offset points"
            )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _plain(name: str) -> str:
    # A dollar sign would start a formula.
    return (name if len(name) <= 20 else name[:19] + "…").replace("$", r"\$")
