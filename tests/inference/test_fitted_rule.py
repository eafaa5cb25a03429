"""Rules in export.json: a reader who has its words and numbers alone decides as the pipeline does."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.kinds import TARGETS, sample_kind

from pipeline.core.arrays import Values
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import Grades
from pipeline.ensemble.decisions import read_decision
from pipeline.ensemble.fitting import EnsembleParams
from pipeline.ensemble.members import Members
from pipeline.inference.fitted_rule import describe_fitted_rule


def one_member(kind: str, metric: str, bent: float = 0.0) -> Members:
    """A member whose labels are all as much too rare as ``bent`` says, or whose grades are all near the middle."""
    sample = sample_kind(kind, (2.0,), rows=400, metric=metric)
    values = sample.target.from_outputs(sample.target.to_outputs(sample.stacked[0]) - bent)
    if isinstance(sample.target, Grades):
        noise = np.random.default_rng(1).normal(size=400)
        values = sample.target.share_numbers(1.5 + 0.4 * (sample.truth - 1.5) + 0.1 * noise)
    rows = pd.DataFrame({"id": np.arange(400).astype("str"), "fold": np.arange(400) % 5, "group": np.arange(400)})
    return Members(("one",), rows, sample.truth, values[None], sample.target, {})


def decide_outside(rule: dict[str, Any], columns: tuple[str, ...], values: Values) -> NDArray[np.generic]:
    """Decides by ``words``: nothing but the card's numbers is used."""
    numbers = rule["numbers"]
    if rule["words"].startswith("an image has every label"):
        return np.array([[value >= numbers[name] for name, value in zip(columns, row, strict=True)] for row in values])
    assert rule["words"].startswith("add up the grades' values")
    sums = values @ np.array([rule["values"][name] for name in columns])
    return np.array([sum(bool(total >= numbers[f"{name} or higher"]) for name in columns[1:]) for total in sums])


@pytest.mark.parametrize(
    ("kind", "metric", "bent"), [("several_labels", "macro_f1", 2.0), ("grades", "quadratic_kappa", 0.0)]
)
def test_the_words_and_numbers_decide_as_the_pipeline_does(kind: str, metric: str, bent: float) -> None:
    members = one_member(kind, metric, bent)
    target = members.target
    rule = describe_fitted_rule(members, get_metric(metric, target=target), EnsembleParams())
    decision = read_decision(rule["name"], target, rule["numbers"])
    assert decision is not None
    wanted = target.decide(decision(members.stacked[0]))
    found = decide_outside(rule, target.columns, members.stacked[0])
    assert (found == wanted).all()
    assert (found != target.decide(members.stacked[0])).any()
    assert rule["nested"] > rule["plain"]


def test_where_the_plain_decision_is_as_good_there_is_no_rule() -> None:
    members = one_member("one_class", "accuracy")
    assert describe_fitted_rule(members, get_metric("accuracy", target=TARGETS["one_class"]), EnsembleParams()) == {}


def test_argmax_in_params_leaves_the_rule_out() -> None:
    members = one_member("several_labels", "macro_f1", 2.0)
    metric = get_metric("macro_f1", target=members.target)
    assert describe_fitted_rule(members, metric, EnsembleParams())
    assert describe_fitted_rule(members, metric, EnsembleParams(decision="argmax")) == {}
