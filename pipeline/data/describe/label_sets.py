"""Sets of labels in the cells of a column: names with a separator between them, told from names that hold one."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from pipeline.core.errors import InputError
from pipeline.core.ids import natural_order

SEPARATORS = ("|", ";", ",", " ")
_PLAIN = ("|", ";")  # separators of which one may stand in names that the other parts
_IN_NAMES = (",", " ")  # separators that names hold, too
_RUNS = re.compile(r"\d{1,9}( \d{1,9})+")
_MASKS = re.compile(r"encoded.?pixels|(?<![a-z])(rle|masks?)(?![a-z])", re.IGNORECASE)
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # where words of a name in capitals begin
_NO_MASK = ("", "-1")
_TWO_PAIRS, _ENOUGH_MASKS = 4, 3
_MOST_SHARED, _SHARED = 0.8, 0.5  # shares of the names that stand in two sets or more


@dataclass(frozen=True)
class LabelSets:
    """A column read as sets of labels.

    Attributes:
        separator: between two labels.
        labels: all of them, in natural order.
        certain: whether the cells leave no doubt; else they may be names of several words.
        example: a cell with several labels.
    """

    separator: str
    labels: tuple[str, ...]
    certain: bool
    example: str

    def split(self, cell: str) -> list[str]:
        """Splits a cell into its labels."""
        return split_names(cell, self.separator)


def find_word_for_none(cells: Iterable[str], sets: LabelSets, asked: Collection[str]) -> str | None:
    """Finds the label that says that there is none: it always stands alone, and the sample asks for all others.

    Args:
        cells: of the training table.
        sets: the same, as they were read.
        asked: columns of the sample submission.
    """
    left = set(sets.labels).difference(asked)
    if len(left) != 1 or not set(asked) <= set(sets.labels):
        return None
    word = min(left)
    return word if all(word not in names or len(names) == 1 for names in map(sets.split, set(cells))) else None


def split_names(cell: str, separator: str) -> list[str]:
    """Splits a cell into the names between separators; blanks around them are no part of them."""
    return [name.strip() for name in cell.split(separator) if name.strip()]


def refuse_lists(cells: Iterable[str], place: str) -> None:
    """Refuses cells that hold lists of a programming language: brackets and quotes would become parts of names.

    Raises:
        InputError: most of the filled cells stand in square brackets.
    """
    filled = [cell for cell in cells if cell]
    lists = [cell for cell in filled if cell[0] == "[" and cell[-1] == "]"]
    if 2 * len(lists) > len(filled):
        raise InputError(
            f"{place} holds lists in brackets, such as {max(lists, key=len)[:60]}; write the names alone with a | "
            "between them, in the table and in the sample submission, and submit what the competition asks for"
        )


def refuse_masks(cells: Iterable[str], name: str, place: str) -> None:
    """Refuses cells that hold masks as run lengths, such as ``12 3 40 5``: each would be a class, or a set of labels.

    Numbers that recur in other cells, none twice in one, are labels: lengths of runs soon come twice.

    Raises:
        InputError: a column called after masks that holds whole numbers; or cells of which most are two pairs of them
            and more, each of which begins where the one before has ended.
    """
    rows = [cell for cell in cells if cell not in _NO_MASK]
    filled = set(rows)
    runs = {cell: [int(number) for number in cell.split()] for cell in filled if _RUNS.fullmatch(cell)}
    long = [numbers for numbers in runs.values() if len(numbers) >= _TWO_PAIRS]
    if not long or find_label_sets(rows) is not None:
        return
    most = len(long) >= max(_ENOUGH_MASKS, len(filled) / 2)
    if _MASKS.search(_WORDS.sub("_", name)) or (most and all(map(_are_apart, long))):
        shown = max(sorted(runs), key=len)[:40]
        raise InputError(
            f"{place} holds masks, such as {shown!r}: pixels of each image are asked for, and classes of whole images "
            "are what is predicted here; choose another column with --label if there is one"
        )


def _are_apart(numbers: Sequence[int]) -> bool:
    """Says whether numbers are beginnings and lengths of runs of pixels, one behind the other."""
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    apart = all(two[0] > one[0] + one[1] for one, two in pairwise(pairs))
    return len(numbers) % 2 == 0 and apart


def find_label_sets(
    cells: Iterable[str], shown: Iterable[str] = (), columns: Iterable[str] = (), wanted: bool = False
) -> LabelSets | None:
    """Finds the separator at which cells fall into labels that recur in other sets; None where there is none.

    Where ``|`` and ``;`` both do, one stands inside names: it is the other that leaves fewer labels.

    Args:
        cells: of the training table; empty ones have no label.
        shown: cells of the sample submission: known labels, or a set of them, that no training row has are one more
            sign.
        columns: of the sample submission: where they are the labels, or the cells as a whole, they decide.
        wanted: whether a person says that cells hold several labels: then the first separator that leaves none twice
            in a cell is enough where no names recur.
    """
    counts, asked = Counter(cell for cell in cells if cell), set(columns)
    if counts and counts.keys() <= asked:
        return None
    plain = [found for separator in _PLAIN if (found := _read_sets(counts, shown, asked, (separator,))) is not None]
    if plain:
        return min(plain, key=lambda found: len(found.labels))
    found = _read_sets(counts, shown, asked, SEPARATORS)
    return found if found is not None or not wanted else _read_plainly(counts)


def _read_plainly(counts: Counter[str]) -> LabelSets | None:
    """Reads cells at the first separator that is in some of them, and leaves no name twice in one."""
    for separator in SEPARATORS:
        sets = {cell: split_names(cell, separator) for cell in counts}
        several = [cell for cell, names in sets.items() if len(names) > 1]
        if several and all(len(set(names)) == len(names) for names in sets.values()):
            labels = tuple(natural_order(sorted({name for names in sets.values() for name in names})))
            return LabelSets(separator, labels, True, min(several))
    return None


def _read_sets(
    counts: Counter[str], shown: Iterable[str], asked: Set[str], separators: Sequence[str]
) -> LabelSets | None:
    """Reads cells at the first separator at which they fall into labels."""
    for separator in separators:
        sets = {cell: split_names(cell, separator) for cell in counts}
        several = {cell: names for cell, names in sets.items() if len(names) > 1}
        if not several or any(len(set(names)) < len(names) for names in several.values()):
            continue
        homes = Counter(name for names in sets.values() for name in names)
        used = sum(count * len(sets[cell]) for cell, count in counts.items())
        joined = {name for names in several.values() for name in names}
        shared = sum(homes[name] > 1 for name in joined) / len(joined)
        by_sample = homes.keys() <= asked or _are_shown(shown, separator, set(sets), set(homes), shared)
        torn = shared < _SHARED and any(_lists_whole(cell, separator, set(sets)) for cell in shown)
        lone = joined.intersection(cell for cell, names in sets.items() if len(names) == 1)
        counted = len(lone) > 1 and all(name.isdigit() for name in homes)  # 5, 21 and 5 21: no class has such a name
        if used < 2 * len(homes) or (shared < _SHARED and not by_sample and not counted):
            continue
        plain = separator not in _IN_NAMES or all(name.isdigit() for name in joined)
        signs = _are_unordered(list(several.values())) or _join_words(separator, joined, sets.values())
        certain = (by_sample and not torn) or plain or (shared >= _MOST_SHARED and signs)
        return LabelSets(separator, tuple(natural_order(sorted(homes))), certain, min(several))
    return None


def _are_shown(shown: Iterable[str], separator: str, cells: set[str], names: set[str], shared: float) -> bool:
    """Says whether the sample shows a set of labels that no training row has."""
    for cell in set(shown) - cells:
        if any(other != separator and _is_list(cell, other, cells) for other in SEPARATORS):
            continue  # the cells are names, as a whole
        parts = split_names(cell, separator)
        known = len(names.intersection(parts))
        # Where names recur in other cells, two of them are enough: the sample may show labels of the whole data.
        if len(parts) > 1 and (2 * known > len(parts) or (known > 1 and shared >= _SHARED)):
            return True
        if len(parts) == known == 1 and shared >= _SHARED:  # a label that stands alone, and is no class
            return True
    return False


def _is_list(cell: str, separator: str, cells: Set[str]) -> bool:
    """Says whether a cell is a list of other cells with a separator between them."""
    parts = split_names(cell, separator)
    return len(parts) > 1 and set(parts) <= cells


def _lists_whole(cell: str, separator: str, cells: Set[str]) -> bool:
    """Says whether a cell is a list of other cells of which some hold the separator: ``ant red bee`` of ``ant red``."""
    names = find_names(cell, separator, cells)
    return len(names) > 1 and any(separator in name for name in names)


def find_names(cell: str, separator: str, names: Collection[str]) -> list[str]:
    """Splits a cell into names that may hold the separator, the longest first; none where they leave some of it."""
    found, left = [], cell.strip()
    known = sorted(filter(None, names), key=len, reverse=True)
    while left:
        name = next((each for each in known if left == each or left.startswith(each + separator)), None)
        if name is None:
            return []
        found.append(name)
        left = left[len(name) :].removeprefix(separator).strip()
    return found


def _are_unordered(several: Sequence[Sequence[str]]) -> bool:
    """Says whether some name stands first in one set and later in another: words of a name keep their places."""
    first = {names[0] for names in several}
    return any(name in first for names in several for name in names[1:])


def _join_words(separator: str, joined: Iterable[str], sets: Iterable[Sequence[str]]) -> bool:
    """Says whether words of a name are joined by ``_``, so that blanks part labels: of sets of unlike sizes alone.

    Where all have one size, as ``red_fox adult`` and ``red_fox young``, they may be names of two parts.
    """
    return separator == " " and any("_" in name for name in joined) and len({len(names) for names in sets}) > 1
