"""Packed training images: their section, from rows that hold images and labels, or images that a table names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline.core.errors import InputError, some
from pipeline.data.containers.array_rows import ROW
from pipeline.data.describe.classes import is_label
from pipeline.data.describe.group_readings import GroupedRows
from pipeline.data.describe.groups import describe_groups
from pipeline.data.describe.label_columns import read_labels
from pipeline.data.describe.listing import Listing
from pipeline.data.describe.match import ENOUGH, Choices, Reading, is_id, pick_reading
from pipeline.data.describe.packed_sets import PackedSet, can_join, find_packed_sets, join_sets
from pipeline.data.describe.sample import SampleSubmission
from pipeline.images.inspection import inspect_values

_STORED = 160  # pixels that the proposed models take: larger pictures lose nothing above it


@dataclass(frozen=True)
class PackedCandidate:
    """Packed images with labels: in their own rows, or in a table beside.

    Attributes:
        images: the files.
        table: of the labels; None for the files' own rows.
        id: its column of ids.
        named_by: the column of the files that holds these ids; None where the files hold none.
        notes: guesses to check.
    """

    images: PackedSet
    table: str | None
    id: str
    named_by: str | None
    notes: tuple[str, ...] = ()


def describe_packed_train(
    listing: Listing, tables: Sequence[str], sample: SampleSubmission, choices: Choices
) -> Reading | None:
    """Describes the training section where images are packed; None where no packed file holds labelled images.

    Args:
        listing: the files.
        tables: those that may hold training labels.
        sample: the sample submission; packed images with its ids are test images.
        choices: ``train``, ``id`` and ``label`` decide.

    Raises:
        InputError: several readings; the candidates are listed.
    """
    found = _candidates(listing, tables, sample.table, choices)
    if not found:
        return None
    if choices.train is None:
        found = _drop_copies(found)
    candidate = pick_reading(f"the training data in {listing.source}", found, "--train", choices.train)
    return _describe(candidate, listing, sample, choices)


def _candidates(
    listing: Listing, tables: Sequence[str], sample: pd.DataFrame, choices: Choices
) -> dict[str, PackedCandidate]:
    asked = {str(name): set(sample[name]) for name in sample.columns if is_id(sample[name])}
    sets = [each for each in find_packed_sets(listing) if not _holds_ids(each, asked)]
    found: dict[str, PackedCandidate] = {}
    sure = [each for each in sets if _has_label(each.table, [*each.names, ROW], choices)]
    # A small part has too few rows for its labels to look like some: its columns are those of a larger one.
    labelled = [each for each in sets if each in sure or each.plain in [one.plain for one in sure]]
    for images, notes in _join_parts(labelled):
        largest = max((one for one in sure if one.plain == images.plain), key=lambda one: len(one.table))
        row_id = _pick_id(largest, sample, choices)
        found[images.pattern] = PackedCandidate(images, None, row_id, row_id, notes)
    for images in sets:
        if images not in labelled:
            for table in tables:
                columns = _find_naming(images, listing.table(table), choices)
                if columns is not None:
                    found[f"{table}:{images.pattern}"] = PackedCandidate(images, table, *columns)
    return found


def _holds_ids(images: PackedSet, asked: Mapping[str, set[str]]) -> bool:
    """Says whether the images are those that the sample submission asks for."""
    columns = [*images.names, *([images.document] if images.document else [])]
    return any(ids == set(images.table[name]) for ids in asked.values() for name in columns)


def _has_label(table: pd.DataFrame, taken: Sequence[str], choices: Choices) -> bool:
    others = [name for name in table.columns if name not in taken]
    return any(is_label(table[name]) or name == choices.label for name in others)


def _join_parts(sets: Sequence[PackedSet]) -> list[tuple[PackedSet, tuple[str, ...]]]:
    """Joins labelled sets of one form, such as the folders train and val."""
    joined: list[tuple[PackedSet, tuple[str, ...]]] = []
    for each in sets:
        place = next((n for n, (other, _) in enumerate(joined) if can_join(other, each)), None)
        if place is None:
            joined.append((each, ()))
        else:
            both = join_sets(joined[place][0], each)
            joined[place] = both, (f"{both.pattern}: images of both were joined, their ids differ and all have labels",)
    return joined


def _pick_id(images: PackedSet, sample: pd.DataFrame, choices: Choices) -> str:
    if not images.names and ROW in images.plain:
        return ROW
    if images.document:
        return str((images.packed.columns or ("",))[0].split(".")[0])
    if not images.names:
        raise InputError(
            f"{images.pattern} has no column that tells its images apart (it has {some(images.plain) or 'none'}); add "
            "a column of ids to it, or write its pictures into files"
        )
    named = [name for name in images.names if name in sample.columns and choices.id is None]
    options = {name: name for name in named or images.names}
    return pick_reading(f"the id column of {images.pattern}", options, "--id", choices.id)


def _find_naming(images: PackedSet, table: pd.DataFrame, choices: Choices) -> tuple[str, str | None] | None:
    """The column of a table that names packed images, if one is left for the label, and the files' column of ids.

    Where the files hold no ids, a table of as many rows is paired with them.
    """
    for name in [str(name) for name in table.columns if choices.id in (None, name)]:
        if not is_id(table[name]) or not _has_label(table, [name], choices):
            continue
        for column in images.names:
            if len(set(images.table[column]) & set(table[name])) >= ENOUGH * len(table):
                return name, column
        if not images.names and len(table) == len(images.table):
            return name, None
    return None


def _drop_copies(found: Mapping[str, PackedCandidate]) -> dict[str, PackedCandidate]:
    """Leaves out sets whose images are copies of another's: a part of them, or all of them in another size."""
    kept = dict(found)
    own = {name: each for name, each in found.items() if each.table is None and each.images.names}
    ids = {name: set(each.images.table[each.id]) for name, each in own.items()}
    for name in own:
        larger = [other for other in own if ids[name] < ids[other]]
        if larger and name in kept:
            del kept[name]
            note = f"{name} holds {len(ids[name]):,} of the images of {larger[0]} a second time: unused"
            kept[larger[0]] = replace(kept[larger[0]], notes=(*kept[larger[0]].notes, note))
    sizes = {name: _measure_side(each.images) for name, each in own.items() if name in kept}
    for name in list(sizes):
        twins = [other for other in sizes if ids[other] == ids[name]]
        best = min(twins, key=lambda twin: (sizes[twin] < _STORED, abs(sizes[twin] - _STORED), twin))
        if name != best:
            del kept[name]
        elif len(twins) > 1:
            listed = some([f"--train '{twin}' ({sizes[twin]} pixels)" for twin in twins if twin != best])
            note = (
                f"{best} ({sizes[best]} pixels) was taken of {len(twins)} copies of the same images; others: {listed}"
            )
            kept[best] = replace(kept[best], notes=(*kept[best].notes, note))
    return kept


