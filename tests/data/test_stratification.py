"""Folds over several strata and groups at once."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from pipeline.core.errors import InputError
from pipeline.data.prepared.stratification import deal_groups, deal_rows


def make_labels(rows: int, shares: list[float], seed: int = 0) -> NDArray[np.bool_]:
    """Marks of labels with the given shares."""
    return np.random.default_rng(seed).random((rows, len(shares))) < shares


def test_every_label_is_shared_out_evenly() -> None:
    strata = make_labels(1000, [0.5, 0.1, 0.03, 0.012])
    fold = deal_groups(strata, np.arange(1000), 5, seed=0)
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 6
    for label in range(4):
        counts = np.bincount(fold[strata[:, label]], minlength=5)
        assert counts.max() - counts.min() <= 3, label


def test_groups_stay_whole_and_labels_still_even() -> None:
    groups = np.repeat(np.arange(200), 5)
    strata = make_labels(200, [0.4, 0.1])[groups]
    fold = deal_groups(strata, groups, 5, seed=1)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in range(200))
    for label in range(2):
        counts = np.bincount(fold[strata[:, label]], minlength=5)
        assert counts.max() - counts.min() <= 5, label  # one group


def test_seeds_differ_and_repeat() -> None:
    strata = make_labels(100, [0.3, 0.2])
    one, again, other = (deal_groups(strata, np.arange(100), 4, seed=seed) for seed in (3, 3, 4))
    assert one.tolist() == again.tolist() != other.tolist()


def test_rows_without_a_stratum_fill_every_fold() -> None:
    fold = deal_groups(np.zeros((10, 1), dtype=np.bool_), np.arange(10), 5, seed=0)
    assert np.bincount(fold).tolist() == [2] * 5


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(InputError, match=r"3 groups are fewer than n_splits=5; the largest .* that works is 3"):
        deal_groups(np.ones((9, 1), dtype=np.bool_), np.repeat(np.arange(3), 3), 5, seed=0)


def test_groups_of_mixed_labels_and_sizes_come_within_some_rows_of_their_shares() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(1000), random.integers(1, 10, 1000))[:4000]
    strata = make_labels(4000, [0.3, 0.2, 0.1, 0.05, 0.02, 0.01], seed=1)
    fold = deal_groups(strata, groups, 5, seed=0)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))
    for counted in (*strata.T, np.ones(4000, dtype=np.bool_)):
        counts = np.bincount(fold[counted], minlength=5)
        assert counts.max() - counts.min() <= 8


@pytest.mark.parametrize("seed", range(12))
def test_rows_of_one_class_each_are_dealt_to_the_folds_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    n_splits, classes = int(random.integers(2, 11)), int(random.integers(2, 30))
    labels = random.permutation(np.repeat(random.permutation(classes), random.integers(n_splits, 60, classes)))
    theirs = np.empty(len(labels), dtype=np.int64)
    splits = StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(labels, labels)
    for fold, (_, valid) in enumerate(splits):
        theirs[valid] = fold
    assert deal_rows(labels, n_splits, seed).tolist() == theirs.tolist()
