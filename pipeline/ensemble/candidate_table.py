"""The table of everything the ensemble could have been: what each combiner is worth on rows it was not fitted to."""

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.core.candidate_cards import CandidateCard
from pipeline.core.cards import EnsembleCard

WIDTH = 160
NARROW = 110  # columns of a terminal: below, columns without room are left to the card
_MEMBERS = ("member", "alone", "weight", "most alike", "disagrees with it", "disagrees on average")
_COLUMNS = ("combiner", "nested", "in-sample", "behind the best", "seconds", "weights")
_NARROW_MEMBERS = ("member", "alone", "weight", "disagrees on average")
_NARROW_COLUMNS = ("combiner", "nested", "in-sample", "behind the best")


def print_candidates(card: EnsembleCard, console: Console | None = None) -> None:
    """Prints the members, the candidates, the chosen one marked, and why others were not tried; 80 columns will do."""
    out = console or Console(highlight=False)
    if not out.is_terminal and console is None:
        out = Console(highlight=False, width=WIDTH)  # a log has no width of its own
    narrow = out.width < NARROW
    out.print(_members(card, narrow))
    direction = "higher is better" if card.greater_is_better else "lower is better"
    columns = _NARROW_COLUMNS if narrow else _COLUMNS
    table = _empty(f"combiners by nested {card.metric} ({direction}), the simplest first", columns)
    for candidate in card.candidates:
        mark = "" if candidate.name != card.combiner else " *" if narrow else " <- used"
        table.add_row(*_cells(candidate, mark)[: len(columns)])
    out.print(table)
    used = next((each for each in card.candidates if each.name == card.combiner), None)
    if narrow and used is not None and used.weights:
        out.print(f"* used, with the weights {_list_weights(used)}", soft_wrap=True)
    for name, reason in card.skipped.items():
        out.print(f"not tried: {name} ({reason})", soft_wrap=True)


def _empty(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        words = column in ("combiner", "weights", "member", "most alike")
        table.add_column(column, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table


def _members(card: EnsembleCard, narrow: bool) -> Table:
    """One line a member: its own score, and how it differs from the others."""
    shown = _NARROW_MEMBERS if narrow else _MEMBERS
    table = _empty(f"members by {card.metric}", shown)
    for name in sorted(card.members, key=lambda name: card.alone[name], reverse=card.greater_is_better):
        others = [other for other in card.members if other != name]
        nearest = max(others, key=lambda other: card.correlation[name][other])
        apart = [card.disagreement[name][other] for other in others]
        cells = (
            name,
            f"{card.alone[name]:.4f}",
            f"{card.weights[name]:.2f}" if card.weights else "",
            f"{nearest} (r {card.correlation[name][nearest]:.2f})",
            f"{card.disagreement[name][nearest]:.1%}",
            f"{sum(apart) / len(apart):.1%}",
        )
        table.add_row(*(cell for cell, column in zip(cells, _MEMBERS, strict=True) if column in shown))
    return table


def _cells(candidate: CandidateCard, mark: str) -> tuple[str, ...]:
    behind = f"{candidate.behind:.4f} ± {candidate.behind_error:.4f}" if candidate.behind_error else ""
    return (
        candidate.name + mark,
        f"{candidate.nested:.4f} ± {candidate.error:.4f}",
        f"{candidate.in_sample:.4f}",
        behind,
        f"{candidate.seconds:.1f}",
        _list_weights(candidate),
    )


def _list_weights(candidate: CandidateCard) -> str:
    largest = sorted(candidate.weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {weight:.2f}" for name, weight in largest[:5] if weight >= 0.005)
