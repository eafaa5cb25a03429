"""Thresholds of labels and grades, the factor of the class for "new", the range of numbers: fitted nested, honest."""

import numpy as np
import pytest
from scipy.special import expit
from support.kinds import TARGETS

from pipeline.core.arrays import Truth, Values
from pipeline.core.measures.metric import Metric, MetricOptions
from pipeline.core.metrics import get_metric
from pipeline.core.scores import LabelledRows
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.ensemble.decisions import Decision, fit_new_factor, list_rules, read_decision
from pipeline.ensemble.post_processing import Allowed, NestedPredictions, PostProcessing, fit_post_processing
from pipeline.ensemble.thresholds import (
    apply_grade_thresholds,
    apply_label_thresholds,
    fit_common_threshold,
    fit_grade_thresholds,
    fit_label_thresholds,
)

LABELS = TARGETS["several_labels"]
GRADES = Grades(columns=("0", "1", "2", "3"), numbers=(0, 1, 2, 3))
MACRO = get_metric("macro_f1", target=LABELS)
KAPPA = get_metric("quadratic_kappa", target=GRADES)


def finish(target: Target, truth: Truth, values: Values, metric: Metric, new: str | None = None) -> PostProcessing:
    """Post-processing of predictions on five folds, without a temperature."""
    rows = LabelledRows(truth, np.arange(len(values)))
    parts = np.arange(len(values)) % 5
    return fit_post_processing(
        rows, parts, NestedPredictions(values, target), metric, Allowed(temperature=False, new=new)
    )


def rare_labels(rows: int, strength: float = 1.5, seed: int = 0) -> tuple[Truth, Values]:
    """Calibrated probabilities of labels that 5, 10 and 20 % of the rows have."""
    random = np.random.default_rng(seed)
    base = np.log([0.05, 0.1, 0.2])
    values = expit(base + strength * random.normal(size=(rows, 3)))
    truth = (random.random((rows, 3)) < values).astype(np.float32)
    return truth, values.astype(np.float32)


def test_rare_labels_get_a_threshold_below_a_half_and_macro_f1_rises() -> None:
    truth, values = rare_labels(3000)
    done = finish(LABELS, truth, values, MACRO)
    assert done.decision is not None
    assert (done.decision.numbers < 0.5).all()
    assert MACRO.score(truth, done.nested) > MACRO.score(truth, values) + 0.05


def test_labels_of_equal_probabilities_share_one_threshold() -> None:
    random = np.random.default_rng(0)
    values = expit(-1.5 + 1.5 * random.normal(size=(2000, 3)))
    truth = (random.random((2000, 3)) < values).astype(np.float32)
    done = finish(LABELS, truth, values.astype(np.float32), MACRO)
    assert done.decision is not None
    assert done.decision.rule == "common_threshold"


def test_labels_that_are_spoiled_otherwise_get_thresholds_of_their_own() -> None:
    truth, values = rare_labels(3000)
    spoiled = expit(LABELS.to_outputs(values) + np.array([3.0, 0.0, -3.0])).astype(np.float32)
    done = finish(LABELS, truth, spoiled, MACRO)
    assert done.decision is not None
    assert done.decision.rule == "label_thresholds"
    assert done.decision.numbers[0] > 0.5 > done.decision.numbers[2]


@pytest.mark.parametrize("metric", ["macro_f1", "micro_f1", "row_f1"])
def test_thresholds_of_permuted_labels_score_at_chance(metric: str) -> None:
    judge = get_metric(metric, target=LABELS)
    truth, values = rare_labels(1500)
    permuted = truth[np.random.default_rng(1).permutation(1500)]
    done = finish(LABELS, permuted, values, judge)
    # Whoever knows nothing does best by giving all labels or none, whichever scores higher.
    constant = max(judge.score(permuted, np.full_like(values, each)) for each in (0.0, 1.0))
    assert judge.score(permuted, done.nested) <= constant + 0.03


def test_in_sample_thresholds_of_permuted_labels_look_better_so_that_the_test_above_can_fail() -> None:
    truth, values = rare_labels(40)
    permuted = truth[np.random.default_rng(1).permutation(40)]
    fitted = fit_label_thresholds(LABELS, permuted, values, MACRO)
    constant = max(MACRO.score(permuted, np.full_like(values, each)) for each in (0.0, 1.0))
    assert MACRO.score(permuted, apply_label_thresholds(LABELS, values, fitted)) > constant + 0.03


def test_no_label_stays_possible() -> None:
    truth, values = rare_labels(500)
    found = finish(LABELS, truth, values, MACRO).nested
    assert (LABELS.decide(found).sum(axis=1) == 0).any()


