"""Candidates for the training data: every way in which the files of a listing can be read as images with labels."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.core.errors import InputError, some
from pipeline.data.describe.answer_evidence import explains_sample, holds_no_answer, labels_tests, shows_classes
from pipeline.data.describe.channel_paths import ChannelPaths, find_channel_paths
from pipeline.data.describe.classes import is_label
from pipeline.data.describe.folders import (
    FolderCandidate,
    NameCandidate,
    are_parts_of_names,
    find_class_folders,
    find_file_names,
    find_numbered_names,
    list_class_folders,
)
from pipeline.data.describe.joined_ids import JoinedIds, find_joined_ids
from pipeline.data.describe.label_columns import holds_answers
from pipeline.data.describe.label_rows import LabelRows, find_label_rows
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles, Match, is_below, is_id, parent_folder
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.slice_paths import choose_middle_files, list_places
from pipeline.data.describe.storage import PixelTable, find_pixel_table
from pipeline.data.describe.test_tables import WIDE
from pipeline.images.decoding import BrokenImageError
from pipeline.images.inspection import inspect_values

_LOOKED_AT = 5  # rows whose files tell whether they are grey


@dataclass(frozen=True)
class TableCandidate:
    """A table whose id column names images, or whose columns make the paths of their ``files``.

    ``label_rows`` says how its rows join where there are several for each image; matches count joined rows then.
    """

    table: str
    matches: tuple[Match, ...]
    files: ChannelPaths | None = None
    label_rows: LabelRows | JoinedIds | None = None


Candidate = TableCandidate | FolderCandidate | NameCandidate | PixelTable


def find_candidates(
    listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> dict[str, Candidate]:
    """Finds what may be the training data: tables that name images, tables of pixels, folders of classes."""
    found: dict[str, Candidate] = {}
    for path in tables:
        head = listing.head(path)
        pixels = find_pixel_table(head, path)
        if pixels is not None and holds_answers(head[list(pixels.others)], images, sample, choices):
            found[path] = pixels
    described = {}
    packed = bool(found)
    for path in tables:
        for folder, matches in _naming(listing, images, path, sample, choices).items():
            described[folder] = path
            found[f"{path}:{folder}"] = TableCandidate(path, matches)
    if not found:
        for path in tables:
            found |= _naming_by_rows(listing, images, path, sample, choices)
    chosen = (choices.train or "").strip().removeprefix("./").rstrip("/")
    folders = find_class_folders(images)
    folders += [chosen] if chosen not in folders and list_class_folders(images, chosen) else []
    for folder in folders:
        each = FolderCandidate(folder, list_class_folders(images, folder))
        # A table that names the images of one such folder lists images, not classes.
        listed = any(parent_folder(inner) == folder and inner != "." for inner in described)
        listed = listed or _is_named(images.under(folder), folder, found)
        if not listed or folder == chosen or _speaks_for(each, images, listing, found, sample):
            found[folder] = each
    named = packed or any(isinstance(candidate, TableCandidate) for candidate in found.values())
    channels = {} if named else _find_channels(listing, images, tables, sample, choices)
    if channels:
        # Parts of composed paths look like classes: as long as a table makes the paths, they are none.
        found = {name: value for name, value in found.items() if name == choices.train} | channels
    if len(found) > 1 and choices.train is None:
        found = {name: value for name, value in found.items() if not _repeats(name, found)}
    return found


def _repeats(name: str, found: Mapping[str, Candidate]) -> bool:
    """Says whether another column of the table names the same images row by row, by whole paths: one reading."""
    mine = found[name]
    if not isinstance(mine, TableCandidate):
        return False
    others = [each for each in found.values() if isinstance(each, TableCandidate) and each.table == mine.table]
    above = [match for each in others if each is not mine for match in each.matches]
    return all(
        any(is_below(match.folder, own.folder) and match.images == own.images for match in above)
        for own in mine.matches
    )


def find_name_candidates(
    listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> dict[str, NameCandidate]:
    """Finds folders whose file names hold the class.

    Raises:
        InputError: a table beside them may hold the true classes.
    """
    named = find_file_names(images) or find_numbered_names(images, sample.table.iloc[:, 0].tolist(), sample.examples)
    found = {name.folder: name for name in named}
    if found:
        unread = [path for path in tables if any(is_label(values) for _, values in listing.head(path).items())]
        if found and unread and choices.train is None:
            # Names such as img_1 and scan_2 look like classes; a table that may hold the true ones is no coincidence.
            raise InputError(
                f"{unread[0]} has columns that look like labels, but none that names images, while file names in "
                f"{some(found)} look like classes; correct the ids of {unread[0]}, or choose "
                f"--train '{next(iter(found))}'"
            )
    return found


def find_shown_names(
    listing: Listing, images: ImageFiles, found: Mapping[str, Candidate], sample: SampleSubmission
) -> dict[str, NameCandidate]:
    """Finds folders whose file names hold classes that the sample shows, where no table of their images does."""
    tables = [each for each in found.values() if isinstance(each, TableCandidate) and each.label_rows is None]
    if not tables or len(tables) < len(found):
        return {}
    ids = [{match.column for match in each.matches} for each in tables]
    if any(explains_sample(listing.table(each.table), mine, sample) for each, mine in zip(tables, ids, strict=True)):
        return {}
    return {each.folder: each for each in find_file_names(images) if shows_classes(tuple(each.counts), sample)}


def _is_named(paths: Sequence[str], folder: str, found: Mapping[str, Candidate]) -> bool:
    """Says whether a table names all these images from a folder above: then their folder is no class."""
    tables = [candidate for candidate in found.values() if isinstance(candidate, TableCandidate)]
    matches = [match for table in tables for match in table.matches if match.folder != folder]
    return any(is_below(match.folder, folder) and set(paths) <= set(match.images) for match in matches)


def _speaks_for(
    folder: FolderCandidate,
    images: ImageFiles,
    listing: Listing,
    found: Mapping[str, Candidate],
    sample: SampleSubmission,
) -> bool:
    """Says whether folders may be classes, though tables name their images: the tables hold nothing that is asked for.

    Either the sample submission shows the folders, or the tables hold patients, ages and the like alone, or tell of the
    test images all that they tell.
    """
    mine = set(images.under(folder.folder))
    tables = [each for each in found.values() if isinstance(each, TableCandidate)]
    tables = [each for each in tables if not mine.isdisjoint(path for match in each.matches for path in match.images)]
    shown = shows_classes(folder.classes, sample)
    for each in tables:
        table, ids = listing.table(each.table), {match.column for match in each.matches}
        if explains_sample(table, ids, sample):
            return False
        nothing = holds_no_answer(table, ids, each.table) and not are_parts_of_names(images, folder.folder)
        if not (shown or nothing or labels_tests(table, ids, sample)):
            return False
    return True


def _naming(
    listing: Listing, images: ImageFiles, path: str, sample: SampleSubmission, choices: Choices
) -> dict[str, tuple[Match, ...]]:
    """Folder -> the columns of a table that name its images, if the table has a column left for the label."""
    head = listing.head(path)
    if len(head.columns) > WIDE or not len(head):
        return {}
    likely = [name for name in head.columns if choices.id in (None, name) and is_id(head[name])]
    likely = [name for name in likely if images.matches(name, head[name].tolist())]
    if not likely:
        return {}
    table = listing.table(path)
    found: dict[str, list[Match]] = {}
    for name in likely:
        others = [column for column in table.columns if column != name]
        if holds_answers(table[others], images, sample, choices):
            for match in images.matches(name, table[name].tolist()):
                found.setdefault(match.folder, []).append(match)
    return {folder: tuple(matches) for folder, matches in found.items()}


def _naming_by_rows(
    listing: Listing, images: ImageFiles, path: str, sample: SampleSubmission, choices: Choices
) -> dict[str, Candidate]:
    """Finds readings of a table as one row per image and label, in two columns or joined in one."""
    if not 2 <= len(listing.head(path).columns) <= WIDE or not len(listing.head(path)):
        return {}
    found: dict[str, Candidate] = {}
    table = listing.table(path)
    ways: list[LabelRows | JoinedIds] = [*find_label_rows(table, path, sample, choices)]
    for rows in [*ways, *find_joined_ids(table, path, images, sample, choices)]:
        ids = rows.join(table)[rows.id].tolist()
        for match in images.matches(rows.id, ids):
            found.setdefault(f"{path}:{match.folder}", TableCandidate(path, (match,), label_rows=rows))
    return found


def _find_channels(
    listing: Listing, images: ImageFiles, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> dict[str, Candidate]:
    """Finds tables whose columns make the paths of images, shared with the list of test images."""
    found: dict[str, Candidate] = {}
    tests = [sample.table, *(each.table for each in sample.lists)]
    for path in [path for path in tables if 1 < len(listing.head(path).columns) <= WIDE]:
        table = listing.table(path)
        ids = [str(name) for name in table.columns if choices.id in (None, name) and is_id(table[name])]
        ids = [name for name in ids if name in sample.columns] or ids
        labels = {*sample.columns[1:], choices.label}
        shared = [str(name) for name in table.columns if any(name in test.columns for test in tests)]
        columns = [name for name in shared if name not in labels]
        others = table[[name for name in table.columns if name not in ids[:1]]]
        if not ids or not holds_answers(others, images, sample, choices):
            continue
        files = find_channel_paths(images.paths, table, columns, ids[0])
        if files is None:
            continue
        if files.channels and not _are_grey(listing, files.compose(table.head(_LOOKED_AT), ids[0])):
            files = files.take_first()
        there = list_places(images.paths)
        rows = [(place, row) for place, row in enumerate(files.compose(table, ids[0])) if there.issuperset(row)]
        first, share = choose_middle_files([row[0] for _, row in rows], images.paths), len(rows) / len(table)
        places = tuple(place for place, _ in rows)
        match = Match(ids[0], files.folder, first, len(table), share, share, places)
        found[f"{path}:{files.folder}"] = TableCandidate(path, (match,), files)
    return found


def _are_grey(listing: Listing, rows: Sequence[Sequence[str]]) -> bool:
    """Says whether the first files of rows are grey, as channels of an image are; also where none can be read."""
    paths = [row[0] for row in rows if row[0] in listing.members]
    listing.load(paths)
    facts = []
    for path in paths:
        with suppress(BrokenImageError):
            facts.append(inspect_values(listing.read(path)))
    return all(each.grey for each in facts)
