"""Training images: their section, from a table beside images, pixels, folders of classes, or file names."""

from collections import Counter
from collections.abc import Callable, Sequence

from pipeline.core.errors import InputError, some
from pipeline.data.containers.formats import ROW_SUFFIXES, WORKBOOK_SUFFIXES
from pipeline.data.containers.tables import find_row_columns
from pipeline.data.describe.candidates import WIDE, TableCandidate, find_candidates, find_name_candidates
from pipeline.data.describe.classes import (
    Labels,
    find_group_columns,
    find_multi_labels,
    format_counts,
    list_classes,
    read_labels,
)
from pipeline.data.describe.folders import (
    FolderCandidate,
    NameCandidate,
    describe_class_folders,
    describe_file_names,
)
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import (
    Choices,
    ImageFiles,
    Reading,
    find_id_beside,
    is_id,
    pick_reading,
)
from pipeline.data.describe.storage import PixelTable


def describe_train(
    listing: Listing,
    images: ImageFiles,
    tables: Sequence[str],
    sample_columns: Sequence[str],
    choices: Choices,
    describe_packed: Callable[[], Reading | None],
) -> Reading:
    """Describes the training section.

    Args:
        listing: the files.
        images: the same, by folder.
        tables: those that may hold training labels: neither sample submission nor solution.
        sample_columns: the columns of the sample submission.
        choices: ``train``, ``id`` and ``label`` decide.
        describe_packed: describes the section where no file is an image of the training data.

    Raises:
        InputError: nothing to read, or several readings; the candidates are listed.
    """
    found = find_candidates(listing, images, tables, choices)
    found = found or dict(find_name_candidates(listing, images, tables, choices))
    if not found or (choices.train or "").lower().endswith(ROW_SUFFIXES):
        packed = describe_packed()
        if packed is not None:
            return packed
    if not found:
        raise InputError(_format_nothing(listing, images, tables))
    candidate = pick_reading(f"the training data in {listing.source}", found, "--train", choices.train)
    if isinstance(candidate, FolderCandidate | NameCandidate) and (choices.label or choices.id):
        raise InputError(f"--label and --id choose columns of a table, but {candidate.folder} has none; leave them out")
    if isinstance(candidate, FolderCandidate):
        return describe_class_folders(candidate, images)
    if isinstance(candidate, NameCandidate):
        return describe_file_names(candidate, images)
    if isinstance(candidate, PixelTable):
        return _describe_pixels(candidate, listing, sample_columns, choices)
    return _describe_table(candidate, listing, sample_columns, choices)


def _describe_table(
    candidate: TableCandidate, listing: Listing, sample_columns: Sequence[str], choices: Choices
) -> Reading:
    table = listing.table(candidate.table)
    best = max(match.share for match in candidate.matches)
    matches = [match for match in candidate.matches if match.share == best]
    # Two columns that name the same images row by row (a name with and without extension) are one reading.
    same = len({match.images for match in matches}) == 1
    named = [match for match in matches if match.column in sample_columns] or matches
    options = {match.column: match for match in matches}
    match = (
        named[0]
        if same and choices.id is None
        else pick_reading(f"the id column of {candidate.table}", options, "--id", choices.id)
    )
    labels = read_labels(table, candidate.table, [match.column], sample_columns, choices)
    classes = list_classes(labels.values)
    _require_classes(classes, f"{candidate.table}, column {labels.columns[0]}")
    facts = [
        f"{candidate.table}: {len(table):,} rows, columns {some(table.columns)}",
        f"{match.column}: {len(match.images):,} of {match.rows:,} ids name an image in {match.folder}",
        _format_labels(labels, classes),
    ]
    check = []
    if match.share < 1:
        check.append(f"{match.rows - len(match.images):,} ids of {candidate.table} have no image in {match.folder}")
    unlabelled = (labels.values == "").sum()
    if unlabelled:
        check.append(f"{unlabelled:,} rows of {candidate.table} have no {labels.columns[0]}")
    both = find_multi_labels(classes, classes)
    if both:
        check.append(f"{some(both, 3)} look like several labels of one image: each was read as a class of its own")
    check += find_group_columns(table, candidate.table, [match.column, *labels.columns])
    one_hot = len(labels.columns) > 1
    row_id = find_id_beside(table, match.column) if choices.id is None else match.column
    section = {
        "layout": "csv_one_hot" if one_hot else "csv_images",
        "images": match.folder,
        "table": candidate.table,
        "id": row_id,
        **({"file": match.column} if row_id != match.column else {}),
        **({"classes": labels.columns} if one_hot else {"label": labels.columns[0]}),
    }
    return Reading(section, tuple(facts), tuple(check), match.images, classes, rows=len(table))


