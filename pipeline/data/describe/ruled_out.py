"""Readings of training data that the files themselves contradict: no person should be asked about them."""

import re
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.describe.candidates import Candidate, TableCandidate
from pipeline.data.describe.classes import decide_label, is_label
from pipeline.data.describe.folders import FolderCandidate
from pipeline.data.describe.group_readings import is_group_name
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, is_below, is_id
from pipeline.data.describe.storage import PixelTable

_MOST_OF = 0.9  # of a folder's images
_TESTS = ("test", "tests", "testing")  # words of public_test, stage_2_test
_TRAINS = ("train", "training")
_TRAIN_TABLES = ("train", "training", "labels", "train_labels")
_PREVIEW = ("sample", "preview", "example", "demo", "thumb", "tiny", "mini")


def rule_out_candidates(
    found: dict[str, Candidate], listing: Listing, images: ImageFiles, sample: pd.DataFrame
) -> dict[str, Candidate]:
    """Leaves out candidates that others or the sample submission contradict, as long as one is left.

    These are images that the sample asks for, tables without what it asks for beside one that holds it, folders whose
    images a table names, and previews of other folders.
    """
    paths = {name: _images_of(candidate, images) for name, candidate in found.items()}
    folders = [name for name, candidate in found.items() if isinstance(candidate, FolderCandidate)]
    tables = {name: candidate for name, candidate in found.items() if isinstance(candidate, TableCandidate)}
    wanted = _images_of_sample(images, sample)
    out = {name for name in found if _is_test(name) or (paths[name] and paths[name] <= wanted)}
    answered = {name for name, table in tables.items() if _holds_asked(table, listing, sample)}
    # A table that is called after training is asked about rather than passed over.
    kept = set() if any(map(_is_train_table, answered)) else set(filter(_is_train_table, tables))
    out |= {name for name in tables if answered and name not in answered | kept}
    named = {path for name in tables for path in paths[name]}
    for folder in folders:
        parts = [name for name in tables if paths[folder] & paths[name]]
        if len(parts) > 1 and len(paths[folder] & named) >= _MOST_OF * len(paths[folder]):
            out.add(folder)  # whose images several tables share out: training, validation
        for name, table in tables.items():
            if len(paths[folder] & paths[name]) >= _MOST_OF * len(paths[folder]):
                out.add(_weaker(folder, name, table, listing, sample))
        stems = {PurePosixPath(path).stem for path in paths[folder]}
        for other in [other for other in folders if other != folder and len(paths[other]) > len(paths[folder])]:
            is_preview = PurePosixPath(folder).name.lower().startswith(_PREVIEW)
            if is_preview and stems <= {PurePosixPath(path).stem for path in paths[other]}:
                out.add(folder)
    return {name: candidate for name, candidate in found.items() if name not in out} or found


def _weaker(folder: str, name: str, candidate: TableCandidate, listing: Listing, sample: pd.DataFrame) -> str:
    """Says which of a folder of classes and a table of its images is not the training data; "" for neither.

    The table is, where it names images of other folders, too, where one of its columns is the folder of each image,
    or where the sample submission asks for one of its columns; the folder is, where the sample's columns are its
    classes and no column's.
    """
    if folder not in {match.folder for match in candidate.matches}:
        return folder  # the table names images of several folders alike
    table = listing.table(candidate.table)
    match = candidate.matches[0]
    place = {path: PurePosixPath(path).relative_to(folder).parts[0] for path in match.images if is_below(folder, path)}
    columns = [str(column) for column in table.columns if column != match.column]
    if len(match.images) == len(table) == len(place):
        inside = [place[path] for path in match.images]
        if any(table[column].tolist() == inside for column in columns):
            return folder
    possible = [column for column in columns if is_label(table[column])]
    if decide_label(table, possible, sample, match.column) is not None:
        return folder
    kinds = set(place.values())
    return name if len(kinds & set(map(str, sample.columns))) >= max(2, _MOST_OF * len(kinds)) else ""


def _holds_asked(candidate: TableCandidate, listing: Listing, sample: pd.DataFrame) -> bool:
    """Says whether a table has a column that the sample submission asks for, or one whose values are its columns.

    The unit of answers, such as the patient, is asked for only where nothing else is.
    """
    if candidate.label_rows is not None:
        return True
    table, asked = listing.table(candidate.table), [str(name) for name in sample.columns]
    ids = {match.column for match in candidate.matches}
    answers = [name for name in asked[1:] if not is_group_name(name)] or asked[1:]
    if any(name in table.columns and name not in ids for name in answers):
        return True
    possible = [str(name) for name in table.columns if name not in ids and is_label(table[name])]
    return any(len(set(asked) & set(table[name])) >= max(2, _MOST_OF * len(asked) - 1) for name in possible)


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


def _is_train_table(name: str) -> bool:
    return PurePosixPath(name.partition(":")[0]).stem.lower() in _TRAIN_TABLES


def _is_test(name: str) -> bool:
    """Says whether the innermost part of a folder that is called after training or tests is one of tests."""
    for part in reversed(PurePosixPath((name.partition(":")[2] or name).lower()).parts):
        words = re.split(r"[\W_\d]+", part)
        if not set(words).isdisjoint(_TRAINS):
            return False
        if part.startswith("test") or not set(words).isdisjoint(_TESTS):
            return True
    return False
