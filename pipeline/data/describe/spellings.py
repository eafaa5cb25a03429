"""Spellings of classes: how the sample submission writes names that the training data writes otherwise."""

import re
from collections.abc import Callable, Iterable, Sequence

_NUMBERED = re.compile(r"(\d+)[-_. ]+(\D.*)")  # 001.Black_footed_Albatross
_WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("capital letters", str.upper),
    ("small letters", str.lower),
    ("a capital letter first", str.capitalize),
    ("capital letters first", str.title),
    ("blanks for underscores", lambda name: name.replace("_", " ")),
    ("underscores for blanks", lambda name: name.replace(" ", "_")),
    ("hyphens for blanks", lambda name: name.replace(" ", "-")),
    ("whole numbers", lambda name: _write_whole(name) or name),
    ("numbers with .0", lambda name: f"{whole}.0" if (whole := _write_whole(name)) else name),
)


def find_spelling(classes: Sequence[str], shown: Iterable[str]) -> tuple[str, dict[str, str]] | None:
    """Finds the one way of writing all classes that explains the cells of the sample submission.

    Args:
        classes: of the training data.
        shown: cells of the sample; some of them are no class.

    Returns:
        what the way is, and class -> name in answers; None where no way gives all cells, or two differ.
    """
    cells = {cell for cell in shown if cell}
    if (numbered := _find_numbered(classes, cells)) is not None:
        return numbered
    found: dict[tuple[str, ...], tuple[str, dict[str, str]]] = {}
    for words, way in _WAYS:
        names = {name: way(name) for name in classes}
        if (
            cells
            and names.keys() != set(names.values())
            and cells <= set(names.values())
            and len(set(names.values())) == len(classes)
        ):
            found.setdefault(tuple(names.values()), (words, names))
    return next(iter(found.values())) if len(found) == 1 else None


def _find_numbered(classes: Sequence[str], cells: set[str]) -> tuple[str, dict[str, str]] | None:
    """Finds the half that answers hold of classes such as ``001.Albatross``, which are numbered from 0 or 1 on."""
    halves = {name: half for name in classes if (half := _NUMBERED.fullmatch(name))}
    numbers = sorted(int(half[1]) for half in halves.values())
    if (
        not cells
        or len(halves) < len(classes)
        or numbers not in (list(range(len(classes))), [*range(1, len(classes) + 1)])
    ):
        return None
    for words, names in (
        ("the numbers before their names", {name: str(int(half[1])) for name, half in halves.items()}),
        ("the numbers before their names, with noughts", {name: half[1] for name, half in halves.items()}),
        ("the names behind their numbers", {name: half[2] for name, half in halves.items()}),
    ):
        if cells <= set(names.values()) and len(set(names.values())) == len(classes):
            return words, names
    return None


def _write_whole(name: str) -> str:
    """Returns a whole number without a fraction or leading noughts; an empty text for anything else."""
    try:
        value = float(name)
    except ValueError:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else ""
