"""The report of `prepare`: counts, sizes, broken files, duplicates, and pictures that came out cut or flat."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.core.errors import some
from pipeline.core.storage import Storage
from pipeline.data.prepared.duplicates import HASHES, Duplicates, find_duplicates
from pipeline.data.prepared.record import Record
from pipeline.data.prepared.rows_left_out import LeftOut
from pipeline.images.store import ImageFacts, open_store

# The columns that make duplicates: of equal content, and of equal content or look.
_HASHES = {"content": ("hash",), "perceptual": HASHES}
_LOOKED_AT = 1_000  # stored pictures, for contrast
_FLAT = 20  # levels between the darkest and the brightest value: 12 bits in a file of 16 give 16
_NEARLY_ALL = 0.9
Broken = list[dict[str, str]]  # id, source and reason of each unreadable image


def make_report(
    train: pd.DataFrame,
    test: pd.DataFrame,
    classes: Sequence[str],
    broken: tuple[Broken, Broken],
) -> dict[str, Any]:
    """Sums up two image indices: counts, sizes, broken files and duplicates.

    Under ``duplicates``, images of equal content and those of equal content or perceptual hash stand apart; each entry
    is one set of images by id, so the second list holds the first.
    """
    twins = {name: find_duplicates(train, test, hashes) for name, hashes in _HASHES.items()}
    counts = train["label"].value_counts()
    return {
        "train": {
            **_sizes(train),
            "classes": {name: int(counts.get(label, 0)) for label, name in enumerate(classes)},
            "broken": broken[0],
        },
        "test": {**_sizes(test), "broken": broken[1]},
        "duplicates": {
            "train_and_test": {name: _across(found) for name, found in twins.items()},
            "different_labels": {name: _disagreeing(found, train, classes) for name, found in twins.items()},
            "within_train": {name: _repeated(found) for name, found in twins.items()},
        },
    }


def _sizes(index: pd.DataFrame) -> dict[str, Any]:
    if not len(index):  # hidden test images
        return {"images": 0}
    return {
        "images": len(index),
        "width": [int(index["width"].min()), int(index["width"].max())],
        "height": [int(index["height"].min()), int(index["height"].max())],
    }


def _across(found: Duplicates) -> list[dict[str, list[str]]]:
    return [{"train": list(train), "test": list(test)} for train, test in found.across]


def _disagreeing(found: Duplicates, train: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, str]]:
    label = dict(zip(train["id"], train["label"], strict=True))
    return [{name: classes[label[name]] for name in ids} for ids in found.conflicts]


def _repeated(found: Duplicates) -> int:
    """Counts the training images that look like an earlier one."""
    return sum(len(ids) - 1 for ids in found.sets)


def describe_pictures(store: Path, index: pd.DataFrame, facts: Sequence[ImageFacts]) -> dict[str, Any]:
    """Lists the pictures that were kept without their end, and those that are flat as stored.

    Args:
        store: of the pictures.
        index: their ids, row by row.
        facts: the same.

    Returns:
        ``cut_off``: id -> share of rows that is lost; ``looked_at``: pictures measured; ``flat``: ids of those that
        are black, white or of one grey.
    """
    ids = index["id"].tolist()
    images = open_store(store)
    spread = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), _LOOKED_AT)).astype(int)).tolist()
    rows = [row for row in spread if not facts[row].broken]
    return {
        "cut_off": {name: round(image.lost, 4) for name, image in zip(ids, facts, strict=True) if image.lost},
        "looked_at": len(rows),
        "flat": [ids[row] for row in rows if int(images[row].max()) - int(images[row].min()) < _FLAT],
    }


def print_left_out(rows: Sequence[LeftOut]) -> None:
    """Prints how many training rows were left out, by reason."""
    for reason, count in Counter(row.reason for row in rows).most_common():
        print(f"left out: {count} images, as {reason}: {some((row.id for row in rows if row.reason == reason), 5)}")


def print_without_image(test: Sequence[Record]) -> None:
    """Prints which test rows have no image."""
    if ids := [record.id for record in test if not record.source]:
        print(f"note: {len(ids)} test rows have no image and are predicted from a black picture: {some(ids, 5)}")


def print_warnings(pictures: Mapping[str, Mapping[str, Any]], storage: Storage) -> None:
    """Prints which pictures were kept without their end, and warns where nearly all came out flat."""
    cut = [name for part in pictures.values() for name in part["cut_off"]]
    if cut:
        print(f"note: {len(cut)} image files lack their end and were kept, as at least 90 % is there: {some(cut)}")
    for name, part in pictures.items():
        if part["looked_at"] and len(part["flat"]) >= _NEARLY_ALL * part["looked_at"]:
            print(
                f"warning: {len(part['flat'])} of {part['looked_at']} {name} images looked at are black, white or of "
                f"one grey as stored: {some(part['flat'], 5)}; storage.range is {storage.range}: see the values that "
                "the files hold, or try storage.range: data"
            )
