"""Iterative stratification: folds that share out every stratum evenly, groups kept whole.

A row may lie in several strata, as an image has several labels, or in none. The published method deals rows; groups of
several rows are searched instead (`whole_groups`).
Rows of one class each, alone in their groups, are dealt as scikit-learn does.
References: Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data,
https://doi.org/10.1007/978-3-642-23808-6_10; scikit-learn's StratifiedKFold.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.bounds import Seed
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.data.prepared.whole_groups import deal_whole_groups


class SplitParams(Section):
    """Settings of the folds.

    Attributes:
        n_splits: how many folds.
        seed: another seed is another split: the way to repeat a cross-validation.
        group_duplicates: images with the same content or perceptual hash share a fold.
        group_mirrored: and so do mirrored twins, where a mirrored image keeps its class.
        group_near: and so do near-duplicates: hashes differ by a few bits, details agree.
    """

    n_splits: int = Field(default=5, ge=2, le=1_000)
    seed: Seed = 0
    group_duplicates: bool = True
    group_mirrored: bool = True
    group_near: bool = True


def deal_rows(labels: NDArray[np.int64], n_splits: int, seed: int) -> NDArray[np.int64]:
    """Gives every row the fold that validates it: the very folds of scikit-learn 1.9's StratifiedKFold, shuffled.

    Scikit-learn itself takes longer to start than all else that a split of digits does.

    Args:
        labels: (n,) class indices.
        n_splits: how many folds.
        seed: another seed is another split.

    Returns:
        (n,) folds 0..n_splits-1, each class shared out evenly.
    """
    first, codes = np.unique(labels, return_index=True, return_inverse=True)[1:]
    codes = np.unique(first, return_inverse=True)[1][codes]  # classes in the order of their first rows
    ordered = np.sort(codes)
    counts = np.stack([np.bincount(ordered[number::n_splits], minlength=len(first)) for number in range(n_splits)])
    random = np.random.RandomState(seed)
    dealt = []
    for shares in counts.T:
        cards = np.repeat(np.arange(n_splits), shares)
        random.shuffle(cards)
        dealt.append(cards)
    fold = np.empty(len(labels), dtype=np.int64)
    fold[np.argsort(codes, kind="stable")] = np.concatenate(dealt)
    return fold


def deal_groups(strata: NDArray[np.bool_], groups: NDArray[np.int64], n_splits: int, seed: int) -> NDArray[np.int64]:
    """Gives every row the fold that validates it.

    The stratum with the fewest rows left is dealt first: each of its rows goes to the fold that lacks most of that
    stratum, then to the one that lacks most rows, then by chance.

    Args:
        strata: (n, n_strata), what every fold should have its share of.
        groups: (n,) rows of one group share a fold.
        n_splits: how many folds.
        seed: another seed is another split.

    Returns:
        (n,) folds 0..n_splits-1, none of them empty.

    Raises:
        InputError: fewer groups than folds.
    """
    unit = np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    if n_units < n_splits:
        raise InputError(
            f"split: {n_units} groups are fewer than n_splits={n_splits}; the largest split.n_splits that works is "
            f"{n_units}"
        )
    random = np.random.default_rng(seed)
    if n_units < len(unit):
        return deal_whole_groups(strata, unit, n_splits, seed, random)
    # One column more, of all rows: it deals what lies in no stratum, and evens out the sizes.
    marks = np.concatenate([strata, np.ones((len(strata), 1), dtype=np.bool_)], axis=1)
    counts = np.zeros((n_units, marks.shape[1]), dtype=np.float32)
    counts[unit] = marks
    lacking = np.tile(counts.sum(axis=0, dtype=np.float64) / n_splits, (n_splits, 1))
    fold = np.full(n_units, -1, dtype=np.int64)
    waiting = np.count_nonzero(counts, axis=0)  # groups of each stratum that are not dealt yet
    while (fold < 0).any():
        waiting[-1] = n_units + 1  # the column of all rows comes last
        stratum = int(np.where(waiting > 0, waiting, n_units + 2).argmin())
        units = random.permutation(np.flatnonzero((fold < 0) & (counts[:, stratum] > 0)))
        for each in units[np.argsort(-counts[units, stratum], kind="stable")].tolist():
            tie = random.permutation(n_splits)
            best = tie[np.lexsort((lacking[tie, -1], lacking[tie, stratum]))[-1]]
            fold[each] = best
            lacking[best] -= counts[each]
            waiting -= counts[each] > 0
    _fill_empty(fold, counts[:, -1], n_splits)
    return fold[unit]


def _fill_empty(fold: NDArray[np.int64], sizes: NDArray[np.float32], n_splits: int) -> None:
    """Gives an empty fold the smallest group of the fold with the most groups."""
    for empty in sorted(set(range(n_splits)) - set(fold.tolist())):
        richest = int(np.bincount(fold, minlength=n_splits).argmax())
        units = np.flatnonzero(fold == richest)
        fold[units[sizes[units].argmin()]] = empty
