"""Groups from a list beside the training images: of those in class folders, or of a table without groups."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import PurePosixPath

import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.group_readings import GroupedRows, GroupReading, is_group_name
from pipeline.data.describe.groups import describe_groups
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles, Match, Reading, is_id, plain_stem
from pipeline.data.describe.test_tables import WIDE


def describe_groups_of_folders(
    listing: Listing,
    images: ImageFiles,
    reading: Reading,
    tables: Sequence[str],
    sample: pd.DataFrame,
    choices: Choices,
) -> Reading:
    """Adds the groups of images in folders, or with names, of classes: from a table beside them, or from their names.

    Args:
        listing: the files.
        images: the same, by folder.
        reading: of the folders.
        tables: that may name the images and their groups.
        sample: the sample submission; its first column holds the ids of test images.
        choices: ``group`` decides.

    Raises:
        InputError: several ways to group and no evidence which one, or a choice that is none.
    """
    labels = dict(zip(reading.images, _read_labels(reading.images, reading), strict=True))
    groups = beside = _find_beside(listing, images, labels, tables, choices, set(sample.iloc[:, 0].map(plain_stem)))
    if beside.beside is None:
        folder = str(reading.section["images"])
        ids = [PurePosixPath(image).relative_to(folder).as_posix() for image in reading.images]
        rows = GroupedRows(pd.DataFrame(), folder, ids, reading.images, list(labels.values()), [])
        groups = describe_groups(listing, rows, [], choices)
        groups = replace(groups, check=(*groups.check, *beside.check))
    facts, check = (*reading.facts, *groups.facts), (*reading.check, *groups.check)
    return replace(reading, facts=facts, check=check, more=groups.sections)


def describe_groups_of_rows(
    listing: Listing,
    images: ImageFiles,
    rows: GroupedRows,
    tests: Sequence[pd.DataFrame],
    tables: Sequence[str],
    choices: Choices,
) -> GroupReading:
    """Describes the groups of the images that a table names: by its own columns, else by another table of them.

    Args:
        listing: the files.
        images: the same, by folder.
        rows: of the training table.
        tests: tables of test images: where one has the same column, they tell whether groups are new there.
        tables: others that may name the images and their groups; none where files are parts of images.
        choices: ``group`` decides.

    Raises:
        InputError: several ways to group and no evidence which one, or a choice that is none.
    """
    labels = dict(zip(rows.images, rows.labels, strict=True))

    def find_beside() -> GroupReading:
        return _find_beside(listing, images, labels, tables, choices, rows.sample_ids)

    if choices.group is not None and choices.group not in rows.table.columns:
        beside = find_beside()
        return beside if beside.beside is not None else describe_groups(listing, rows, tests, choices)
    return describe_groups(listing, rows, tests, choices, find_beside)


def _find_beside(
    listing: Listing,
    images: ImageFiles,
    labels: Mapping[str, str],
    tables: Sequence[str],
    choices: Choices,
    sample_ids: Set[str],
) -> GroupReading:
    """Finds the groups of images in a table that names all of them, and perhaps test images, too.

    Args:
        listing: the files.
        images: the same, by folder.
        labels: training image -> its class.
        tables: that may name the images and their groups.
        choices: ``group`` decides.
        sample_ids: ids of test images, without suffix: of which groups these are says whether groups are new there.

    Returns:
        Nothing but lines to check where no table names all of the images once.
    """
    wanted, check = choices.group, []
    for path in [path for path in tables if labels and len(listing.head(path).columns) <= WIDE]:
        columns = [str(name) for name in listing.head(path).columns]
        named = [name for name in columns if name == wanted or (wanted is None and is_group_name(name))]
        table = listing.table(path) if named else pd.DataFrame()
        for name in [name for name in columns if named and 2 * table[name].nunique() > len(labels)]:
            for match in images.matches(name, table[name].tolist()):
                known = labels.keys() & set(match.images)
                if is_id(table[name]) and len(known) == len(labels):
                    groups = _read_beside(listing, table, (path, match), labels, choices, sample_ids)
                    if groups.beside is not None:
                        return groups
                elif 2 * len(known) > len(labels):
                    mine = {image: place for place, image in zip(match.places, match.images, strict=True)}
                    once = table.iloc[[mine[image] for image in known]]
                    ties = [each for each in named if 2 <= once[each].nunique() < len(known)]
                    check += [_tell_unread(path, ties, len(known), len(labels))] if ties else []
    return GroupReading(check=tuple(dict.fromkeys(check)))


def _tell_unread(path: str, names: Sequence[str], known: int, count: int) -> str:
    """Says that a table may name groups, and why they are not read."""
    rows = "several rows of some" if known == count else f"none of {count - known:,}"
    return (
        f"{some(names)} of {path} may tie training images together, but it has {rows} of the {count:,} training images "
        "and is passed over: write one row of each image there and describe again, or leave it if they need not"
    )


def _read_beside(
    listing: Listing,
    table: pd.DataFrame,
    named: tuple[str, Match],
    labels: Mapping[str, str],
    choices: Choices,
    sample_ids: Set[str],
) -> GroupReading:
    """Reads the groups of a table that names all training images: its path, and the column that names them."""
    path, match = named
    name = match.column
    places = [place for place, image in zip(match.places, match.images, strict=True) if image in labels]
    mine, found = table.iloc[places], [image for image in match.images if image in labels]
    rows = GroupedRows(mine, path, mine[name].tolist(), found, [labels[image] for image in found], [name])
    others = table.drop(index=mine.index)  # of test images, or of none that is there
    stems = others[name].map(plain_stem)
    others = others[
        stems.isin(list(sample_ids)) | stems.map(lambda stem: PurePosixPath(stem).name).isin(list(sample_ids))
    ]
    groups = describe_groups(listing, rows, [others] if len(others) else [], choices)
    if groups.column is None:
        return GroupReading()
    facts = (f"{path} names the images and their {groups.column}", *groups.facts)
    return replace(groups, column=None, beside=(path, name, groups.column), facts=facts)


def _read_labels(paths: Sequence[str], reading: Reading) -> list[str]:
    """Reads the classes of images off their folders, or their names."""
    pattern = reading.section.get("pattern")
    if pattern is None:
        return [PurePosixPath(path).parent.name for path in paths]
    found = [re.search(str(pattern), PurePosixPath(path).name) for path in paths]
    return [match["label"] if match else "" for match in found]
