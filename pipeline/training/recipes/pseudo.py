"""Pseudo-labels: test images that teachers predict with confidence join the training rows.

What is clean: the student of fold k learns from the predictions of the teachers' own models of fold k, and
from nothing else of theirs. Those models did not train on fold k either, so no label of its rows reaches the student,
by whatever way, and its OOF score stays honest. A teacher that learnt from pseudo-labels itself keeps to the same rule.

What is not: a teacher whose models of fold k did use its rows (chose their epoch there, or learnt from soft labels
of models that trained on them) hands that on. The student's card says so under ``peeked``.

Reference: Lee 2013, Pseudo-label: the simple and efficient semi-supervised learning method; Xie et al. 2020, Noisy
Student, https://arxiv.org/abs/1911.04252
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.config import Section, read_params
from pipeline.core.errors import InputError, near_names
from pipeline.core.files import sha256
from pipeline.core.paths import card_path, models_folder, predicted_test_fold_path
from pipeline.core.predictions import read_predictions
from pipeline.core.tables import folds_digest, read_folds
from pipeline.core.targets.contract import Target

_PLACE = "training.pseudo"


class PseudoLabelling(Section):
    """Which test images join the training rows, and with which labels.

    Attributes:
        teachers: models whose probabilities are averaged; they are trained first, on the same folds.
        confidence: the highest probability that an image must reach at least.
        labels: ``soft`` the probabilities themselves, ``hard`` the likeliest class alone.
        temperature: of soft labels: below 1 sharpened, above 1 evened out; who joins is decided before.
        weight: what such an image counts in the loss, where a training image counts 1.
    """

    teachers: tuple[str, ...] = Field(min_length=1)
    confidence: float = Field(default=0.9, gt=0.0, le=1.0)
    labels: Literal["soft", "hard"] = "soft"
    temperature: float = Field(default=1.0, gt=0.0, le=100.0, exclude_if=lambda temperature: temperature == 1)
    weight: float = Field(default=1.0, gt=0.0, le=100.0)

    @field_validator("teachers")
    @classmethod
    def _each_once(cls, teachers: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in teachers if teachers.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is listed more than once; keep one")
        return teachers

    @model_validator(mode="after")
    def _hard_labels_are_sharp(self) -> "PseudoLabelling":
        if self.labels == "hard" and self.temperature != 1:
            raise ValueError("temperature is of soft labels; leave it out with labels: hard")
        return self


@dataclass(frozen=True)
class PseudoLabels:
    """Pseudo-labels: the test images that join a fold, and their targets.

    Attributes:
        rows: int64 (n,), which of the test images.
        targets: float32 (n, n_columns); of classes each row sums to the image's weight.
        values: float32 (n, n_columns), the predictions behind them.
        highest: the highest confidence that any test image reaches.
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.float32]
    values: NDArray[np.float32]
    highest: float


@dataclass(frozen=True)
class Teachers:
    """Teachers, trained on the same folds.

    Attributes:
        root: the repository folder.
        section: their names, and which of their predictions are taken.
    """

    root: Path
    section: PseudoLabelling

    def label_images(self, fold: int, ids: Sequence[str], target: Target) -> PseudoLabels:
        """Returns the test images that join a fold.

        Args:
            fold: whose student learns.
            ids: of all test images.
            target: what is predicted.

        Raises:
            InputError: a teacher was not trained on this fold, or knows other images or classes.
        """
        return make_pseudo_labels(_fold_paths(self.root, self.section.teachers, fold), ids, target, self.section)

    def digests(self, n_folds: int) -> dict[str, str]:
        """Returns the SHA-256 of all that could be learnt from."""
        paths = {
            f"{name} {fold}": predicted_test_fold_path(self.root, name, fold)
            for name in self.section.teachers
            for fold in range(n_folds)
        }
        return {name: sha256(path) for name, path in paths.items() if path.is_file()}


