"""Records: the images that a competition has, from its layout on disk -> id, source, label and group.

Whatever does not fit (ids without an image, images without an id, repeated ids) is refused as a whole list.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline.core.answers import RowSubmission
from pipeline.core.competition import Competition
from pipeline.core.csvs import detect_dialect, read_columns, require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.ids import check_ids, check_unique
from pipeline.core.layouts import CsvPixels, TestImages, TestPixels, list_answer_columns
from pipeline.data.containers.tables import read_rows
from pipeline.data.prepared.answer_tables import list_known_ids
from pipeline.data.prepared.channel_files import find_channel_files, have_files
from pipeline.data.prepared.image_folder import ImageFolder, may_be_twin
from pipeline.data.prepared.packed_images import PackedImages, open_images
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.rows_left_out import NO_IMAGE, LeftOut, is_blank
from pipeline.data.prepared.training_records import (
    check_labels,
    list_training_records,
    name_row_sources,
    number_rows,
)
from pipeline.images.fitting import StorageForm

_ENOUGH = 0.5  # of the test rows have an image, at least


class ListedRecords(NamedTuple):
    """The training and the test images of a competition, and what its ``leave_out`` leaves out."""

    train: list[Record]
    test: list[Record]
    left_out: list[LeftOut]


def list_records(base: Path, competition: Competition) -> ListedRecords:
    """Lists the training and the test images, in the order of their tables or folders.

    Raises:
        InputError: tables, folders and ids do not fit each other.
    """
    train, left_out = list_training_records(base, competition)
    test = list_test_records(base, competition)
    for records, place in ((train, "train"), (test, "test")):
        if not records and not (place == "test" and competition.hides_tests):
            gone = f" after {len(left_out):,} were left out" if place == "train" and left_out else ""
            key = "leave_out" if gone else place
            raise InputError(f"{base}: there is no {place} image{gone}; correct {key} in the competition's file")
        check_ids([record.id for record in records], f"{base}: {place}")
    check_labels(train, competition)
    used = {path for record in (*train, *test) for path in record.files}
    unlisted = _list_unnamed(base, competition, used, left_out)
    return ListedRecords(train, test, [*left_out, *unlisted])


def list_test_records(base: Path, competition: Competition) -> list[Record]:
    """Lists the test images, in the order of their table or folder.

    Raises:
        InputError: ids repeat, leave their folder, or have no image.
    """
    layout = competition.test
    if isinstance(layout, TestPixels):
        return _test_rows(base, layout, competition.encoding)
    if layout.hidden and not (base / layout.images).exists():
        return []
    if layout.listed_by == "folder" and competition.storage.slices is None:
        return _test_folder(base, open_test_images(base, competition, layout), competition)
    table, column = _test_listing(layout, competition)
    path = base / table
    rows = read_rows(path, encoding=competition.encoding)
    require_columns(rows.columns.tolist(), [column, *([layout.group] if layout.group else [])], path)
    if table == getattr(competition.train, "table", None):
        rows = _leave_training_rows(base, competition, rows, column)
    if isinstance(competition.submission, RowSubmission):  # the table may list the rows of answers, some for each image
        rows = rows.drop_duplicates(column, ignore_index=True)
    ids = rows[column].tolist()
    check_unique(ids, str(path))
    check_ids(ids, str(path))
    files = _find_test_files(open_test_images(base, competition, layout), competition, rows, column, path)
    groups = rows[layout.group].tolist() if layout.group else [""] * len(ids)
    return [
        Record(name, first, None, group, tuple(others))
        for name, (first, *others), group in zip(ids, files, groups, strict=True)
    ]


def _leave_training_rows(base: Path, competition: Competition, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Leaves labelled rows of the training table out where it lists the test images, too: those the sample asks for."""
    section = competition.submission
    asked = rows[column].isin(_ids(base / section.sample, section.id, competition.encoding))
    answers = [name for name in list_answer_columns(competition.train) if name in rows.columns]
    labelled = ~rows[answers].apply(is_blank).all(axis=1)
    return rows[asked | ~labelled].reset_index(drop=True) if answers and asked.any() else rows


def open_test_images(base: Path, competition: Competition, layout: TestImages) -> ImageFolder | PackedImages:
    """Opens the test images; training images that lie in a folder below are none, though ids may be called so."""
    train = competition.train
    below = not isinstance(train, CsvPixels) and PurePosixPath(layout.images) in PurePosixPath(train.images).parents
    known = list_training_records(base, competition)[0] if below else []
    return open_images(base, layout, frozenset(path for record in known for path in record.files))


