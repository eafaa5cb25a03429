"""Metrics with options, of ranked lists and of two classes, against values worked by hand."""

import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.metrics import get_metric, parse_metric_name
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.several_targets import Part, SeveralTargets, list_part_columns

LABELS = np.array([0, 0, 1, 2])
PROBS = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]], dtype=np.float32)
# ranks of the true class: 1, 3, 1, 3
BINARY = np.array([0, 1, 0, 1, 1])
CHANCES = np.array([0.1, 0.4, 0.6, 0.8, 0.9], dtype=np.float32)
TWO = np.stack([1 - CHANCES, CHANCES], axis=1)


def metric(name: str, **options: object) -> Metric:
    """A metric with options."""
    return get_metric(name, options=MetricOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("k", "expected"), [(1, 2 / 4), (2, 2 / 4), (3, (1 + 1 / 3 + 1 + 1 / 3) / 4)])
def test_map_at_k_of_one_class_is_the_mean_reciprocal_rank_within_k(k: int, expected: float) -> None:
    assert metric("map_k", k=k).score(LABELS, PROBS) == pytest.approx(expected)
    assert metric("map_k", k=k).name == f"map_{k}"


def test_recall_at_k_of_one_class_is_top_k_accuracy() -> None:
    assert metric("recall_k", k=2).score(LABELS, PROBS) == metric("top_k_accuracy", k=2).score(LABELS, PROBS) == 2 / 4


def test_macro_f2_weighs_recall_four_times() -> None:
    # argmax 0 1 1 1. class 0: hits 1, true 2, given 1; class 1: 1, 1, 3; class 2: 0, 1, 0; 5 hits / (4 true + given)
    assert metric("macro_f_beta", beta=2.0).score(LABELS, PROBS) == pytest.approx((5 / 9 + 5 / 7 + 0) / 3)


def test_weights_go_by_the_names_of_the_classes() -> None:
    target = OneClass(columns=("a", "b", "c"))
    options = MetricOptions(weights={"a": 3.0})
    losses = -np.log([0.5, 0.2, 0.8, 0.1])
    weighted = get_metric("weighted_log_loss", target=target, options=options)
    assert weighted.score(LABELS, PROBS) == pytest.approx(np.average(losses, weights=[3, 3, 1, 1]))
    balanced = get_metric("balanced_log_loss", target=target, options=options)
    by_class = [losses[:2].mean(), losses[2], losses[3]]
    assert balanced.score(LABELS, PROBS) == pytest.approx(np.average(by_class, weights=[3, 1, 1]))
    recall = get_metric("macro_recall", target=target, options=options)
    assert recall.score(LABELS, PROBS) == pytest.approx(np.average([1 / 2, 1, 0], weights=[3, 1, 1]))
    with pytest.raises(InputError, match=r"metric.weights names 'aa'; did you mean a"):
        get_metric("macro_recall", target=target, options=MetricOptions(weights={"aa": 1.0})).score(LABELS, PROBS)


def test_probabilistic_f1_counts_probabilities() -> None:
    # true 3; their chances .4 + .8 + .9 = 2.1; all chances 2.8
    assert metric("probabilistic_f1").score(BINARY, TWO) == pytest.approx(2 * 2.1 / (3 + 2.8))


def test_the_area_above_a_true_positive_rate() -> None:
    # The curve: (0, 1/3), (0, 2/3), then a negative (1/2, 2/3), (1/2, 1), (1, 1). Above 0.8: from 1/2 on, 0.2 high.
    partial = metric("partial_roc_auc", min_tpr=0.8)
    assert partial.score(BINARY, TWO) == pytest.approx(0.5 * 0.2)
    perfect = np.eye(2, dtype=np.float32)[BINARY]
    assert partial.score(BINARY, perfect) == pytest.approx(0.2)


def test_bands_of_the_curve_weigh_differently() -> None:
    # Below 0.4 the whole band lies under the curve; above, 2/3 - 0.4 until 1/2 and 0.6 from there.
    low, high = 0.4 * 2, ((2 / 3 - 0.4) * 0.5 + 0.6 * 0.5) * 1
    weighted = metric("weighted_roc_auc", tpr_bands=((0.4, 2.0), (1.0, 1.0)))
    assert weighted.score(BINARY, TWO) == pytest.approx((low + high) / (0.4 * 2 + 0.6))
    plain = metric("weighted_roc_auc", tpr_bands=((1.0, 1.0),))
    assert plain.score(BINARY, TWO) == pytest.approx(sk.roc_auc_score(BINARY, CHANCES))


