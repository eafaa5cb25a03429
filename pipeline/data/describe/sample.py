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
from pipeline.data.describe.match import Choices, ImageFiles, is_id, pick_reading
from pipeline.data.describe.unnamed_samples import TRAITS, choose_unnamed_sample, find_unnamed_samples

_SAMPLE = re.compile(r"sample|submission|submit", re.IGNORECASE)
_BOTH = re.compile(r"sample.*subm|subm.*sample", re.IGNORECASE)
_WIDE = 50  # columns: a list of ids has few
_ENOUGH_ROWS = 1000
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
    both = [path for path in named if _BOTH.search(PurePosixPath(path).name)]
    named = {both[0]: both[0]} if len(both) == 1 else named  # submission_info.csv beside sample_submission.csv
    options = {path: path for path in listing.tables} if choices.sample else named
    alike = {} if options else find_unnamed_samples(listing)
    check: tuple[str, ...] = ()
    if (unnamed := choose_unnamed_sample(listing, images, alike)) is not None:
        options = {unnamed: unnamed}
        check = (f"{unnamed} was taken for the sample submission, as it has {TRAITS}; --sample takes another",)
    if not options:
        offers = " or ".join(f"--sample '{path}'" for path in alike) or "--sample TABLE"
        reason = f" if it lists the test images: it has {TRAITS}" if alike else ""
        raise InputError(
            f"{listing.source} has no sample submission: looked for a CSV whose name holds 'sample', 'submission' "
            f"or 'submit', found the tables {some(listing.tables) or 'none'}; choose one with {offers}{reason}, or add "
            "a CSV with the id of every test image and the columns to predict: it shows the format of a submission"
        )
    path = pick_reading(f"the sample submission of {listing.source}", options, "--sample", choices.sample)
    table = listing.table(path)
    if len(table.columns) < 2 or not len(table):
        raise InputError(
            f"{listing.source}: {path} has {len(table)} rows and the columns {some(table.columns)}; "
            "wanted an id and a value"
        )
    numbers = [str(name) for name in table.columns if re.fullmatch(r"(Unnamed: \d+)?", str(name))]
    if len(numbers) == 1 and len(table.columns) > 2 and _counts(table[numbers[0]]):
        others = some([name for name in table.columns if name != numbers[0]], 5)
        raise InputError(
            f"{listing.source}: {path} has a column without a name, which numbers rows, in addition to {others}: "
            "answers have none; remove it from the file, and from that of the solution if there is one"
        )
    sample = SampleSubmission(path, table, check=check)
    return replace(sample, lists=tuple(_find_lists(listing, sample)))


def _counts(cells: pd.Series) -> bool:
    """Says whether cells are whole numbers, each above the one before."""
    return bool(cells.str.fullmatch(r"\d{1,18}").all()) and cells.astype("int64").is_monotonic_increasing


def is_other_sample(listing: Listing, path: str, sample: SampleSubmission) -> bool:
    """Says whether a table is a further sample submission, of another stage: called so, with the same columns."""
    name = PurePosixPath(path).name
    named = _SAMPLE.search(name) is not None and not re.search("train", name, re.IGNORECASE)
    return named and path != sample.path and listing.head(path).columns.tolist() == list(sample.columns)


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
