"""Hidden test images of a code competition, which replace the few public ones when a notebook is scored."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from pipeline.core.competition import Competition
from pipeline.core.csvs import read_source_table
from pipeline.core.errors import InputError
from pipeline.core.layouts import IMAGE_SUFFIXES, CsvPixels, TestImages
from pipeline.data.prepared.answer_subjects import assign_part_units, list_answer_ids
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.packed_images import PackedImages
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.records import list_test_records, open_test_images
from pipeline.kaggle.submission import fill_sample


def list_hidden_images(base: Path, competition: Competition) -> tuple[list[Record], pd.DataFrame]:
    """Lists the test images, and makes the sample that a submission for them is checked against.

    Where Kaggle replaces the images but not the sample submission, or the table that names them, the folder decides.

    Args:
        base: the competition's folder.
        competition: its configuration.

    Returns:
        The images with their units, and the sample as text: its columns, one row for each image, unit, or row of an
        image; in its own order where it names them.

    Raises:
        InputError: there is no test image, or an id without one.
    """
    section = competition.submission
    sample = read_source_table(base / section.sample, competition.encoding)
    records = _list_records(base, competition, sample[section.id].tolist() if section.id in sample.columns else [])
    if not records:
        raise InputError(f"{base}: there is no test image; check the inputs of the notebook")
    records = assign_part_units(base, competition, records, "test")
    ids = list_answer_ids(base, competition, records)
    if ids is None or set(ids) == set(sample[section.id]):
        return records, sample
    return records, fill_sample(sample, section.id, ids)


def _list_records(base: Path, competition: Competition, known: Sequence[str]) -> list[Record]:
    layout, train = competition.test, competition.train
    shared = isinstance(layout, TestImages) and not isinstance(train, CsvPixels) and train.images == layout.images
    if not isinstance(layout, TestImages) or shared or layout.files is not None or competition.storage.slices:
        return list_test_records(base, competition)
    folder = open_test_images(base, competition, layout)
    if isinstance(folder, PackedImages):
        return _list_packed(base, competition, folder)
    with_suffix = any(PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES for name in known)
    if layout.listed_by != "folder" and (records := _list_by_table(base, competition, folder)) is not None:
        return records
    paths = folder.images
    ids = [path if with_suffix else str(PurePosixPath(path).with_suffix("")) for path in paths]
    return [Record(name, folder.source(path)) for name, path in zip(ids, paths, strict=True)]


def _list_packed(base: Path, competition: Competition, images: PackedImages) -> list[Record]:
    """Lists the images that their table lists; all that are packed where it lists others."""
    records = _list_by_table(base, competition, images)
    return records if records is not None else [Record(*row) for row in zip(images.ids, images.sources, strict=True)]


def _list_by_table(base: Path, competition: Competition, folder: ImageFolder | PackedImages) -> list[Record] | None:
    """Returns the images that their table lists; None where the folder holds others."""
    try:
        records = list_test_records(base, competition)
    except InputError:
        if not folder.sources:
            raise
        return None
    return records if set(folder.sources) <= {record.source for record in records} else None