@pytest.mark.parametrize("name", ["probabilistic_f1", "partial_roc_auc", "weighted_roc_auc"])
def test_a_metric_of_two_classes_refuses_three(name: str) -> None:
    options: dict[str, dict[str, object]] = {
        "partial_roc_auc": {"min_tpr": 0.8},
        "weighted_roc_auc": {"tpr_bands": ((1.0, 1.0),)},
    }
    with pytest.raises(InputError, match=f"metric {name} is for two classes, here are 3"):
        metric(name, **options.get(name, {})).score(LABELS, PROBS)


def test_kappa_of_grades_goes_by_their_values() -> None:
    grades = Grades(columns=("none", "some", "most"), numbers=(0, 1, 4))
    kappa = get_metric("quadratic_kappa", target=grades)
    # argmax 0 1 1 1 against 0 0 1 2: observed 0 + 1 + 0 + 9 = 10; margins (2, 1, 1) and (1, 3, 0):
    # (0,1) 6/4*1, (1,0) 1/4*1, (2,0) 1/4*16, (2,1) 3/4*9
    assert kappa.score(LABELS, PROBS) == pytest.approx(1 - 10 / (6 / 4 + 1 / 4 + 16 / 4 + 27 / 4))


def test_errors_of_grades_are_those_of_the_expected_grade() -> None:
    grades = Grades(columns=("0", "1", "4"), numbers=(0, 1, 4))
    apart = np.array([1.1, 1.7, 0.8 + 0.4 - 1, 4 - 0.6 - 0.4])
    assert get_metric("mae", target=grades).score(LABELS, PROBS) == pytest.approx(np.abs(apart).mean(), abs=1e-6)
    assert get_metric("rmse", target=grades).score(LABELS, PROBS) == pytest.approx((apart**2).mean() ** 0.5, abs=1e-6)


THREE = OneClass(columns=("a", "b", "c"))


@pytest.mark.parametrize("name", ["top_k_accuracy", "map_k", "recall_k"])
def test_a_list_longer_than_the_classes_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"metric.k is 4, but there are 3 classes or labels: a list holds each once"):
        get_metric(name, target=THREE, options=MetricOptions(k=4))


def test_the_order_of_a_list_of_all_classes_counts() -> None:
    judge = get_metric("map_k", target=THREE, options=MetricOptions(k=3))
    probs = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]], dtype=np.float32)
    assert judge.score(np.array([0, 1]), probs) == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("name", ["top_k_accuracy", "recall_k"])
def test_a_list_as_long_as_the_classes_is_refused_where_its_order_does_not_count(name: str) -> None:
    with pytest.raises(InputError, match=r"metric.k is 3, but there are 3 classes.* perfect whatever is predicted"):
        get_metric(name, target=THREE, options=MetricOptions(k=3))


@pytest.mark.parametrize(
    ("name", "k", "match"),
    [
        ("top_k_accuracy", 2, "top_2_accuracy would be perfect"),
        ("recall_k", 2, "recall_2"),
        ("map_k", 3, "a list holds"),
    ],
)
def test_a_list_is_held_against_the_target_with_the_fewest_classes(name: str, k: int, match: str) -> None:
    parts: dict[str, Part] = {"letter": THREE, "case": OneClass(columns=("lower", "upper"))}
    target = SeveralTargets(columns=list_part_columns(parts), parts=parts)
    with pytest.raises(
        InputError, match=rf"metric.k is {k}, but there are 2 classes or labels of target case: {match}"
    ):
        get_metric(name, target=target, options=MetricOptions(k=k))
    assert get_metric(name, target=target, options=MetricOptions(k=k - 1)).greater_is_better


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("accuracy", "accuracy", {}),
        ("top_3_accuracy", "top_k_accuracy", {"k": 3}),
        ("map_12", "map_k", {"k": 12}),
        ("recall_1", "recall_k", {"k": 1}),
        ("row_f2", "row_f_beta", {"beta": 2.0}),
        ("macro_f0.5", "macro_f_beta", {"beta": 0.5}),
        ("macro_f1", "macro_f1", {}),
    ],
)
def test_names_as_people_write_them(text: str, name: str, options: dict[str, float]) -> None:
    assert parse_metric_name(text) == (name, options)


@pytest.mark.parametrize("text", ["map_0", "top_3", "acc"])
def test_a_name_of_no_metric_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"metric '{text}' is unknown"):
        parse_metric_name(text)


def test_kappa_of_classes_that_are_numbers_goes_by_value_and_words_need_an_order() -> None:
    named = get_metric("quadratic_kappa", target=OneClass(columns=("0", "1", "4")))
    graded = get_metric("quadratic_kappa", target=Grades(columns=("0", "1", "4"), numbers=(0, 1, 4)))
    assert named.score(LABELS, PROBS) == graded.score(LABELS, PROBS)
    with pytest.raises(InputError, match=r"needs the order of the classes, and mild, none, severe are words"):
        get_metric("quadratic_kappa", target=OneClass(columns=("mild", "none", "severe")))
