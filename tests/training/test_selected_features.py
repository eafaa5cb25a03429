"""Selected features: the group lasso of the kept library, and a head on what it weighs most."""

import numpy as np
import pytest
import sklearn.linear_model

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.training.heads.linear_heads import LinearRows, fit_linear_head, measure_slopes
from pipeline.training.heads.moments import Matrix, join_features
from pipeline.training.heads.recipe import LogisticHead, SelectedHead
from pipeline.training.heads.selected_features import HeadFitter, fit_group_lasso, select_features

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 300)
TELLING = np.array([3, 8, 17, 30])
FEATURES = RANDOM.normal(size=(300, 40)).astype(np.float32)
FEATURES[:, TELLING] += RANDOM.normal(size=(3, 4)).astype(np.float32)[LABELS] * 2
CLASSES = OneClass(columns=("a", "b", "c"))


def rows(features: Matrix = FEATURES) -> LinearRows:
    joined = join_features([[features]], 1, np.arange(len(features)) % 3)
    return LinearRows(joined.gather(np.arange(300)), LABELS, CLASSES, joined.measure_moments(frozenset()))


def test_the_group_lasso_is_the_kept_librarys() -> None:
    part = rows()
    slopes = measure_slopes(part)[1]
    penalty = 0.1 * float(np.linalg.norm(slopes, axis=1).max())
    made = fit_group_lasso(part.moments.covariance, slopes, penalty)
    standard = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    known = sklearn.linear_model.MultiTaskLasso(alpha=penalty, tol=1e-8, max_iter=5000).fit(standard, np.eye(3)[LABELS])
    assert np.abs(made - known.coef_.T).max() < 2e-3


def test_a_feature_that_repeats_another_is_left_out_and_one_that_tells_stays() -> None:
    twice = FEATURES.copy()
    noisy = 0.6 * RANDOM.normal(size=300).astype(np.float32)
    twice[:, 0] = twice[:, 8] + noisy  # more correlated with the truth than any that is noise alone
    kept = select_features(rows(twice), SelectedHead(name="selected", keep=0.1, lasso=0.3))
    assert kept.tolist() == TELLING.tolist()


def test_what_is_not_selected_has_no_weight_and_all_is_the_plain_head() -> None:
    part = rows()
    fitted = HeadFitter(SelectedHead(name="selected", keep=0.25), part).fit(0.001, None)
    used = np.flatnonzero(np.abs(fitted.weights).sum(axis=1))
    assert len(used) == 10
    assert set(used) >= set(TELLING)
    own = join_features([[FEATURES[:, used]]], 1, np.arange(300) % 3)
    alone = LinearRows(own.gather(np.arange(300)), LABELS, CLASSES, own.measure_moments(frozenset()))
    known = fit_linear_head(LogisticHead(name="logistic"), alone, 0.001, None)
    assert np.allclose(fitted.weights[used], known.weights, atol=1e-3)
    whole = HeadFitter(SelectedHead(name="selected", keep=1.0), part).fit(0.001, None)
    plain = HeadFitter(LogisticHead(name="logistic"), part).fit(0.001, None)
    assert np.array_equal(whole.weights, plain.weights)


def test_features_that_say_nothing_at_all_are_no_error() -> None:
    silent = rows(np.zeros((300, 5), dtype=np.float32))
    fitted = HeadFitter(SelectedHead(name="selected", keep=0.4), silent).fit(0.001, None)
    assert np.allclose(fitted.weights, 0)


def test_shares_lie_between_nothing_and_all() -> None:
    for settings in ({"keep": 0.0}, {"keep": 1.5}, {"lasso": 1.0}):
        with pytest.raises(InputError, match=next(iter(settings))):
            parse({"name": "selected"} | settings, SelectedHead, "a test")
