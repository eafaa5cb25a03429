"""Test images: their section, described from the sample submission and the tables that list them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.layouts import IMAGE_SUFFIXES
from pipeline.data.describe.channel_paths import ChannelPaths
from pipeline.data.describe.folders import find_class_folders
from pipeline.data.describe.listed_tests import describe_listed_test, find_listed_pixels, list_row_tables
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ENOUGH, Choices, ImageFiles, Match, Reading, is_below, is_id, pick_reading
from pipeline.data.describe.near_ids import list_ends_of_names, list_near_ids
from pipeline.data.describe.packed_test import describe_packed_test
from pipeline.data.describe.questions import format_rows_of_parts
from pipeline.data.describe.rows_of_ids import describe_rows_of_ids
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.slice_paths import choose_middle_files
from pipeline.data.describe.storage import PixelTable, find_pixel_table
from pipeline.data.describe.test_folders import check_missing, check_test_folder
from pipeline.data.describe.unread import format_unread

_LOOKED_AT = 20  # ids that are looked for within the names of files
_FEW_TESTS = 10  # fewer, beside many training images, are a sample of what a code competition hides


def describe_test(
    listing: Listing, images: ImageFiles, sample: SampleSubmission, train: Reading, choices: Choices
) -> tuple[Reading, str]:
    """Describes the test section; returns it and the sample's id column.

    Raises:
        InputError: the sample's ids name no test images, or several folders.
    """
    if train.pixels is not None:
        return _test_pixels(listing, sample, train, choices)
    if "files" in train.section:
        return _test_files(listing, images, sample, train)
    likely = [name for name in sample.columns if is_id(sample.table[name])]
    found: dict[str, Match] = {}
    for name in likely:
        for match in images.matches(name, sample.table[name].tolist(), train.images):
            found.setdefault(match.folder, match)
    listed = _find_listed(listing, images, sample, train) if choices.test is None else None
    if listed is not None and [set(match.images) for match in found.values()] != [set(listed[0].images)]:
        return listed
    through = None if found else describe_listed_test(listing, images, sample, train, choices)
    if through is not None:
        return through
    packed = None if found else describe_packed_test(listing, sample.path, sample.table, train, choices)
    if packed is not None:
        return packed
    if not found and choices.test is None and (rows := describe_rows_of_ids(images, sample, train)) is not None:
        return rows
    if not found and (hidden := _describe_hidden(listing, images, sample, train, choices)) is not None:
        return hidden
    if not found:
        both = {m.folder for name in likely for m in images.matches(name, sample.table[name].tolist()) if m.share == 1}
        if both:
            apart = [
                name for name in find_class_folders(images) if not any(is_below(name, f"{each}/x") for each in both)
            ]
            raise InputError(
                f"{listing.source}: the ids of {sample.path} name images in {some(sorted(both), 3)} that the training "
                "data labels, too; leave their rows out of the table, or their labels blank"
                + (f"; if folders are the classes, choose --train '{apart[0]}'" if len(apart) == 1 else "")
            )
        folders = [f"{folder} ({len(stems):,})" for folder, stems in images.by_folder.items()]
        columns = {str(name) for path in listing.tables for name in listing.head(path).columns}
        way = format_rows_of_parts(images, sample, columns)
        rest = ImageFiles([path for path in images.paths if path not in set(train.images)])
        near = list_near_ids(listing, rest, [sample.path]) or list_ends_of_names(listing, rest, [sample.path])
        way = way or "".join(f"; {line}" for line in near)
        raise InputError(
            f"{listing.source}: no column of {sample.path} names test images; it begins with "
            f"{some(sample.table.iloc[0].tolist(), 3)}, the images are in {some(folders, 5)}"
            f"{way or '; choose another --sample, or give its ids the names of the images'}"
        )
    match = pick_reading(f"the folder of test images of {listing.source}", found, "--test", choices.test)
    section = {"layout": "images", "images": match.folder, "listed_by": "sample_submission"}
    facts = (
        f"{match.column} of {sample.path}: {len(match.images):,} of {match.rows:,} ids name an image in {match.folder}",
    )
    check = [*check_test_folder(images, match, sample, train)]
    if match.rows < _FEW_TESTS and match.rows * 10 < train.rows:
        check.append(
            f"{match.rows} test images replace hidden ones: a notebook has to predict those (code competition)"
        )
    return Reading(section, facts, tuple(check), match.images), match.column


def _describe_hidden(
    listing: Listing, images: ImageFiles, sample: SampleSubmission, train: Reading, choices: Choices
) -> tuple[Reading, str] | None:
    """Takes the test images for hidden where nothing in the download can be theirs: no name, no folder, no file unread.

    Code competitions show a sample submission and keep the images for the notebook.
    """
    folder = str(train.section.get("images", ""))
    answers = _list_answers(train)
    likely = [name for name in sample.columns if is_id(sample.table[name]) and name not in answers]
    likely = likely[:1] if len(sample.table) == 1 else likely  # of one row every column tells the rows apart
    if choices.test is not None or not folder or len(likely) != 1 or format_unread(listing):
        return None
    ids = sample.table[likely[0]].tolist()
    stems = {PurePosixPath(path).name for path in images.paths}
    stems |= {PurePosixPath(name).stem for name in stems}
    named = any("test" in part.lower() for path in images.by_folder for part in PurePosixPath(path).parts)
    if named or not stems.isdisjoint(ids) or any(name in path for name in ids[:_LOOKED_AT] for path in images.paths):
        return None
    wanted = folder.replace("train", "test") if "train" in folder else "test"
    facts = f"no file has a name of {likely[0]} of {sample.path} ({len(ids):,} ids) in it, and no folder is called test"
    check = f"test images are taken for hidden (code competition); a notebook at Kaggle expects them in {wanted}"
    section = {"layout": "images", "images": wanted, "listed_by": "sample_submission", "hidden": True}
    return Reading(section, (facts,), (check,)), likely[0]


def _list_answers(train: Reading) -> set[str]:
    """Lists the classes, and the columns of answers, of the training section."""
    label = train.section.get("label", ())
    return {*train.classes, *((label,) if isinstance(label, str) else label)}


def _test_pixels(listing: Listing, sample: SampleSubmission, train: Reading, choices: Choices) -> tuple[Reading, str]:
    options: dict[str, PixelTable] = {}
    for path in listing.tables:
        pixels = find_pixel_table(listing.head(path), path)
        if pixels is not None and pixels.shape == train.pixels and path not in (train.section["table"], sample.path):
            options[path] = replace(pixels, planes=train.section.get("planes", False))
    label = train.section.get("label", ())
    answers = {label} if isinstance(label, str) else set(label)
    # A table that holds the answers, too, is one of further training images.
    options = {path: each for path, each in options.items() if not answers <= set(each.others)} or options
    if not options:
        raise InputError(
            f"{listing.source}: no table but {train.section['table']} has pixels of the shape {train.pixels}; "
            "add the test table"
        )
    pixels = pick_reading(f"the table of test pixels of {listing.source}", options, "--test", choices.test)
    table = listing.columns(pixels.table, pixels.others or [str(listing.head(pixels.table).columns[0])])
    for column in sample.columns:
        ids = sample.table[column].tolist()
        for name in pixels.others:
            if len(ids) == len(table) and set(table[name]) == set(ids):
                facts = f"{pixels.table}: {len(table):,} rows; {name} holds the ids of {sample.path}"
                return Reading(
                    {"layout": "csv_pixels", "table": pixels.table, **pixels.section(name)}, (facts,)
                ), column
        first = int(ids[0]) if re.fullmatch(r"\d{1,9}", ids[0]) else -1
        if first >= 0 and ids == [str(first + row) for row in range(len(table))]:
            facts = f"{pixels.table}: {len(table):,} rows; {column} of {sample.path} numbers them from {first}"
            section = {"layout": "csv_pixels", "table": pixels.table, "first_id": first, **pixels.section(None)}
            return Reading(section, (facts,)), column
    for name in pixels.others:
        listed = find_listed_pixels(sample, train, table[name].tolist())
        if listed is not None:
            rows, column, fact = listed
            section = {"layout": "csv_pixels", "table": pixels.table, **pixels.section(name)}
            return Reading(section, (f"{pixels.table}: {len(table):,} rows", fact), answers={"rows": rows}), column
    raise InputError(
        f"{listing.source}: the ids of {sample.path} ({len(sample.table):,} rows, columns {some(sample.columns, 5)}) "
        f"neither number the {len(table):,} rows of {pixels.table} nor are in one of its columns "
        f"({some(pixels.others) or 'none but pixels'})"
    )


def _test_files(listing: Listing, images: ImageFiles, sample: SampleSubmission, train: Reading) -> tuple[Reading, str]:
    """Reads test images whose paths are made as those of the training images."""
    files = ChannelPaths(train.section["images"], **train.section["files"])
    column = sample.columns[0]
    tables = [(each.path, each.table, each.ids[0]) for each in sample.lists if len(each.ids) == 1]
    ways = [*tables, (sample.path, sample.table, column)]
    for path, table, name, share in [(*way, share) for share in (1, ENOUGH) for way in ways]:
        twice = path != sample.path and table[name].duplicated().any()  # series of one patient
        if path == train.section["table"] or twice or not set(files.columns) <= {"id", *map(str, table.columns)}:
            continue
        moved = files.move(images.paths, table, name, share)
        if moved is not None:
            listed = {"listed_by": "table", "table": path, "id": name}
            section: dict[str, Any] = {"layout": "images", "images": moved.folder}
            section |= listed if path != sample.path else {"listed_by": "sample_submission"}
            facts = (f"{path}: {len(table):,} rows, whose columns make their paths",)
            made = moved.compose(table, name)
            there = [row for row in made if share == 1 or set(images.paths).issuperset(row)]
            first = choose_middle_files([row[0] for row in there], images.paths)
            check = check_missing(len(made) - len(there), path, moved.folder, train)
            return Reading(section | {"files": moved.section}, facts, check, first), column
    for told, name, rows, fact in list_row_tables(sample, train):
        each = told.table.drop_duplicates(name)
        moved = files.move(images.paths, each, name) if set(files.columns) <= {"id", *each.columns} else None
        if moved is not None:
            section = {"layout": "images", "images": moved.folder, "listed_by": "table", "table": told.path}
            first = choose_middle_files([row[0] for row in moved.compose(each, name)], images.paths)
            section |= {"id": name, "files": moved.section}
            return Reading(section, (fact,), (), first, answers={"rows": rows}), column
    raise InputError(
        f"{listing.source}: no table holds the ids of {sample.path} and the columns that make the paths of training "
        f"images, {files.path}, such that all of these files are there; add the files or the table of the test images"
    )


def _find_listed(
    listing: Listing, images: ImageFiles, sample: SampleSubmission, train: Reading
) -> tuple[Reading, str] | None:
    """Reads a table that lists the sample's ids beside the files of their images."""
    for path in (*listing.row_tables, *listing.tables):
        if path in (sample.path, train.section.get("table")) or not _lists_files(listing.head(path)):
            continue
        table = listing.table(path)
        for column, name in _shared_ids(sample.table, table):
            for files in [str(other) for other in table.columns if other != name and _are_files(table[other])]:
                found = [m for m in images.matches(files, table[files].tolist(), train.images) if m.share == 1]
                # A file that several rows name is no row's own: they are about parts of it.
                if len(found) == 1 and len(set(found[0].images)) == len(table):
                    section = {"layout": "images", "images": found[0].folder, "listed_by": "table", "table": path}
                    facts = f"{path}: {len(table):,} rows; {name} holds the ids of {sample.path}, {files} their images"
                    return Reading(section | {"id": name, "file": files}, (facts,), (), found[0].images), column
    return None


def _shared_ids(sample: pd.DataFrame, table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for column in [str(name) for name in sample.columns if is_id(sample[name])]:
        for name in [str(name) for name in table.columns if table[name].nunique() == len(table)]:
            if set(sample[column]) <= set(table[name]):
                yield column, name


def _lists_files(head: pd.DataFrame) -> bool:
    return len(head) > 0 and any(_are_files(head[name]) for name in head.columns)


def _are_files(cells: pd.Series) -> bool:
    return len(cells) > 0 and bool(cells.str.lower().str.endswith(IMAGE_SUFFIXES).all())
