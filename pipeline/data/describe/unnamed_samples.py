"""Sample submissions that no name tells: tables with the columns of the training table and one answer for other ids."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline.data.describe.folders import find_class_folders, find_file_names
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, parent_folder
from pipeline.data.prepared.one_hot import is_flag

TRAITS = "the columns of the training table, other ids and one answer for all of them"
_WIDE = 50  # columns: tables of ids and answers have few
_STANDS_IN = {"test", "benchmark", "baseline", "dummy", "example", "entry", "zeros", "ones"}  # words of a name


class UnnamedSample(NamedTuple):
    """A table that may be a sample submission.

    Attributes:
        cells: its columns and ids, to tell whether two ask for the same.
        trains: the tables with the same columns that may hold the labels.
    """

    cells: tuple[object, ...]
    trains: tuple[str, ...]


def find_unnamed_samples(listing: Listing) -> dict[str, UnnamedSample]:
    """Finds tables with the columns of another one, other ids, and one answer for all ids, by path."""
    heads = {path: listing.head(path) for path in listing.tables}
    found: dict[str, UnnamedSample] = {}
    for path, head in heads.items():
        if not 2 <= len(head.columns) <= _WIDE or len(head) < 2 or not _holds_one_answer(head):
            continue
        table = listing.table(path)
        names, ids = sorted(map(str, table.columns)), table.iloc[:, 0]
        others = [each for each in heads if each != path and sorted(map(str, heads[each].columns)) == names]
        apart = [each for each in others if set(listing.table(each)[ids.name]).isdisjoint(ids)]
        trains = tuple(each for each in apart if not _holds_one_answer(listing.table(each)))
        if ids.is_unique and _holds_one_answer(table) and trains:
            found[path] = UnnamedSample((*table.columns, *ids), trains)
    return found


def choose_unnamed_sample(listing: Listing, images: ImageFiles, found: Mapping[str, UnnamedSample]) -> str | None:
    """Chooses the table that is called after tests or benchmarks and can ask for nothing but answers.

    Args:
        listing: the files.
        images: the same, by folder.
        found: tables that may be sample submissions.

    Returns:
        Its path; None where there is none, two ask for different things, or folders or names of files hold classes.
    """
    words = {path: re.split(r"[\W\d_]+", PurePosixPath(path).stem.lower()) for path in found}
    called = [path for path in found if not _STANDS_IN.isdisjoint(words[path])]
    if len({found[path].cells for path in called}) != 1 or find_class_folders(images) or find_file_names(images):
        return None
    alone = all(_hold_answers_alone(listing, images, path, found[path].trains) for path in called)
    return called[0] if alone else None


def _hold_answers_alone(listing: Listing, images: ImageFiles, path: str, trains: Sequence[str]) -> bool:
    """Says whether the training tables of an unnamed sample can hold nothing but what is asked for.

    That is one column beside the ids, or columns that are all 0 and 1, or all fractions; ages, sites and sizes may be
    among others. No column is the same in all rows, no table with other columns tells of the same ids, and their images
    are in one folder, not in those of classes.
    """
    name = listing.head(path).columns[0]
    for train in trains:
        table = listing.table(train)
        cells = table.drop(columns=name)
        fractions = cells.apply(pd.to_numeric, errors="coerce").mod(1)
        shares = bool(fractions.notna().all(axis=None) and (fractions > 0).any().all())
        alike = len(cells.columns) == 1 or shares or all(is_flag(cells[each]) for each in cells)
        if not alike or (cells.nunique() < 2).any():
            return False
        if any(len(set(map(parent_folder, each.images))) > 1 for each in images.matches(name, table[name].tolist())):
            return False
        if _is_told_elsewhere(listing, set(table[name]), set(table.columns)):
            return False
    return True


def _is_told_elsewhere(listing: Listing, ids: set[str], columns: set[str]) -> bool:
    """Says whether a table with other columns holds all these ids."""
    for path in listing.tables:
        head = listing.head(path)
        if len(head.columns) <= _WIDE and set(head.columns) != columns:
            likely = [name for name in head.columns if not ids.isdisjoint(head[name])]
            if any(ids <= set(listing.table(path)[name]) for name in likely):
                return True
    return False


def _holds_one_answer(table: pd.DataFrame) -> bool:
    """Says whether each column behind the first holds one value."""
    return all(table[name].nunique() == 1 for name in table.columns[1:])
