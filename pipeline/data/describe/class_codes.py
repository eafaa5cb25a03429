"""Class codes: what answers call the classes, read off a table or a JSON that pairs each with one other name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.describe.classes import MOST_BYTES, invert_pairs, read_pairs
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles

_WIDE = 20  # columns: a table of classes has few
_LONG = 2  # times as many rows as there are classes: a longer table is one of images
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_CODES = re.compile(
    r"code|label|class|cls|categor|target|index|idx|encod|value|id$|^key$|^no$|num(ber)?$", re.IGNORECASE
)
_AMOUNTS = re.compile(r"image|samples|count|weight|freq|total|size|rank|parent", re.IGNORECASE)
_NAMELESS = re.compile(r"(Unnamed: \d+)?")  # as pandas calls columns without a name


@dataclass(frozen=True)
class ClassCodes:
    """Another name for each class.

    Attributes:
        place: the file, with the column of a table.
        names: class -> the other name; no two alike.
    """

    place: str
    names: dict[str, str]


def list_class_codes(
    listing: Listing, images: ImageFiles, classes: Sequence[str], sample: pd.DataFrame, others: Iterable[str]
) -> tuple[ClassCodes, ...]:
    """Lists the tables, and JSON files of pairs, that give each class a name of its own.

    Lists of images give none, and neither do columns without a name, nor numbers in columns that are called after
    something else than codes: amounts and parents are often unique, too.

    Args:
        listing: the files.
        images: the same, by folder.
        classes: of the training data; the file may list more.
        sample: the sample submission: numbers in a column called as one of its own are codes.
        others: tables that are something else: training data, sample submission.
    """
    found = []
    for path in [path for path in listing.tables if path not in set(others)]:
        head = listing.head(path)
        if not 2 <= len(head.columns) <= _WIDE or not any(set(head[name]) & set(classes) for name in head.columns):
            continue
        table = listing.table(path)
        apart = [str(name) for name in table.columns if len(table) == table[name].nunique()]
        apart = [name for name in apart if not _NAMELESS.fullmatch(name)]
        if len(table) > len(classes) and _lists_images(table[apart], len(classes), images, sample):
            continue
        for name in [name for name in apart if set(classes) <= set(table[name])]:
            codes = [other for other in apart if other != name and _may_be_code(other, table[other], sample)]
            pairs = {other: dict(zip(table[name], table[other], strict=True)) for other in codes}
            found += [ClassCodes(f"{other} of {path}", _pick(each, classes)) for other, each in pairs.items()]
    for path in listing.of(".json"):
        pairs_of_file = read_pairs(listing.read(path, MOST_BYTES))
        amounts = _AMOUNTS.search(PurePosixPath(path).stem) and all(map(_NUMBER.fullmatch, pairs_of_file.values()))
        for each in () if amounts else (pairs_of_file, invert_pairs(pairs_of_file)):
            if set(classes) <= each.keys() and len(set(each.values())) == len(each):
                found.append(ClassCodes(path, _pick(each, classes)))
    return tuple(found)


def _lists_images(table: pd.DataFrame, classes: int, images: ImageFiles, sample: pd.DataFrame) -> bool:
    """Says whether a table is far longer than there are classes, or one of its columns names images or the sample's."""
    ids = set(sample.iloc[:, 0])
    cells = {str(name): table[name].tolist() for name in table.columns}
    return len(table) > _LONG * classes or any(
        ids <= set(values) or images.matches(name, values) for name, values in cells.items()
    )


def _may_be_code(name: str, cells: Iterable[str], sample: pd.DataFrame) -> bool:
    """Says whether a column may call classes: its cells are words, or its name is one of codes or of the sample."""
    if name in sample.columns or not all(map(_NUMBER.fullmatch, cells)):
        return True
    return bool(_CODES.search(name)) and not _AMOUNTS.search(name)


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