def _measure_side(images: PackedSet) -> int:
    sides = [min(inspect_values(picture).size) for picture in images.pictures()[:5]]
    return sorted(sides)[len(sides) // 2]


def _describe(candidate: PackedCandidate, listing: Listing, sample: SampleSubmission, choices: Choices) -> Reading:
    images, where = candidate.images, candidate.table or candidate.images.pattern
    table = images.table if candidate.table is None else listing.table(candidate.table)
    taken = [
        candidate.id,
        *(name for name in (*images.names, ROW, images.document) if name and candidate.table is None),
    ]
    labels = read_labels(table, where, taken, sample, choices)
    section: dict[str, Any] = {
        "layout": "csv_one_hot" if labels.marks else "csv_images",
        "images": images.pattern,
        "table": where,
        "id": candidate.id,
        **labels.train_keys,
        **({"group": images.document} if images.document and candidate.table is None else {}),
        **images.section(candidate.id, candidate.named_by),
    }
    facts: tuple[str, ...] = (
        f"{where}: {len(table):,} rows, columns {some(table.columns)}; images packed in {len(images.files)} files",
        *labels.facts,
    )
    check = (*labels.check, *candidate.notes, *images.notes, *_order_note(images, where))
    ids, taken = table[candidate.id].tolist(), [*taken, *labels.columns, *sample.columns]
    rows = GroupedRows(table, where, ids, (), labels.row_classes.tolist(), taken)
    if "group" not in section:
        groups = describe_groups(listing, rows, [], choices)
        section |= {"group": groups.column} if groups.column else {}
        facts, check = (*facts, *groups.facts), (*check, *groups.check)
    pictures = tuple(images.pictures())
    count, target = len(table), labels.section
    return Reading(section, facts, check, (), labels.classes, rows=count, pictures=pictures, target=target)


def _order_note(images: PackedSet, where: str) -> tuple[str, ...]:
    if images.names or where == images.pattern:
        return ()
    return (f"{images.pattern} holds no ids: its images are paired with the rows of {where} by number or order",)
