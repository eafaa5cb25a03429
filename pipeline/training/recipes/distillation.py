"""Soft labels: a student learns from the out-of-fold predictions of a teacher, a model or the ensemble.

What is clean: the student of fold k never reads the teacher's predictions of fold k's images, and the teacher's row of
any image comes from a model that did not train on that image.

What is not: the teacher's rows of the other folds come from models that trained on fold k, its labels included. Their
soft labels pass some of that on, so the student's OOF score is somewhat too good, and so are weights that an ensemble
fits on it. Only a teacher trained anew inside the training part of every fold would be free of it, at as many times
the cost as there are folds. The card says so under ``peeked``; test images are not concerned.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.arrays import Truth
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.contract import Target

SOFT_LABELS_MARK = "soft labels from models that trained on the validation fold"


class Distillation(Section):
    """The soft labels that a student learns from in addition to the labels.

    Attributes:
        oof: the teacher's OOF predictions, a path relative to the repository; best a copy that no stage rewrites.
        weight: share of the soft labels in the targets; the rest are the labels.
        temperature: above 1 the teacher's probabilities are evened out, below 1 sharpened. Only the targets are: the
            student's own logits are not divided, as what is trained is also what predicts.

    Reference: Hinton et al. 2015, Distilling the knowledge in a neural network, https://arxiv.org/abs/1503.02531
    """

    oof: str
    weight: float = Field(default=0.5, gt=0.0, le=1.0)
    temperature: float = Field(default=1.0, gt=0.0, le=100.0)


def find_oof_file(root: Path, oof: str, place: str, target: Target | Sequence[str], digest: str) -> Path:
    """Returns the path of OOF predictions that a model's file names.

    Args:
        root: the repository folder.
        oof: path relative to it.
        place: the setting, for the error.
        target: what is predicted, or names of classes.
        digest: of the fold table.

    Raises:
        InputError: no such file, a path that only this machine knows, or predictions made on other folds.
    """
    if Path(oof).is_absolute():
        raise InputError(f"{place} is {oof}; give a path relative to the repository")
    if not (root / oof).is_file():
        raise InputError(f"{place}: {root / oof} does not exist; train that model and copy its oof.parquet there")
    made_on = read_predictions(root / oof, target).folds
    if made_on not in (None, digest):
        raise InputError(f"{place}: {root / oof} was made on other folds than folds/folds.csv; train that model again")
    return root / oof


def list_oof_marks(root: Path, files: Sequence[str], target: Target | Sequence[str]) -> tuple[str, ...]:
    """Returns the reasons why OOF predictions that a model learned from score too well."""
    found = []
    for oof in files:
        made = read_predictions(root / oof, target)
        why = made.peeked if made.folds is not None else (*made.peeked, "nothing shows on which folds it was made")
        found += [f"{oof}: {each}" for each in why]
    return tuple(found)


def read_teacher_probs(path: Path, ids: Sequence[str], target: Target, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Reads a teacher's predictions of some rows: float32 (n_rows, n_columns).

    Args:
        path: its OOF predictions.
        ids: of all training images.
        target: what is predicted.
        rows: which of ``ids`` are read; those of the held-out fold are never among them.

    Raises:
        InputError: no such file, or one with other ids or classes.
    """
    return read_predictions(path, target).aligned(ids, str(path))[rows]


def make_soft_targets(
    path: Path, ids: Sequence[str], target: Target, truth: Truth, rows: NDArray[np.int64], distill: Distillation
) -> NDArray[np.float32]:
    """Returns targets float32 (n_images, n_columns): labels and soft labels mixed; NaN in all rows but ``rows``.

    Whoever trains on a row of the held-out fold so meets a loss that is not finite.

    Args:
        path: the teacher's OOF predictions.
        ids: of all training images.
        target: what is predicted.
        truth: of all training images.
        rows: the training rows of the fold; they may repeat.
        distill: the settings.

    Raises:
        InputError: no such file, or one with other ids or classes; or a temperature for numbers.
    """
    unique = np.unique(rows)
    try:
        soft = target.soften(read_teacher_probs(path, ids, target, unique), distill.temperature)
    except InputError as error:
        if distill.temperature == 1:
            raise
        raise InputError(f"training.distill.temperature: {error}") from error
    hard = target.make_targets(truth[unique]).astype(np.float64)
    targets = np.full((len(ids), len(target.columns)), np.nan, dtype=np.float32)
    targets[unique] = (1 - distill.weight) * hard + distill.weight * soft
    return targets
