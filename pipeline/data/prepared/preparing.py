"""From listed images to the prepared folder: stores, indices, classes and the report of what was seen."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import LabelEncoder

from pipeline.core.competition import Competition
from pipeline.core.errors import InputError, near_names, some
from pipeline.core.files import write_json
from pipeline.core.ids import natural_order
from pipeline.core.layouts import CsvPixels, Test, TestPixels, Train
from pipeline.core.tables import INDEX_COLUMNS, write_classes, write_index
from pipeline.data.prepared.pixel_rows import fill_from_rows
from pipeline.data.prepared.records import Record
from pipeline.data.prepared.seen_report import make_report
from pipeline.images.decoding import StorageForm
from pipeline.images.store import ImageFacts, copy_rows, create_store, fill_store

_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d*")


def build(
    folder: Path,
    base: Path,
    competition: Competition,
    train: Sequence[Record],
    test: Sequence[Record],
    workers: int | None,
    drop_broken: bool,
) -> None:
    """Decodes all images into ``folder`` and writes the tables beside them.

    Raises:
        InputError: broken files (all listed) unless they are to be dropped, or a class that loses its last image.
    """
    train, train_seen = decode(folder / "train_images.npy", base, competition, competition.train, train, workers)
    test, test_seen = decode(folder / "test_images.npy", base, competition, competition.test, test, workers)
    broken = _broken(train, train_seen), _broken(test, test_seen)
    if any(broken) and not drop_broken:
        _refuse([*broken[0], *broken[1]])
    if broken[0]:
        train, train_seen = _drop(folder / "train_images.npy", train, train_seen)
    classes, labels = encode([str(record.label) for record in train])
    train_index = _index(train, train_seen, labels)
    test_index = _index(test, test_seen, np.full(len(test), -1))
    write_index(folder / "train.csv", train_index)
    write_index(folder / "test.csv", test_index)
    write_classes(folder / "classes.json", classes)
    write_json(folder / "report.json", make_report(train_index, test_index, classes, broken))


def decode(
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
        The records in the order of the store's rows, and what was seen of each; an unreadable image is a black row.
    """
    place = {record.id: row for row, record in enumerate(records)}
    rows = [place[name] for name in natural_order(list(place))]
    ordered = [records[row] for row in rows]
    form = StorageForm(**competition.storage.model_dump())
    store = create_store(path, len(records), form)
    if isinstance(layout, CsvPixels | TestPixels):
        return ordered, fill_from_rows(store, base, layout, rows, form)
    return ordered, fill_store(store, base, [record.source for record in ordered], form, workers)


def encode(labels: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Encodes labels as class indices 0..n_classes-1; returns the class names in that order, and the indices.

    Names that are all whole numbers go by value (2 before 10), others as text.
    """
    numeric = all(_WHOLE_NUMBER.fullmatch(label) for label in labels)
    encoder = LabelEncoder()
    indices = encoder.fit_transform([int(label) for label in labels] if numeric else list(labels))
    return [str(name) for name in encoder.classes_.tolist()], indices.astype(np.int64)


def people_names(classes: Sequence[str], names: Mapping[str, str] | None) -> list[str]:
    """Says what people call the classes, in their order; without names what the competition calls them.

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


Broken = list[dict[str, str]]


def _broken(records: Sequence[Record], seen: Sequence[ImageFacts]) -> Broken:
    return [
        {"id": record.id, "source": record.source, "reason": image.broken}
        for record, image in zip(records, seen, strict=True)
        if image.broken
    ]


def _refuse(broken: Broken) -> None:
    shown = some((f"{entry['source']} ({entry['reason']})" for entry in broken), len(broken))
    raise InputError(
        f"{len(broken)} image files cannot be read: {shown}; replace them, or set prepare.drop_broken in params.yaml"
    )


def _drop(path: Path, records: Sequence[Record], seen: Sequence[ImageFacts]) -> tuple[list[Record], list[ImageFacts]]:
    rows = [row for row, image in enumerate(seen) if not image.broken]
    kept = [records[row] for row in rows]
    lost = {str(record.label) for record in records} - {str(record.label) for record in kept}
    if lost:
        raise InputError(f"no readable image is left of the classes {some(sorted(lost))}; replace their files")
    whole = path.with_name("whole-" + path.name)
    path.rename(whole)
    copy_rows(whole, rows, path)
    whole.unlink()
    return kept, [seen[row] for row in rows]


def _index(records: Sequence[Record], seen: Sequence[ImageFacts], labels: NDArray[np.int64]) -> pd.DataFrame:
    columns = {
        "id": [record.id for record in records],
        "source": [record.source for record in records],
        "label": labels,
        "group": [record.group for record in records],
        "width": [image.width for image in seen],
        "height": [image.height for image in seen],
        # A broken test image is like no other.
        "hash": [image.hash or f"broken-{record.id}" for record, image in zip(records, seen, strict=True)],
        "perceptual_hash": [
            image.perceptual_hash or f"broken-{record.id}" for record, image in zip(records, seen, strict=True)
        ],
    }
    return pd.DataFrame(columns)[list(INDEX_COLUMNS)]
