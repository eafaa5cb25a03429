"""Questions of a sample submission that nothing here answers: pairs of images, images alike, rows of two kinds."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, is_id, plain_stem
from pipeline.data.describe.sample import SampleSubmission
from pipeline.data.describe.target_parts import is_number_column

_LOOKED_AT = 2000  # rows of the sample
_MOST_OF = 0.9  # of these rows
_BY_HAND = "leave those of one kind in the sample submission, and put the files of answers together by hand"


class Subject(NamedTuple):
    """What an id begins with: the name of an image, or of a folder of images; and what follows behind it."""

    path: str
    folder: bool
    end: str


def refuse_questions(listing: Listing, images: ImageFiles, sample: SampleSubmission) -> None:
    """Refuses a sample submission that asks for no class, label or number of an image.

    Args:
        listing: the files.
        images: the same, by folder.
        sample: the sample submission, with the tables that hold its ids.

    Raises:
        InputError: names what it asks about.
    """
    _refuse_pairs(listing, images, sample)
    _refuse_images_alike(listing, images, sample)
    found = find_subjects(images, sample)
    kinds = [[name for name, each in found.items() if each.folder is folder] for folder in (False, True)]
    if all(len(names) > 1 for names in kinds):
        words = zip(kinds, ("images", "folders of them"), strict=True)
        one, other = (f"{len(names):,} are about {word}, such as {names[0]!r}" for names, word in words)
        raise InputError(
            f"{listing.source}: {sample.path} has rows of two kinds: {one}, and {other}; answers of two kinds in one "
            f"file are not written: {_BY_HAND}"
        )


def _refuse_pairs(listing: Listing, images: ImageFiles, sample: SampleSubmission) -> None:
    """Refuses rows about two images each: two columns of a list of the sample's ids name images of one folder."""
    if any(match.share == 1 for match in images.matches(sample.columns[0], sample.table.iloc[:, 0].tolist())):
        return  # each row is about the image that its id names
    for each in sample.lists:
        named: dict[str, set[str]] = {}
        others = [str(name) for name in each.table.columns if name not in each.ids]
        for name in [name for name in others if each.table[name].nunique() > 2]:  # 0 and 1 are no names of images
            found = images.matches(name, each.table[name].tolist())
            if found and found[0].share == 1 and len(found[0].images) == len(each.table):
                alike = next((other for other in named if named[other] & set(found[0].images)), None)
                if alike is not None and (each.table[alike] != each.table[name]).mean() >= _MOST_OF:
                    raise InputError(
                        f"{listing.source}: {sample.path} asks about pairs of images ({alike} and {name} of "
                        f"{each.path}), and what is predicted here is of one image each; predict what tells the "
                        "images apart, with a sample submission of one row per image, and compare these answers by "
                        "hand"
                    )
                named[name] = set(found[0].images)


def _refuse_images_alike(listing: Listing, images: ImageFiles, sample: SampleSubmission) -> None:
    """Refuses answers that are ids of the rows themselves, or names of images: lists of those that show the same."""
    ids = sample.table.iloc[:, 0].head(_LOOKED_AT)
    if len(ids) < 2 or not is_id(ids) or len(sample.columns) != 2:
        return
    known, cells = set(sample.table.iloc[:, 0]), sample.table.iloc[:, 1].head(_LOOKED_AT)
    own = [name in cell.split() and known.issuperset(cell.split()) for name, cell in zip(ids, cells, strict=True)]
    stems = {plain_stem(PurePosixPath(path).name) for path in images.paths}
    lists = [[plain_stem(word) for word in cell.split()] for cell in cells]
    # Numbers may be classes though images are called by numbers, too.
    others = [bool(each) and stems.issuperset(each) and not any(map(str.isdigit, each)) for each in lists]
    if sum(own) >= _MOST_OF * len(own) or sum(others) >= _MOST_OF * len(others):
        what = "ids of its own rows" if sum(own) >= _MOST_OF * len(own) else "names of images"
        raise InputError(
            f"{listing.source}: {sample.columns[1]} of {sample.path} lists {what} ({cells.iloc[0]!r}): "
            "images that show the same are asked for, and classes of images are what is predicted here; features of a "
            "model trained on the training groups find them, outside of init"
        )


def refuse_commas(asked: pd.DataFrame, path: str) -> None:
    """Refuses a column that the sample submission asks for, if it writes fractions with commas: no reader takes them.

    Raises:
        InputError: names the column and a cell.
    """
    for name, cells in asked.items():
        filled = cells[cells != ""]
        if len(filled) and filled.str.fullmatch(r"-?\d+(,\d+)?").all() and not is_number_column(cells):
            shown = filled[filled.str.contains(",")].iloc[0]
            raise InputError(
                f"column {name} of {path} writes fractions with a comma, such as {shown!r}: write a point there, and "
                "in the sample submission, if what is asked for is a number"
            )


def find_subjects(images: ImageFiles, sample: SampleSubmission) -> dict[str, Subject]:
    """Finds what the ids of a sample submission begin with: id -> its subject; empty where some begin with nothing."""
    stems = {plain_stem(PurePosixPath(path).name): path for path in images.paths}
    folders: dict[str, str] = {}
    for home in images.by_folder:
        for upper in (PurePosixPath(home), *PurePosixPath(home).parents):
            folders.setdefault(upper.name, str(upper))
    found: dict[str, Subject] = {}
    for name in sample.table.iloc[:, 0].head(_LOOKED_AT):
        subject = _find_subject(plain_stem(name), stems, folders)
        if subject is None:
            return {}
        found[name] = subject
    return found


def _find_subject(name: str, stems: Mapping[str, str], folders: Mapping[str, str]) -> Subject | None:
    """Finds the longest beginning of a name that an image or a folder is called by."""
    for cut in [len(name), *(at.start() for at in reversed([*re.finditer("[-_]", name)]))]:
        start = name[:cut]
        if start and (start in stems or start in folders):
            return Subject(stems.get(start) or folders[start], start not in stems, name[cut + 1 :])
    return None


def format_rows_of_parts(images: ImageFiles, sample: SampleSubmission, columns: Collection[str]) -> str:
    """Formats that ids join an image, or a folder of its slices, and a part, which several columns are about.

    Args:
        images: by folder.
        sample: the sample submission.
        columns: of the tables: a part that one is called by may be its answer.
    """
    found = find_subjects(images, sample)
    ends = natural_order(sorted({each.end for each in found.values()} - {""}))
    if not ends:
        return ""
    name, first = next((name, each) for name, each in found.items() if each.end)
    part = next((end for end in ends if end in columns), None)
    values = sample.columns[1:]
    words = f"; ids such as {name!r} join the name of {first.path} and one of {some(ends, 3)}"
    if len(values) > 1:
        words += f", with {len(values)} answers in each row ({some(values, 3)}), and such rows are read with one"
    chosen = f" with --label '{part}'" if part is not None else ""
    home = plain_stem(PurePosixPath(first.path).name)
    return (
        f"{words}: leave one row of each image in the sample submission, with the id {home!r}, "
        f"describe{chosen}, and put the files of answers together by hand"
    )