def _find_test_files(
    images: ImageFolder | PackedImages, competition: Competition, rows: pd.DataFrame, column: str, place: Path
) -> list[tuple[str, ...]]:
    """Finds the files of test rows; one empty path where ``leave_out.no_image`` holds and a row has none.

    A submission needs these rows. Where most rows have no image, the folder is the wrong one.
    """
    layout, form = competition.test, StorageForm(**competition.storage.model_dump())
    assert isinstance(layout, TestImages)
    told = competition.leave_out is not None and competition.leave_out.no_image and form.slices is None
    there = [True] * len(rows)
    if told and isinstance(images, ImageFolder):
        there = have_files(images, layout, rows, column, place)
        there = there if sum(there) >= _ENOUGH * len(there) else [True] * len(rows)
    found = iter(find_channel_files(images, layout, rows[there], column, place, form))
    return [next(found) if each else ("",) for each in there]


def shows_beginning(sample: pd.DataFrame, competition: Competition, ids: Sequence[str]) -> bool:
    """Says whether a sample submission shows the format by some rows alone, while a table lists all test ``ids``."""
    layout, column = competition.test, competition.submission.id
    by_table = isinstance(layout, TestPixels) or layout.listed_by == "table"
    return by_table and column in sample.columns and set(sample[column]) < set(ids)


def _ids(path: Path, column: str, encoding: str | None) -> list[str]:
    table = read_rows(path, encoding=encoding)
    require_columns(table.columns.tolist(), [column], path)
    ids: list[str] = table[column].tolist()
    return ids


def _test_listing(layout: TestImages, competition: Competition) -> tuple[str, str]:
    if layout.listed_by == "table" and layout.table is not None and layout.id is not None:
        return layout.table, layout.id
    return competition.submission.sample, competition.submission.id


def _test_folder(base: Path, folder: ImageFolder | PackedImages, competition: Competition) -> list[Record]:
    """Ids as the sample submission writes them (with or without extension); else without."""
    if isinstance(folder, PackedImages):
        check_unique(folder.ids, str(folder.path))
        return [Record(*row) for row in zip(folder.ids, folder.sources, strict=True)]
    train = competition.train
    known = list_known_ids(base, competition)
    paths = folder.images
    if not isinstance(train, CsvPixels) and train.images == folder.name:
        used = {record.source for record in list_training_records(base, competition)[0]}
        paths = [path for path in paths if folder.source(path) not in used]
    ids = [path if path in known else str(PurePosixPath(path).with_suffix("")) for path in paths]
    check_unique(ids, str(folder.path))
    return [Record(name, folder.source(path)) for name, path in zip(ids, paths, strict=True)]


def _test_rows(base: Path, layout: TestPixels, encoding: str | None) -> list[Record]:
    path = base / layout.table
    # Without an id column any column counts the rows: the first is as good as the others.
    table = read_columns(path, [layout.id or detect_dialect(path, encoding).columns[0]], encoding)
    ids = table[layout.id].tolist() if layout.id else number_rows(len(table), layout.first_id)
    check_unique(ids, str(path))
    return [Record(*row) for row in zip(ids, name_row_sources(layout.table, len(ids)), strict=True)]


def _list_unnamed(base: Path, competition: Competition, used: set[str], left_out: Sequence[LeftOut]) -> list[LeftOut]:
    """Lists the images in the layouts' folders that no row names; train and test may share a folder.

    Raises:
        InputError: there are any, unless ``leave_out.not_in_table`` leaves them out.
    """
    layouts = [
        layout for layout in (competition.train, competition.test) if not isinstance(layout, CsvPixels | TestPixels)
    ]
    if competition.hides_tests:
        layouts = [layout for layout in layouts if (base / layout.images).exists()]
    by_name = {layout.images: layout for layout in layouts}
    left = []
    gone = [row.id for row in left_out if row.reason != NO_IMAGE]
    for _, layout in sorted(by_name.items()):
        images = open_images(base, layout)
        used = used | {source for sources in images.lookup(gone) for source in sources}
        plain = {PurePosixPath(source).stem for source in used if not may_be_twin(source)}
        twins = {source for source in images.sources if may_be_twin(source) and PurePosixPath(source).stem in plain}
        known = used | twins
        left += [source for source in images.sources if source not in known]
    if competition.storage.slices is not None:  # of each folder some slices are taken
        folders = {PurePosixPath(source).parent for source in used}
        apart = [source for source in left if PurePosixPath(source).parent not in folders]
        return [LeftOut(source, "no row names its folder") for source in apart]
    several = [layout for layout in layouts if getattr(layout, "files", None) is not None]
    if left and several:
        return [LeftOut(source, "no row names it by files.path") for source in left]
    if left and not (competition.leave_out and competition.leave_out.not_in_table):
        raise InputError(
            f"{base}: {len(left)} images have no id in any table: {some(left)}; add their rows, or write "
            "leave_out: {not_in_table: true} into the competition's file"
        )
    return [LeftOut(source, "no row names it") for source in left]
