"""Folds of whole groups: every stratum in every fold wherever that can be, and shared out evenly."""

import numpy as np
from numpy.typing import NDArray

from pipeline.data.prepared.group_balance import balance_groups, deal_by_rarity, improve_from
from pipeline.data.prepared.group_cover import Outcome, find_cover

_SEARCHED = 5000  # groups; of more, those of one row are dealt last, to where rows of their stratum are fewest
_TIGHT = 3  # times the folds: strata in so few groups are searched exactly where a fold lacks any stratum


def deal_whole_groups(
    strata: NDArray[np.bool_], unit: NDArray[np.int64], n_splits: int, seed: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Gives every row the fold that validates it, rows of one group the same.

    A stratum in as many groups as folds reaches every fold wherever any deal does so for all of them.

    Args:
        strata: (n, n_strata) of rows, what every fold should have its share of.
        unit: (n,) numbers 0..n_groups-1 of the groups.
        n_splits: how many folds, at most the groups.
        seed: of scikit-learn's deal, which is among those that are compared where all groups are dealt at once.
        random: draws what is dealt when and where.

    Returns:
        (n,) folds 0..n_splits-1, none of them empty.
    """
    strata = strata[:, strata.any(axis=0)]
    sizes = np.bincount(unit)
    early = (sizes > 1) | (len(sizes) <= _SEARCHED)
    holders = _count_groups(strata, unit)
    tight = np.zeros(len(holders), dtype=np.bool_)
    begun = balance_groups(_count_rows(strata, unit, early), n_splits, random, seed if early.all() else None)
    fold = _deal(strata, unit, early, begun, n_splits, random)
    while True:
        lacking = (holders >= n_splits) & ~_held_by_all(strata, fold, n_splits)
        if not lacking.any() or (lacking & tight).any():
            return fold
        tight |= lacking | ((holders >= n_splits) & (holders <= _TIGHT * n_splits))
        members = np.unique(unit[strata[:, tight].any(axis=1)])
        early[members] = True
        counts = _count_rows(strata, unit, early)
        place = np.searchsorted(np.flatnonzero(early), members)
        cover = find_cover(counts[np.ix_(place, np.flatnonzero(tight))] > 0, n_splits, n_splits)
        if isinstance(cover, Outcome):
            return fold
        begun = np.full(len(counts), -1)
        begun[place] = cover
        begun = improve_from(begun, counts, n_splits, random)
        fold = _deal(strata, unit, early, begun, n_splits, random)


def _count_groups(strata: NDArray[np.bool_], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts the groups of each stratum: (n_strata,)."""
    rows, columns = np.nonzero(strata)
    pairs = np.unique(unit[rows] * strata.shape[1] + columns)
    return np.bincount(pairs % strata.shape[1], minlength=strata.shape[1])


def _held_by_all(strata: NDArray[np.bool_], fold: NDArray[np.int64], n_splits: int) -> NDArray[np.bool_]:
    held = np.stack([strata[fold == each].any(axis=0) for each in range(n_splits)])
    return np.asarray(held.all(axis=0))


def _count_rows(strata: NDArray[np.bool_], unit: NDArray[np.int64], early: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Counts the rows of some groups in each stratum and, in the last column, in all."""
    rows = early[unit]
    counts = np.zeros((np.count_nonzero(early), strata.shape[1] + 1))
    place = np.cumsum(early) - 1
    at, columns = np.nonzero(strata[rows])
    np.add.at(counts, (place[unit[rows]][at], columns), 1)
    counts[:, -1] = np.bincount(unit, minlength=len(early))[early]
    return counts


def _deal(
    strata: NDArray[np.bool_],
    unit: NDArray[np.int64],
    early: NDArray[np.bool_],
    begun: NDArray[np.int64],
    n_splits: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Deals the rows of the other groups, one row each, to where groups that lie in folds leave room."""
    of_group = np.full(len(early), -1)
    of_group[early] = begun
    fold = of_group[unit]
    if early.all():
        return fold
    if strata.sum(axis=1).max() > 1:
        marks = np.concatenate([strata, np.ones((len(strata), 1), dtype=np.bool_)], axis=1)
        return deal_by_rarity(marks.astype(np.float32), n_splits, random, fold)
    stratum = np.where(strata.any(axis=1), strata.argmax(axis=1), strata.shape[1])
    have = np.zeros((strata.shape[1] + 1, n_splits), dtype=np.int64)
    np.add.at(have, (stratum[fold >= 0], fold[fold >= 0]), 1)
    rows = have.sum(axis=0)
    late = random.permutation(np.flatnonzero(fold < 0))
    late = late[np.argsort(stratum[late], kind="stable")]
    ends = np.cumsum(np.bincount(stratum[late], minlength=len(have)))
    for each, members in enumerate(np.split(late, ends[:-1])):
        room = _share_out(len(members), have[each], rows + random.random(n_splits))
        fold[members] = np.repeat(np.arange(n_splits), room)
        rows += room
    return fold


def _share_out(n_rows: int, have: NDArray[np.int64], rank: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares out rows so that folds that have some are as equal as can be, the odd ones to the lowest rank."""
    order = np.argsort(have, kind="stable")
    level = (n_rows + np.cumsum(have[order])) // np.arange(1, len(have) + 1)
    raised = order[: int(np.flatnonzero(level >= have[order])[-1]) + 1]
    room = np.zeros(len(have), dtype=np.int64)
    room[raised] = level[len(raised) - 1] - have[raised]
    odd = n_rows - int(room.sum())
    room[raised[np.argsort(rank[raised])][:odd]] += 1
    return room
