"""The order in which models are tried."""

import pytest

from pipeline.planning.choosing import choose_option, expected_error, find_present_error, rank_options
from pipeline.planning.plan import Outcome, Plan, PlanStep
from pipeline.planning.prior import Estimate

QUICK, SLOW, WEAK = Estimate(2.0, 20, 1), Estimate(1.0, 2000, 1), Estimate(4.0, 20, 1)
ESTIMATES = {"quick": QUICK, "slow": SLOW, "weak": WEAK, "new": None}


def plan(*steps: tuple[str, Outcome, float]) -> Plan:
    kept = tuple(model for model, outcome, _ in steps if outcome == "kept")
    made = tuple(
        PlanStep(model=model, outcome=outcome, reason="", seconds=seconds, expected_seconds=30.0, table_seconds=30.0)
        for model, outcome, seconds in steps
    )
    return Plan(competition="x", budget=3600, steps=made, models=kept)


def test_the_best_gain_per_second_comes_first() -> None:
    options = rank_options(plan(), ESTIMATES, overhead=10)
    assert [option.model for option in options][:2] == ["quick", "weak"]
    assert options[0].rate > options[1].rate


def test_what_was_tried_is_not_tried_again_but_for_what_time_cut_off() -> None:
    options = rank_options(
        plan(("quick", "kept", 30), ("weak", "failed", 5), ("slow", "out_of_time", 900)), ESTIMATES, 10
    )
    assert {option.model for option in options} == {"slow", "new"}
    assert all(option.seconds >= 900 for option in options if option.model == "slow")


def test_a_model_of_which_nothing_is_known_is_an_option_marked_as_such() -> None:
    assert {option.model: option.known for option in rank_options(plan(), ESTIMATES, 10)}["new"] == 0


def test_a_machine_that_was_slower_is_expected_to_stay_so() -> None:
    before, after = (
        {option.model: option.seconds for option in rank_options(each, ESTIMATES, 10)}
        for each in (plan(), plan(("quick", "kept", 120), ("weak", "dropped", 120)))
    )
    assert 2 * before["slow"] < after["slow"] < 4 * before["slow"]


def test_an_option_fits_with_a_margin() -> None:
    options = rank_options(plan(), ESTIMATES, 10)
    chosen = choose_option(options, 60, first=False)
    assert chosen
    assert chosen.model == "quick"
    assert choose_option(options, 31, first=False) is None
    cheapest = choose_option(options, 1, first=True)
    assert cheapest
    assert cheapest.seconds == 30
    assert choose_option([], 1, first=True) is None


def test_each_model_takes_error_away_a_better_one_more() -> None:
    alone, two, with_best = (expected_error(each) for each in ([QUICK], [QUICK, WEAK], [QUICK, SLOW]))
    assert with_best < two < alone
    assert [alone, with_best] == pytest.approx([2.0, 0.9])


def test_features_that_an_earlier_step_computed_are_not_paid_again() -> None:
    estimates = {
        "one": Estimate(2.0, 100, 1, 80, frozenset({"a"})),
        "other": Estimate(2.0, 60, 1, 40, frozenset({"b"})),
        "joined": Estimate(1.5, 140, 1, 120, frozenset({"a", "b"})),
    }
    before, after = (
        {option.model: option.seconds for option in rank_options(each, estimates, 10)}
        for each in (plan(), plan(("one", "kept", 30)))
    )
    assert before["joined"] == 150
    assert after == pytest.approx({"other": 70, "joined": 70})


def test_models_trained_here_say_where_the_ensemble_stands() -> None:
    tried = plan(("quick", "kept", 30))
    assert find_present_error(tried, ESTIMATES) == expected_error([QUICK])
    step = tried.steps[0].model_copy(update={"alone": 0.6})
    scored = tried.model_copy(update={"steps": (step,), "score": 0.7})
    assert find_present_error(scored, ESTIMATES) == pytest.approx(2.0 * 0.3 / 0.4)
    loss = scored.model_copy(update={"greater_is_better": False, "score": 0.3})
    assert find_present_error(loss, ESTIMATES) == pytest.approx(2.0 * 0.3 / 0.6)
    perfect = scored.model_copy(update={"score": 1.0})
    assert find_present_error(perfect, ESTIMATES) == expected_error([QUICK])
