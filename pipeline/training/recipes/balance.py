"""Class balance: classes that are drawn more often, count more in the loss, or are augmented more.

An epoch keeps its length whatever is repeated: it draws ``steps * batch_size`` of the repeated rows, others
each time. The mix of classes changes, not the cost, and large classes are drawn less often per epoch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.core.arrays import Rows, Truth
from pipeline.core.config import Section
from pipeline.core.errors import InputError, near_names
from pipeline.core.targets.contract import Target
from pipeline.images.augmentation import Transforms
from pipeline.training.recipes.distillation import read_teacher_probs

WEAK_CLASSES_MARK = "weak classes found in OOF predictions of models that trained on the validation fold"
Factor = Annotated[float, Field(ge=1.0, le=1000.0)]
Weight = Annotated[float, Field(gt=0.0)]
_MOST_WEIGHT = 100.0  # of a label that hardly any row has: more would follow its single rows


def _kind(value: Any) -> str:
    return "by class" if isinstance(value, Mapping) else "in a word"


_Word = Annotated[Literal["none", "balanced"], Tag("in a word")]


class WeakClasses(Section):
    """Classes that are weak in the OOF predictions of a model.

    Attributes:
        oof: its OOF predictions, a path relative to the repository.
        lowest: how many classes, those of lowest recall on the training rows of the fold.
        factor: how many times as often they are drawn.
        strong: whether they go through the transforms of ``stronger``, too.
    """

    oof: str
    lowest: int = Field(ge=1)
    factor: Factor = 1.0
    strong: bool = False


class StrongerAugmentation(Section):
    """Transforms for some classes alone, after those that all images go through.

    A network may learn the traces that they leave instead of the class: no erasing, rather more of what all go through.

    Attributes:
        classes: by name.
        transforms: albumentations classes in order, each ``{Name: {argument: value}}``.
    """

    classes: tuple[str, ...] = ()
    transforms: Annotated[Transforms, Field(min_length=1)]


class Balance(Section):
    """Settings for unequal classes.

    Attributes:
        oversample: ``balanced`` draws all classes as often as the largest; by class, how many times as often.
        class_weight: ``balanced`` weighs by the inverse of the frequency; by class, what an image counts, 1 where none
            is named; always scaled to a mean of 1 over the training rows. Of several labels: what an image that has a
            label counts in that label's loss; ``balanced`` is the number of images without it for each with it.
        weak: classes found in OOF predictions.
        stronger: more augmentation for some classes.
    """

    oversample: Annotated[_Word | Annotated[dict[str, Factor], Tag("by class")], Discriminator(_kind)] = "none"
    class_weight: Annotated[_Word | Annotated[dict[str, Weight], Tag("by class")], Discriminator(_kind)] = "none"
    weak: WeakClasses | None = None
    stronger: StrongerAugmentation | None = None

    @model_validator(mode="after")
    def _something_is_done(self) -> "Balance":
        found = self.weak is not None and self.weak.strong
        if found and self.stronger is None:
            raise ValueError("weak.strong needs stronger.transforms")
        if self.stronger is not None and not self.stronger.classes and not found:
            raise ValueError("stronger needs classes, or weak.strong: true")
        if self.weak is not None and self.weak.factor == 1 and not self.weak.strong:
            raise ValueError("weak does nothing; set its factor above 1 or strong: true")
        return self


def check_classes(balance: Balance, target: Target) -> None:
    """Refuses classes that the competition does not have, and all settings where it has none.

    Raises:
        InputError: such a name, with the near ones; more weak classes wanted than there are; or a setting that does not
            fit the target.
    """
    classes = target.columns
    used = [key for key in Balance.model_fields if getattr(balance, key) not in ("none", None)]
    labels = [part for _, part, *_ in target.each() if part.activation == "linear" and not part.exclusive]
    if used and labels:
        raise InputError(f"balance.{used[0]} is for classes and labels, not for {labels[0].kind}; leave it out")
    if "class_weight" in used and not target.exclusive and target.activation != "sigmoid":
        raise InputError(
            f"balance.class_weight does not go with {target.kind}; leave it out, or weigh whole targets by "
            "training.loss_weights"
        )
    named = {
        "oversample": balance.oversample if isinstance(balance.oversample, dict) else (),
        "class_weight": balance.class_weight if isinstance(balance.class_weight, dict) else (),
        "stronger.classes": balance.stronger.classes if balance.stronger else (),
    }
    for key, names in named.items():
        for name in names:
            if name not in classes:
                raise InputError(f"balance.{key}: no class is called {name!r}; {near_names(name, classes)}")
    if balance.weak is not None and balance.weak.lowest >= len(classes):
        raise InputError(
            f"balance.weak.lowest is {balance.weak.lowest}, but there are {len(classes)} classes; lower it"
        )


def find_weak_classes(
    weak: WeakClasses, path: Path, ids: Sequence[str], target: Target, truth: Truth, rows: Rows
) -> tuple[int, ...]:
    """Returns the class indices of lowest recall, the weakest first; of equal ones the first.

    Neither labels nor predictions of the held-out fold are used. The other rows were predicted by models that trained
    on it, though, so the choice is not wholly free of it; `WEAK_CLASSES_MARK` says so.

    Args:
        weak: how many.
        path: OOF predictions.
        ids: of all training images.
        target: what is predicted.
        truth: of all training images.
        rows: the training rows of the fold, without repeats.

    Raises:
        InputError: no such file, or one with other ids or classes.
    """
    decided = target.make_strata(target.decide(read_teacher_probs(path, ids, target, rows)))
    own = target.make_strata(truth[rows])
    counts, hits = own.sum(axis=0), (own & decided).sum(axis=0)
    recall = np.where(counts > 0, hits / np.maximum(counts, 1), np.inf)
    return tuple(np.argsort(recall, kind="stable")[: weak.lowest].tolist())


def repeat_rows(
    rows: Rows, labels: Rows, balance: Balance, classes: Sequence[str], weak: tuple[int, ...], seed: tuple[int, ...]
) -> Rows:
    """Returns the training rows with repeats, sorted.

    A class of n rows and factor f gets ``f * n`` rows, rounded, half upwards: all of its rows equally often, as far as
    that goes, and as many as are then missing once more, drawn from ``seed``.

    Args:
        rows: the training rows of the fold, without repeats.
        labels: int64 (n_images,).
        balance: the settings.
        classes: names, in the order of their indices.
        weak: class indices, as `find_weak_classes` returns them.
        seed: fixes the draw.
    """
    counts = np.bincount(labels[rows], minlength=len(classes))
    wanted = np.floor(counts * _factors(balance, counts, classes, weak) + 0.5).astype(np.int64)
    if (wanted == counts).all():
        return rows
    rng = np.random.default_rng([*seed, 6])
    parts = []
    for label in np.flatnonzero(counts):
        own = rows[labels[rows] == label]
        whole, rest = divmod(int(wanted[label]), len(own))
        parts += [np.tile(own, whole), rng.permutation(own)[:rest]]
    return np.sort(np.concatenate(parts))


def repeat_marked_rows(
    rows: Rows,
    marks: NDArray[np.bool_],
    balance: Balance,
    labels: Sequence[str],
    weak: tuple[int, ...],
    seed: tuple[int, ...],
) -> Rows:
    """Returns the training rows with repeats, sorted, where a row has several labels or none.

    A row is repeated as its label of the highest factor asks for; a fraction is drawn row by row.

    Args:
        rows: the training rows of the fold, without repeats.
        marks: (n_images, n_labels).
        balance: the settings.
        labels: names.
        weak: label indices, as `find_weak_classes` returns them.
        seed: fixes the draw.
    """
    factors = _factors(balance, marks[rows].sum(axis=0), labels, weak)
    wanted = np.where(marks[rows], factors, 1.0).max(axis=1, initial=1.0)
    if (wanted == 1).all():
        return rows
    draws = np.random.default_rng([*seed, 6]).random(len(rows))
    return np.repeat(rows, (np.floor(wanted) + (draws < wanted % 1)).astype(np.int64))


def compute_class_weights(strata: NDArray[np.bool_], balance: Balance, target: Target) -> NDArray[np.float32] | None:
    """Returns what an image of each class counts in the loss: float32 (n_classes,), or None for the same for all.

    Of several labels: what an image that has the label counts in its loss.

    Args:
        strata: (n, n_classes) of the rows trained on, repeats included: what is drawn as often as the others needs no
            weight.
        balance: the settings.
        target: what is predicted.
    """
    if balance.class_weight == "none":
        return None
    counts = strata.sum(axis=0)
    if isinstance(balance.class_weight, dict):
        weights = np.array([balance.class_weight.get(name, 1.0) for name in target.columns])
    elif target.exclusive:
        weights = 1 / np.maximum(counts, 1)
    else:
        weights = np.clip((len(strata) - counts) / np.maximum(counts, 1), 1 / _MOST_WEIGHT, _MOST_WEIGHT)
    if not target.exclusive:
        return np.asarray(weights, dtype=np.float32)
    return np.asarray(weights * counts.sum() / (weights @ counts), dtype=np.float32)


def list_strong_classes(balance: Balance, classes: Sequence[str], weak: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the indices of the classes that are augmented more: those named, and the weak ones where set so."""
    named = balance.stronger.classes if balance.stronger else ()
    found = weak if balance.weak is not None and balance.weak.strong else ()
    return tuple(sorted({*(classes.index(name) for name in named), *found}))


def _factors(
    balance: Balance, counts: NDArray[np.int64], classes: Sequence[str], weak: tuple[int, ...]
) -> NDArray[np.float64]:
    factors: NDArray[np.float64] = np.ones(len(classes))
    if balance.oversample == "balanced":
        factors = counts.max() / np.maximum(counts, 1)
    elif isinstance(balance.oversample, dict):
        factors = np.array([balance.oversample.get(name, 1.0) for name in classes])
    factors[list(weak)] *= balance.weak.factor if balance.weak else 1.0
    return factors
