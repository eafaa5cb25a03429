"""What every part of the exploration works on, and what it gives back; pixels are read some rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.core import paths, tables
from pipeline.core.arrays import Images, Rows
from pipeline.core.errors import InputError
from pipeline.core.paths import prepared_folder
from pipeline.images.resizing import resize_image
from pipeline.images.store import open_store
from pipeline.page.pictures import Picture

_CHUNK = 128
_SHOWN = 128  # pictures larger than this are shrunk for the page


@dataclass(frozen=True)
class Seen:
    """A prepared competition; image stores stay on disk.

    Attributes:
        train: its image index.
        test: its image index; may have no rows.
        folds: its fold table; None before split has run, which refuses classes too small for it.
        classes: labels, in the order of their indices.
        names: what people call them.
        prepared: folder of the stores.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    folds: pd.DataFrame | None
    classes: tuple[str, ...]
    names: tuple[str, ...]
    prepared: Path

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
        """Where the images of ``train`` or ``test`` lie."""
        return self.prepared / f"{part}_images.npy"

    def index(self, part: str) -> pd.DataFrame:
        """The index of ``train`` or ``test``."""
        return self.train if part == "train" else self.test

    def read(self, part: str, rows: Rows | Sequence[int]) -> Images:
        """Copies some stored images: uint8 (n, height, width, channels).

        The store is mapped anew each time, as pages of a mapping count as our memory until it is closed.
        """
        images: Images = open_store(self.store(part))[np.asarray(rows, dtype=np.int64)]
        return images

    def chunks(self, part: str, rows: Rows) -> Iterator[Images]:
        """Yields stored images in the order of ``rows``, some at a time."""
        for start in range(0, len(rows), _CHUNK):
            yield self.read(part, rows[start : start + _CHUNK])

    def pictures(self, part: str, rows: Sequence[int] | Rows, captions: Sequence[str] | None = None) -> list[Picture]:
        """Makes pictures of stored images for the page; without captions, their short ids."""
        index = self.index(part)
        ids = index["id"].to_numpy()[np.asarray(rows, dtype=np.int64)]
        return [
            Picture(for_page(image), self._alt(part, row, name), caption)
            for image, row, name, caption in zip(
                self.read(part, rows), rows, ids, captions or [short_id(name) for name in ids], strict=True
            )
        ]

    def _alt(self, part: str, row: int, name: str) -> str:
        return f"training image {name}: {self.names[self.labels[row]]}" if part == "train" else f"test image {name}"


def look(root: Path) -> Seen:
    """Opens what prepare and split made.

    Raises:
        InputError: something is missing (the command that makes it is named), or does not belong together.
    """
    prepared, folds = prepared_folder(root), paths.folds_path(root)
    seen = Seen(
        train=tables.read_index(prepared / "train.csv"),
        test=tables.read_index(prepared / "test.csv"),
        folds=tables.read_folds(folds) if folds.is_file() else None,
        classes=tables.read_classes(prepared / "classes.json"),
        names=tables.read_classes(prepared / "class_names.json"),
        prepared=prepared,
    )
    for part in ("train", "test"):
        if rows := len(seen.index(part)):
            open_store(seen.store(part), rows)
    if seen.folds is not None and set(seen.folds["id"]) != set(seen.train["id"]):
        raise InputError(f"{folds} holds other ids than the prepared images; run `dvc repro split`")
    return seen


def for_page(image: Images) -> Images:
    """Shrinks a stored image to what a page shows."""
    return resize_image(image, _SHOWN) if image.shape[0] > _SHOWN else image


def sample(count: int, most: int, purpose: int) -> Rows:
    """Draws rows without replacement, sorted; all of them where there are no more than ``most``.

    Args:
        count: rows there are.
        most: rows wanted.
        purpose: keeps one use's draw apart from another's.
    """
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(purpose).choice(count, most, replace=False)).astype(np.int64)


def spread(labels: Rows, most: int, purpose: int) -> Rows:
    """Draws rows so that every class has its share: one of each class, then a second of each, and so on; sorted."""
    order = np.random.default_rng(purpose).permutation(len(labels))
    turn = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:most]]).astype(np.int64)


def sampled(taken: int, count: int, what: str = "training images") -> str:
    """Says whether all were looked at, or a sample."""
    if taken == count:
        return f"All {count:,} {what} were looked at."
    return f"Sampled: {taken:,} of {count:,} {what} were looked at."


def listed(names: Sequence[str], most: int = 3) -> str:
    """Lists names for a sentence: ``a, b and c``, ``a, b, c and 7 more``."""
    shown = list(names[:most])
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def short_id(name: str) -> str:
    """Cuts an id to what fits below a picture: the end of its last part, where ids of one data set differ."""
    last = name.split("/")[-1]
    return last if len(last) <= 14 else "…" + last[-13:]


def many(count: int, one: str, more: str = "") -> str:
    """Counts things: ``1 image``, ``2,000 images``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
