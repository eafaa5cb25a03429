"""Comparisons of predictions on the same rows."""

import numpy as np
import pytest
from support.members import simulate

from pipeline.core.metrics import get_metric
from pipeline.core.paired import Gain, describe_gain, measure_gain, measure_seed_gain, measure_standing
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


def test_a_gain_over_seeds_is_the_mean_of_their_gains_and_its_interval_knows_how_they_differ() -> None:
    weak, strong, labels = two()
    rows = LabelledRows(labels, ROWS)
    gain = measure_gain(rows, strong, weak, ACCURACY)
    alike = measure_seed_gain(rows, [strong] * 3, [weak] * 3, ACCURACY)
    assert (alike.value, alike.low, alike.high) == pytest.approx((gain.value, gain.low, gain.high))
    unlike = measure_seed_gain(rows, [strong, weak, strong], [weak] * 3, ACCURACY)
    assert unlike.value == pytest.approx(gain.value * 2 / 3)
    assert unlike.high - unlike.low > 1.5 * (gain.high - gain.low)


def test_a_gain_over_seeds_by_a_metric_that_is_no_mean_over_rows() -> None:
    weak, strong, labels = two()
    found = measure_seed_gain(LabelledRows(labels, ROWS), [strong] * 2, [weak] * 2, get_metric("macro_f1"))
    assert 0 < found.low < found.value < found.high


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


@pytest.mark.parametrize(
    ("gain", "greater", "words"),
    [
        (
            Gain(0.0382, 0.01, 0.07),
            False,
            "0.0382 lower (better), beyond chance (95 %: 0.0100 better to 0.0700 better)",
        ),
        (Gain(-0.01, -0.03, 0.01), True, "0.0100 lower (worse), within chance (95 %: 0.0300 worse to 0.0100 better)"),
        (Gain(-0.01, -0.03, -0.01), False, "0.0100 higher (worse), beyond chance (95 %: 0.0300 worse to 0.0100 worse)"),
        (Gain(0.0, -0.1, 0.1), True, "no change, within chance (95 %: 0.1000 worse to 0.1000 better)"),
        (Gain(0.0, 0.0, 0.0), True, "the same"),
    ],
)
def test_a_gain_says_where_the_score_went_and_whether_that_is_better(gain: Gain, greater: bool, words: str) -> None:
    assert describe_gain(gain, greater) == words
