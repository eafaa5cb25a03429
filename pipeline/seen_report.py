"""What `prepare` saw: counts, sizes, broken files, and images that should not be there twice."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

_HASHES = {"content": "hash", "perceptual": "perceptual_hash"}


def make_report(
    train: pd.DataFrame,
    test: pd.DataFrame,
    classes: Sequence[str],
    broken: tuple[list[dict[str, str]], list[dict[str, str]]],
) -> dict[str, Any]:
    """Sums up two image indices.

    Under ``duplicates``, images of equal content hash and of equal perceptual hash stand apart; each entry is one set
    of equal images by id. Equal content implies an equal perceptual hash, so the second list holds the first.
    """
    counts = train["label"].value_counts()
    return {
        "train": {
            **_sizes(train),
            "classes": {name: int(counts.get(label, 0)) for label, name in enumerate(classes)},
            "broken": broken[0],
        },
        "test": {**_sizes(test), "broken": broken[1]},
        "duplicates": {
            "train_and_test": {name: _across(train, test, column) for name, column in _HASHES.items()},
            "different_labels": {name: _disagreeing(train, classes, column) for name, column in _HASHES.items()},
            "within_train": {name: _within(train, column) for name, column in _HASHES.items()},
        },
    }


def _sizes(index: pd.DataFrame) -> dict[str, Any]:
    return {
        "images": len(index),
        "width": [int(index["width"].min()), int(index["width"].max())],
        "height": [int(index["height"].min()), int(index["height"].max())],
    }


def _across(train: pd.DataFrame, test: pd.DataFrame, column: str) -> list[dict[str, list[str]]]:
    shared = set(train[column]) & set(test[column])
    found = []
    for value, rows in train[train[column].isin(shared)].groupby(column, sort=False):
        found.append({"train": rows["id"].tolist(), "test": test.loc[test[column] == value, "id"].tolist()})
    return found


def _disagreeing(train: pd.DataFrame, classes: Sequence[str], column: str) -> list[dict[str, str]]:
    labels = train.groupby(column, sort=False)["label"].nunique()
    torn = train[train[column].isin(labels.index[labels > 1])]
    return [
        {name: classes[label] for name, label in zip(rows["id"], rows["label"], strict=True)}
        for _, rows in torn.groupby(column, sort=False)
    ]


def _within(train: pd.DataFrame, column: str) -> int:
    """How many training images look like an earlier one."""
    return int(train[column].duplicated().sum())
