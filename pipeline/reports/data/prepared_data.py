"""Prepared data as the page about it reads it: indices, folds, classes; pixels are read some rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core import paths, tables
from pipeline.core.arrays import Images, Rows, Truth, round_levels
from pipeline.core.errors import InputError
from pipeline.core.paths import prepared_folder
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target, read_truth
from pipeline.images.resizing import resize_image
from pipeline.images.store import open_store
from pipeline.page.pictures import Picture
from pipeline.reports.data.answer_groups import group_answers

_CHUNK = 128
_SIDE = 128  # pictures larger than this are shrunk for the page


@dataclass(frozen=True)
class PreparedData:
    """A prepared competition; image stores stay on disk.

    Attributes:
        train: its image index.
        test: its image index; may have no rows.
        folds: its fold table; None before split has run, which refuses classes too small for it.
        classes: labels, in the order of their indices; groups of images where they have no single class.
        names: readable names of the classes, in the same order.
        prepared: folder of the stores.
        target: what is predicted.
        truth: what is true of the training images, where they have no single class; else None.
        grouping: in words what stands for classes there; empty where images have one.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    folds: pd.DataFrame | None
    classes: tuple[str, ...]
    names: tuple[str, ...]
    prepared: Path
    target: Target
    truth: Truth | None = None
    grouping: str = ""

    @cached_property
    def labels(self) -> Rows:
        """int64 (n_train,), class indices."""
        return self.train["label"].to_numpy(dtype=np.int64)

    @cached_property
    def counts(self) -> Rows:
        """int64 (n_classes,), training images of each class."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the stored images."""
        height, width, channels = open_store(self.store("train")).shape[1:]
        return int(height), int(width), int(channels)

    def store(self, part: str) -> Path:
        """Path of the stored images of ``train`` or ``test``."""
        return self.prepared / f"{part}_images.npy"

    def index(self, part: str) -> pd.DataFrame:
        """The index of ``train`` or ``test``."""
        return self.train if part == "train" else self.test

    def read(self, part: str, rows: Rows | Sequence[int]) -> Images:
        """Copies some stored images, in whole grey levels: uint8 (n, height, width, channels).

        The store is mapped anew each time, as pages of a mapping count as our memory until it is closed.
        """
        return round_levels(open_store(self.store(part))[np.asarray(rows, dtype=np.int64)])

    def chunks(self, part: str, rows: Rows) -> Iterator[Images]:
        """Yields stored images in the order of ``rows``, some at a time."""
        for start in range(0, len(rows), _CHUNK):
            yield self.read(part, rows[start : start + _CHUNK])

    def pictures(self, part: str, rows: Sequence[int] | Rows, captions: Sequence[str] | None = None) -> list[Picture]:
        """Makes pictures of stored images for the page; without captions, their short ids."""
        index = self.index(part)
        ids = index["id"].to_numpy()[np.asarray(rows, dtype=np.int64)]
        return [
            Picture(shrink_for_page(image), self._alt(part, row, name), caption)
            for image, row, name, caption in zip(
                self.read(part, rows), rows, ids, captions or [shorten_id(name) for name in ids], strict=True
            )
        ]

    def _alt(self, part: str, row: int, name: str) -> str:
        return f"training image {name}: {self.names[self.labels[row]]}" if part == "train" else f"test image {name}"


def read_prepared_data(root: Path) -> PreparedData:
    """Reads what the stages prepare and split wrote.

    Raises:
        InputError: something is missing (the command that makes it is named), or files do not fit together.
    """
    prepared, folds = prepared_folder(root), paths.folds_path(root)
    train = tables.read_index(prepared / "train.csv")  # names the command where nothing is prepared
    target = read_target(prepared)
    data = PreparedData(
        train=train,
        test=tables.read_index(prepared / "test.csv"),
        folds=tables.read_folds(folds, prepared) if folds.is_file() else None,
        classes=tables.read_classes(prepared / "classes.json"),
        names=tables.read_classes(prepared / "class_names.json"),
        prepared=prepared,
        target=target,
    )
    for part in ("train", "test"):
        if rows := len(data.index(part)):
            open_store(data.store(part), rows)
    if data.folds is not None and set(data.folds["id"]) != set(data.train["id"]):
        raise InputError(f"{folds} holds other ids than the prepared images; run `dvc repro split`")
    return data if isinstance(target, OneClass) else _group_images(data)


def _group_images(data: PreparedData) -> PreparedData:
    """Gives images that have no single class the group of their answers as label."""
    ids = data.train["id"].tolist()
    truth = read_truth(data.prepared, data.target, ids)
    labels, names, grouping = group_answers(data.target, truth)
    train, folds = data.train.assign(label=labels), data.folds
    if folds is not None:
        folds = folds.assign(label=pd.Series(labels, index=ids).loc[folds["id"]].to_numpy())
    return replace(data, train=train, folds=folds, classes=names, names=names, truth=truth, grouping=grouping)


def shrink_for_page(image: Images) -> Images:
    """Shrinks a stored image to what a page shows."""
    return resize_image(image, _SIDE) if image.shape[0] > _SIDE else image


def describe_sample(taken: int, count: int, what: str = "training images") -> str:
    """Describes in a sentence whether all images were used, or a sample."""
    if taken == count:
        return f"All {count:,} {what} were used."
    return f"A random sample: {taken:,} of {count:,} {what}."


def join_names(names: Sequence[str], most: int = 3) -> str:
    """Joins names for a sentence: ``a, b and c``, ``a, b, c and 7 more``."""
    first = list(names[:most])
    rest = len(names) - len(first)
    if rest:
        return f"{', '.join(first)} and {rest:,} more"
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def shorten_id(name: str) -> str:
    """Cuts an id to what fits below a picture: the end of its last part, where ids of one data set differ."""
    last = name.split("/")[-1]
    return last if len(last) <= 14 else "…" + last[-13:]


def format_count(count: int, one: str, more: str = "") -> str:
    """Formats a number of things: ``1 image``, ``2,000 images``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
