"""Folds of whole groups: every class in every fold where any deal does so, as even as scikit-learn's, by the seed."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from pipeline.data.prepared.stratification import deal_groups


def deal(labels: NDArray[np.int64], groups: NDArray[np.int64], n_splits: int, seed: int = 0) -> NDArray[np.int64]:
    return deal_groups(np.eye(int(labels.max()) + 1, dtype=np.bool_)[labels], groups, n_splits, seed)


def count(labels: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.zeros((fold.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (fold, labels), 1)
    return counts


def make_patients(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Makes 750 images of 20 patients, five of whom hold the last of six classes."""
    random = np.random.default_rng(seed)
    groups = random.integers(0, 20, 750)
    shares = random.dirichlet(np.full(5, 0.7), 20)
    labels = (shares[groups].cumsum(axis=1) > random.random((750, 1))).argmax(axis=1)
    for holder in random.choice(20, 5, replace=False).tolist():
        labels[random.choice(np.flatnonzero(groups == holder), random.integers(1, 4))] = 5
    return labels, groups


def spread(counts: NDArray[np.int64]) -> float:
    return float((counts / counts.sum(axis=0)).std(axis=0).mean())


def test_a_class_of_as_many_patients_as_folds_lies_in_each_and_folds_are_more_even_than_scikit_learns() -> None:
    # scikit-learn 1.9.1: StratifiedGroupKFold leaves the class out of a fold in some of these data sets.
    left_out = 0
    for seed in (0, 1, 2, 3, 13, 23):
        labels, groups = make_patients(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            splits = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, groups)
            theirs = np.stack([np.bincount(labels[valid], minlength=6) for _, valid in splits])
        ours = count(labels, deal(labels, groups, 5))
        left_out += (theirs == 0).any()
        assert ours.min() > 0
        assert spread(ours) <= spread(theirs)
    assert left_out == 4


def test_another_seed_is_another_deal_that_is_even_too() -> None:
    labels, groups = make_patients(0)
    folds = [deal(labels, groups, 5, seed) for seed in range(4)]
    assert (folds[0] == deal(labels, groups, 5, 0)).all()
    together = {(fold[:, None] == fold).tobytes() for fold in folds}
    assert len(together) == 4  # not the numbers of the folds alone
    spreads = [spread(count(labels, fold)) for fold in folds]
    assert max(spreads) < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_many_classes_that_cross_in_few_groups_reach_every_fold(seed: int) -> None:
    # 60 classes in exactly one group of each of six folds, all crossed.
    random = np.random.default_rng(seed)
    of_fold = random.permutation(np.arange(48) % 6)
    groups, labels = np.array(
        [(random.choice(np.flatnonzero(of_fold == fold)), each) for each in range(14) for fold in range(6)]
    ).T
    assert count(labels, deal(labels, groups, 6)).tolist() == [[1] * 14] * 6


def test_duplicates_among_many_images_leave_every_class_within_one_image_of_its_share() -> None:
    random = np.random.default_rng(0)
    labels, groups = random.integers(0, 10, 12_000), np.arange(12_000)
    groups[:200] = groups[200:400]
    fold = deal(labels, groups, 5)
    assert (fold[:200] == fold[200:400]).all()
    assert np.ptp(count(labels, fold), axis=0).max() <= 1
    assert np.ptp(np.bincount(fold)) <= 3


def test_a_rare_class_among_many_images_reaches_every_fold_whatever_is_tied() -> None:
    labels, groups = np.arange(6_000) % 4, np.arange(6_000)
    labels[:5] = 4
    groups[[10, 11, 12]] = groups[0]
    counts = count(labels, deal(labels, groups, 5))
    assert counts[:, 4].tolist() == [1] * 5


def test_several_labels_of_many_rows_are_shared_out_with_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.data.prepared.whole_groups._SEARCHED", 100)
    random = np.random.default_rng(0)
    strata = random.random((600, 3)) < [0.5, 0.1, 0.03]
    groups = np.arange(600)
    groups[:50] = groups[50:100]
    fold = deal_groups(strata, groups, 5, 0)
    assert (fold[:50] == fold[50:100]).all()
    for label in range(3):
        assert np.ptp(np.bincount(fold[strata[:, label]], minlength=5)) <= 4
