"""Readings of training data that the files themselves contradict: no person should be asked about them."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.describe.answer_evidence import (
    explains_sample,
    holds_asked,
    holds_no_answer,
    is_train_table,
    labels_tests,
    shows_classes,
)
from pipeline.data.describe.candidates import Candidate, TableCandidate
from pipeline.data.describe.classes import decide_label, is_label
from pipeline.data.describe.folders import FolderCandidate
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, is_below, is_id
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.storage import PixelTable
from pipeline.data.describe.test_tables import find_test_tables

_MOST_OF = 0.9  # of a folder's images
_TESTS = ("test", "tests", "testing")  # words of public_test, stage_2_test
_TRAINS = ("train", "training")
_PREVIEW = ("sample", "preview", "example", "demo", "thumb", "tiny", "mini")


def rule_out_candidates(
    found: dict[str, Candidate], listing: Listing, images: ImageFiles, sample: SampleSubmission
) -> tuple[dict[str, Candidate], tuple[str, ...]]:
    """Leaves out candidates that others or the sample submission contradict, as long as one is left.

    These are images that the sample asks for, tables without what it asks for beside one that holds it or beside
    folders of the classes that it shows, folders whose images a table names, and previews of other folders.

    Returns:
        What is left, and a line about each table that lacks what the sample asks for, for a person to check.

    Raises:
        InputError: folders and a column of their images hold what the sample shows, and contradict each other.
    """
    paths = {name: _images_of(candidate, images) for name, candidate in found.items()}
    folders = {name: candidate for name, candidate in found.items() if isinstance(candidate, FolderCandidate)}
    tables = {name: candidate for name, candidate in found.items() if isinstance(candidate, TableCandidate)}
    wanted = _images_of_sample(images, sample.table)
    tests = {name for name in found if _is_test(name) or (paths[name] and paths[name] <= wanted)}
    answered = {name for name, table in tables.items() if _holds_asked(table, listing, sample)}
    # A table that is called after training is asked about rather than passed over.
    trains = {name for name, table in tables.items() if is_train_table(table.table)}
    kept = set() if answered & trains else trains
    out = tests | {name for name in tables if answered and name not in answered | kept}
    named = {path for name in tables for path in paths[name]}
    for folder, classes in folders.items():
        parts = [name for name in tables if paths[folder] & paths[name]]
        if len(parts) > 1 and len(paths[folder] & named) >= _MOST_OF * len(paths[folder]):
            out.add(folder)  # whose images several tables share out: training, validation
        for name, table in tables.items():
            if len(paths[folder] & paths[name]) >= _MOST_OF * len(paths[folder]):
                out.add(_weaker(classes, name, table, listing, sample))
        stems = {PurePosixPath(path).stem for path in paths[folder]}
        for other in [other for other in folders if other != folder and len(paths[other]) > len(paths[folder])]:
            is_preview = PurePosixPath(folder).name.lower().startswith(_PREVIEW)
            if is_preview and stems <= {PurePosixPath(path).stem for path in paths[other]}:
                out.add(folder)
    left = {name: candidate for name, candidate in found.items() if name not in out}
    for folder, name in [(folder, name) for folder in folders for name in tables if {folder, name} <= left.keys()]:
        _refuse_dispute(folders[folder], name, tables[name], listing, sample)
    lacking = [name for name in tables if left and name in out - tests and name not in answered]
    trained = {path for name in left for path in paths[name]}
    lists = find_test_tables(listing, [tables[name].table for name in lacking], sample.table)
    lacking = [name for name in lacking if tables[name].table not in lists or paths[name] & trained]
    return left or found, tuple(tell_passed(name, tables[name], left, sample) for name in lacking)


def tell_passed(name: str, table: TableCandidate, left: Iterable[str], sample: SampleSubmission) -> str:
    """Says that a table of images is no training data, and why."""
    images = {path for match in table.matches for path in match.images}
    return (
        f"{table.table} names {len(images):,} images, but holds nothing that {sample.path} asks for "
        f"({some(sample.columns[1:], 3)}), as {some(left)} does: it is no training data; --train '{name}' takes it"
    )


def _weaker(
    folder: FolderCandidate, name: str, candidate: TableCandidate, listing: Listing, sample: SampleSubmission
) -> str:
    """Says which of a folder of classes and a table of its images is not the training data; "" for neither.

    The table is not, where the sample submission shows classes of the folder, and nothing that is in the table. The
    folder is not, where the table names images of other folders, too, where one of its columns is the folder of each
    image, or where the sample asks for one of its columns.
    """
    table, match, ids = (
        listing.table(candidate.table),
        candidate.matches[0],
        {each.column for each in candidate.matches},
    )
    explained = candidate.label_rows is not None or explains_sample(table, ids, sample)
    if not explained and shows_classes(folder.classes, sample):
        return name
    if folder.folder not in {each.folder for each in candidate.matches}:  # it names images of several folders alike
        known = holds_no_answer(table, ids, candidate.table) or labels_tests(table, ids, sample)
        return folder.folder if explained or not known else ""
    place = {
        path: PurePosixPath(path).relative_to(folder.folder).parts[0]
        for path in match.images
        if is_below(folder.folder, path)
    }
    columns = [str(column) for column in table.columns if column != match.column]
    if len(match.images) == len(table) == len(place):
        inside = [place[path] for path in match.images]
        if any(table[column].tolist() == inside for column in columns):
            return folder.folder
    possible = [column for column in columns if is_label(table[column])]
    decided = decide_label(table, possible, sample.table, match.column)
    if decided is None or _find_dispute(folder, candidate, decided[0], table, sample):
        return ""
    return folder.folder


def _refuse_dispute(
    folder: FolderCandidate, name: str, candidate: TableCandidate, listing: Listing, sample: SampleSubmission
) -> None:
    """Refuses folders and a column of their images that both hold what the sample shows, and contradict each other.

    Raises:
        InputError: names both ways to read them.
    """
    table = listing.table(candidate.table)
    ids = {each.column for each in candidate.matches}
    possible = [str(column) for column in table.columns if column not in ids and is_label(table[column])]
    for column in possible:
        if sample.examples <= set(table[column]) and (
            unlike := _find_dispute(folder, candidate, column, table, sample)
        ):
            raise InputError(
                f"folders of {folder.folder} ({some(folder.classes, 3)}) and column {column} of {candidate.table} both "
                f"hold what {sample.path} shows ({some(sorted(sample.examples), 3)}), and contradict each other for "
                f"{unlike:,} images: choose with --train '{folder.folder}', or --train '{name}' --label '{column}'"
            )


def _find_dispute(
    folder: FolderCandidate, candidate: TableCandidate, column: str, table: pd.DataFrame, sample: SampleSubmission
) -> int:
    """Counts images that a column and their folder call differently, where each may be what the sample shows; else 0.

    The column is, where the sample asks for it by name, and where it calls most images as their folder does.
    """
    ids = {each.column for each in candidate.matches}
    if not sample.examples or not sample.examples <= set(folder.classes) or holds_asked(table, ids, sample):
        return 0
    match, cells = candidate.matches[0], table[column].tolist()
    inside = [
        (PurePosixPath(path).relative_to(folder.folder).parts[0], cells[row])
        for path, row in zip(match.images, match.places, strict=True)
        if is_below(folder.folder, path)
    ]
    unlike = sum(one != other for one, other in inside)
    return unlike if unlike > (1 - _MOST_OF) * len(inside) else 0


def _holds_asked(candidate: TableCandidate, listing: Listing, sample: SampleSubmission) -> bool:
    """Says whether a table holds what the sample submission asks for."""
    ids = {match.column for match in candidate.matches}
    return candidate.label_rows is not None or holds_asked(listing.table(candidate.table), ids, sample)


def _images_of(candidate: Candidate, images: ImageFiles) -> set[str]:
    if isinstance(candidate, TableCandidate):
        return {path for match in candidate.matches for path in match.images}
    return set() if isinstance(candidate, PixelTable) else set(images.under(candidate.folder))


def _images_of_sample(images: ImageFiles, sample: pd.DataFrame) -> set[str]:
    """The images that the sample submission asks for; none where its ids fit several folders (1, 2, 3 ...)."""
    wanted: set[str] = set()
    for name in [str(name) for name in sample.columns if is_id(sample[name])]:
        matches = images.matches(name, sample[name].tolist())
        wanted |= set(matches[0].images) if len(matches) == 1 else set()
    return wanted


def _is_test(name: str) -> bool:
    """Says whether the innermost part of a folder that is called after training or tests is one of tests."""
    for part in reversed(PurePosixPath((name.partition(":")[2] or name).lower()).parts):
        words = re.split(r"[\W_\d]+", part)
        if not set(words).isdisjoint(_TRAINS):
            return False
        if part.startswith("test") or not set(words).isdisjoint(_TESTS):
            return True
    return False
