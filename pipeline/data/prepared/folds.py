"""Assigns folds: stratified by class, and by group wherever images belong together.

Reference: scikit-learn's StratifiedKFold, for images that belong together with no other.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.core.errors import InputError, some
from pipeline.core.ids import natural_order
from pipeline.core.tables import TRAINING_ONLY
from pipeline.data.prepared.duplicates import HASHES, MIRRORED, NEAR, number_components
from pipeline.data.prepared.group_cover import Outcome, find_conflict, find_cover
from pipeline.data.prepared.stratification import deal_groups, deal_rows

_PROVEN = 5  # times the folds: of classes in more groups no proof is tried
_PROVEN_GROUPS = 500
_FEW = 0.05  # of the images: so many may go unvalidated because their classes lie in too few groups


def make_fold_table(
    index: pd.DataFrame,
    classes: Sequence[str],
    n_splits: int,
    seed: int,
    group_duplicates: bool,
    strata: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Makes the fold table of a training index.

    Ids are put into natural order first, so that the order of the rows changes nothing.

    Args:
        index: the training images; columns ``mirrored`` and ``near`` name sets of mirrored twins and near-duplicates.
        classes: class names, for errors.
        n_splits: how many folds.
        seed: another seed is another split.
        group_duplicates: whether images of one content or perceptual hash, mirrored twins and near-duplicates share a
            fold; user groups always do.
        strata: (n, n_strata) of the index's rows, what folds share out evenly; None for the classes.

    Returns:
        id, label, group and fold, in natural order of the ids; the fold of images of classes that are rarer than the
        folds, and of images tied to these, is `TRAINING_ONLY`.

    Raises:
        InputError: user groups are too few for the folds, or fewer than two classes could be validated.
    """
    place = pd.Series(np.arange(len(index)), index=index["id"])
    order = place.loc[natural_order(index["id"].tolist())].to_numpy()
    ordered = index.iloc[order].reset_index(drop=True)
    tied = [name for name in ("group", "unit") if name in ordered]  # a unit has one answer for several images
    alike = [name for name in (*HASHES, MIRRORED, NEAR) if name in ordered]
    groups = number_components(ordered, [*tied, *alike] if group_duplicates else tied)
    labels = ordered["label"].to_numpy(dtype=np.int64)
    if strata is not None:
        fold = deal_groups(strata[order], groups, n_splits, seed)
        return pd.DataFrame({"id": ordered["id"], "label": labels, "group": groups, "fold": fold})
    only = find_training_only(labels, groups, number_components(ordered, ("group",)), n_splits)
    if len(np.unique(labels[~only])) < 2:
        only[:] = False  # nothing would be left to tell apart: refused below, with the number that works
    fold = np.full(len(labels), TRAINING_ONLY, dtype=np.int64)
    present, codes = np.unique(labels[~only], return_inverse=True)
    names = [classes[label] for label in present.tolist()] if only.any() else classes
    codes = codes if only.any() else labels
    tied_alone = number_components(ordered, tied)
    duplicates = bool((tied_alone != groups).any())
    fold[~only] = assign_folds(codes.astype(np.int64), groups[~only], n_splits, seed, names, duplicates)
    return pd.DataFrame({"id": ordered["id"], "label": labels, "group": groups, "fold": fold})


