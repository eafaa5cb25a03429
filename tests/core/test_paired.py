"""Comparisons of predictions on the same rows."""

import numpy as np
import pytest
from support.members import simulate

from pipeline.core.metrics import get_metric
from pipeline.core.paired import measure_gain, measure_standing
from pipeline.core.scores import LabelledRows

ACCURACY, ROWS = get_metric("accuracy"), np.arange(400)


def two() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stacked, labels = simulate([1.0, 2.0], 400, 4, seed=0)
    return stacked[0], stacked[1], labels


def test_the_gain_is_the_difference_of_the_scores_and_lies_in_its_interval() -> None:
    weak, strong, labels = two()
    found = measure_gain(LabelledRows(labels, ROWS), strong, weak, ACCURACY)
    assert found.value == pytest.approx(ACCURACY.score(labels, strong) - ACCURACY.score(labels, weak))
    assert 0 < found.low < found.value < found.high


def test_a_metric_that_should_fall_gains_by_falling() -> None:
    weak, strong, labels = two()
    assert measure_gain(LabelledRows(labels, ROWS), strong, weak, get_metric("log_loss")).low > 0


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_equal_predictions_gain_nothing(metric: str) -> None:
    weak, _, labels = two()
    found = measure_gain(LabelledRows(labels, ROWS), weak, weak, get_metric(metric))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_standard_error_of_an_accuracy_is_the_binomial_one() -> None:
    weak, _, labels = two()
    found = measure_standing(LabelledRows(labels, ROWS), [weak], ACCURACY)
    share = ACCURACY.score(labels, weak)
    assert found.errors[0] == pytest.approx(np.sqrt(share * (1 - share) / 400), rel=0.01)


def test_rows_in_groups_count_as_fewer() -> None:
    weak, _, labels = two()
    once = measure_standing(LabelledRows(labels, ROWS), [weak], ACCURACY).errors[0]
    doubled = measure_standing(
        LabelledRows(np.repeat(labels, 2), np.repeat(ROWS, 2)), [np.repeat(weak, 2, axis=0)], ACCURACY
    ).errors[0]
    assert doubled == pytest.approx(once)


def test_bootstrap_and_formula_agree() -> None:
    weak, strong, labels = two()
    by_formula = measure_standing(LabelledRows(labels, ROWS), [weak, strong], get_metric("balanced_accuracy"))
    by_draws = measure_standing(LabelledRows(labels, ROWS), [weak, strong], ACCURACY)
    assert by_formula.behind_errors[0] == pytest.approx(by_draws.behind_errors[0], rel=0.35)
    assert by_formula.simplest == by_draws.simplest == 1
