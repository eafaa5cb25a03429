"""Groups from a list beside the training images: of those in class folders, or of a table without groups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.describe.group_readings import GroupedRows, GroupReading, is_group_name
from pipeline.data.describe.groups import describe_groups
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles, Reading, is_id
from pipeline.data.describe.test_tables import WIDE


def describe_groups_of_folders(
    listing: Listing, images: ImageFiles, reading: Reading, tables: Sequence[str], choices: Choices
) -> Reading:
    """Adds the groups of images in folders, or with names, of classes: from a table beside them, or from their names.

    Args:
        listing: the files.
        images: the same, by folder.
        reading: of the folders.
        tables: that may name the images and their groups.
        choices: ``group`` decides.

    Raises:
        InputError: several ways to group and no evidence which one, or a choice that is none.
    """
    labels = dict(zip(reading.images, _read_labels(reading.images, reading), strict=True))
    groups = _find_beside(listing, images, labels, tables, choices)
    if groups is None:
        folder = str(reading.section["images"])
        ids = [PurePosixPath(image).relative_to(folder).as_posix() for image in reading.images]
        rows = GroupedRows(pd.DataFrame(), folder, ids, reading.images, list(labels.values()), [])
        groups = describe_groups(listing, rows, [], choices)
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
    if choices.group is not None and choices.group not in rows.table.columns:
        beside = _find_beside(listing, images, labels, tables, choices)
        return beside if beside is not None else describe_groups(listing, rows, tests, choices)
    own = describe_groups(listing, rows, tests, choices)
    if own.column is not None or own.sections or choices.group is not None:
        return own
    beside = _find_beside(listing, images, labels, tables, choices)
    return own if beside is None else replace(beside, check=(*own.check, *beside.check))


def _find_beside(
    listing: Listing, images: ImageFiles, labels: Mapping[str, str], tables: Sequence[str], choices: Choices
) -> GroupReading | None:
    """Finds the groups of images in a table that names all of them, and perhaps test images, too.

    Args:
        listing: the files.
        images: the same, by folder.
        labels: training image -> its class.
        tables: that may name the images and their groups.
        choices: ``group`` decides.
    """
    wanted = choices.group
    for path in [path for path in tables if labels and len(listing.head(path).columns) <= WIDE]:
        columns = [str(name) for name in listing.head(path).columns]
        if wanted not in columns if wanted is not None else not any(map(is_group_name, columns)):
            continue
        table = listing.table(path)
        for name in [name for name in columns if is_id(table[name])]:
            for match in images.matches(name, table[name].tolist()):
                if not labels.keys() <= set(match.images):
                    continue
                places = [place for place, image in zip(match.places, match.images, strict=True) if image in labels]
                mine, found = table.iloc[places], [image for image in match.images if image in labels]
                rows = GroupedRows(mine, path, mine[name].tolist(), found, [labels[image] for image in found], [name])
                others = table.drop(index=mine.index)  # of which groups test images are
                groups = describe_groups(listing, rows, [others] if len(others) else [], choices)
                if groups.column is not None:
                    facts = (f"{path} names the images and their {groups.column}", *groups.facts)
                    return replace(groups, column=None, beside=(path, name, groups.column), facts=facts)
    return None


def _read_labels(paths: Sequence[str], reading: Reading) -> list[str]:
    """Reads the classes of images off their folders, or their names."""
    pattern = reading.section.get("pattern")
    if pattern is None:
        return [PurePosixPath(path).parent.name for path in paths]
    found = [re.search(str(pattern), PurePosixPath(path).name) for path in paths]
    return [match["label"] if match else "" for match in found]