def add_training_rows(table: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Adds rows from elsewhere behind a fold table: each in a group of its own, never validated."""
    if more.empty:
        return table
    groups = np.arange(len(more)) + int(table["group"].max()) + 1
    rows = {"id": more["id"], "label": more["label"], "group": groups, "fold": TRAINING_ONLY}
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


def find_training_only(
    labels: NDArray[np.int64], groups: NDArray[np.int64], user_groups: NDArray[np.int64], n_splits: int
) -> NDArray[np.bool_]:
    """Finds the rows of classes that cannot lie in every fold, and what is tied to these rows.

    A class is rarer than the folds by its images or by duplicates among them; by user groups alone only where the
    images of all such classes are few, as otherwise fewer folds are better.

    Args:
        labels: (n,) class indices.
        groups: (n,) rows of one group share a fold.
        user_groups: (n,) the same, of groups that a person names alone.
        n_splits: how many folds.

    Returns:
        (n,) rows that train in every fold.
    """
    images = np.bincount(labels)
    torn = (_count_groups(labels, user_groups) < n_splits) & (images >= n_splits)
    spared = np.flatnonzero(torn) if images[torn].sum() > _FEW * len(labels) else np.array([], dtype=np.int64)
    only = np.zeros(len(labels), dtype=np.bool_)
    while True:
        left = _count_groups(labels[~only], groups[~only], len(images))
        rare = np.flatnonzero(left < n_splits)
        marked = only | np.isin(labels, np.setdiff1d(rare, spared))
        marked = np.isin(groups, groups[marked])
        if (marked == only).all():
            return only
        only = marked


def _count_groups(labels: NDArray[np.int64], groups: NDArray[np.int64], n_classes: int = 0) -> NDArray[np.int64]:
    """Counts the groups that each class lies in: (n_classes,)."""
    if not len(labels):
        return np.zeros(n_classes, dtype=np.int64)
    classes = int(labels.max()) + 1
    pairs = np.unique(groups * classes + labels)
    return np.bincount(pairs % classes, minlength=n_classes)


def assign_folds(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    n_splits: int,
    seed: int,
    classes: Sequence[str],
    duplicates: bool = False,
) -> NDArray[np.int64]:
    """Gives every row the fold that validates it.

    Args:
        labels: (n,) class indices.
        groups: (n,) rows of one group share a fold.
        n_splits: how many folds.
        seed: another seed is another split.
        classes: class names, for errors.
        duplicates: whether groups may be duplicates, for errors.

    Returns:
        (n,) folds 0..n_splits-1; every class in every fold, or where groups do not allow it in two; no group in two.

    Raises:
        InputError: there is one class only, a class has fewer images (or groups) than folds, or the groups allow no
            deal with every class in two folds.
    """
    _check_counts(labels, groups, n_splits, classes)
    if len(np.unique(groups)) == len(groups):
        return deal_rows(labels, n_splits, seed)
    fold = deal_groups(np.eye(len(classes), dtype=np.bool_)[labels], groups, n_splits, seed)
    reached = np.zeros((n_splits, len(classes)), dtype=np.bool_)
    reached[fold, labels] = True
    return fold if reached.all() else _deal_as_far(fold, (labels, groups), n_splits, classes, duplicates)


def _deal_as_far(
    fold: NDArray[np.int64],
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    n_splits: int,
    classes: Sequence[str],
    duplicates: bool,
) -> NDArray[np.int64]:
    """Takes a deal in which some fold lacks a class, if every class lies in two folds and every fold has two classes.

    Args:
        fold: (n,) what was dealt.
        rows: labels and groups of the rows.
        n_splits: how many folds.
        classes: class names, for errors.
        duplicates: whether groups may be duplicates.
    """
    labels, groups = rows
    unit = np.unique(groups, return_inverse=True)[1]
    held = np.zeros((unit.max() + 1, len(classes)), dtype=np.bool_)
    held[unit, labels] = True
    in_folds = _count_folds(fold, labels)
    if in_folds.min() < 2 or _count_folds(labels, fold).min() < 2:
        cover = find_cover(held, n_splits, 2)
        if isinstance(cover, Outcome):
            raise InputError(f"split: {_explain(held, n_splits, classes)}{_advise(held, n_splits, duplicates)}")
        fold, in_folds = cover[unit], _count_folds(cover[unit], labels)
    print(f"note: {np.count_nonzero(in_folds < n_splits)} classes are in some folds only: ", end="")
    print(_explain(held, n_splits, classes))
    return fold


def _count_folds(fold: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts the folds that each class lies in."""
    return np.asarray(pd.Series(fold).groupby(labels).nunique(), dtype=np.int64)


def _explain(held: NDArray[np.bool_], n_splits: int, classes: Sequence[str]) -> str:
    """Says which classes cannot all lie in every fold, as far as that is proven."""
    few = np.flatnonzero(held.sum(axis=0) <= _PROVEN * n_splits)
    if (
        held.any(axis=1).sum() > _PROVEN_GROUPS
        or find_cover(held[:, few], n_splits, n_splits) is not Outcome.NONE_EXISTS
    ):
        return f"no way to put every class into each of {n_splits} folds came up with {len(held)} groups"
    conflict = few[find_conflict(held[:, few], n_splits)]
    names = some([f"{classes[each]!r}" for each in conflict.tolist()], 5)
    groups = np.count_nonzero(held[:, conflict].any(axis=1))
    return f"no way to put {names} into each of {n_splits} folds exists, as they are in {groups} groups together"


def _advise(held: NDArray[np.bool_], n_splits: int, duplicates: bool) -> str:
    """Names the settings that would work, tried first."""
    fewer = [each for each in range(n_splits - 1, 1, -1) if not isinstance(find_cover(held, each, 2), Outcome)]
    advice = [f"the largest split.n_splits that works is {fewer[0]}"] if fewer else []
    if duplicates:
        advice.append("split.group_duplicates: false in params.yaml parts duplicates, if they are accidental")
    return "; " + (
        ", or ".join(advice) or "no split.n_splits works: add images of these classes in groups of their own"
    )


def _check_counts(labels: NDArray[np.int64], groups: NDArray[np.int64], n_splits: int, classes: Sequence[str]) -> None:
    images = np.bincount(labels, minlength=len(classes))
    if np.count_nonzero(images) < 2:
        only = classes[int(images.argmax())]
        raise InputError(
            f"split: every image is of the class {only!r}; there is nothing to tell apart, check the labels"
        )
    apart = pd.DataFrame({"label": labels, "group": groups}).groupby("label")["group"].nunique()
    counts = apart.reindex(range(len(classes)), fill_value=0).to_numpy()
    least = int(counts.argmin())
    if counts[least] >= n_splits:
        return
    what = f"{images[least]} images"
    if counts[least] < images[least]:
        what += f" in {counts[least]} groups"
    short = np.count_nonzero(counts < n_splits)
    others = f" ({short} classes have fewer than {n_splits})" if short > 1 else ""
    fix = (
        f"the largest split.n_splits that works is {counts[least]}"
        if counts[least] >= 2
        else "no split.n_splits works: add images of that class, or use leave_out.classes_rarer_than"
    )
    raise InputError(f"split: class {classes[least]!r} has {what}, fewer than n_splits={n_splits}{others}; {fix}")
