"""Subjects of answers: the unit that each image belongs to, and the sheet that answers are written by."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.core.answers import RowSubmission
from pipeline.core.competition import Competition
from pipeline.core.confined import search_pattern
from pipeline.core.errors import InputError, some
from pipeline.core.targets.contract import Target
from pipeline.core.units import UnitPattern, UnitTable
from pipeline.data.prepared.answer_tables import read_row_table, read_units
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.records import ListedRecords
from pipeline.kaggle.answers.contract import AnswerSheet


def assign_units(base: Path, competition: Competition, listed: ListedRecords) -> ListedRecords:
    """Gives each image its unit, where one answer is for several images.

    Raises:
        InputError: an image without a unit, or with two.
    """
    return listed._replace(
        train=assign_part_units(base, competition, listed.train, "train"),
        test=assign_part_units(base, competition, listed.test, "test"),
    )


def assign_part_units(base: Path, competition: Competition, records: Sequence[Record], part: str) -> list[Record]:
    """Gives the images of training or test their units.

    Args:
        base: the source's folder.
        competition: says where the units stand.
        records: the images.
        part: ``train`` or ``test``.

    Raises:
        InputError: an image without a unit, or with two.
    """
    section = competition.submission.unit
    source = None if section is None else section.train if part == "train" else section.test
    if source is None:
        return list(records)
    place = f"submission.unit.{part}"
    if isinstance(source, UnitTable):
        units = read_units(base, source, [record.id for record in records], competition.encoding)
    elif isinstance(source, UnitPattern):
        found = [search_pattern(source.pattern, record.id) for record in records]
        units = [match["unit"] if match else "" for match in found]
    else:
        units = [record.group for record in records]
    alone = [record.id for record, unit in zip(records, units, strict=True) if not unit]
    if alone:
        raise InputError(
            f"{place}: {len(alone)} images have no unit: ids {some(alone)}; correct it in the competition's file"
        )
    return [replace(record, unit=unit) for record, unit in zip(records, units, strict=True)]


def make_sheet(
    base: Path, competition: Competition, target: Target, test: Sequence[Record], sample: pd.DataFrame
) -> AnswerSheet:
    """Makes the sheet that answers are written by from the source's own tables.

    Args:
        base: the source's folder.
        competition: the form of answers.
        target: what is predicted.
        test: the test images, with their units.
        sample: the sample submission, as text.

    Raises:
        InputError: a table of rows lacks a column.
    """
    units = {record.id: record.unit for record in test if record.unit}
    return AnswerSheet(competition.submission, target, sample, units, read_row_table(base, competition))


def list_answer_ids(base: Path, competition: Competition, test: Sequence[Record]) -> list[str] | None:
    """Lists the ids that answers for test images have: of images, units, or rows; None where the sample alone knows."""
    if isinstance(competition.submission, RowSubmission):
        rows = read_row_table(base, competition)
        images = {record.id for record in test}
        return None if rows is None else rows.loc[rows["image"].isin(images), "row"].tolist()
    return list(dict.fromkeys(record.unit or record.id for record in test))
