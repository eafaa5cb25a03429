"""The sample submission, the tables that its rows come from, and a file of true test labels."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import PurePosixPath

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.class_codes import ClassCodes
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, is_id, pick_reading

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


def find_sample(listing: Listing, choices: Choices) -> SampleSubmission:
    """Finds the sample submission by its name, or by what stands in the place of its answers.

    Raises:
        InputError: none, or several and none chosen.
    """
    named = {path: path for path in listing.tables if _SAMPLE.search(PurePosixPath(path).name)}
    options = {path: path for path in listing.tables} if choices.sample else named
    alike = {} if options else _find_unnamed(listing)
    words = {path: re.split(r"[\W\d_]+", PurePosixPath(path).stem.lower()) for path in alike}
    called = [path for path in alike if not _STANDS_IN.isdisjoint(words[path])]
    check: tuple[str, ...] = ()
    if called and len({alike[path] for path in called}) == 1:
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


def _find_unnamed(listing: Listing) -> dict[str, tuple[object, ...]]:
    """Finds tables with the columns of another one, other ids, and one answer for all ids: path -> columns and ids."""
    heads = {path: listing.head(path) for path in listing.tables}
    found: dict[str, tuple[object, ...]] = {}
    for path, head in heads.items():
        if not 2 <= len(head.columns) <= _WIDE or len(head) < 2 or not _holds_one_answer(head):
            continue
        table = listing.table(path)
        names, ids = sorted(map(str, table.columns)), table.iloc[:, 0]
        others = [each for each in heads if each != path and sorted(map(str, heads[each].columns)) == names]
        apart = [each for each in others if set(listing.table(each)[ids.name]).isdisjoint(ids)]
        if ids.is_unique and _holds_one_answer(table) and any(not _holds_one_answer(listing.table(e)) for e in apart):
            found[path] = (*table.columns, *ids)
    return found


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
