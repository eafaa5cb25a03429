"""Rows from elsewhere: labelled images of a folder or of another competition, behind the own rows of a prepared folder.

Their ids begin with the name of their set. Copies of the competition's own images, training and test alike, are left
out: they would show a model what it is scored on.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.files import read_json, write_json
from pipeline.core.row_rules import MoreRows
from pipeline.core.storage import Storage
from pipeline.core.tables import read_index, write_index
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.prepared import format_cells, read_target
from pipeline.core.targets.spec import GradesSpec, OneClassSpec, SeveralLabelsSpec
from pipeline.data.prepared.duplicates import HASHES
from pipeline.data.prepared.preparing import PrepareParams, decode_records, make_index, take_readable
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.training_records import list_training_records
from pipeline.images.store import join_stores


@dataclass(frozen=True)
class MoreSet:
    """A set of rows from elsewhere.

    Attributes:
        rule: of the competition's file.
        base: the folder that its sources lie below.
        competition: describes how its images lie there, and how they are kept here.
        records: its images, their labels those of the competition.
        strange: how many images are of classes that ``classes`` leaves out.
    """

    rule: MoreRows
    base: Path
    competition: Competition
    records: list[Record]
    strange: int


def list_more_rows(
    rule: MoreRows, origin: tuple[Path, Competition], competition: Competition, target: Target
) -> MoreSet:
    """Lists the images of a set, before anything is decoded.

    Args:
        rule: of the competition's file.
        origin: the folder that the layouts speak of, and what describes them.
        competition: that they join.
        target: what it predicts.

    Raises:
        InputError: the set predicts something else, has classes that the competition does not know, or cannot be kept
            as this competition keeps its images.
    """
    base, other = origin
    place = f"more_rows {rule.name}"
    if type(other.target) is not type(competition.target):
        raise InputError(
            f"{place}: {rule.competition} predicts {other.target.kind}, this competition {competition.target.kind}; "
            "remove the set from the competition's file"
        )
    named = isinstance(competition.target, OneClassSpec | GradesSpec | SeveralLabelsSpec)
    if rule.folder is not None and not named:
        raise InputError(
            f"{place}: folders name classes, and the target is {competition.target.kind}; describe the set as a "
            "competition of its own and name that"
        )
    records, _ = list_training_records(base, other)
    strange = 0
    if named:
        records, strange = _rename_classes(records, rule, target)
    if not records:
        raise InputError(f"{place}: none of its images has a class of this competition; correct its classes")
    storage = _storage_here(other.storage, competition.storage, f"{place}: storage of {rule.competition}")
    return MoreSet(rule, base, other.model_copy(update={"storage": storage}), records, strange)


def _storage_here(theirs: Storage, own: Storage, place: str) -> Storage:
    shape = {name: getattr(own, name) for name in ("size", "channels", "resize", "dtype")}
    # Read anew, not copied: what suits a competition of its own need not suit this size and these channels.
    return parse(theirs.model_dump() | shape, Storage, f"{place}, kept with this competition's {', '.join(shape)}")


def _rename_classes(records: Sequence[Record], rule: MoreRows, target: Target) -> tuple[list[Record], int]:
    taken, strange, place = [], 0, f"more_rows {rule.name}"
    for name in sorted(set(rule.classes.values()) - {None, *target.columns}, key=str):
        raise InputError(f"{place}: classes names {name!r}; {near_names(str(name), target.columns)}")
    unknown: dict[str, None] = {}
    for record in records:
        names = [rule.classes.get(name, name) for name in str(record.label).split(CELL_SEPARATOR) if name]
        unknown |= dict.fromkeys(name for name in names if name is not None and name not in target.columns)
        if None in names:
            strange += 1
        else:
            taken.append(replace(record, label=CELL_SEPARATOR.join(str(name) for name in names)))
    if unknown:
        first = next(iter(unknown))
        raise InputError(
            f"{place}: {len(unknown)} of its classes are none of this competition: {some(list(unknown))}; "
            f"{near_names(first, target.columns)}; say under classes what they are called here, or null to leave "
            "their images out"
        )
    return taken, strange


def add_more_rows(folder: Path, sets: Sequence[MoreSet], params: PrepareParams) -> None:
    """Adds sets to a prepared folder: images behind the store's, rows behind the index's, a part of the report.

    Args:
        folder: where everything is being built.
        sets: in their order.
        params: processes, and what becomes of broken images.

    Raises:
        InputError: broken files, unless they are to be dropped, or all images of a set are copies.
    """
    target, own, test = read_target(folder), read_index(folder / "train.csv"), read_index(folder / "test.csv")
    stores, parts, report = [folder / "train_images.npy"], [own.assign(more="", weight="1")], []
    chosen: list[Sequence[int]] = [range(len(own))]
    known = {name: {*own[name], *test[name]} for name in HASHES}
    for each in sets:
        name = each.rule.name
        path = folder / f"more-{name}.npy"
        records, facts = decode_records(
            path, each.base, each.competition, each.competition.train, each.records, params.workers
        )
        readable = take_readable(records, facts, params)
        cells = [str(records[row].label) for row in readable]
        index = make_index(
            [replace(records[row], id=f"{name}/{records[row].id}", group="", unit="") for row in readable],
            [facts[row] for row in readable],
            target.index_labels(target.encode(cells)),
        )
        if target.kind != "one_class":
            index[target.kind] = format_cells(cells)
        copies = np.any([index[column].isin(known[column]) for column in HASHES], axis=0)
        index = index.loc[~copies]
        if index.empty:
            raise InputError(f"more_rows {name}: all its images are copies of the competition's own; remove the set")
        for column, values in known.items():
            values |= set(index[column])
        stores.append(path)
        chosen.append(np.asarray(readable)[~copies].tolist())
        parts.append(index.assign(more=name, weight=f"{each.rule.weight:g}"))
        counts = {"images": len(index), "weight": each.rule.weight, "copies_left_out": int(copies.sum())}
        counts |= {"of_other_classes": each.strange, "broken": len(records) - len(readable)}
        report.append({"name": name} | counts)
        print(f"more_rows {name}: " + ", ".join(f"{key} {value:g}" for key, value in counts.items()))
    joined = folder / "joined.npy"
    join_stores(stores, chosen, joined)
    shutil.move(joined, stores[0])
    for path in stores[1:]:
        path.unlink()
    write_index(folder / "train.csv", pd.concat(parts, ignore_index=True).fillna(""))
    whole = read_json(folder / "report.json", "run `dvc repro prepare`")
    write_json(folder / "report.json", whole | {"more_rows": report})
