"""The sample submission, the tables that its rows come from, and a file of true test labels."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.class_codes import ClassCodes
from pipeline.data.describe.folders import find_class_folders, find_file_names
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles, is_id, parent_folder, pick_reading
from pipeline.data.prepared.one_hot import is_flag

_SAMPLE = re.compile(r"sample|submission", re.IGNORECASE)
_WIDE = 50  # columns: a list of ids has few
_ENOUGH_ROWS = 1000
_STANDS_IN = {"test", "benchmark", "baseline", "dummy", "example", "entry", "zeros", "ones"}  # words of a name
_TRAITS = "the columns of the training table, other ids and one answer for all of them"
_SOLUTION = re.compile(r"solution", re.IGNORECASE)


@dataclass(frozen=True)
class SampleSubmission:
    """The sample submission.

    Attributes:
        path: of the file.
        table: its cells, as text.
        lists: tables of which a column holds all its ids: they say what each row is about.
        codes: what its cells may call the classes, as other files say.
        check: what of it was guessed, for a person to check.
    """

    path: str
    table: pd.DataFrame
    lists: "tuple[IdList, ...]" = ()
    codes: tuple[ClassCodes, ...] = ()
    check: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, the id column included."""
        return tuple(str(column) for column in self.table.columns)

    @property
    def examples(self) -> set[str]:
        """The cells of the columns that tell no rows apart: examples of answers, or what stands in their place."""
        columns = [name for name in self.columns[1:] if len(self.table) == 1 or not is_id(self.table[name])]
        return {cell for name in columns for cell in self.table[name] if cell}

    @property
    def parts(self) -> set[str]:
        """Names that several rows may ask for: the ends of ids behind ``_`` or ``-``, and cells of the lists."""
        ends: Counter[str] = Counter()
        for name in self.table.iloc[:, 0].head(_ENOUGH_ROWS):
            ends.update(name[at.end() :] for at in re.finditer(r"[_-]", name))
        cells = {cell for each in self.lists for name in each.table.columns for cell in set(each.table[name])}
        return {end for end, count in ends.items() if count > 1} | cells


@dataclass(frozen=True)
class IdList:
    """A table of which a column holds the ids of the sample submission.

    Attributes:
        path: of the table.
        table: its cells, as text.
        ids: the columns that hold the ids, joined by ``_`` where they are several.
        column: of the sample.
    """

    path: str
    table: pd.DataFrame
    ids: tuple[str, ...]
    column: str


def find_sample(listing: Listing, images: ImageFiles, choices: Choices) -> SampleSubmission:
    """Finds the sample submission by its name, or by what stands in the place of its answers.

    Args:
        listing: the files.
        images: the same, by folder: folders of classes say that tables may hold no answers.
        choices: ``sample`` decides.

    Raises:
        InputError: none, or several and none chosen.
    """
    named = {path: path for path in listing.tables if _SAMPLE.search(PurePosixPath(path).name)}
    options = {path: path for path in listing.tables} if choices.sample else named
    alike = {} if options else _find_unnamed(listing)
    words = {path: re.split(r"[\W\d_]+", PurePosixPath(path).stem.lower()) for path in alike}
    called = [path for path in alike if not _STANDS_IN.isdisjoint(words[path])]
    check: tuple[str, ...] = ()
    one = len({alike[path].cells for path in called}) == 1 and not (
        find_class_folders(images) or find_file_names(images)
    )
    if one and all(_hold_answers_alone(listing, images, path, alike[path].trains) for path in called):
        options = {called[0]: called[0]}
        check = (f"{called[0]} was taken for the sample submission, as it has {_TRAITS}; --sample takes another",)
    if not options:
        offers = " or ".join(f"--sample '{path}'" for path in alike) or "--sample TABLE"
        reason = f" if it lists the test images: it has {_TRAITS}" if alike else ""
        raise InputError(
            f"{listing.source} has no sample submission: looked for a CSV whose name holds 'sample' or 'submission', "
            f"found the tables {some(listing.tables) or 'none'}; choose one with {offers}{reason}, or add a CSV "
            "with the id of every test image and the columns to predict: it shows the format of a submission"
        )
    path = pick_reading(f"the sample submission of {listing.source}", options, "--sample", choices.sample)
    table = listing.table(path)
    if len(table.columns) < 2 or not len(table):
        raise InputError(
            f"{listing.source}: {path} has {len(table)} rows and the columns {some(table.columns)}; "
            "wanted an id and a value"
        )
    sample = SampleSubmission(path, table, check=check)
    return replace(sample, lists=tuple(_find_lists(listing, sample)))


class _Unnamed(NamedTuple):
    """A table that no name tells: its columns and ids, and the tables with the same columns that it may ask for."""

    cells: tuple[object, ...]
    trains: tuple[str, ...]


def _find_unnamed(listing: Listing) -> dict[str, _Unnamed]:
    """Finds tables with the columns of another one, other ids, and one answer for all ids."""
    heads = {path: listing.head(path) for path in listing.tables}
    found: dict[str, _Unnamed] = {}
    for path, head in heads.items():
        if not 2 <= len(head.columns) <= _WIDE or len(head) < 2 or not _holds_one_answer(head):
            continue
        table = listing.table(path)
        names, ids = sorted(map(str, table.columns)), table.iloc[:, 0]
        others = [each for each in heads if each != path and sorted(map(str, heads[each].columns)) == names]
        apart = [each for each in others if set(listing.table(each)[ids.name]).isdisjoint(ids)]
        trains = tuple(each for each in apart if not _holds_one_answer(listing.table(each)))
        if ids.is_unique and _holds_one_answer(table) and trains:
            found[path] = _Unnamed((*table.columns, *ids), trains)
    return found


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
        ids = set(table[name])
        for other in [other for other in listing.tables if len(listing.head(other).columns) <= _WIDE]:
            head = listing.head(other)
            likely = [each for each in head.columns if set(head.columns) != set(table.columns)]
            likely = [each for each in likely if not ids.isdisjoint(head[each])]
            if any(ids <= set(listing.table(other)[each]) for each in likely):
                return False
    return True


def _holds_one_answer(table: pd.DataFrame) -> bool:
    """Says whether each column behind the first holds one value."""
    return all(table[name].nunique() == 1 for name in table.columns[1:])


def _find_lists(listing: Listing, sample: SampleSubmission) -> Iterator[IdList]:
    """Finds tables that hold the sample's ids, in a column or in two joined by ``_``."""
    column = sample.columns[0]
    ids = set(sample.table[column])
    for path in listing.tables:
        head = listing.head(path)
        if path == sample.path or len(head.columns) > _WIDE or not len(head):
            continue
        names = [str(name) for name in head.columns]
        joined = list(permutations(names, 2)) if any("_" in name for name in ids) else []
        for pair in [*((name,) for name in names), *joined]:
            if ids.intersection(join_columns(head.head(50), pair)) and ids <= set(
                join_columns(listing.table(path), pair)
            ):
                yield IdList(path, listing.table(path), pair, column)
                break


def join_columns(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Joins the cells of columns by ``_``, row by row."""
    return ["_".join(row) for row in zip(*(table[name] for name in names), strict=True)]


def find_solution(listing: Listing, sample: SampleSubmission) -> str | None:
    """Finds a file of true test labels: called a solution, with the sample's ids."""
    for path in listing.tables:
        if _SOLUTION.search(PurePosixPath(path).name) and path != sample.path:
            table = listing.table(path)
            shared = [name for name in sample.columns if name in table.columns]
            if shared and set(table[shared[0]]) == set(sample.table[shared[0]]):
                return path
    return None
