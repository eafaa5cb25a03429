"""Folds of whole groups that come closest to equal shares: a start by chance, then moves and swaps of groups.

A greedy deal of groups depends on the order of their class counts alone, so that another seed is the same split, and
it can leave a rare class out of a fold. Here the order is drawn, and moves and swaps make up for it.
Reference of the measure: scikit-learn's StratifiedGroupKFold, the spread of each class's shares over the folds.
"""

from itertools import combinations
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64] | NDArray[np.float32]
_STARTS = 6
_KICKS = 40  # searches that begin at the best so far with some groups moved, where no start is good enough
_KICKED = 4
_FEW = 500  # groups for which these are quick
_MARGIN = 0.85  # of the spread of the greedy deal, whose ties are luck: what few groups have to reach
_CHANGES = 2000
_CELLS = 60_000_000  # groups or pairs times strata that one search may look at
_PAIRS = 100_000  # pairs times strata that are tried for a swap between two folds
_MISSING = 1e3  # what a stratum that a fold lacks weighs: more than all spreads


class DealtGroups(NamedTuple):
    """Groups as the search wants them, one row each.

    Attributes:
        shares: (n_groups, n_strata) which part of all rows of a stratum a group holds.
        held: (n_groups, n_strata) 1 where it holds any.
    """

    shares: NDArray[np.float64]
    held: NDArray[np.float64]


def balance_groups(
    counts: NDArray[np.float64], n_splits: int, random: np.random.Generator, seed: int | None = None
) -> NDArray[np.int64]:
    """Deals groups to folds so that strata and rows are shared out evenly.

    Starts are drawn until one ends well below the spread of a greedy deal, which is itself the last start.
    A fold that lacks a stratum counts for more than any imbalance.

    Args:
        counts: (n_groups, n_strata) rows of each group in each stratum, the last column all rows.
        n_splits: how many folds.
        random: draws the order and the folds' numbers.
        seed: of scikit-learn's deal, which is taken where it is the more even one; None for not to look at it.

    Returns:
        (n_groups,) folds 0..n_splits-1.
    """
    counts = counts[:, counts.any(axis=0)]  # strata of other groups do not matter here
    shares = counts / counts.sum(axis=0)
    groups = DealtGroups(shares, (counts > 0).astype(np.float64))
    greedy = deal_by_spread(shares[:, :-1], counts[:, -1], n_splits, random)
    few = len(counts) <= _FEW
    bar = measure_spread(greedy, shares[:, :-1], n_splits) * (_MARGIN if few else 1)
    unavoidable = int(np.maximum(n_splits - (counts > 0).sum(axis=0), 0).sum())
    best, least = greedy, (n_splits * counts.shape[1], np.inf)
    for number in range(_STARTS + _KICKS if few else _STARTS):
        if number < _STARTS - 1:
            fold = deal_by_rarity(counts, n_splits, random, np.full(len(counts), -1))
        else:
            fold = best.copy() if number >= _STARTS else greedy.copy()
            kicked = random.integers(0, len(fold), _KICKED if number >= _STARTS else 0)
            fold[kicked] = random.integers(0, n_splits, len(kicked))
        missing = improve_balance(fold, groups, n_splits, random)
        score = (missing, measure_spread(fold, shares[:, :-1], n_splits))
        if score < least:
            best, least = fold, score
        if least <= (unavoidable, bar):
            break
    if seed is not None:
        theirs = deal_as_scikit_learn(counts[:, :-1], n_splits, seed)
        missing = int((_sum_by_fold(theirs, groups.held, n_splits) == 0).sum())
        if (missing, measure_spread(theirs, shares[:, :-1], n_splits)) < least:
            best = theirs
    return random.permutation(n_splits)[best]


