"""The prepared folder: records of images -> stores, indices, classes and the report of counts, sizes and duplicates."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.arrays import Truth
from pipeline.core.bounds import AutoWorkers
from pipeline.core.columns import Columns
from pipeline.core.competition import Competition
from pipeline.core.config import Section
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.files import write_json
from pipeline.core.ids import natural_order
from pipeline.core.layouts import CsvPixels, FileNames, Folders, Test, TestPixels, Train, list_answer_columns
from pipeline.core.tables import INDEX_COLUMNS, write_index
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import format_cells, write_target
from pipeline.data.prepared.answer_tables import read_row_table
from pipeline.data.prepared.channel_files import refuse_other_number
from pipeline.data.prepared.leaks import list_answers, refuse_leaks
from pipeline.data.prepared.metadata import read_metadata, refuse_other_words
from pipeline.data.prepared.packed_images import PackedImages, fill_from_packed, open_images
from pipeline.data.prepared.pixel_rows import fill_from_table
from pipeline.data.prepared.prepare_report import (
    Broken,
    describe_pictures,
    make_report,
    print_left_out,
    print_warnings,
    print_without_image,
)
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.records import ListedRecords
from pipeline.images.fitting import StorageForm
from pipeline.images.store import ImageFacts, copy_rows, create_store
from pipeline.images.store_filling import fill_store
from pipeline.kaggle.answers.sheets import format_rows


class PrepareParams(Section):
    """The parameters of decoding.

    Attributes:
        workers: processes that decode images; ``auto`` takes one per core.
        drop_broken: leaves unreadable training images out; an unreadable test image is stored black, because its row
            must be in the submission. The report names them all.
    """

    workers: AutoWorkers = None
    drop_broken: bool = False


def write_prepared(
    folder: Path,
    base: Path,
    competition: Competition,
    listed: ListedRecords,
    params: PrepareParams,
) -> None:
    """Decodes all images into ``folder`` and writes the tables beside them.

    Args:
        folder: where everything is written.
        base: the source's folder.
        competition: its layouts, and the size of its stored images.
        listed: the training and test images, and what was left out.
        params: processes, and what becomes of broken training images.

    Raises:
        InputError: broken files (all listed) unless they are to be dropped, or a class that loses its last image.
    """
    stores = {part: folder / f"{part}_images.npy" for part in ("train", "test")}
    train, train_facts = decode_records(
        stores["train"], base, competition, competition.train, listed.train, params.workers
    )
    test, test_facts = decode_records(stores["test"], base, competition, competition.test, listed.test, params.workers)
    broken = _list_broken(train, train_facts), _list_broken(test, test_facts)
    if any(broken) and not params.drop_broken:
        _refuse_broken([*broken[0], *broken[1]])
    if broken[0]:
        train, train_facts = _drop_broken(stores["train"], train, train_facts)
    target, truth = encode_truth(train, competition)
    classes = target.columns
    train_index = make_index(train, train_facts, target.index_labels(truth))
    if target.kind != "one_class":
        train_index[target.kind] = format_cells([str(record.label) for record in train])
    test_index = make_index(test, test_facts, np.full(len(test), -1))
    if (rows := read_row_table(base, competition)) is not None:
        test_index["rows"] = format_rows(rows, test_index["id"].tolist())
    if competition.columns is not None:
        train_index = _join_columns(base, competition, competition.columns, train_index, "train")
        refuse_leaks(train_index, list_answers(target, truth), competition.columns)
        test_index = _join_columns(base, competition, competition.columns, test_index, "test")
        refuse_other_words(train_index, test_index, competition.columns)
    write_index(folder / "train.csv", train_index)
    write_index(folder / "test.csv", test_index)
    write_target(folder, target)
    facts = {"train": train_facts, "test": test_facts}
    indices = {"train": train_index, "test": test_index}
    pictures = {part: describe_pictures(stores[part], indices[part], facts[part]) for part in stores}
    print_warnings(pictures, competition.storage)
    print_without_image(listed.test)
    report = make_report(train_index, test_index, classes, broken) | {"pictures": pictures}
    report["range"] = competition.storage.range  # of the values of deep files, as the competition's file says
    if listed.left_out or competition.leave_out is not None:
        report |= {"left_out": [row._asdict() for row in listed.left_out]}
        print_left_out(listed.left_out)
    write_json(folder / "report.json", report)


def _join_columns(
    base: Path, competition: Competition, columns: Columns, index: pd.DataFrame, part: str
) -> pd.DataFrame:
    return pd.concat([index, read_metadata(base, columns, part, index["id"].tolist(), competition.encoding)], axis=1)


def decode_records(
    path: Path,
    base: Path,
    competition: Competition,
    layout: Train | Test,
    records: Sequence[Record],
    workers: int | None,
) -> tuple[list[Record], list[ImageFacts]]:
    """Decodes listed images into a new image store, in natural order of their ids.

    Args:
        path: of the store.
        base: the source's folder.
        competition: says how images are kept.
        layout: of these images.
        records: the images, in the order in which they were listed.
        workers: processes; None takes one per core where that pays.

    Returns:
        The records in the order of the store's rows, and the facts of each; an unreadable image is a black row.
    """
    files = None if isinstance(layout, CsvPixels | TestPixels | Folders | FileNames) else layout.files
    refuse_other_number(files, competition.storage.channels, "test" if layout is competition.test else "train")
    place = {record.id: row for row, record in enumerate(records)}
    rows = [place[name] for name in natural_order(list(place))]
    ordered = [records[row] for row in rows]
    form = StorageForm(**competition.storage.model_dump())
    store = create_store(path, len(records), form)
    if not records:  # of hidden test images
        return [], []
    if isinstance(layout, CsvPixels | TestPixels):
        numbers = [int(record.source.rpartition(":")[2]) - 1 for record in ordered]
        return ordered, fill_from_table(store, base, layout, numbers, form, competition.encoding)
    images = open_images(base, layout)
    if isinstance(images, PackedImages):
        sources = [record.source for record in ordered]
        return ordered, fill_from_packed(store, base, images.packed, sources, form, workers)
    return ordered, fill_store(store, base, [record.files for record in ordered], form, workers)


def encode_truth(train: Sequence[Record], competition: Competition) -> tuple[Target, Truth]:
    """Encodes the cells of the training images: what is predicted, and what is true of each.

    Raises:
        InputError: the cells do not fit ``target.kind`` of the competition's file.
    """
    cells = [str(record.label) for record in train]
    target = competition.target.fit(cells, list_answer_columns(competition.train))
    return target, target.encode(cells)


def list_display_names(classes: Sequence[str], names: Mapping[str, str] | None) -> list[str]:
    """Lists the names of the classes to show, in the classes' order: ``class_names``, else the classes themselves.

    Raises:
        InputError: a class without a name, or a name of no class.
    """
    if names is None:
        return list(classes)
    for name in names:
        if name not in classes:
            raise InputError(
                f"class_names names {name!r}, which is no class; {near_names(name, classes)}; "
                "correct the competition's file"
            )
    unnamed = [name for name in classes if name not in names]
    if unnamed:
        raise InputError(f"class_names leaves out the classes {some(unnamed)}; name them in the competition's file")
    return [names[name] for name in classes]


def _list_broken(records: Sequence[Record], facts: Sequence[ImageFacts]) -> Broken:
    return [
        {"id": record.id, "source": record.source, "reason": image.broken}
        for record, image in zip(records, facts, strict=True)
        if image.broken
    ]


def _refuse_broken(broken: Broken) -> None:
    listed = some((f"{entry['source']} ({entry['reason']})" for entry in broken), len(broken))
    raise InputError(
        f"{len(broken)} image files cannot be read: {listed}; replace them, or set prepare.drop_broken in params.yaml"
    )


def _drop_broken(
    path: Path, records: Sequence[Record], facts: Sequence[ImageFacts]
) -> tuple[list[Record], list[ImageFacts]]:
    rows = [row for row, image in enumerate(facts) if not image.broken]
    kept = [records[row] for row in rows]
    lost = {str(record.label) for record in records} - {str(record.label) for record in kept}
    if lost:
        raise InputError(f"no readable image is left of the classes {some(sorted(lost))}; replace their files")
    whole = path.with_name("whole-" + path.name)
    path.rename(whole)
    copy_rows(whole, rows, path)
    whole.unlink()
    return kept, [facts[row] for row in rows]


def take_readable(records: Sequence[Record], facts: Sequence[ImageFacts], params: PrepareParams) -> list[int]:
    """Returns the rows whose images can be read.

    Raises:
        InputError: some cannot, and are not to be dropped.
    """
    broken = _list_broken(records, facts)
    if broken and not params.drop_broken:
        _refuse_broken(broken)
    return [row for row, image in enumerate(facts) if not image.broken]


def make_index(records: Sequence[Record], facts: Sequence[ImageFacts], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Makes an image index of decoded records and their labels."""
    columns = {
        "id": [record.id for record in records],
        "source": [record.source for record in records],
        "label": labels,
        "group": [record.group for record in records],
        "width": [image.width for image in facts],
        "height": [image.height for image in facts],
        # A broken test image is like no other.
        "hash": [image.hash or f"broken-{record.id}" for record, image in zip(records, facts, strict=True)],
        "perceptual_hash": [
            image.perceptual_hash or f"broken-{record.id}" for record, image in zip(records, facts, strict=True)
        ],
    }
    index = pd.DataFrame(columns)[list(INDEX_COLUMNS)]
    return index.assign(unit=[record.unit for record in records]) if any(record.unit for record in records) else index
