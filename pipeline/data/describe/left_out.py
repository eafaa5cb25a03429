"""Rows that train nothing: the rule `leave_out` that takes them out of a table, and what a person should check."""

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.files import is_junk
from pipeline.core.ids import natural_order
from pipeline.core.targets.contract import CELL_SEPARATOR
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, Match, Reading, is_below, is_id, parent_folder, plain_stem
from pipeline.data.describe.target_columns import TargetReading
from pipeline.data.describe.test_tables import WIDE
from pipeline.data.prepared.rows_left_out import is_blank

_FEW = 0.1  # of the images of a folder: those that no table names
_COMMON = 0.1  # of the cells of a column: an answer that is no rare one
_LISTED = 20  # ids of rows that are left out; more are left out by a rule


class LeftOutReading(NamedTuple):
    """Rows left out, as read off a table.

    Attributes:
        section: ``leave_out`` by its name; empty where all rows train.
        facts: as read from the files.
        check: guesses that a person should check.
        lacking: number of rows that lack an answer, and nothing else.
    """

    section: dict[str, dict[str, Any]]
    facts: tuple[str, ...]
    check: tuple[str, ...]
    lacking: int = 0


def describe_lacking(
    table: pd.DataFrame, labels: TargetReading, apart: "pd.Series[bool] | None" = None
) -> LeftOutReading:
    """Describes the rows that lack answers; what is said of blank cells of one column holds before they are left out.

    Args:
        table: the training table, or its columns that hold no pixels.
        labels: the columns of answers.
        apart: rows that are left out for another reason.

    Raises:
        InputError: most rows are left out, and with them all rows of an answer that is no rare one.
    """
    mark = _find_lacking(table, labels)
    lacking = int((mark if apart is None else mark & ~apart).sum())
    one = len(labels.columns) == 1
    if not one and 2 * lacking > len(table) and not mark.all():
        _refuse_lost_answers(table[list(labels.columns)], mark)
    said = () if one and mark.any() else labels.check
    if not lacking:
        return LeftOutReading({}, (), said)
    blank = table[list(labels.columns)][mark].apply(is_blank).all(axis=None)
    what = "their answer" if one else "all of their answers" if blank else "some of their answers"
    words = f"{lacking:,} rows lack {what} and are left out, see leave_out"
    words += "; where blanks mean none of these labels, write 0 there" if labels.kind == "several_labels" else ""
    return LeftOutReading({"leave_out": {"no_label": True}}, (), (*said, words), lacking)


def describe_left_out(
    table: pd.DataFrame, row_id: str, labels: TargetReading, match: Match, path: str
) -> LeftOutReading:
    """Describes the rows of a table beside images that are left out, and those that have no image and stop `prepare`.

    Left out are rows with neither label nor image, names that other programs leave behind, and rows without an answer.

    Args:
        table: the training table.
        row_id: its column of ids.
        labels: the columns of answers.
        match: the ids, and the images that they name.
        path: the table's name.

    Raises:
        InputError: all rows with an image are.
    """
    there = set(match.places)
    absent = pd.Series([place not in there for place in range(len(table))], index=table.index)
    junk = table[row_id].map(lambda name: is_junk(PurePosixPath(name)))
    none = absent & ((labels.cells == "") | junk)
    ids = table[row_id][none].tolist()
    lacking = describe_lacking(table, labels, none)
    if lacking.lacking == len(match.images):
        raise InputError(
            f"each row of {path} that names an image lacks its answer, or one of its answers ({some(labels.columns)}): "
            "nothing is left to train with; fill them in, or choose other columns with --label"
        )
    section: dict[str, Any] = {"ids": ids} if 0 < len(ids) <= _LISTED else {}
    section |= {"no_label": True, "no_image": True} if len(ids) > _LISTED else {}
    section |= lacking.section.get("leave_out", {})
    without = absent & ~none
    nameless = without.any() and bool((table[match.column][without] == "").all())  # no file can be lost
    section |= {"no_image": True} if nameless else {}
    facts = (f"rows of {path} that are no training images are left out, see leave_out",) if section else ()
    check = list(lacking.check)
    if nameless:
        check.append(f"{int(without.sum()):,} rows of {path} name no image and are left out, see leave_out")
    if without.any() and "no_image" not in section:
        check.append(
            f"{int(without.sum()):,} ids of {path} have no image in {match.folder} ({some(table[row_id][without])}): "
            "prepare will refuse them; add the files, or write leave_out: {no_image: true}"
        )
    return LeftOutReading({"leave_out": section} if section else {}, facts, tuple(check), lacking.lacking)