def improve_from(
    begun: NDArray[np.int64], counts: NDArray[np.float64], n_splits: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Deals the groups whose fold is -1 and improves the balance; no stratum leaves a fold that has it."""
    fold = deal_by_rarity(counts, n_splits, random, begun)
    improve_balance(fold, DealtGroups(counts / counts.sum(axis=0), (counts > 0).astype(np.float64)), n_splits, random)
    return fold


def measure_spread(fold: NDArray[np.int64], shares: NDArray[np.float64], n_splits: int) -> float:
    """Averages over strata the standard deviation of the folds' shares of a stratum: 0 where all are equal."""
    return float(np.std(_sum_by_fold(fold, shares, n_splits), axis=0).mean())


def deal_by_rarity(
    counts: Counts, n_splits: int, random: np.random.Generator, fold: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Deals the groups whose fold is -1, those of the stratum with the fewest groups left first, in any order."""
    fold = fold.copy()
    dealt = fold >= 0
    lacking = counts.sum(axis=0) / n_splits - _sum_by_fold(fold[dealt], counts[dealt], n_splits)
    held = counts > 0
    waiting = np.count_nonzero(held[~dealt], axis=0)
    while (fold < 0).any():
        waiting[-1] = len(fold) + 1  # the column of all rows comes last
        stratum = int(np.where(waiting > 0, waiting, len(fold) + 2).argmin())
        for each in random.permutation(np.flatnonzero((fold < 0) & held[:, stratum])).tolist():
            best = int(np.lexsort((lacking[:, -1], lacking[:, stratum]))[-1])
            fold[each] = best
            lacking[best] -= counts[each]
            waiting -= held[each]
    return fold


def deal_by_spread(
    shares: NDArray[np.float64], sizes: NDArray[np.float64], n_splits: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Deals groups as StratifiedGroupKFold does: the most uneven first, each to the fold that spreads strata least."""
    fold = np.zeros(len(shares), dtype=np.int64)
    sums, rows = np.zeros((n_splits, shares.shape[1])), np.zeros(n_splits)
    order = random.permutation(len(shares))
    counts = shares * sizes.sum()
    for each in order[np.argsort(-np.std(counts[order], axis=1), kind="stable")].tolist():
        own = shares[each]
        squares = (sums**2).sum(axis=0) + 2 * sums * own + own**2
        mean = (sums.sum(axis=0) + own) / n_splits
        spread = np.sqrt(np.maximum(squares / n_splits - mean**2, 0)).mean(axis=1).round(12)
        best = int(np.lexsort((rows, spread))[0])
        fold[each] = best
        sums[best] += own
        rows[best] += sizes[each]
    return fold


def deal_as_scikit_learn(counts: NDArray[np.float64], n_splits: int, seed: int) -> NDArray[np.int64]:
    """Deals groups by their counts alone to the very folds of scikit-learn 1.9's StratifiedGroupKFold with that seed.

    The rows themselves, of which it would count the strata again, need not be there.
    """
    order = np.arange(len(counts))
    np.random.RandomState(seed).shuffle(order)
    fold, totals = np.zeros(len(counts), dtype=np.int64), counts.sum(axis=0)
    sums, itself = np.zeros((n_splits, counts.shape[1])), np.arange(n_splits)
    for each in order[np.argsort(-np.std(counts[order], axis=1), kind="stable")].tolist():
        tried = np.tile(sums, (n_splits, 1, 1))
        tried[itself, itself] += counts[each]
        spreads = np.std(tried / totals, axis=1).mean(axis=1).tolist()
        rows = sums.sum(axis=1).tolist()
        best = 0
        for other in range(1, n_splits):
            tie = abs(spreads[other] - spreads[best]) <= 1e-8 + 1e-5 * spreads[best]
            if spreads[other] < spreads[best] or (tie and rows[other] < rows[best]):
                best = other
        fold[each] = best
        sums[best] += counts[each]
    return fold


def improve_balance(fold: NDArray[np.int64], groups: DealtGroups, n_splits: int, random: np.random.Generator) -> int:
    """Moves groups and swaps pairs between two folds at a time until neither makes any two folds more alike.

    Args:
        fold: (n_groups,) where to begin; changed in place.
        groups: what is dealt.
        n_splits: how many folds.
        random: draws the order of the pairs of folds, and samples of large folds.

    Returns:
        how many strata are missing in a fold, summed over folds.
    """
    apart = _sum_by_fold(fold, groups.shares, n_splits) - 1 / n_splits
    holders = _sum_by_fold(fold, groups.held, n_splits)
    pairs = list(combinations(range(n_splits), 2))
    waiting: list[int] = []
    quiet = 0
    side = len(fold) // n_splits + 1
    strata = apart.shape[1]
    cells = strata * (2 * min(side, _PAIRS // strata) + min(side, isqrt(_PAIRS // strata)) ** 2)
    for _ in range(min(_CHANGES, _CELLS // cells)):
        if quiet == len(pairs):
            break
        waiting = waiting or random.permutation(len(pairs)).tolist()
        folds = pairs[waiting.pop()]
        change = _find_change(fold, groups, folds, (apart, holders), random)
        quiet = quiet + 1 if change is None else 0
        for group, (source, target) in zip(change or (), (folds, folds[::-1]), strict=False):
            if group is not None:
                fold[group] = target
                for sums, own in ((apart, groups.shares[group]), (holders, groups.held[group])):
                    sums[source] -= own
                    sums[target] += own
    return int((holders == 0).sum())


def _find_change(
    fold: NDArray[np.int64],
    groups: DealtGroups,
    folds: tuple[int, int],
    sums: tuple[NDArray[np.float64], NDArray[np.float64]],
    random: np.random.Generator,
) -> tuple[int | None, int | None] | None:
    """Finds which group to take from each of two folds for the other: one, or one of each, or none where none helps."""
    (one, two), (apart, holders) = folds, sums
    strata = apart.shape[1]
    squares = (apart**2).sum(axis=0)
    sides = [_sample(np.flatnonzero(fold == each), max(64, _PAIRS // strata), random) for each in folds]
    few = [_sample(side, max(8, isqrt(_PAIRS // strata)), random) for side in sides]
    nobody = np.array([-1])
    least, change = -1e-9, None
    for left, right in ((sides[0], nobody), (nobody, sides[1]), (few[0], few[1])):
        if not len(left) or not len(right):
            continue
        (gone, lost), (come, won) = _rows_of(groups, left), _rows_of(groups, right)
        moved = gone[:, None] - come[None]
        after = squares + 2 * moved * (apart[two] - apart[one] + moved)
        costs = (np.sqrt(np.maximum(after, 0)) - np.sqrt(squares)).sum(axis=-1)
        bare = (lost * (holders[one] == 1)) @ (1 - won).T + (1 - lost) @ (won * (holders[two] == 1)).T
        filled = (1 - lost) @ (won * (holders[one] == 0)).T + (lost * (holders[two] == 0)) @ (1 - won).T
        costs += _MISSING * (bare - filled)
        at = np.unravel_index(int(costs.argmin()), costs.shape)
        if costs[at] < least:
            least = float(costs[at])
            pair = int(left[at[0]]), int(right[at[1]])
            change = (None if pair[0] < 0 else pair[0], None if pair[1] < 0 else pair[1])
    return change


def _rows_of(groups: DealtGroups, members: NDArray[np.int64]) -> DealtGroups:
    if members[0] < 0:
        return DealtGroups(np.zeros((1, groups.shares.shape[1])), np.zeros((1, groups.shares.shape[1])))
    return DealtGroups(groups.shares[members], groups.held[members])


def _sample(members: NDArray[np.int64], limit: int, random: np.random.Generator) -> NDArray[np.int64]:
    return members if len(members) <= limit else random.choice(members, limit, replace=False)


def _sum_by_fold(fold: NDArray[np.int64], values: Counts, n_splits: int) -> NDArray[np.float64]:
    sums = np.zeros((n_splits, values.shape[1]))
    for each in range(n_splits):
        sums[each] = values[fold == each].sum(axis=0)
    return sums
