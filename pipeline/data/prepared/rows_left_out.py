"""Training rows left out by the rules of a competition's file, each with its reason, and groups given beside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.core.competition import Competition
from pipeline.core.csvs import require_columns
from pipeline.core.errors import InputError, some
from pipeline.core.ids import plain_path
from pipeline.core.layouts import CsvImages, CsvOneHot, CsvPixels, TestImages, list_answer_columns
from pipeline.core.targets.spec import OneClassSpec
from pipeline.data.containers.tables import read_rows
from pipeline.data.prepared.channel_files import have_files
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.packed_images import PackedImages
from pipeline.data.prepared.record import Record
from pipeline.images.dicom import SUBJECTS, Subject, read_subject

NO_LABEL, NO_IMAGE = "it has no label", "it has no image"


class LeftOut(NamedTuple):
    """A training row or image that is left out: its id or path, and why."""

    id: str
    reason: str


def is_blank(cells: "pd.Series[str]") -> "pd.Series[bool]":
    """Returns where cells hold nothing."""
    return cells.str.strip().str.lower().isin(["", "nan"])


def leave_rows_out(
    table: pd.DataFrame,
    layout: CsvImages | CsvOneHot | CsvPixels,
    competition: Competition,
    images: ImageFolder | PackedImages | None,
    place: str,
) -> tuple[pd.DataFrame, list[LeftOut]]:
    """Splits a training table by ``leave_out``.

    Args:
        table: text; the index counts its rows from 0.
        layout: its columns.
        competition: with the rules.
        images: what the ids name; None where the rows hold the pixels.
        place: the table's name, for messages.

    Returns:
        The rows that stay, with their index, and those that do not.

    Raises:
        InputError: a rule names an id or a column that is not there.
    """
    rules = competition.leave_out
    if rules is None:
        return table, []
    ids = table[layout.id] if layout.id else pd.Series(table.index.astype("str"), index=table.index)
    unknown = sorted(set(rules.ids) - set(ids))
    if unknown:
        raise InputError(f"{place} has no ids {some(unknown)}; correct leave_out.ids in the competition's file")
    reason = pd.Series("", index=table.index, dtype="str")
    require_columns(table.columns.tolist(), [each.column for each in rules.rows], Path(place))
    marks = [(ids.isin(list(rules.ids)), "leave_out.ids names it")]
    marks += [(each.select(table[each.column], place), str(each)) for each in rules.rows]
    if rules.no_label:
        answers = table[list(list_answer_columns(layout))]
        blank = answers.apply(is_blank)
        marks += [(blank.all(axis=1), NO_LABEL), (blank.any(axis=1), "it lacks some of its answers")]
    if rules.no_image and competition.storage.slices is not None:
        raise InputError(
            "leave_out.no_image looks for files of images, which are folders with storage.slices; remove it"
        )
    if rules.no_image and images is not None and not isinstance(layout, CsvPixels):
        named = table[layout.file or layout.id].tolist()
        known = (
            images.has(named)
            if isinstance(images, PackedImages)
            else have_files(images, layout, table, layout.id, Path(place))
        )
        marks.append((pd.Series([not there for there in known], index=table.index), NO_IMAGE))
    for mark, words in marks:
        reason[mark & (reason == "")] = words
    out = reason != ""
    return table[~out], [LeftOut(*pair) for pair in zip(ids[out], reason[out], strict=True)]


def leave_records_out(records: Sequence[Record], competition: Competition) -> tuple[list[Record], list[LeftOut]]:
    """Splits training records by the rules that need no table: ids of images in folders, and rare classes.

    Raises:
        InputError: a rule that the layout or the target does not know.
    """
    rules, layout = competition.leave_out, competition.train
    if rules is None:
        return list(records), []
    out: dict[str, str] = {}
    if not isinstance(layout, CsvImages | CsvOneHot | CsvPixels):
        tests = isinstance(competition.test, TestImages)  # no_image is about their rows, too
        for name in ("no_label", *(() if tests else ("no_image",)), "rows"):
            if getattr(rules, name):
                raise InputError(f"leave_out.{name} is about the rows of a table, train.layout is {layout.layout}")
        unknown = sorted(set(rules.ids) - {record.id for record in records})
        if unknown:
            raise InputError(f"leave_out.ids names {some(unknown)}, which are no training images; correct them")
        out = dict.fromkeys(rules.ids, "leave_out.ids names it")
    if rules.classes_rarer_than:
        if not isinstance(competition.target, OneClassSpec):
            raise InputError("leave_out.classes_rarer_than is about one class per image; remove it")
        counts = Counter(record.label for record in records if record.id not in out)
        for record in records:
            if counts[record.label] < rules.classes_rarer_than:
                out.setdefault(record.id, f"its class {record.label} has {counts[record.label]} images")
    left = [LeftOut(record.id, out[record.id]) for record in records if record.id in out]
    return [record for record in records if record.id not in out], left


def group_records(base: Path, records: Sequence[Record], competition: Competition) -> list[Record]:
    """Gives training records the groups that ``groups`` of the competition's file says.

    Raises:
        InputError: groups come from a column already, or images that the table of groups lacks or names twice.
    """
    rules = competition.groups
    if rules is None:
        return list(records)
    if any(record.group for record in records):
        raise InputError("train.group and groups both say what belongs together; keep one of them")
    if rules.pattern is not None:
        matched = [replace(record, group=rules.match(record.id)) for record in records]
        if records and not any(record.group for record in matched):
            raise InputError(
                f"groups.pattern {rules.pattern!r} finds no group in any training id, such as {records[0].id}; correct "
                "or remove it in the competition's file"
            )
        return matched
    layout = competition.train
    if rules.dicom is not None:
        groups = _read_subjects(base, [record.source for record in records], rules.dicom)
        return [replace(record, group=group) for record, group in zip(records, groups, strict=True)]
    if isinstance(layout, CsvPixels):
        raise InputError("groups.table names images by their files, train.layout is csv_pixels; use train.group")
    path = base / str(rules.table)
    table = read_rows(path, encoding=competition.encoding)
    columns = str(rules.id), str(rules.column)
    require_columns(table.columns.tolist(), columns, path)
    folder = ImageFolder(base, layout.images)
    written = table[columns[0]].tolist()
    ids = [
        name if known else _cut_folder(name, layout.images)
        for name, known in zip(written, folder.has(written), strict=True)
    ]
    there = folder.has(ids)  # the table may list test images, too
    ids = [name for name, known in zip(ids, there, strict=True) if known]
    group = dict(zip(folder.find(ids, path), table[columns[1]][there], strict=True))
    missing = [record.source for record in records if record.source not in group]
    if missing:
        raise InputError(f"{path}: {len(missing)} training images have no row: {some(missing)}; add their rows")
    return [replace(record, group=group[record.source]) for record in records]


def _cut_folder(name: str, folder: str) -> str:
    """Cuts from an id the end of the images' folder that it begins with: ``train/ant/1.png`` of images in ``train``."""
    parts, above = plain_path(name).split("/"), folder.split("/")
    counts = range(min(len(parts) - 1, len(above)), 0, -1)
    return "/".join(parts[next((count for count in counts if above[-count:] == parts[:count]), 0) :])


def _read_subjects(base: Path, sources: Sequence[str], subject: Subject) -> list[str]:
    """Reads the subject of each file below ``base`` from its header, and numbers them in the order of the files.

    Fold tables hold the numbers: a digest of an id of few digits would give it away.

    Raises:
        InputError: files that are no DICOM, or whose header names none.
    """
    found, other, empty = [], [], []
    for source in sources:
        try:
            with (base / source).open("rb") as file:
                found.append(read_subject(file, subject))
        except (OSError, ValueError):
            other.append(source)
        else:
            empty += [] if found[-1] else [source]
    if other:
        raise InputError(
            f"{len(other):,} training images are no DICOM files, whose headers groups.dicom reads: {some(other)}; "
            "remove groups from the competition's file, or group by a pattern or a table"
        )
    if empty:
        raise InputError(
            f"{len(empty):,} training images name no {subject} in their header ({SUBJECTS[subject]}): {some(empty)}; "
            "set groups.dicom to another of patient, study and series, or remove it"
        )
    numbers = {name: number for number, name in enumerate(dict.fromkeys(found))}
    return [f"{subject}{numbers[name]}" for name in found]
