"""Training rows of each fold: labelled ones, some of them repeated, and test images with pseudo-labels after them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Rows, Targets
from pipeline.training.data import Data
from pipeline.training.recipes.balance import (
    Balance,
    find_weak_classes,
    list_strong_classes,
    repeat_marked_rows,
    repeat_rows,
)
from pipeline.training.recipes.distillation import make_soft_targets
from pipeline.training.recipes.pseudo import PseudoLabels, Teachers
from pipeline.training.recipes.recipe import Recipe


@dataclass(frozen=True)
class FoldRows:
    """The rows that a fold trains on.

    Attributes:
        rows: int64; row ``len(data.images) + i`` is test image i.
        labels: int64, the class index of each row, of test images the decided one; -1 where rows have no one class.
        targets: float32 (n_images, n_columns); None where they are the labels, one-hot.
        strong: bool (n_images,), which rows are augmented more; None for none.
    """

    rows: Rows
    labels: Rows
    targets: Targets | None
    strong: NDArray[np.bool_] | None


class TrainingRows:
    """The rows that each fold of one model trains on."""

    def __init__(self, recipe: Recipe, data: Data, oof: dict[str, Path], teachers: Teachers | None) -> None:
        """Reads nothing yet.

        Args:
            recipe: how the model is trained.
            data: what it is trained on.
            oof: files of other models' OOF predictions: the ``teacher`` of a student, those that show ``weak`` classes.
            teachers: those of ``training.pseudo``.
        """
        self._recipe, self._data, self._oof, self._teachers = recipe, data, oof, teachers
        self._taught: tuple[int, PseudoLabels] | None = None

    def sample(self, fold: int, seed: int) -> tuple[Rows, tuple[int, ...]]:
        """Returns the labelled rows, with repeats where classes are oversampled, and the classes augmented more."""
        data, balance = self._data.as_taught(fold), self._recipe.balance
        rows, weak = data.rows(fold)[0], tuple[int, ...]()
        if balance == Balance():
            return rows, ()
        if balance.weak:
            weak = find_weak_classes(balance.weak, self._oof["weak"], data.ids, data.target, data.truth, rows)
        strata = data.strata
        if (strata.sum(axis=1) == 1).all():
            sampled = repeat_rows(rows, strata.argmax(axis=1), balance, data.classes, weak, (seed, fold))
        else:
            sampled = repeat_marked_rows(rows, strata, balance, data.classes, weak, (seed, fold))
        return sampled, list_strong_classes(balance, data.classes, weak)

    def select(self, fold: int, seed: int) -> FoldRows:
        """Returns all rows that a fold trains on, with their labels and targets."""
        data, taught = self._data.as_taught(fold), self._joining(fold)
        rows, strong = self.sample(fold, seed)
        targets = self._soft(rows, data)
        if targets is None and (taught is not None or data.truth.ndim > 1 or data.weights is not None):
            targets = data.target.make_targets(data.truth)
        if targets is not None and data.weights is not None:
            targets = targets * data.weights[:, None]
        stronger = _mark(data.strata, strong) if strong else None
        if taught is None or targets is None:
            return FoldRows(rows, data.labels, targets, stronger)
        # NaN: whoever trains on an image that was not chosen meets a loss that is not finite.
        more = np.full((len(data.test_ids), len(data.classes)), np.nan, dtype=np.float32)
        labels = np.full(len(data.test_ids), -1, dtype=np.int64)
        more[taught.rows] = taught.targets
        labels[taught.rows] = data.target.index_labels(data.target.decide(taught.values))
        if stronger is not None:
            decided = np.zeros(len(data.test_ids), dtype=np.bool_)
            decided[taught.rows] = _mark(data.target.make_strata(data.target.decide(taught.values)), strong)
            stronger = np.concatenate([stronger, decided])
        return FoldRows(
            rows=np.concatenate([rows, len(data.truth) + taught.rows]),
            labels=np.concatenate([data.labels, labels]),
            targets=np.concatenate([targets, more]),
            strong=stronger,
        )

    def count_joining(self, fold: int) -> int:
        """Returns how many test images join a fold, and says so when it is asked first."""
        taught = self._joining(fold)
        return 0 if taught is None else len(taught.rows)

    def _joining(self, fold: int) -> PseudoLabels | None:
        if self._teachers is None:
            return None
        if self._taught is None or self._taught[0] != fold:
            data, confidence = self._data, self._teachers.section.confidence
            found = self._teachers.label_images(fold, data.test_ids, data.target)
            self._taught = fold, found
            print(
                f"fold {fold}: {len(found.rows)} of {len(data.test_ids)} test images join with pseudo-labels"
                if len(found.rows)
                else f"fold {fold}: no test image reaches training.pseudo.confidence {confidence} (the highest has "
                f"{found.highest:.3f}); it trains without pseudo-labels",
                flush=True,
            )
        return self._taught[1]

    def _soft(self, rows: Rows, data: Data) -> Targets | None:
        distill = self._recipe.training.distill
        if distill is None:
            return None
        return make_soft_targets(self._oof["teacher"], data.ids, data.target, data.truth, rows, distill)


def _mark(strata: NDArray[np.bool_], columns: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray(strata[:, list(columns)].any(axis=1))
