"""Near misses: what keeps ids from naming images, and pictures from being read, said where nothing else can be read."""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import plain_path
from pipeline.core.picture_formats import find_picture_format
from pipeline.data.containers.json_rows import read_lists
from pipeline.data.containers.tables import find_row_columns
from pipeline.data.describe.label_sets import refuse_masks
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ENOUGH, ImageFiles, Match, is_id, strip_suffix
from pipeline.data.describe.near_ids import list_ends_of_names, list_near_ids, list_spelled_labels
from pipeline.data.describe.packed_sets import find_packed_sets
from pipeline.data.describe.padded_names import check_padded
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.test_tables import WIDE

_TEXTS, _MOST_TEXTS, _BEGINNING = (".txt", ".lst", ".list", ".dat", ".data"), 20, 2000
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}")


def refuse_headless(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> None:
    """Refuses a table whose first line is no header but a row: its name of a column names an image, as its cells do.

    Raises:
        InputError: names the table and the line.
    """
    names = {PurePosixPath(path).name for path in images.paths}
    names |= {strip_suffix(name) for name in names}
    for path in tables:
        head = listing.head(path)
        # Names of rows differ: columns of classes 0, 1 and 2 hold marks, and are no names of images 0.png and 1.png.
        for name in [str(column) for column in head.columns[:WIDE] if is_id(head[column]) and len(head) > 1]:
            known = all(plain_path(text).rpartition("/")[2] in names for text in (name, str(head[name].iloc[0])))
            if known and name not in set(head[name]):
                raise InputError(
                    f"{listing.source}: {path} has no header: its first line names the image {name!r}; write a line "
                    "of column names above it, such as id,label"
                )


def refuse_mask_columns(listing: Listing, tables: Sequence[str], sample: SampleSubmission) -> None:
    """Refuses tables whose column of answers holds masks, a row for each: what else is in the way of them is no matter.

    Raises:
        InputError: names the column.
    """
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE]:
        for name in [str(name) for name in listing.head(path).columns if name in sample.columns[1:]]:
            refuse_masks(listing.table(path)[name], name, f"column {name} of {path}")


def format_near_misses(listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission) -> str:
    """Formats what would be read but for a detail: ids that differ a little, pictures in text or without labels."""
    return "".join(
        f"; {line}"
        for line in [
            *list_near_ids(listing, images, tables),
            *list_ends_of_names(listing, images, tables),
            *list_spelled_labels(listing, tables, sample),
            *_list_addresses(listing, tables),
            *_list_row_files(listing, tables),
            *_list_text_files(listing, images),
            *_list_text_pictures(listing, tables),
            *_list_class_lists(listing, images),
            *_list_unnamed(listing),
        ]
    )


def _list_addresses(listing: Listing, tables: Sequence[str]) -> list[str]:
    """Lists columns that hold addresses of pictures, which are to be downloaded."""
    found = []
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE and len(listing.head(path))]:
        head = listing.head(path)
        for name in [str(name) for name in head.columns if head[name].str.contains(r"https?://", regex=True).all()]:
            ids = [str(each) for each in head.columns if each != name and is_id(head[each])]
            called = f"{ids[0]}, such as {head[ids[0]].iloc[0]}.jpg" if ids else "the id of its row"
            found.append(
                f"{name} of {path} holds addresses: download each picture into a folder called "
                f"{PurePosixPath(path).stem}, as a file called by {called}"
            )
    return found


def _list_row_files(listing: Listing, tables: Sequence[str]) -> list[str]:
    """Lists columns that name files of rows, one for each: spectra, series, of which none is a picture as it is."""
    files = {PurePosixPath(path).stem: path for path in listing.row_files}
    found = []
    for path in [path for path in tables if path not in listing.row_files and len(listing.head(path).columns) <= WIDE]:
        for name, cells in listing.head(path).items():
            named = [PurePosixPath(cell).stem for cell in dict.fromkeys(cells)]
            there = [files[cell] for cell in named if cell in files]
            if len(there) > 1 and len(there) >= ENOUGH * len(named):
                found.append(f"{name} of {path} names {there[0]}")
    words = (
        "these hold rows, and no picture each: save each as an NPY array of its numbers, or as a picture, of its name"
    )
    return [f"{some(found, 3)}: {words}"] if found else []