def test_a_threshold_comes_to_lie_at_a_half_and_the_order_of_rows_stays() -> None:
    values = np.array([[0.19, 0.8, 0.5], [0.2, 0.9, 0.5], [0.21, 0.91, 0.4]], dtype=np.float32)
    moved = apply_label_thresholds(LABELS, values, np.array([0.2, 0.9, 0.5], dtype=np.float32).astype(np.float64))
    assert (moved >= 0.5).tolist() == [[False, False, True], [True, True, True], [True, True, False]]
    np.testing.assert_array_equal(np.argsort(moved[:, :2], axis=0), [[0, 0], [1, 1], [2, 2]])
    LABELS.check_values(moved, list("abc"), "here")


def test_the_common_threshold_is_the_best_of_all_that_are_tried() -> None:
    truth, values = rare_labels(400)
    (found,) = set(fit_common_threshold(LABELS, truth, values, MACRO).tolist())
    score = MACRO.score(truth, (values >= found).astype(np.float32))
    assert all(score >= MACRO.score(truth, (values >= other).astype(np.float32)) for other in (0.1, 0.3, 0.5, 0.7))


@pytest.mark.slow
def test_thresholds_of_labels_are_a_hundred_times_cheaper_than_trying_all_where_labels_are_many() -> None:
    random = np.random.default_rng(0)
    values = random.random((400, 300)).astype(np.float32)
    target = SeveralLabels(columns=tuple(map(str, range(300))))
    calls = []

    def score(truth: Truth, given: Values) -> float:
        calls.append(1)
        return float((truth == given).mean())

    metric = Metric("own", True, score, "label")
    fit_label_thresholds(target, (random.random((400, 300)) < values).astype(np.float32), values, metric)
    assert len(calls) < 10_000


def graded(rows: int, seed: int = 0) -> tuple[Truth, Values]:
    """Grades of which most rows have the lowest, and a distribution that is drawn to the middle."""
    random = np.random.default_rng(seed)
    truth = random.choice(4, size=rows, p=[0.6, 0.2, 0.12, 0.08])
    number = 0.5 * truth + 0.7 + 0.25 * random.normal(size=rows)
    return truth, GRADES.share_numbers(number)


def test_thresholds_on_the_expected_grade_raise_quadratic_kappa() -> None:
    truth, values = graded(1500)
    done = finish(GRADES, truth, values, KAPPA)
    assert done.decision is not None
    assert done.decision.rule == "grade_thresholds"
    assert KAPPA.score(truth, done.nested) > KAPPA.score(truth, values) + 0.1
    assert list(done.decision.name_numbers()) == ["1 or higher", "2 or higher", "3 or higher"]
    assert (np.diff(done.decision.numbers) > 0).all()


def test_thresholds_of_permuted_grades_score_at_chance() -> None:
    truth, values = graded(800)
    permuted = np.random.default_rng(2).permutation(truth)
    assert abs(KAPPA.score(permuted, finish(GRADES, permuted, values, KAPPA).nested)) < 0.1


def test_the_grade_between_two_thresholds_is_decided() -> None:
    thresholds = np.array([0.2, 1.9, 2.8])
    values = GRADES.share_numbers(np.array([0.1, 0.3, 1.8, 2.0, 2.7, 2.9]))
    moved = apply_grade_thresholds(GRADES, values, thresholds)
    assert GRADES.decide(moved).tolist() == [0, 1, 1, 2, 2, 3]
    GRADES.check_values(moved, list("abcdef"), "here")


def test_fitted_grade_thresholds_decide_as_they_were_scored() -> None:
    truth, values = graded(300)
    thresholds = fit_grade_thresholds(GRADES, truth, values, KAPPA)
    decided = GRADES.decide(apply_grade_thresholds(GRADES, values, thresholds))
    wanted = np.searchsorted(thresholds, GRADES.expect(values), side="right")
    assert (decided != wanted).mean() < 0.01  # rows that lie on a threshold


def ranked(n_classes: int, rows: int = 600) -> tuple[OneClass, Truth, Values]:
    """Rows of which a third belong to none of the known classes, which the model is shy to say."""
    random = np.random.default_rng(0)
    target = OneClass(columns=("new", *(f"w{number}" for number in range(1, n_classes))))
    known = random.integers(1, n_classes, rows)
    truth = np.where(random.random(rows) < 1 / 3, 0, known)
    logits = random.normal(size=(rows, n_classes))
    logits[np.arange(rows), truth] += np.where(truth > 0, 6.0, 0.0)
    logits[:, 0] = 0.5 * random.normal(size=rows)
    return target, truth, target.from_outputs(logits)


