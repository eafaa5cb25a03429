"""Tables of test images: those that hold every id of the sample submission, and perhaps more ids than it shows."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ImageFiles, Reading

_MOST = 0.5  # of the training images
WIDE = 200  # columns: more are pixels or nothing


def find_test_tables(listing: Listing, tables: Sequence[str], sample: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Finds the tables that list all test images: those with a column that holds every id of the sample submission.

    Args:
        listing: the files.
        tables: those that come into question.
        sample: the sample submission; its first column holds the ids.
    """
    ids = set(sample.iloc[:, 0])
    few = {path: listing.table(path) for path in tables if len(listing.head(path).columns) <= WIDE}
    return {path: table for path, table in few.items() if any(ids <= set(table[name]) for name in table.columns)}


def list_whole_test(
    listing: Listing, images: ImageFiles, tables: Sequence[str], sample: pd.DataFrame, train: Reading, test: Reading
) -> Reading:
    """Lists the test images by a table, where the sample submission shows the format by some rows alone.

    Args:
        listing: the files.
        images: the same, by folder.
        tables: those that may list the test images.
        sample: the sample submission.
        train: the training section: a table that names half of its images, or more, lists all images, not test images.
        test: as the sample submission names the images.

    Returns:
        ``test`` itself where no table names more images of its folder.
    """
    if test.section.get("listed_by") != "sample_submission":
        return test
    ids = set(sample.iloc[:, 0])
    for path, table in find_test_tables(listing, tables, sample).items():
        for name in map(str, table.columns):
            values = table[name].tolist()
            if not ids < set(values) or len(set(values)) < len(values):
                continue
            found = [match for match in images.matches(name, values) if match.folder == test.section["images"]]
            both = set(found[0].images) & set(train.images) if found else set()
            if found and found[0].share == 1 and len(both) < _MOST * max(len(train.images), 1):
                section = test.section | {"listed_by": "table", "table": path, "id": name}
                shows = f"the sample submission shows {len(ids):,} of the {len(values):,} ids of {path}"
                check = f"{shows}: submissions hold all of them, in the order of {path}"
                return replace(test, section=section, images=found[0].images, check=(*test.check, check))
    return test