def make_pseudo_labels(
    paths: Sequence[Path], ids: Sequence[str], target: Target, section: PseudoLabelling
) -> PseudoLabels:
    """Averages the predictions of the teachers' models of one fold, and takes the images of high confidence.

    Args:
        paths: the test predictions of each.
        ids: of all test images.
        target: what is predicted.
        section: the settings.

    Raises:
        InputError: no such file, or one with other ids or classes.
    """
    probs: NDArray[Any] = np.zeros((len(ids), len(target.columns)))
    for path in paths:
        probs += read_predictions(path, target).aligned(ids, str(path))
    if target.exclusive:
        probs /= np.maximum(probs.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    else:
        probs /= len(paths)
    top = target.measure_confidence(probs)
    assert top is not None, "check_pseudo comes first"
    # In the precision of the files, in which 0.9 is 0.9.
    rows = np.flatnonzero(top.astype(np.float32) >= np.float32(section.confidence))
    values = probs[rows].astype(np.float32)
    chosen = probs[rows]
    if section.labels == "hard":
        chosen = target.make_strata(target.decide(chosen)).astype(np.float64)
    elif section.temperature != 1:
        chosen = target.soften(values, section.temperature)
    return PseudoLabels(rows, (section.weight * chosen).astype(np.float32), values, float(top.max(initial=0.0)))


def check_pseudo(section: PseudoLabelling, target: Target) -> None:
    """Refuses settings that do not fit the target.

    Raises:
        InputError: the target is numbers; a weight that its targets cannot carry; or a confidence that all reach.
    """
    least = target.measure_confidence(target.from_outputs(np.zeros((1, len(target.columns)))))
    if least is None:
        raise InputError(
            f"{_PLACE} takes the test images of which teachers are sure, and numbers have no certainty; leave it out"
        )
    if section.weight != 1 and not target.exclusive:
        raise InputError(
            f"{_PLACE}.weight is {section.weight:g}, but goes with classes that exclude each other alone; "
            f"of {target.kind} say 1"
        )
    if section.confidence <= float(least[0]):
        n_classes = len(target.columns)
        raise InputError(
            f"{_PLACE}.confidence is {section.confidence}, but with {n_classes} classes every image reaches "
            f"{least[0]:.3g}; it must be above that and at most 1"
        )


def find_teachers(root: Path, section: PseudoLabelling, target: Target, folds: Path, wanted: Sequence[int]) -> Teachers:
    """Checks that the teachers are trained, before anything else is.

    Args:
        root: the repository folder.
        section: the settings.
        target: what is predicted.
        folds: path of the fold table.
        wanted: the folds that will be trained.

    Raises:
        InputError: the confidence is one that every image reaches, or a teacher is unknown, not trained, or trained on
            another fold table or on fewer folds.
    """
    check_pseudo(section, target)
    known = [path.stem for path in models_folder(root).glob("*.yaml")]
    digest = folds_digest(read_folds(folds))
    for name in section.teachers:
        if name not in known:
            raise InputError(f"{_PLACE}.teachers: no model is called {name!r}; {near_names(name, known)}")
        if not card_path(root, name).is_file():
            raise InputError(f"{_PLACE}.teachers: {name} is not trained; {_train(root, name)} first")
        if read_card(card_path(root, name), ModelCard).fold_table != digest:
            raise InputError(
                f"{_PLACE}.teachers: {name} was trained on another fold table than {folds}; {_train(root, name)} again"
            )
    for fold in wanted:
        _fold_paths(root, section.teachers, fold)
    return Teachers(root, section)


def list_inherited_marks(root: Path, teachers: Sequence[str]) -> tuple[str, ...]:
    """Returns the marks of a student's card for teachers that used the rows whose score is reported."""
    return tuple(
        f"pseudo-labels of {name}: {what}"
        for name in teachers
        for what in read_card(card_path(root, name), ModelCard).peeked
    )


def _fold_paths(root: Path, teachers: Sequence[str], fold: int) -> list[Path]:
    paths = [predicted_test_fold_path(root, name, fold) for name in teachers]
    for name, path in zip(teachers, paths, strict=True):
        if not path.is_file():
            raise InputError(
                f"{_PLACE}.teachers: {name} has no test predictions of fold {fold} ({path} does not exist); "
                f"{_train(root, name)}, with train.folds in params.yaml as it is now"
            )
    return paths


def _train(root: Path, name: str) -> str:
    listed = read_params(root).get("models")
    if isinstance(listed, list) and name in listed:
        return f"run `dvc repro train@{name}`"
    return f"run `python -m pipeline train {name}`"