@pytest.mark.parametrize("n_classes", [15, 300])
def test_the_class_for_new_is_raised_where_lists_gain(n_classes: int) -> None:
    target, truth, values = ranked(n_classes)
    metric = get_metric("map_k", target=target, options=MetricOptions(k=5))
    done = finish(target, truth, values, metric, new="new")
    assert done.decision is not None
    assert done.decision.rule == "new_class"
    assert done.decision.numbers[0] > 1
    assert (done.decision.numbers[1:] == 1).all()
    assert metric.score(truth, done.nested) > metric.score(truth, values) + 0.1
    assert finish(target, truth, values, metric).decision is None


def test_the_leading_classes_say_the_same_as_all() -> None:
    target, truth, values = ranked(60)
    metric = get_metric("map_k", target=target, options=MetricOptions(k=5))
    found = fit_new_factor(truth, values, metric, 0)[0]
    best = metric.score(truth, values * np.where(np.arange(60) == 0, found, 1).astype(np.float32))
    for other in (0.3, 0.7, 1.5, 3.0):
        tried = values * np.where(np.arange(60) == 0, found * other, 1).astype(np.float32)
        assert best >= metric.score(truth, tried) - 1e-3


def test_numbers_out_of_the_range_that_was_seen_are_clipped_where_that_helps() -> None:
    target = Numbers(columns=("x",), means=(0.5,), scales=(0.3,))
    random = np.random.default_rng(0)
    truth = random.choice([0.0, 1.0], size=(500, 1)).astype(np.float32)
    metric = get_metric("rmse", target=target)
    wide = (truth + 0.5 * random.normal(size=(500, 1))).astype(np.float32)
    done = finish(target, truth, wide, metric)
    assert done.decision is not None
    assert done.decision.name_numbers() == {"x least": 0.0, "x most": 1.0}
    assert done(np.array([[7.0]], dtype=np.float32)).tolist() == [[1.0]]
    within = np.clip(wide, 0.1, 0.9)
    assert finish(target, truth, within, metric).decision is None


def test_metrics_of_probabilities_have_no_rule() -> None:
    assert not list(list_rules(LABELS, get_metric("roc_auc", target=LABELS)))
    assert not list(list_rules(OneClass(columns=("a", "b")), get_metric("accuracy")))


@pytest.mark.parametrize(
    ("rule", "target", "numbers"),
    [
        ("common_threshold", LABELS, [0.2, 0.2, 0.2]),
        ("grade_thresholds", GRADES, [0.4, 1.2, 2.5]),
        ("range", TARGETS["numbers"], [0.0, 1.0, 5.0, 6.0]),
        ("class_factors", TARGETS["one_class"], [1.0, 2.0, 0.5]),
    ],
)
def test_a_rule_comes_back_from_its_card(rule: str, target: Target, numbers: list[float]) -> None:
    made = Decision(rule, target, np.array(numbers))
    again = read_decision(rule, target, made.name_numbers())
    assert again is not None
    assert again.numbers.tolist() == numbers
    assert read_decision(rule, target, {}) is None


def test_several_targets_get_each_its_own_rule() -> None:
    kinds = OneClass(columns=("a", "b", "c"))
    target = SeveralTargets(
        columns=("kind:a", "kind:b", "kind:c", "side:l", "side:r"),
        parts={"kind": kinds, "side": OneClass(columns=("l", "r"))},
    )
    metric = get_metric("balanced_accuracy", target=target)
    random = np.random.default_rng(0)
    truth = np.stack([random.choice(3, 900, p=[0.8, 0.15, 0.05]), random.integers(0, 2, 900)], axis=1)
    evidence = [
        np.eye(width)[truth[:, place]] * 1.5 + random.normal(size=(900, width)) for place, width in ((0, 3), (1, 2))
    ]
    evidence[0] += np.log([0.8, 0.15, 0.05])  # so that argmax favours the frequent class
    values = target.from_outputs(np.concatenate(evidence, axis=1))
    made = finish(target, truth.astype(np.float32), values, metric)
    assert made.decision is not None
    assert made.decision.rule == "class_factors + class_factors"
    assert metric.score(truth, made.nested) > metric.score(truth, values) + 0.05
    numbers = made.decision.name_numbers()
    assert list(numbers) == ["kind:a", "kind:b", "kind:c", "side:l", "side:r"]
    again = read_decision(made.decision.rule, target, numbers)
    assert again is not None
    np.testing.assert_allclose(again(values), made.decision(values))
    np.testing.assert_allclose(again(values)[:, :3].sum(axis=1), 1, rtol=1e-5)


def test_several_targets_whose_metric_needs_no_rule_have_none() -> None:
    target = SeveralTargets(columns=("kind:a", "kind:b"), parts={"kind": OneClass(columns=("a", "b"))})
    assert not list(list_rules(target, get_metric("accuracy", target=target)))
