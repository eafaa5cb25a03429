"""Lines for the terminal: where a plan stands, and what came of it."""

from pipeline.planning.choosing import LEAST_GAIN
from pipeline.planning.plan import Plan


def describe_standing(plan: Plan) -> str:
    """Returns the best score so far and the time left."""
    best = "nothing yet" if plan.score is None else f"nested {plan.metric} {plan.score:.4f}"
    return f"best so far: {best}; {format_clock(plan.left)} left"


def describe_end(plan: Plan, more: bool) -> str:
    """Returns the lines at the end: the score, what it is worth, what was spent; ``more`` could have been tried."""
    low, high = plan.interval or (0.0, 0.0)
    late = [] if plan.finished else ["the budget was over before all pages were made; `dvc repro` makes the others"]
    return "\n".join(
        [
            *late,
            *([] if more else [f"no other model is hoped to take {describe_share(LEAST_GAIN)} of the error away"]),
            f"nested {plan.metric} {plan.score:.4f} [{low:.4f}, {high:.4f}] by {', '.join(plan.models)}",
            f"with the choice among {plan.scored} ensembles made on other rows: {plan.score_after_choice:.4f}",
            f"{plan.spent / 60:.1f} of {plan.budget / 60:.1f} minutes; submissions/ensemble.csv, reports/best.html",
        ]
    )


def describe_share(share: float) -> str:
    """Returns a share in percent, one below a hundredth with a decimal."""
    return f"{share:.1%}" if abs(share) < 0.01 else f"{share:.0%}"


def format_clock(seconds: float) -> str:
    """Returns seconds as 1:02:03."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