def _describe_pixels(pixels: PixelTable, listing: Listing, sample_columns: Sequence[str], choices: Choices) -> Reading:
    others = listing.columns(pixels.table, pixels.others)
    ids = {name: name for name in pixels.others if is_id(others[name]) and name != choices.label}
    row_id = pick_reading(f"the id column of {pixels.table}", ids, "--id", choices.id) if ids or choices.id else None
    labels = read_labels(others, pixels.table, [row_id] if row_id else [], sample_columns, choices)
    if len(labels.columns) > 1:
        raise InputError(
            f"{pixels.table} holds pixels and spreads the label over {some(labels.columns)}, which no layout reads "
            "together; write the class into one column and choose it with --label"
        )
    label = labels.columns[0]
    classes = list_classes(labels.values)
    _require_classes(classes, f"{pixels.table}, column {label}")
    facts = (
        f"{pixels.table}: {len(others):,} rows of {pixels.count:,} pixels and {some(pixels.others)}",
        _format_labels(labels, classes),
    )
    section = {"layout": "csv_pixels", "table": pixels.table, "label": label, **pixels.section(row_id)}
    return Reading(section, facts, (), (), classes, pixels.shape, len(others))


def _format_labels(labels: Labels, classes: Sequence[str]) -> str:
    return f"{', '.join(labels.columns[:6])}: {labels.reason}; {format_counts(Counter(labels.values), classes)}"


def _require_classes(classes: Sequence[str], place: str) -> None:
    if len(classes) < 2:
        raise InputError(f"{place} holds {len(classes)} class ({some(classes)}); a classification needs two or more")


def _format_nothing(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> str:
    folders = [f"{folder} ({len(stems):,} images)" for folder, stems in images.by_folder.items()]
    return (
        f"{listing.source} holds no training data that could be read. Looked for a table whose ids name images, a "
        "table of pixels with a label, one folder per class, and classes in file names; "
        f"found tables {some(tables) or 'none'}, folders {some(folders) or 'none'}"
        f"{_format_unread(listing)}{_format_repeating(listing, images, tables)}. "
        "see docs/competitions.md for writing the competition's file by hand"
    )


def _format_unread(listing: Listing) -> str:
    """Lists the files of rows that no reader takes, each with the reason."""
    found = []
    for path in listing.of(*ROW_SUFFIXES, *WORKBOOK_SUFFIXES):
        place = listing.place(path)
        try:
            find_row_columns(place)
        except InputError as error:
            found.append(str(error).replace(str(place), path))
    return f"; not read: {some(found, 3)}" if found else ""


def _format_repeating(listing: Listing, images: ImageFiles, tables: Sequence[str]) -> str:
    """Lists the columns that name images, but name them more than once."""
    found = []
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE]:
        for name, values in listing.table(path).items():
            distinct = sorted(set(values))
            if not is_id(values) and images.matches(str(name), distinct):
                found.append(f"{name} of {path} ({len(values):,} rows, {len(distinct):,} different)")
    return f"; images are named more than once by {some(found, 3)}: one row per image is wanted" if found else ""
