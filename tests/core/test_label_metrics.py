"""Metrics of several labels, of numbers and of votes, against values worked by hand."""

import numpy as np
import pytest

from pipeline.core.errors import InputError
from pipeline.core.measures.metric import MetricOptions
from pipeline.core.metrics import METRIC_NAMES, get_metric, list_metrics_for
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.vote_shares import VoteShares

LABELS = SeveralLabels(columns=("a", "b", "c"))
MARKS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
PROBS = np.array([[0.9, 0.6, 0.1], [0.4, 0.8, 0.2], [0.3, 0.1, 0.0], [0.6, 0.5, 0.3]], dtype=np.float32)
# given: ab, b, -, ab; hits by row 1, 1, 0, 1; true 1, 2, 0, 1; given 2, 1, 0, 2
LOSS = -np.log([[0.9, 0.4, 0.9], [0.4, 0.8, 0.8], [0.7, 0.9, 1.0], [0.4, 0.5, 0.7]])

BY_HAND = {
    "row_f1": (2 / 3 + 2 / 3 + 1 + 2 / 3) / 4,
    # a: hits 1, true 2, given 2; b: 2, 2, 3; c: nothing
    "macro_f1": (2 / 4 + 4 / 5 + 0) / 3,
    "micro_f1": 2 * 3 / (4 + 5),
    "accuracy": 1 / 4,
    "hamming_accuracy": (2 + 2 + 3 + 2) / 12,
    # a: .9, .4 over .3, .6: 3 of 4; b: .8, .5 over .6, .1: 3 of 4; c has no row and is left out
    "roc_auc": 3 / 4,
    # a: .9 yes, .6 no, .4 yes: 1, 2/3; b: .8 yes, .6 no, .5 yes: 1, 2/3
    "average_precision": 5 / 6,
    # true cells .9, .4, .8, .5 against eight others: above .1 .2 .3 .3 .0 .1 (6), and .6 .6 over .4 and .5
    "micro_roc_auc": (8 + 6 + 8 + 6) / 32,
    # .9 yes, .8 yes, .6 no, .6 no, .5 yes, .4 yes
    "micro_average_precision": (1 + 1 + 3 / 5 + 4 / 6) / 4,
    "log_loss": LOSS.mean(),
    "brier": ((1 - np.exp(-LOSS)) ** 2).mean(),
    # row 1: a first: 1; row 2: b first, a second: 1 and 1; row 4: b second: 1/2; four marks
    "label_ranking_average_precision": (1 + 1 + 1 + 1 / 2) / 4,
    # a: true 1100 given 1001: 0; b: true 0101 given 1101: 1/sqrt(3); c: 0
    "matthews": (0 + 1 / 3**0.5 + 0) / 3,
}
NUMBERS = Numbers(columns=("x", "y"), means=(0.0, 0.0), scales=(1.0, 1.0))
TRUE, GUESS = np.array([[1, 10], [3, 20]], dtype=np.float32), np.array([[2, 10], [3, 16]], dtype=np.float32)
NUMBERS_BY_HAND = {
    "mse": (1 + 0 + 0 + 16) / 4,
    "rmse": (17 / 4) ** 0.5,
    "column_rmse": ((1 / 2) ** 0.5 + (16 / 2) ** 0.5) / 2,
    "mae": 5 / 4,
    "r2": ((1 - 1 / 2) + (1 - 16 / 50)) / 2,
    # around the mean of all four, 8.5: 56.25 + 2.25 + 30.25 + 132.25
    "pooled_r2": 1 - 17 / 221,
    "rmsle": ((np.log(2 / 3) ** 2 + np.log(21 / 17) ** 2) / 4) ** 0.5,
    "mape": (1 + 0 + 0 + 4 / 20) / 4,
    "pearson": 1.0,
    "spearman": 1.0,
}
SHARES, CHANCES = (
    np.array([[0.5, 0.5], [1, 0]], dtype=np.float32),
    np.array([[0.25, 0.75], [0.8, 0.2]], dtype=np.float32),
)
CROSS = np.array([-(np.log(0.25) + np.log(0.75)) / 2, -np.log(0.8)])
SHARES_BY_HAND = {
    "log_loss": CROSS.mean(),
    "kl_divergence": (CROSS - [np.log(2), 0]).mean(),
    "accuracy": 1 / 2,  # equal votes go to the first class
    "brier": (2 * 0.25**2 + 2 * 0.2**2) / 2,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_labels_equal_the_value_worked_by_hand(name: str) -> None:
    assert get_metric(name, target=LABELS).score(MARKS, PROBS) == pytest.approx(BY_HAND[name], abs=1e-6)


@pytest.mark.parametrize("name", NUMBERS_BY_HAND)
def test_numbers_equal_the_value_worked_by_hand(name: str) -> None:
    assert get_metric(name, target=NUMBERS).score(TRUE, GUESS) == pytest.approx(NUMBERS_BY_HAND[name], abs=1e-6)


@pytest.mark.parametrize("name", SHARES_BY_HAND)
def test_votes_equal_the_value_worked_by_hand(name: str) -> None:
    target = VoteShares(columns=("x", "y"))
    assert get_metric(name, target=target).score(SHARES, CHANCES) == pytest.approx(SHARES_BY_HAND[name], abs=1e-6)


def test_every_metric_without_options_has_a_value_worked_by_hand() -> None:
    without = {"top_k_accuracy", "map_k", "recall_k", "macro_f_beta", "micro_f_beta", "row_f_beta"}
    assert set(list_metrics_for(LABELS, MetricOptions())) - without == set(BY_HAND)
    assert set(list_metrics_for(NUMBERS, MetricOptions())) == set(NUMBERS_BY_HAND)
    assert set(list_metrics_for(VoteShares(columns=("x", "y")), MetricOptions())) == set(SHARES_BY_HAND)


def test_f2_of_rows_weighs_recall_four_times() -> None:
    f2 = get_metric("row_f_beta", target=LABELS, options=MetricOptions(beta=2.0))
    assert f2.score(MARKS, PROBS) == pytest.approx((5 / 6 + 5 / 9 + 1 + 5 / 6) / 4)


def test_ranked_lists_of_labels() -> None:
    # two likeliest: ab, ba, ab, ab; precisions of row 4: b second
    options = MetricOptions(k=2)
    assert get_metric("map_k", target=LABELS, options=options).score(MARKS, PROBS) == pytest.approx(
        (1 + 1 + 0 + 0.5) / 4
    )
    assert get_metric("recall_k", target=LABELS, options=options).score(MARKS, PROBS) == 1.0
    assert get_metric("top_k_accuracy", target=LABELS, options=options).score(MARKS, PROBS) == 3 / 4


def test_weights_of_labels() -> None:
    options = MetricOptions(weights={"a": 2.0, "c": 0.0})
    weighted = get_metric("log_loss", target=LABELS, options=options)
    assert weighted.score(MARKS, PROBS) == pytest.approx(np.average(LOSS, axis=1, weights=[2, 1, 0]).mean(), abs=1e-6)


def test_what_rows_add_averages_to_the_score() -> None:
    for target, truth, values in ((LABELS, MARKS, PROBS), (NUMBERS, TRUE, GUESS)):
        for name, metric in list_metrics_for(target, MetricOptions(k=2, beta=2.0)).items():
            if metric.rows is not None:
                assert metric.rows(truth, values).mean() == pytest.approx(metric.score(truth, values)), name


def test_labels_on_one_side_alone_have_no_curve() -> None:
    with pytest.raises(InputError, match="roc_auc needs a label that some scored rows have and others have not"):
        get_metric("roc_auc", target=LABELS).score(np.ones((2, 3), dtype=np.float32), PROBS[:2])


def test_several_targets_are_scored_by_the_mean_of_their_parts() -> None:
    parts = {"root": OneClass(columns=("k1", "k2")), "vowel": OneClass(columns=("a", "b", "c"))}
    target = SeveralTargets(columns=("root:k1", "root:k2", "vowel:a", "vowel:b", "vowel:c"), parts=parts)  # type: ignore[arg-type]
    truth = np.array([[0, 2], [1, 1]], dtype=np.float32)
    values = np.array([[0.9, 0.1, 0.2, 0.3, 0.5], [0.6, 0.4, 0.1, 0.8, 0.1]], dtype=np.float32)
    # root: recall 1 and 0; vowel: b and c right
    options = MetricOptions(weights={"root": 2.0})
    assert get_metric("macro_recall", target=target, options=options).score(truth, values) == pytest.approx(
        (2 * 1 / 2 + 1) / 3
    )
    with pytest.raises(InputError, match=r"metric.weights names 'stem'; known: root, vowel"):
        get_metric("macro_recall", target=target, options=MetricOptions(weights={"stem": 1.0}))


@pytest.mark.parametrize(("name", "target"), [("rmse", LABELS), ("roc_auc", NUMBERS), ("map_k", NUMBERS)])
def test_a_metric_of_another_kind_is_refused(name: str, target: SeveralLabels | Numbers) -> None:
    with pytest.raises(InputError, match=f"metric '{name}' does not judge a target of kind {target.kind}"):
        get_metric(name, target=target)


def test_every_name_judges_some_kind() -> None:
    kinds = (OneClass(columns=("a", "b")), LABELS, NUMBERS, VoteShares(columns=("x", "y")))
    judging = {name for target in kinds for name in list_metrics_for(target, MetricOptions())}
    assert set(METRIC_NAMES) == judging


@pytest.mark.parametrize(("name", "match"), [("rmsle", "needs numbers of 0 and above"), ("mape", "one of .* is 0")])
def test_numbers_that_a_metric_cannot_take_are_refused(name: str, match: str) -> None:
    truth = np.array([[-1, 1], [0, 1]], dtype=np.float32)
    with pytest.raises(InputError, match=match):
        get_metric(name, target=NUMBERS).score(truth, GUESS)