def _list_text_files(listing: Listing, images: ImageFiles) -> list[str]:
    """Lists text files whose first lines name images: tables without a header."""
    names = {PurePosixPath(path).name for path in images.paths} | {PurePosixPath(path).stem for path in images.paths}
    found = []
    for path in listing.of(*_TEXTS)[:_MOST_TEXTS]:
        lines = listing.read(path, _BEGINNING).decode("utf-8", "replace").splitlines()[:3]
        words = [set(re.split(r"[\s,;|]+", line.replace("\\", "/"))) for line in lines if line.strip()]
        if words and all(any(plain_path(word).rpartition("/")[2] in names for word in each) for each in words):
            found.append(path)
    return [f"{some(found, 3)} name images line by line: save them as CSV with a line of column names"] if found else []


def _list_class_lists(listing: Listing, images: ImageFiles) -> list[str]:
    """Lists JSON files of lists that each name other images: those of a class."""
    names = {PurePosixPath(path).name for path in images.paths} | {PurePosixPath(path).stem for path in images.paths}
    found = []
    for path in listing.of(".json"):
        try:
            lists = read_lists(listing.place(path))
        except InputError:
            continue  # named with its reason by others
        called = [[plain_path(str(cell)).rpartition("/")[2] for cell in cells] for cells in lists.values()]
        cells = [cell for each in called for cell in each]
        if len(lists) > 1 and all(called) and names.issuperset(cells) and len(set(cells)) == len(cells):
            found.append(
                f"{path} lists the images of each class ({some(lists, 3)}): save it as CSV, a line for each image"
            )
    return found


def _list_text_pictures(listing: Listing, tables: Sequence[str]) -> list[str]:
    found = []
    for path in tables:
        head = listing.head(path).head(1).astype(str)
        found += [f"{name} of {path}" for name in head.columns[:WIDE] if _is_picture_text(head[name].iloc[:1])]
    return (
        [f"{some(found, 3)} hold pictures as text (base64): write them into files called by their ids"] if found else []
    )


def _is_picture_text(cells: pd.Series) -> bool:
    text = "".join(cells).partition("base64,")[2] or "".join(cells)
    if not _BASE64.fullmatch(text):
        return False
    try:
        return find_picture_format(base64.b64decode(text[:1024], validate=False)) is not None
    except (binascii.Error, ValueError):
        return False


def _list_unnamed(listing: Listing) -> list[str]:
    """Lists files of rows that hold pictures, of which nothing is the training data."""
    lines = []
    sets = {file: each for each in find_packed_sets(listing) for file in each.files}
    for each in dict.fromkeys(map(id, sets.values())):
        images = next(one for one in sets.values() if id(one) == each)
        example = f", such as {images.names[0]} {images.table[images.names[0]].iloc[0]!r}" if images.names else ""
        lines.append(
            f"{images.pattern} holds {len(images.table):,} pictures with the columns {some(images.plain)}{example}: no "
            "table names them, and they have no label of their own"
        )
    for path in [path for path in listing.row_files if path not in sets]:
        try:
            columns = find_row_columns(listing.place(path)).pictures
        except InputError:
            continue  # named with its reason by others
        if columns:
            lines.append(f"{path} holds bytes in {some(columns)} that are no picture of a known format or shape")
    return lines


def check_folders(match: Match, cells: Sequence[str]) -> tuple[str, ...]:
    """Says where a table names another class than the folder of an image; nothing where folders are no classes.

    Args:
        match: the table's images.
        cells: their labels.
    """
    folders = [PurePosixPath(path).parent.name for path in match.images]
    if len(set(folders)) < 2 or set(folders) != set(cells):
        return ()
    unlike = [
        f"{path} ({cell})" for path, folder, cell in zip(match.images, folders, cells, strict=True) if folder != cell
    ]
    if not unlike:
        return ()
    return (f"{len(unlike):,} of {len(cells):,} rows name another class than their folder: {some(unlike, 3)}",)


def check_endings(match: Match, ids: Sequence[str]) -> tuple[str, ...]:
    """Says that ids name another kind of file than is there, or lost zeros; nothing where they name the right one.

    Args:
        match: the table's images.
        ids: those of their rows.
    """
    unlike = [
        f"{name} is {path}"
        for name, path in zip(ids, match.images, strict=True)
        if strip_suffix(name) != name and not path.lower().endswith(name.rpartition(".")[2].lower())
    ]
    words = f"{len(unlike):,} ids name files with another extension, taken by the name alone: {some(unlike, 3)}"
    return (*([words] if unlike else []), *check_padded(match, ids))