def leave_others_out(
    listing: Listing, images: ImageFiles, tables: Sequence[str], train: Reading, test: Reading
) -> Reading:
    """Leaves images of the training folder out that other tables name, such as one of validation.

    Also those that no table names, where each row of the training table has its image, they are few, and no test images
    are in the folder: more may be a class of their own, or test images that nothing lists.

    Args:
        listing: the files.
        images: the same, by folder.
        tables: the others.
        train: the training section.
        test: that of the test images.
    """
    folder = train.section.get("images", "")
    used = {*train.images, *test.images}
    if "table" not in train.section:
        return _leave_folders_out(images, train, test)
    left = {path for path in images.under(folder) if path not in used} if used else set()
    named: set[str] = set()
    others = []
    for path in [path for path in tables if left and len(listing.head(path).columns) <= WIDE]:
        table = listing.table(path)
        likely = [str(name) for name in table.columns if is_id(table[name])]
        found = [match for name in likely for match in images.matches(name, table[name].tolist())]
        mine = {path for match in found for path in match.images} & left
        named |= mine
        others += [path] if mine else []
    few = len(left - named) <= _FEW * (len(train.images) + len(left))
    few = few and set(test.images).isdisjoint(images.under(folder))
    if not left or (named != left and not (few and _names_whole(listing, train, used))):
        return train
    rules = {**train.more.get("leave_out", {}), "not_in_table": True}
    where = f"are in {some(others)} alone" if named == left else f"have no row in {train.section['table']}"
    words = f"{len(left):,} images of {folder} {where}, and are left out, see leave_out"
    return replace(train, more={**train.more, "leave_out": rules}, check=(*train.check, words))


def _leave_folders_out(images: ImageFiles, train: Reading, test: Reading) -> Reading:
    """Leaves folders out that are next to class folders and several folders of test images, and none of either."""
    around, folder = test.section.get("images"), str(train.section.get("images"))
    homes = {parent_folder(path) for path in test.images}
    if around is None or around in homes or not is_below(around, f"{folder}/x") or test.section["layout"] != "images":
        return train
    left = [path for path in images.under(around) if not is_below(folder, path) and parent_folder(path) not in homes]
    if not left or "not_in_table" in train.more.get("leave_out", {}):
        return train
    rules = {**train.more.get("leave_out", {}), "not_in_table": True}
    where = some(natural_order(sorted({parent_folder(path) for path in left})), 5)
    words = f"{len(left):,} images in {where} are neither of {folder} nor asked for, and are left out, see leave_out"
    return replace(train, more={**train.more, "leave_out": rules}, check=(*train.check, words))


def _names_whole(listing: Listing, train: Reading, used: Set[str]) -> bool:
    """Says whether every row of the training table names an image that is used."""
    path, column = str(train.section["table"]), str(train.section.get("file", train.section.get("id")))
    if (
        path not in (*listing.tables, *listing.row_tables)
        or column not in listing.head(path).columns
        or "files" in train.section
    ):
        return False
    names = {plain_stem(PurePosixPath(each).name) for each in used}
    return all(plain_stem(PurePosixPath(cell).name) in names for cell in listing.table(path)[column])


def list_tests_here(ids: Sequence[str], cells: Sequence[str], asked: Set[str], left: LeftOutReading) -> set[str]:
    """Lists the ids of test images in a training table: its rows without an answer, if they are all that are asked for.

    Args:
        ids: of the rows that name an image.
        cells: their answers.
        asked: ids of the sample submission, without suffix.
        left: the rows that are left out.
    """
    rule = "no_label" in left.section.get("leave_out", {})
    blank = {name for name, cell in zip(ids, cells, strict=True) if rule and not cell.strip(CELL_SEPARATOR)}
    here = {name for name in blank if plain_stem(name) in asked}
    return here if {plain_stem(name) for name in here} == asked else set()


def _refuse_lost_answers(answers: pd.DataFrame, mark: "pd.Series[bool]") -> None:
    """Refuses to leave out the rows that lack some answers where an answer of other columns is in these rows alone.

    Raises:
        InputError: names the answer, and the column that its rows lack.
    """
    for name, cells in answers.items():
        shares = cells[~is_blank(cells)].value_counts(normalize=True)
        for value in shares[shares >= _COMMON].index:
            mine = cells == value
            if not mark[mine].all() or mine.all():
                continue
            empty = [str(other) for other in answers if is_blank(answers[other][mine]).any()]
            raise InputError(
                f"{int(mark.sum()):,} of {len(mark):,} training rows lack some of their answers, and all "
                f"{int(mine.sum()):,} with {name} {value!r} are among them: they lack {some(empty, 3)}. Leaving them "
                "out would leave nothing to learn that answer from; where a blank is an answer of its own, write a "
                "word for it, such as none, into the training table, else fill it in, or choose other columns with "
                "--label"
            )


def _find_lacking(table: pd.DataFrame, labels: TargetReading) -> "pd.Series[bool]":
    """Says which rows lack some of their answers: none where a blank cell is a set without a label."""
    told = set(labels.columns) <= set(table) and (labels.kind != "several_labels" or labels.marks)
    if not told:
        return pd.Series(False, index=table.index)
    return table[list(labels.columns)].apply(is_blank).any(axis=1)
