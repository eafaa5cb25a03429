"""What `prepare` saw: counts, sizes, broken files, and images that should not be there twice."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline.data.prepared.duplicates import HASHES, Duplicates, find

_HASHES = {"content": ("hash",), "perceptual": HASHES}


def make_report(
    train: pd.DataFrame,
    test: pd.DataFrame,
    classes: Sequence[str],
    broken: tuple[list[dict[str, str]], list[dict[str, str]]],
) -> dict[str, Any]:
    """Sums up two image indices.

    Under ``duplicates``, images of equal content and those of equal content or perceptual hash stand apart; each entry
    is one set of images by id, so the second list holds the first.
    """
    twins = {name: find(train, test, hashes) for name, hashes in _HASHES.items()}
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
    """How many training images look like an earlier one."""
    return sum(len(ids) - 1 for ids in found.sets)
