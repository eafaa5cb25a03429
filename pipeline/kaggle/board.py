"""The board: every submission's cross-validation (CV) score beside its leaderboard (LB) score, and their agreement.

A public leaderboard is a small sample: whoever selects by it selects its noise. The rank correlation measures how far
both scores put submissions into the same order.
Reference: Spearman 1904, https://doi.org/10.2307/1412159 (rank correlation, ties by mean ranks).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.core.files import atomic_path
from pipeline.kaggle.submission_log import LogEntry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LeaderboardPart = Literal["public", "private"]

FEWEST = 3
PLAIN_WIDTH = 160  # of tables in a file or pipe
_AGREES, _DISAGREES = "#0072B2", "#D55E00"  # colours
_NAMED = 15  # submissions: of more only those that disagree are named


@dataclass(frozen=True)
class Agreement:
    """The agreement of our scores and one part of the leaderboard.

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
    both = {
        entry.sha256: entry for entry in ordered if entry.cv is not None and _leaderboard_score(entry, part) is not None
    }
    chosen = sorted(both.values(), key=lambda entry: sign * (entry.cv or 0.0))
    ours = np.array([entry.cv for entry in chosen], dtype=np.float64)
    theirs = np.array([_leaderboard_score(entry, part) for entry in chosen], dtype=np.float64)
    ranks = np.array([_rank(sign * ours), _rank(sign * theirs)])
    rank_gaps = np.abs(ranks[0] - ranks[1])
    enough = len(chosen) >= FEWEST
    disagreeing = np.flatnonzero(enough & (rank_gaps >= max(2, math.ceil(len(chosen) / 4))))
    # Undefined where one side is constant.
    defined = enough and len(set(ours)) > 1 and len(set(theirs)) > 1
    correlation = float(np.corrcoef(ranks)[0, 1]) if defined else None
    return Agreement(part, tuple(chosen), ours, theirs, ranks, correlation, tuple(int(row) for row in disagreeing))


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def describe_agreement(agreement: Agreement) -> list[str]:
    """Describes a comparison in lines of text, one for each submission that disagrees."""
    n, part = len(agreement.entries), agreement.part
    if n < FEWEST:
        return [f"CV against {part} LB: submissions with both scores: {n}; a rank correlation needs {FEWEST}"]
    if agreement.correlation is None:
        return [f"CV against {part} LB: one of the two scores is the same for all {n} submissions; no rank correlation"]
    lines = [f"CV against {part} LB: rank correlation {agreement.correlation:.2f} (Spearman, {n} submissions)"]
    for row in agreement.disagreeing:
        entry, (ours, theirs) = agreement.entries[row], agreement.ranks[:, row]
        lines.append(
            f"  disagrees: {entry.name} ({_format_time(entry)}): rank {ours:g} by CV, rank {theirs:g} on the {part} LB"
        )
    if agreement.disagreeing and part == "public":
        lines.append("  the public LB is a small sample: where it disagrees, trust CV")
    return lines


def make_board_table(entries: Sequence[LogEntry], title: str, greater_is_better: bool) -> Table:
    """Lays the log out, best first by our own score, those without one last; no number is folded."""
    sign = -1.0 if greater_is_better else 1.0
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for column in ("name", "time", "OOF", "nested CV", "public LB", "private LB", "message"):
        text, folds = column in ("name", "time", "message"), column in ("name", "message")
        table.add_column(column, justify="left" if text else "right", no_wrap=not folds, overflow="fold")
    for entry in sorted(entries, key=lambda entry: math.inf if entry.cv is None else sign * entry.cv):
        table.add_row(
            escape(entry.name),
            _format_time(entry),
            _format_score(entry.oof),
            _format_score(entry.nested_cv),
            _format_score(entry.public_lb) or ("" if entry.status in ("scored", "graded") else entry.status),
            _format_score(entry.private_lb),
            escape(entry.message),
        )
    return table


def make_console() -> Console:
    """Returns a console that folds lines on a terminal alone."""
    terminal = Console(highlight=False)
    # A log or a pipe has no width of its own: never fold a line there.
    return terminal if terminal.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def print_board(entries: Sequence[LogEntry], title: str, greater_is_better: bool, out: Console) -> list[Agreement]:
    """Prints the board and its comparisons; returns the comparisons with at least one submission."""
    out.print(make_board_table(entries, title, greater_is_better))
    agreements = [compare_scores(entries, part, greater_is_better) for part in ("public", "private")]
    # Private scores come when a competition is over: until then nothing is missing.
    agreements = [agreement for agreement in agreements if agreement.entries or agreement.part == "public"]
    for agreement in agreements:
        for line in describe_agreement(agreement):
            out.print(line, markup=False)
    return [agreement for agreement in agreements if agreement.entries]


def draw_agreements(agreements: Sequence[Agreement], metric: str, path: Path) -> None:
    """Draws one picture per part of the leaderboard: CV across, LB up, those that disagree in another colour.

    The same input gives the same bytes.

    Args:
        agreements: one or more comparisons.
        metric: the competition's, for the axes.
        path: a .png file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(agreements), 4.0), layout="constrained")
    for axes, agreement in zip(figure.subplots(1, len(agreements), squeeze=False)[0], agreements, strict=True):
        _draw_points(axes, agreement)
        rank = "" if agreement.correlation is None else f", rank correlation {agreement.correlation:.2f}"
        axes.set_title(f"{agreement.part} LB: {len(agreement.entries)} submissions{rank}", fontsize=9)
        axes.set(xlabel=f"CV ({metric})", ylabel=f"{agreement.part} LB ({metric})")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def _draw_points(axes: "Axes", agreement: Agreement) -> None:
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
                _shorten_name(entry.name),
                (ours[row], theirs[row]),
                fontsize=6,
                xytext=(4, 3),
                textcoords="offset points",
            )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _shorten_name(name: str) -> str:
    # A dollar sign would start a formula.
    return (name if len(name) <= 20 else name[:19] + "…").replace("$", r"\$")


def _leaderboard_score(entry: LogEntry, part: LeaderboardPart) -> float | None:
    return entry.public_lb if part == "public" else entry.private_lb


def _format_time(entry: LogEntry) -> str:
    return entry.time[:16].replace("T", " ")


def _format_score(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
