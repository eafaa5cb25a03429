"""Iterative stratification: folds that share out every stratum evenly, groups kept whole.

A row may lie in several strata, as an image has several labels, or in none. The published method deals rows; here it
deals groups, each with the counts of its rows.
Reference: Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data,
https://doi.org/10.1007/978-3-642-23808-6_10
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError

_PASSES = 10


def deal_groups(strata: NDArray[np.bool_], groups: NDArray[np.int64], n_splits: int, seed: int) -> NDArray[np.int64]:
    """Gives every row the fold that validates it.

    The stratum with the fewest groups left is dealt first: each of its groups, the largest first, goes to the fold
    that lacks most of that stratum, then to the one that lacks most rows, then by chance.

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
    # One column more, of all rows: it deals what lies in no stratum, and evens out the sizes.
    marks = np.concatenate([strata, np.ones((len(strata), 1), dtype=np.bool_)], axis=1)
    counts = np.zeros((n_units, marks.shape[1]), dtype=np.float32)
    if n_units == len(unit):
        counts[unit] = marks
    else:
        np.add.at(counts, unit, marks)
    lacking = np.tile(counts.sum(axis=0, dtype=np.float64) / n_splits, (n_splits, 1))
    random = np.random.default_rng(seed)
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
    if n_units < len(unit):
        _move_groups(fold, counts, n_splits, random)
    return fold[unit]


def _move_groups(
    fold: NDArray[np.int64], counts: NDArray[np.float32], n_splits: int, random: np.random.Generator
) -> None:
    """Moves groups to where all strata and the sizes of folds come closest to their shares.

    Groups of several rows are dealt stratum by stratum, so each brings rows of strata that were dealt before. The
    squared distances to the shares are weighed by them, and a move is made if their sum falls.
    """
    shares = counts.sum(axis=0, dtype=np.float64) / n_splits
    weights = 1 / np.maximum(shares, 1)
    apart = np.stack([counts[fold == each].sum(axis=0, dtype=np.float64) - shares for each in range(n_splits)])
    for _ in range(_PASSES):
        moved = False
        for unit in random.permutation(len(fold)).tolist():
            here, own = int(fold[unit]), counts[unit]
            gone = (((apart[here] - own) ** 2 - apart[here] ** 2) * weights).sum()
            come = (((apart + own) ** 2 - apart**2) * weights).sum(axis=1)
            come[here] = -gone
            there = int(come.argmin())
            if come[there] + gone < -1e-9 and (fold == here).sum() > 1:
                fold[unit] = there
                apart[here] -= own
                apart[there] += own
                moved = True
        if not moved:
            return


def _fill_empty(fold: NDArray[np.int64], sizes: NDArray[np.float32], n_splits: int) -> None:
    """Gives an empty fold the smallest group of the fold with the most groups."""
    for empty in sorted(set(range(n_splits)) - set(fold.tolist())):
        richest = int(np.bincount(fold, minlength=n_splits).argmax())
        units = np.flatnonzero(fold == richest)
        fold[units[sizes[units].argmin()]] = empty
