"""Packed test images: their section, from the packed files that hold the ids of the sample submission."""

from itertools import takewhile

import pandas as pd

from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, Reading, is_id, pick_reading
from pipeline.data.describe.packed_sets import PackedSet, find_packed_sets


def describe_packed_test(
    listing: Listing, path: str, sample: pd.DataFrame, train: Reading, choices: Choices
) -> tuple[Reading, str] | None:
    """Describes the test section; returns it and the sample's id column, or None where no packed file fits.

    Args:
        listing: the files.
        path: of the sample submission.
        sample: its cells.
        train: the training section.
        choices: ``test`` decides.

    Raises:
        InputError: several sets of files fit.
    """
    used = train.section.get("images", "")
    found: dict[str, tuple[PackedSet, str, str | None]] = {}
    for images in find_packed_sets(listing):
        for column in [str(name) for name in sample.columns if is_id(sample[name])]:
            name = _find_column(images, set(sample[column]))
            by_order = not images.names and len(images.table) == len(sample) and images.pattern != used
            if (name is not None or by_order) and images.pattern not in found:
                found[images.pattern] = images, column, name
    if not found:
        return None
    if choices.test is None and len(found) > 1:
        found = {name: each for name, each in found.items() if name != used}
    if choices.test is None and len(found) > 1:
        # Copies in other sizes: those beside the training images.
        alike = {name: _count_alike(used, name) for name in found}
        found = {name: each for name, each in found.items() if alike[name] == max(alike.values())}
    images, column, name = pick_reading(f"the test images of {listing.source}", found, "--test", choices.test)
    facts = (f"{images.pattern}: {len(images.table):,} images packed in {len(images.files)} files",)
    section = {"layout": "images", "images": images.pattern}
    if name is not None and name == images.document:
        listed = str((images.packed.columns or ("",))[0].split(".")[0])
        section |= {"listed_by": "table", "table": images.pattern, "id": listed, "group": name}
        check = (f"{column} of {path} has one answer for all images of one {name} of {images.pattern}: see unit",)
        return Reading(section | images.section(listed, listed), facts, check), column
    section |= {"listed_by": "sample_submission"}
    if name is None:
        order = f"{images.pattern} holds no ids: its images are paired with the rows of {path} by number or order"
        return Reading(section | images.section(None, None), facts, (order,)), column
    return Reading(section | images.section(None, name), (*facts, f"{name} holds the ids of {path}")), column


def _count_alike(one: str, other: str) -> int:
    """Counts the folders that two patterns begin with."""
    pairs = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _find_column(images: PackedSet, ids: set[str]) -> str | None:
    columns = [*images.names, *([images.document] if images.document else [])]
    return next((name for name in columns if ids <= set(images.table[name])), None)
