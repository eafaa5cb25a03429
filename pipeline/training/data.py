"""Images, truth and folds of the active competition, joined by id; images stay on disk."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core import tables
from pipeline.core.arrays import Images, Labels, Rows, Truth
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target, read_truth
from pipeline.images.store import open_store

UNUSED = -2  # the fold of rows that neither train nor are validated


@dataclass(frozen=True)
class Doubts:
    """Rows whose labels are doubted, by the fold in whose training they are left out or learnt as another class.

    Attributes:
        rows: of each fold, int64; none of them is validated in it.
        likely: of each fold, the class indices int64 that its rows are learnt as; None where they are left out.
    """

    rows: tuple[Rows, ...]
    likely: tuple[Labels, ...] | None = None

    @property
    def digest(self) -> str:
        """The digest of all that they change."""
        parts = [b"dropped" if self.likely is None else b"relabelled", *(each.tobytes() + b";" for each in self.rows)]
        return hashlib.sha256(b"|".join([*parts, *(each.tobytes() for each in self.likely or ())])).hexdigest()


@dataclass(frozen=True)
class Data:
    """Images, truth and folds of one competition; images stay on disk.

    Attributes:
        images: uint8 (n, size, size, channels).
        truth: of the training images, as the target encodes it: class indices int64 (n,), or float32 (n, width).
        ids: of the training images.
        fold_of: int64 (n,), the fold that each row is valid in; -1 for rows that train in every fold, -2 (`UNUSED`) for
            those that train in none.
        test_images: uint8 (n_test, size, size, channels).
        test_ids: of the test images.
        target: what is predicted.
        weights: float32 (n,), what each row counts in the loss; None where all count the same.
        more: bool (n,), which rows come from elsewhere; None for none.
        doubts: rows that train otherwise than they are labelled; None for none.
    """

    images: Images
    truth: Truth
    ids: tuple[str, ...]
    fold_of: Rows
    test_images: Images
    test_ids: tuple[str, ...]
    target: Target
    weights: NDArray[np.float32] | None = None
    more: NDArray[np.bool_] | None = None
    doubts: Doubts | None = None

    @property
    def labels(self) -> Labels:
        """Class indices int64 (n,); -1 where a row has none, as its target is of another kind."""
        return self.target.index_labels(self.truth)

    @property
    def strata(self) -> NDArray[np.bool_]:
        """Which classes or labels each row has: (n, n_columns); of numbers which tenth it lies in."""
        return self.target.make_strata(self.truth)

    @property
    def classes(self) -> tuple[str, ...]:
        """The columns of a prediction: names of classes, labels or numbers."""
        return self.target.columns

    @property
    def least_rows(self) -> int:
        """The number of training rows of the fold with the fewest."""
        if self.doubts is not None:
            return min(len(self.as_taught(fold).rows(fold)[0]) for fold in range(len(self.doubts.rows)))
        used = np.count_nonzero(self.fold_of != UNUSED)
        return int(used) - int(np.bincount(self.fold_of[self.fold_of >= 0]).max())

    def rows(self, fold: int) -> tuple[Rows, Rows]:
        """Returns the training rows and the valid rows of a fold."""
        trained = (self.fold_of != fold) & (self.fold_of != UNUSED)
        return np.flatnonzero(trained), np.flatnonzero(self.fold_of == fold)

    def as_taught(self, fold: int) -> "Data":
        """Returns the data that a fold trains on: without doubts, or with another label of doubted rows.

        The fold's own rows are those of the data: whatever was doubted, they are validated as they are labelled.
        """
        if self.doubts is None:
            return self
        rows, likely = self.doubts.rows[fold], self.doubts.likely
        if likely is None:
            fold_of = self.fold_of.copy()
            fold_of[rows] = UNUSED
            return replace(self, fold_of=fold_of, doubts=None)
        truth = self.truth.copy()
        truth[rows] = likely[fold]
        return replace(self, truth=truth, doubts=None)

    def drop_more_rows(self) -> "Data":
        """Returns the data without the rows from elsewhere: these stand in no training part."""
        if self.more is None:
            return self
        return replace(self, fold_of=np.where(self.more, UNUSED, self.fold_of), weights=None)

    def weigh_rows(self, rows: Rows, times: int = 1) -> NDArray[np.float32] | None:
        """Returns what some rows, repeated, count in the loss: float32 (times * n_rows,); None for all the same."""
        return None if self.weights is None else np.tile(self.weights[rows], times)


def load_data(prepared: Path, folds: Path) -> Data:
    """Opens the stores and joins the fold table to them by id.

    Raises:
        InputError: a store is damaged; or it and its index, or the index and the fold table, do not belong together.
    """
    train, test = tables.read_index(prepared / "train.csv"), tables.read_index(prepared / "test.csv")
    table = tables.read_folds(folds, prepared).set_index("id")
    if set(table.index) != set(train["id"]):
        raise InputError(f"{folds} and {prepared / 'train.csv'} hold different ids; run `dvc repro split`")
    target = read_target(prepared)
    more = (train["more"] != "").to_numpy(dtype=np.bool_) if "more" in train else None
    weights = None if more is None else train["weight"].to_numpy(dtype=np.float32)
    return Data(
        images=open_store(prepared / "train_images.npy", len(train)),
        truth=read_truth(prepared, target, tuple(train["id"])),
        ids=tuple(train["id"]),
        fold_of=table["fold"].reindex(train["id"]).to_numpy(dtype=np.int64),
        test_images=open_store(prepared / "test_images.npy", len(test)),
        test_ids=tuple(test["id"]),
        target=target,
        weights=None if weights is None or (weights == 1).all() else weights,
        more=more,
    )
