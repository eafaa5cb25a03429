"""The board: every submission's own score beside the leaderboard's, and whether the two agree.

A public leaderboard is a small sample that everybody looks at: who picks by it picks its noise. The rank correlation
says how far our own score and the leaderboard put submissions into the same order.
Reference: Spearman 1904, https://doi.org/10.2307/1412159 (rank correlation, ties by mean ranks).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import rankdata, spearmanr

from pipeline.core.files import atomic_path
from pipeline.kaggle.submission_log import LogEntry

LeaderboardPart = Literal["public", "private"]

FEWEST = 3
_AGREES, _DISAGREES = "#0072B2", "#D55E00"  # colours
_NAMED = 15  # submissions: of more only those that disagree are named


@dataclass(frozen=True)
class Agreement:
    """How our score and one part of the leaderboard agree.

    Attributes:
        part: of the leaderboard.
        entries: those with both scores, each file once; best first by our score.
        ours: (n,) their scores by cross-validation.
        theirs: (n,) their scores on the leaderboard.
        ranks: (2, n) ranks by both, 1 is best; equal scores share the mean rank.
        correlation: Spearman's; None below three submissions, or where all scores are equal.
        disagreeing: positions of those whose ranks differ much.
    """

    part: LeaderboardPart
    entries: tuple[LogEntry, ...]
    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    ranks: NDArray[np.float64]
    correlation: float | None
    disagreeing: tuple[int, ...]


def compare_scores(entries: Sequence[LogEntry], part: LeaderboardPart, greater_is_better: bool) -> Agreement:
    """Compares our scores with one part of the leaderboard.

    A submission disagrees if its two ranks differ by two places or more, and by a quarter of all submissions or more.
    """
    sign = -1.0 if greater_is_better else 1.0
    # The same file counts once: with Kaggle's own score before one graded here, with a later one before an earlier.
    ordered = sorted(entries, key=lambda entry: entry.status != "graded")
    both = {entry.sha256: entry for entry in ordered if entry.cv is not None and _lb(entry, part) is not None}
    chosen = sorted(both.values(), key=lambda entry: sign * (entry.cv or 0.0))
    ours = np.array([entry.cv for entry in chosen], dtype=np.float64)
    theirs = np.array([_lb(entry, part) for entry in chosen], dtype=np.float64)
    ranks = np.array([rankdata(sign * ours), rankdata(sign * theirs)])
    apart = np.abs(ranks[0] - ranks[1])
    enough = len(chosen) >= FEWEST
    disagreeing = np.flatnonzero(enough & (apart >= max(2, math.ceil(len(chosen) / 4))))
    # Undefined where one side is constant.
    defined = enough and len(set(ours)) > 1 and len(set(theirs)) > 1
    correlation = float(spearmanr(ours, theirs).statistic) if defined else None
    return Agreement(part, tuple(chosen), ours, theirs, ranks, correlation, tuple(int(row) for row in disagreeing))


def describe_agreement(agreement: Agreement) -> list[str]:
    """Says in words what a comparison shows, the submissions that disagree one by one."""
    n, part = len(agreement.entries), agreement.part
    if n < FEWEST:
        return [f"CV against {part} LB: submissions with both scores: {n}; a rank correlation wants {FEWEST}"]
    if agreement.correlation is None:
        return [f"CV against {part} LB: one of the two is the same for all {n} submissions; no rank correlation"]
    lines = [f"CV against {part} LB: rank correlation {agreement.correlation:.2f} (Spearman, {n} submissions)"]
    for row in agreement.disagreeing:
        entry, (ours, theirs) = agreement.entries[row], agreement.ranks[:, row]
        lines.append(
            f"  disagrees: {entry.name} ({_day(entry)}): place {ours:g} by CV, place {theirs:g} on the {part} LB"
        )
    if agreement.disagreeing and part == "public":
        lines.append("  the public LB is a small sample: where it disagrees, trust CV")
    return lines


def make_board_table(entries: Sequence[LogEntry], title: str, greater_is_better: bool) -> Table:
    """Lays the log out, best first by our own score, those without one last; every figure stays whole."""
    sign = -1.0 if greater_is_better else 1.0
    shown = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for column in ("name", "time", "OOF", "nested CV", "public LB", "private LB", "message"):
        words, folds = column in ("name", "time", "message"), column in ("name", "message")
        shown.add_column(column, justify="left" if words else "right", no_wrap=not folds, overflow="fold")
    for entry in sorted(entries, key=lambda entry: math.inf if entry.cv is None else sign * entry.cv):
        shown.add_row(
            escape(entry.name),
            _day(entry),
            _number(entry.oof),
            _number(entry.nested_cv),
            _number(entry.public_lb) or {"pending": "waiting", "failed": "failed"}.get(entry.status, ""),
            _number(entry.private_lb),
            escape(entry.message),
        )
    return shown


def print_board(entries: Sequence[LogEntry], title: str, greater_is_better: bool, out: Console) -> list[Agreement]:
    """Prints the board and what it tells; returns the comparisons that there are."""
    out.print(make_board_table(entries, title, greater_is_better))
    found = [compare_scores(entries, part, greater_is_better) for part in ("public", "private")]
    # Private scores come when a competition is over: until then nothing is missing.
    found = [agreement for agreement in found if agreement.entries or agreement.part == "public"]
    for agreement in found:
        for line in describe_agreement(agreement):
            out.print(line, markup=False)
    return [agreement for agreement in found if agreement.entries]


def draw_agreements(agreements: Sequence[Agreement], metric: str, path: Path) -> None:
    """Draws one picture per part of the leaderboard: CV across, LB up, those that disagree in another colour.

    The same input gives the same bytes.

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


def _lb(entry: LogEntry, part: LeaderboardPart) -> float | None:
    return entry.public_lb if part == "public" else entry.private_lb


def _day(entry: LogEntry) -> str:
    return entry.time[:16].replace("T", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
