"""Folders in folders: one in each class is read; classes of classes, folders of rows and files by digits are not."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.data.describe.answer_evidence import shows_classes, split_words
from pipeline.data.describe.candidates import Candidate, TableCandidate
from pipeline.data.describe.classes import is_label
from pipeline.data.describe.folders import FolderCandidate, is_part
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, is_id, parent_folder
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.test_tables import WIDE

_INNER = re.compile(r"^(images?|imgs?|pictures?|photos?)$", re.IGNORECASE)
_MOST = 0.9  # of the folders
_FEW = 5  # rows, of what may be a list of the outer folders rather than of images


def find_inner_folders(
    images: ImageFiles, found: Mapping[str, Candidate], sample: SampleSubmission
) -> dict[str, FolderCandidate]:
    """Finds folders of classes whose images lie one folder further down, called ``images`` or the like in each.

    Beside other training data they count only where the sample shows the classes, and no table names the images.

    Args:
        images: by folder.
        found: other readings of the training data.
        sample: the sample submission.
    """
    counts = {home: len(files) for home, files in images.by_folder.items()}
    below: Counter[str] = Counter()
    classes: dict[tuple[str, str], list[str]] = {}
    for home, count in counts.items():
        below.update({str(upper): count for upper in PurePosixPath(home).parents})
    for home, count in counts.items():
        outer = parent_folder(home)
        if outer != "." and _INNER.match(_base(home)) and below[outer] + counts.get(outer, 0) == count:
            classes.setdefault((parent_folder(outer), _base(home)), []).append(_base(outer))
    tables = [each for each in found.values() if isinstance(each, TableCandidate)]
    named = {path for each in tables for match in each.matches for path in match.images}
    return {
        folder: FolderCandidate(folder, tuple(natural_order(names)), inner=inner)
        for (folder, inner), names in sorted(classes.items())
        if len(names) > 1
        and not any(map(is_part, names))
        and (not found or (shows_classes(names, sample) and named.isdisjoint(images.under(folder))))
    }


def refuse_two_levels(
    listing: Listing,
    images: ImageFiles,
    tables: Sequence[str],
    found: Mapping[str, object],
    sample: SampleSubmission,
) -> None:
    """Refuses folders in folders, which are not read together.

    Args:
        listing: the files.
        images: the same, by folder.
        tables: those that may hold training labels.
        found: readings of the training data; folders of classes by path.
        sample: the sample submission: folders that it shows are classes, and tables with its ids list images.

    Raises:
        InputError: a table of images names the outer folders, and the sample shows none of the folders; else several
            folders beside each other hold classes, no two the same.
    """
    folders = {name: each.classes for name, each in found.items() if isinstance(each, FolderCandidate)}
    if len(folders) < max(2, len(found)):
        return
    first = next(iter(folders))
    classes = [name for each in folders.values() for name in each]
    outer = [name for name in map(_base, folders) if not name.isdigit()]  # digits say little: they count patients, too
    shown = not {*sample.columns, *split_words(sample.examples)}.isdisjoint([*classes, *outer])
    asked = set(sample.table.iloc[:, 0])
    for path in [path for path in tables if not shown and len(listing.head(path).columns) <= WIDE]:
        table = listing.table(path)
        labelled = len(table) > _FEW and any(is_label(table[column]) for column in table.columns)
        for name in [str(column) for column in table.columns if is_id(table[column])]:
            if labelled or asked <= set(table[name]):
                _refuse_named(listing, folders, f"{name} of {path}", set(table[name]))
    if len({parent_folder(name) for name in folders}) == 1 and len(set(classes)) == len(classes):
        raise InputError(
            f"{listing.source} holds folders of classes in folders ({first}/{folders[first][0]} and {len(classes) - 1} "
            f"more in {some(folders, 3)}), which are not read together; move the folders of classes into one folder, "
            f"or read those of one alone, with --train '{first}'"
        )


def _base(folder: str) -> str:
    return PurePosixPath(folder).name


def _refuse_named(listing: Listing, folders: Mapping[str, tuple[str, ...]], column: str, ids: set[str]) -> None:
    """Refuses folders that a column of ids calls so: they are no classes.

    Raises:
        InputError: says what to move.
    """
    named = [folder for folder in folders if _base(folder) in ids]
    alone = f"or, if these are classes, read those of one alone, with --train '{(named or [*folders])[0]}'"
    if len(named) >= _MOST * len(folders):
        first = named[0]
        raise InputError(
            f"{listing.source}: {column} names folders, such as {first}, that hold folders themselves "
            f"({some(folders[first], 3)}), which are not read together; move the images of one of them directly into "
            f"{first}, and likewise for every other row and test image; {alone}"
        )
