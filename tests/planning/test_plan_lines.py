"""What a plan prints."""

from pipeline.planning.plan import Plan
from pipeline.planning.plan_lines import describe_end, describe_share

DONE = Plan(
    competition="x", budget=600.0, spent=120.0, models=("a",), score=0.5, interval=(0.4, 0.6), score_after_choice=0.49
)


def test_little_hope_is_not_called_none() -> None:
    assert [describe_share(each) for each in (0.0021, 0.0099, 0.01, 0.62)] == ["0.2%", "1.0%", "1%", "62%"]


def test_the_end_says_why_time_is_left_over() -> None:
    assert "no other model is hoped to take 0.2% of the error away" in describe_end(DONE, more=False)
    assert "hoped" not in describe_end(DONE, more=True)
