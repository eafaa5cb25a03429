"""The order in which models are tried."""

import pytest

from pipeline.planning.choosing import (
    Option,
    choose_beside,
    choose_option,
    rank_options,
)
from pipeline.planning.plan import Outcome, Plan, PlanStep
from pipeline.planning.prior import PASS_MARK, Estimate
from pipeline.planning.standing import PlanStanding, expect_standing, find_standing

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
    options, nothing = rank_options(plan(), ESTIMATES, 10), PlanStanding(6.0)
    chosen = choose_option(options, nothing, 60, first=False)
    assert chosen
    assert chosen.model == "quick"
    assert choose_option(options, nothing, 31, first=False) is None
    cheapest = choose_option(options, nothing, 1, first=True)
    assert cheapest
    assert cheapest.seconds == 30
    assert choose_option([], nothing, 1, first=True) is None


def test_what_is_known_to_bring_next_to_nothing_is_no_step() -> None:
    estimates: dict[str, Estimate | None] = {
        "best": Estimate(1.0, 100, 1),
        "poor": Estimate(2.4, 10, 1),
        "fair": Estimate(2.2, 900, 1),
        "unknown": None,
    }
    assert {each.model for each in rank_options(plan(), estimates, 10)} == set(estimates)  # the first step may be any
    left = rank_options(plan(("best", "kept", 100)), estimates, 10)
    assert {each.model: each.gain > 0.002 for each in left} == {"fair": True, "unknown": False}


def test_a_quick_model_does_not_take_the_seconds_of_a_better_one() -> None:
    quick = Option("quick", 60, 0.6, 1, error=2.0)
    good = Option("good", 150, 0.8, 1, error=1.2)
    options, nothing = [quick, good], PlanStanding(6.0)
    assert quick.rate > good.rate
    # 200 s hold the better one alone, 300 s both: then the better rate goes ahead.
    expected = {200: "good", 300: "quick", 90: "quick"}
    chosen = {seconds: choose_option(options, nothing, seconds, first=True) for seconds in expected}
    assert {seconds: option.model for seconds, option in chosen.items() if option} == expected


def test_a_score_comes_early_where_it_costs_little() -> None:
    options = [Option("quick", 60, 0.6, 1, error=2.0), *(Option(f"good{n}", 400, 0.8, 1, error=1.0) for n in range(3))]
    for first, expected in ((True, "quick"), (False, "good0")):
        chosen = choose_option(options, PlanStanding(6.0), 1500, first)
        assert chosen
        assert chosen.model == expected


def test_models_that_share_features_cost_them_once() -> None:
    both = frozenset({"a", "b"})
    options = [
        Option("one", 150, 0.6, 1, error=2.0, features={"a": 100}, backbones=frozenset({"a"})),
        Option("joined", 260, 0.8, 1, error=1.2, features={"a": 100, "b": 100}, backbones=both),
    ]
    chosen = choose_option(options, PlanStanding(6.0), 400, first=True)
    assert chosen
    # 1.15 x (150 + 260 - 100) fits 400 s, 1.15 x (150 + 260) would not.
    assert chosen.model == "one"


def test_each_model_takes_error_away_a_better_one_more() -> None:
    alone, two, with_best = (expect_standing(each).error for each in ([QUICK], [QUICK, WEAK], [QUICK, SLOW]))
    assert with_best < two < alone
    assert [alone, with_best] == pytest.approx([2.0, 0.9])


def test_a_second_head_on_the_same_features_adds_next_to_nothing() -> None:
    same, other = Estimate(2.0, 20, 1, 10, frozenset({"a"})), Estimate(2.0, 20, 1, 10, frozenset({"b"}))
    first = expect_standing([same])
    assert first.add(2.0, other.backbones).error == pytest.approx(1.8)
    assert first.add(2.0, same.backbones).error == pytest.approx(1.98)
    assert first.add(2.0, frozenset({f"a{PASS_MARK}inner"})).error == pytest.approx(
        1.98
    )  # nor do other layers of the network
    assert first.add(2.0, frozenset({f"a{PASS_MARK}inner", "b"})).error == pytest.approx(
        2 - 0.2 * 0.55
    )  # half of it is new


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
    assert find_standing(tried, ESTIMATES) == expect_standing([QUICK])
    step = tried.steps[0].model_copy(update={"alone": 0.6})
    scored = tried.model_copy(update={"steps": (step,), "score": 0.7})
    assert find_standing(scored, ESTIMATES).error == pytest.approx(2.0 * 0.3 / 0.4)
    loss = scored.model_copy(update={"greater_is_better": False, "score": 0.3})
    assert find_standing(loss, ESTIMATES).error == pytest.approx(2.0 * 0.3 / 0.6)
    perfect = scored.model_copy(update={"score": 1.0})
    assert find_standing(perfect, ESTIMATES) == expect_standing([QUICK])


def test_the_best_model_says_more_of_where_the_ensemble_stands_than_a_weak_one() -> None:
    tried = plan(("quick", "kept", 30), ("weak", "dropped", 30))
    quick, weak = tried.steps
    steps = quick.model_copy(update={"alone": 0.9}), weak.model_copy(update={"alone": 0.5})
    scored = tried.model_copy(update={"steps": steps, "score": 0.9})
    # Alone the good one says 0.1 / 0.05, its estimate; the weak one, five times as wrong, next to nothing.
    assert find_standing(scored, ESTIMATES).error == pytest.approx(2.0, rel=0.01)


def test_beside_a_step_train_those_that_are_expected_to_follow_it() -> None:
    first, *others = [Option(name, 100, 0.1, 1, error=1.0) for name in ("first", "a", "b", "c", "d")]
    options, present = [first, *others], PlanStanding(1.0)
    assert choose_beside(options, first, present, 10_000) == ("a", "b", "c")
    assert choose_beside(options, first, present, 330) == ("a", "b")  # 1.15 x 100 do not fit the 30 s left after them
    assert choose_beside([first], first, present, 10_000) == ()
