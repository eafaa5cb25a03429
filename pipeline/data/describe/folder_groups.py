"""Groups of images whose folders or names are their classes: from a list beside them, or from their names."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import pandas as pd

from pipeline.data.describe.group_readings import GroupedRows
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
    for path in [path for path in tables if len(listing.head(path).columns) <= WIDE]:
        table = listing.table(path)
        for name in [str(name) for name in table.columns if is_id(table[name])]:
            for match in images.matches(name, table[name].tolist()):
                if set(match.images) != set(reading.images):
                    continue
                labels = _read_labels(match.images, reading)
                mine = table.iloc[list(match.places)]
                rows = GroupedRows(mine, path, mine[name].tolist(), match.images, labels, [name])
                groups = describe_groups(listing, rows, [], choices)
                if groups.column is not None:
                    more = {"groups": {"table": path, "id": name, "column": groups.column}}
                    facts, check = (*reading.facts, *groups.facts), (*reading.check, *groups.check)
                    return replace(reading, facts=facts, check=check, more=more)
    folder = str(reading.section["images"])
    ids = [PurePosixPath(image).relative_to(folder).as_posix() for image in reading.images]
    labels = _read_labels(reading.images, reading)
    rows = GroupedRows(pd.DataFrame(), folder, ids, reading.images, labels, [])
    groups = describe_groups(listing, rows, [], choices)
    facts, check = (*reading.facts, *groups.facts), (*reading.check, *groups.check)
    return replace(reading, facts=facts, check=check, more=groups.sections)


def _read_labels(paths: Sequence[str], reading: Reading) -> list[str]:
    """Reads the classes of images off their folders, or their names."""
    pattern = reading.section.get("pattern")
    if pattern is None:
        return [PurePosixPath(path).parent.name for path in paths]
    found = [re.search(str(pattern), PurePosixPath(path).name) for path in paths]
    return [match["label"] if match else "" for match in found]
