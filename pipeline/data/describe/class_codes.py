"""Class codes: what answers call the classes, read off a table or a JSON that pairs each with one other name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.data.describe.classes import MOST_BYTES, read_pairs
from pipeline.data.describe.listing import Listing

_WIDE = 20  # columns: a table of classes has few


@dataclass(frozen=True)
class ClassCodes:
    """Another name for each class.

    Attributes:
        place: the file, with the column of a table.
        names: class -> the other name; no two alike.
    """

    place: str
    names: dict[str, str]


def list_class_codes(listing: Listing, classes: Sequence[str], others: Iterable[str]) -> tuple[ClassCodes, ...]:
    """Lists the tables, and JSON files of pairs, that give each class a name of its own.

    Args:
        listing: the files.
        classes: of the training data; the file may list more.
        others: tables that are something else: training data, sample submission.
    """
    found = []
    for path in [path for path in listing.tables if path not in set(others)]:
        head = listing.head(path)
        if not 2 <= len(head.columns) <= _WIDE or not any(set(head[name]) & set(classes) for name in head.columns):
            continue
        table = listing.table(path)
        apart = [str(name) for name in table.columns if len(table) == table[name].nunique()]
        for name in [name for name in apart if set(classes) <= set(table[name])]:
            pairs = {other: dict(zip(table[name], table[other], strict=True)) for other in apart if other != name}
            found += [ClassCodes(f"{other} of {path}", _pick(each, classes)) for other, each in pairs.items()]
    for path in listing.of(".json"):
        pairs_of_file = read_pairs(listing.read(path, MOST_BYTES))
        for each in (pairs_of_file, {code: name for name, code in pairs_of_file.items()}):
            if set(classes) <= each.keys() and len(set(each.values())) == len(each):
                found.append(ClassCodes(path, _pick(each, classes)))
    return tuple(found)


def _pick(names: dict[str, str], classes: Sequence[str]) -> dict[str, str]:
    return {each: names[each] for each in classes}


def find_codes(codes: Iterable[ClassCodes], shown: Iterable[str]) -> ClassCodes | None:
    """Finds the one way of calling the classes that explains all cells of a sample submission.

    Args:
        codes: the ways.
        shown: cells of the sample.

    Returns:
        None where no way explains them, or two that differ do.
    """
    cells = {cell for cell in shown if cell}
    fitting = [each for each in codes if cells and cells <= set(each.names.values())]
    return fitting[0] if fitting and all(each.names == fitting[0].names for each in fitting) else None
