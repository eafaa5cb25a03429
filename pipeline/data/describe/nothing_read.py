"""The refusal where nothing in a listing can be the training data: what was looked for, and what is there."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.containers.formats import WORKBOOK_SUFFIXES
from pipeline.data.containers.tables import find_row_columns
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, is_id
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_parts import format_unfit
from pipeline.data.describe.test_tables import WIDE

_PIXELS = re.compile(r"\s*(\d+\s+){63}\d+")  # of 8 x 8 pixels at least, with blanks between them

_BOX = r"\[?\s*-?\d+(\.\d+)?([,\s]+-?\d+(\.\d+)?){3}\s*\]?"  # four numbers
_SIDES = (("xmin", "ymin", "xmax", "ymax"), ("x", "y", "width", "height"), ("x", "y", "w", "h"))


def format_nothing(listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission) -> str:
    """Formats what was looked for and what is there, where nothing can be the training data."""
    folders = [f"{folder} ({len(stems):,} images)" for folder, stems in images.by_folder.items()]
    return (
        f"{listing.source} holds no training data that could be read. Looked for a table whose ids name images, a "
        "table of pixels with a label, one folder per class, and classes in file names; "
        f"found tables {some(tables) or 'none'}, folders {some(folders) or 'none'}"
        f"{_format_unread(listing)}{_format_repeating(listing, images, tables)}"
        f"{_format_unanswered(listing, images, tables, sample)}. "
        "see docs/competitions.md for writing the competition's file by hand"
    )


def _format_unread(listing: Listing) -> str:
    """Lists the files of rows that no reader takes, each with the reason."""
    found = []
    for path in sorted([*listing.row_files, *listing.of(*WORKBOOK_SUFFIXES)]):
        place = listing.place(path)
        try:
            find_row_columns(place)
        except InputError as error:
            found.append(str(error).replace(str(place), path))
    return f"; not read: {some(found, 3)}" if found else ""


def _format_repeating(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> str:
    """Lists the columns that name images, but name them more than once."""
    found, boxes = [], ""
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE]:
        for name, values in listing.table(path).items():
            distinct = sorted(set(values))
            if not is_id(values) and images.matches(str(name), distinct):
                found.append(f"{name} of {path} ({len(values):,} rows, {len(distinct):,} different)")
                boxes = boxes or _format_boxes(listing.table(path), path)
    wanted = "one row per image is wanted, with a column for each label or number"
    return f"; images are named more than once by {some(found, 3)}: {wanted}{boxes}" if found else ""


def _format_boxes(table: pd.DataFrame, path: str) -> str:
    """Says which columns hold boxes in images: four numbers in a cell, or the sides in a column each."""
    columns = {str(name).lower().replace("_", ""): str(name) for name in table.columns}
    cells = {str(name): table[name][table[name] != ""] for name in table.columns}
    found = [name for name, each in cells.items() if len(each) and each.str.fullmatch(_BOX).all()]
    found += [columns[name] for sides in _SIDES if columns.keys() >= set(sides) for name in sides]
    words = "places in images are asked for, and classes of whole images are what is predicted here"
    return f"; {some(found, 4)} of {path} hold boxes: {words}" if found else ""


def _format_unanswered(listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission) -> str:
    """Lists columns that name images beside no answer, and those that join the name of an image and of a target."""
    stems = {PurePosixPath(path).stem for path in images.paths}
    alone, joined, packed, unfit = [], [], [], []
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE]:
        table = listing.table(path)
        first = table.iloc[:1].astype(str).to_dict("list")
        packed += [f"{name} of {path}" for name, cells in first.items() if _PIXELS.match("".join(cells))]
        for name in [str(column) for column in table.columns if is_id(table[column])]:
            cell = str(table[name].iloc[0])
            if images.matches(name, table[name].tolist()):
                alone.append(f"{name} of {path}")
                asked = [column for column in sample.columns[1:] if column in table.columns and column != name]
                unfit += [words for column in asked if (words := format_unfit(table[column], path))]
            elif any(cell[: place.start()] in stems for place in re.finditer("_+", cell)):
                joined.append(f"{name} of {path} ({cell})")
    words = f"; images are named by {some(alone, 3)}, and no column of the sample is ({some(sample.columns[1:], 5)})"
    words += " and none that is surely the label: choose with --label, several with commas between them"
    words = f"; {some(unfit, 3)}" if unfit else words
    pairs = f"; the name of an image and of a target are joined by {some(joined, 3)}: choose the "
    pairs += "column of the answers with --label"
    strings = (
        f"; cells of {some(packed, 3)} hold many numbers each, but no square of grey levels: write the competition's "
    )
    strings += "file by hand, with train.pixels and train.shape"
    return (words if alone else "") + (pairs if joined else "") + (strings if packed else "")
