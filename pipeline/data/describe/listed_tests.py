"""Test images of answers that are not one row per image: a table says which unit, or which part, each row is about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pandas as pd

from pipeline.core.errors import some
from pipeline.data.describe.joined_ids import JOINTS, write_pattern
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import Choices, ImageFiles, Match, Reading, is_below, is_id, pick_reading
from pipeline.data.describe.packed_test import describe_packed_test
from pipeline.data.describe.sample import IdList, SampleSubmission

_SHARED = 20  # columns: the unit's parts are looked for among so many


def describe_listed_test(
    listing: Listing, images: ImageFiles, sample: SampleSubmission, train: Reading, choices: Choices
) -> tuple[Reading, str] | None:
    """Describes the test section through a table that holds the sample's ids; None where none tells its images.

    Args:
        listing: the files.
        images: the same, by folder.
        sample: the sample submission, with the tables that hold its ids.
        train: the training section.
        choices: the user's decisions.

    Returns:
        The section, its ``answers`` with ``rows`` or ``unit``, and the sample's id column.

    Raises:
        InputError: several tables that say different things of the images.
    """
    found: dict[str, tuple[Reading, str]] = {}
    for listed in sample.lists:
        ways = [(image, rows, fact) for each, image, rows, fact in list_row_tables(sample, train) if each is listed]
        if ways:
            reading = _describe_rows(listing, images, listed, ways, train, choices)
        else:
            reading = _describe_units(listing, images, listed, train)
        if reading is not None:
            found[listed.path] = reading, listed.column
    if not found:
        pattern = _describe_row_pattern(images, sample, train)
        return None if pattern is None else (pattern, sample.columns[0])
    first, *others = found.values()
    alike = [path for path, other in list(found.items())[1:] if _says_the_same(listing, first[0], other[0])]
    chosen = choices.test if choices.test in found else None
    if chosen is None and len(alike) == len(others):
        check = [f"{path} says the same of the test images as the table that was taken" for path in alike]
        return replace(first[0], check=(*first[0].check, *check)), first[1]
    return pick_reading("what the ids of the sample submission are about", found, "--test", chosen)


def find_listed_pixels(
    sample: SampleSubmission, train: Reading, ids: Sequence[str]
) -> tuple[dict[str, Any], str, str] | None:
    """Finds a table that tells the image and the part of each row of answers, where a table holds the images.

    Args:
        sample: the sample submission, with the tables that hold its ids.
        train: the training section.
        ids: of the images.

    Returns:
        The section ``rows``, the sample's id column, and a fact; None where no table tells.
    """
    for listed, image, rows, fact in list_row_tables(sample, train):
        if set(listed.table[image]) <= set(ids):
            return rows, listed.column, fact
    return None


def list_row_tables(sample: SampleSubmission, train: Reading) -> Iterator[tuple[IdList, str, dict[str, Any], str]]:
    """Lists the tables that may tell the image and the part of each row of answers.

    Args:
        sample: the sample submission, with the tables that hold its ids.
        train: the training section.

    Returns:
        The table, its column that may name the image, the section ``rows``, and a fact.
    """
    parts = set(_name_parts(train))
    for listed in [each for each in sample.lists if parts and len(each.ids) == 1]:
        part = next((name for name in _others(listed) if set(listed.table[name]) <= parts), None)
        for image in [name for name in _others(listed) if part is not None and name != part]:
            rows = {"by": "table", "table": listed.path, "row": listed.ids[0], "image": image, "part": part}
            fact = (
                f"{listed.path}: {listed.ids[0]} holds the sample's ids, {image} the image and {part} the part of each"
            )
            yield listed, image, rows, fact


def _says_the_same(listing: Listing, one: Reading, other: Reading) -> bool:
    return set(one.images) == set(other.images) and _list_subjects(listing, one) == _list_subjects(listing, other)


def _list_subjects(listing: Listing, reading: Reading) -> set[tuple[str, ...]]:
    """Lists the image and the id of each row of answers, and its part if it has one."""
    rows = reading.answers.get("rows")
    unit = reading.answers["unit"]["test"] if rows is None else {}
    names = [rows["image"], rows["row"], rows["part"]] if rows is not None else [unit["image"], *unit["columns"]]
    table = listing.table(str((rows or unit)["table"]))
    return set(zip(*(table[name] for name in names), strict=True))


def _describe_row_pattern(images: ImageFiles, sample: SampleSubmission, train: Reading) -> Reading | None:
    """Reads ids of a sample that join an image and a part (``t0_rust``): each image with each part, no more."""
    parts = _name_parts(train) or train.classes
    ids = sample.table[sample.columns[0]].tolist()
    for separator in JOINTS if len(set(ids)) == len(ids) else ():
        pattern = write_pattern(separator, parts)
        hits = [re.fullmatch(pattern, name) for name in ids]
        pairs = [(hit["image"], hit["part"]) for hit in hits if hit is not None]
        stems, used = list(dict.fromkeys(image for image, _ in pairs)), {part for _, part in pairs}
        if len(pairs) < len(ids) or not len(used) >= 2 or not used <= set(parts) or len(stems) * len(used) != len(ids):
            continue
        match = _match_whole(images, sample.columns[0], stems, train)
        if match is None:
            continue
        facts = (f"ids of {sample.path} such as {ids[0]!r} join an image and one of {some(sorted(used), 5)}",)
        unasked = sorted(set(parts) - used)
        check = (f"{sample.path} asks for no row of {some(unasked, 5)}",) if unasked else ()
        section = {"layout": "images", "images": match.folder, "listed_by": "folder"}
        rows = {"by": "pattern", "pattern": pattern}
        return Reading(section, facts, check, match.images, answers={"rows": rows})
    return None


def _others(listed: IdList) -> list[str]:
    return [str(name) for name in listed.table.columns if name not in listed.ids]


def _name_parts(train: Reading) -> tuple[str, ...]:
    label = train.section.get("label")
    if isinstance(label, list | tuple):
        return tuple(str(name) for name in label)
    return train.classes if train.kind == "several_labels" else ()


def _describe_rows(
    listing: Listing,
    images: ImageFiles,
    listed: IdList,
    ways: Sequence[tuple[str, dict[str, Any], str]],
    train: Reading,
    choices: Choices,
) -> Reading | None:
    """Reads rows that are about a part of an image each."""
    for name, rows, fact in ways:
        ids, facts = pd.DataFrame({name: listed.table[name].unique()}), (fact,)
        match = _match_whole(images, name, ids[name].tolist(), train)
        if match is not None:
            section = {"layout": "images", "images": match.folder, "listed_by": "folder"}
            if any(is_below(match.folder, path) for path in train.images):  # not all that lies there is for testing
                section |= {"listed_by": "table", "table": listed.path, "id": name}
            return Reading(section, facts, (), match.images, answers={"rows": rows})
        packed = describe_packed_test(listing, listed.path, ids, train, choices)
        if packed is not None and "id" not in packed[0].section:
            section = packed[0].section | {"listed_by": "folder"}
            return Reading(section, (*packed[0].facts, *facts), packed[0].check, answers={"rows": rows})
    return None


def _describe_units(listing: Listing, images: ImageFiles, listed: IdList, train: Reading) -> Reading | None:
    """Reads a table of images whose units the sample asks for."""
    for name in [name for name in _others(listed) if is_id(listed.table[name])]:
        match = _match_whole(images, name, listed.table[name].tolist(), train)
        if match is None:
            continue
        unit: dict[str, Any] = {
            "test": {"by": "table", "table": listed.path, "image": name, "columns": list(listed.ids)}
        }
        columns = _find_train_columns(listing, listed, name, train)
        if columns is not None:
            table, key = str(train.section["table"]), str(train.section["id"])
            unit["train"] = {"by": "table", "table": table, "image": key, "columns": columns}
        section = {
            "layout": "images",
            "images": match.folder,
            "listed_by": "table",
            "table": listed.path,
            "id": name,
        }
        facts = (f"{listed.path}: {name} names the images, {' and '.join(listed.ids)} what the sample asks for",)
        none = ("no columns of the training table name the same units: see unit.train",)
        check = () if columns is not None else none
        return Reading(section, facts, check, match.images, answers={"unit": unit})
    return None


def _match_whole(images: ImageFiles, column: str, ids: Sequence[str], train: Reading) -> Match | None:
    """Finds the folder whose images all ids name: of folders inside one another the innermost."""
    whole = sorted(
        (match for match in images.matches(column, ids, train.images) if match.share == 1),
        key=lambda match: len(match.folder) if match.folder != "." else 0,
    )
    inner = whole[-1] if whole else None
    return inner if inner is not None and all(is_below(match.folder, inner.folder + "/x") for match in whole) else None


def _find_train_columns(listing: Listing, listed: IdList, image: str, train: Reading) -> list[str] | None:
    """Finds the columns of the training table that name units as the sample does, joined by ``_``."""
    path = train.section.get("table")
    if path not in listing.tables or "id" not in train.section:
        return None
    table = listing.table(str(path))
    if set(listed.ids) <= set(table.columns):
        return list(listed.ids)
    wanted = listed.table[list(listed.ids)].agg("_".join, axis=1)
    shared = [str(name) for name in listed.table.columns if name in table.columns and name != image][:_SHARED]
    return next((list(names) for names in _list_joins(shared) if _join(listed.table, names).equals(wanted)), None)


def _list_joins(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for length in (1, 2):
        yield from permutations(names, length)


def _join(table: pd.DataFrame, names: Sequence[str]) -> "pd.Series[str]":
    joined: pd.Series[str] = table[list(names)].agg("_".join, axis=1)
    return joined
