"""Outputs of a graph: every kind of target becomes what the pipeline makes of it, in all ways to average views."""

from typing import Any

import numpy as np
import pytest

from pipeline.core.cards import ModelCard
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import CumulativeGrades, RegressedGrades
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.images.views import Views, average_seeds
from pipeline.inference.checkpoints import combine_views
from pipeline.inference.graph_outputs import AverageSeeds, AverageViews, describe_decision
from pipeline.networks.runtime import ops

NAMES = ("a", "b", "c")
GRADES: dict[str, Any] = {"columns": ("0", "1", "4"), "numbers": (0.0, 1.0, 4.0)}
NUMBERS = Numbers(columns=("x", "y"), means=(3.0, -1.0), scales=(10.0, 0.5))
TARGETS: dict[str, Target] = {
    "one_class": OneClass(columns=NAMES),
    "grades": Grades(**GRADES),
    "regressed": RegressedGrades(**GRADES),
    "cumulative": CumulativeGrades(**GRADES),
    "several_labels": SeveralLabels(columns=NAMES),
    "vote_shares": VoteShares(columns=NAMES),
    "numbers": NUMBERS,
    "several_targets": SeveralTargets(
        columns=("kind:a", "kind:b", "kind:c", "size:x", "size:y"),
        parts={"kind": OneClass(columns=NAMES), "size": NUMBERS},
    ),
}
WAYS: dict[str, dict[str, Any]] = {
    "logits": {"average": "logits"},
    "probabilities": {"average": "probabilities"},
    "learned": {"average": "probabilities", "weights": "learned"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TARGETS)
def test_views_become_what_the_pipeline_makes_of_them(name: str, way: str) -> None:
    target, views = TARGETS[name], Views(mirror=True, **WAYS[way])
    outputs = np.random.default_rng(0).normal(0, 3, (2, 20, target.n_outputs)).astype(np.float32)
    weights = {"plain": 0.3, "plain-mirrored": 0.7}
    card = ModelCard.model_construct(model="one", config={"views": views.model_dump()}, view_weights=weights)
    made = AverageViews(views, weights, target, "views")(outputs.reshape(40, -1))
    np.testing.assert_allclose(np.asarray(made), combine_views(outputs, card, target), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("spread", [3, 12])  # 12: many outputs beyond what float32 tells from 0 and 1
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TARGETS)
def test_seeds_become_what_the_pipeline_makes_of_them(name: str, way: str, spread: int) -> None:
    target, views = TARGETS[name], Views(mirror=True, **WAYS[way])
    outputs = np.random.default_rng(0).normal(0, spread, (3, 20, target.n_outputs)).astype(np.float32)
    made = [np.asarray(target.from_outputs(one), dtype=np.float32) for one in outputs]
    averaged = AverageSeeds(views, target, "seeds")([ops.convert_to_tensor(one) for one in made])
    np.testing.assert_allclose(np.asarray(averaged), average_seeds(made, views, target), rtol=1e-4, atol=5e-6)


def test_decisions_of_several_targets_are_named_by_target() -> None:
    assert describe_decision(TARGETS["several_labels"]) == "every label of probability 0.5 or more"
    assert describe_decision(TARGETS["several_targets"]) == {
        "kind": "the class of the largest probability",
        "size": "the number itself",
    }
