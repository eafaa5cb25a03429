"""Fitted rules of an exported model: thresholds and factors, with the words by which a reader outside applies them."""

from pathlib import Path
from typing import Any

from pipeline.core.config import load_params
from pipeline.core.measures.metric import Metric
from pipeline.core.paths import oof_path
from pipeline.core.targets.classes import Grades
from pipeline.core.targets.contract import Target
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.ensemble.fitting import EnsembleParams, fit_rule_alone
from pipeline.ensemble.members import Members, read_members

_WORDS = {
    "common_threshold": "an image has every label whose probability is at least the label's number",
    "label_thresholds": "an image has every label whose probability is at least the label's number",
    "grade_thresholds": "add up the grades' values, each times its probability: the grade is the highest one whose "
    "number that sum reaches, else the lowest",
    "class_factors": "multiply each probability by the class's number: the largest is the class",
    "new_class": "multiply each probability by the class's number, and order the classes by that",
    "range": "cut each number off below its least and above its most",
    "none": "the plain decision",
}


def read_fitted_rule(root: Path, model: str, target: Target, metric: Metric, new: str | None) -> dict[str, Any]:
    """Reads the out-of-fold predictions of a model and describes the rule fitted to them.

    Empty where none lie there, or where ``ensemble.decision`` of ``params.yaml`` wants none.

    Args:
        root: the repository.
        model: its name.
        target: what is predicted.
        metric: the competition's, which the rule raises.
        new: the class that stands for "none of the others" in ranked lists, if there is one.
    """
    if not oof_path(root, model).is_file():
        return {}
    params = load_params(root, "ensemble", EnsembleParams)
    return describe_fitted_rule(read_members(root, [model], target, allow_peeked=True), metric, params, new)


def describe_fitted_rule(
    members: Members, metric: Metric, params: EnsembleParams, new: str | None = None
) -> dict[str, Any]:
    """Describes the rule that the ensemble of one model alone would have.

    Returns:
        ``name``; ``words`` that say how it is applied, by target where there are several; ``numbers`` by label, class,
        step between grades or end of a range; ``values`` of grades; and the scores ``plain`` and ``nested``, of rows
        that the rule was not fitted on. Empty where the plain decision is as good.
    """
    finished, target = fit_rule_alone(members, metric, params, new), members.target
    if finished.decision is None:
        return {}
    name = finished.decision.rule
    words: str | dict[str, str] = _WORDS.get(name, "")
    if isinstance(target, SeveralTargets):
        words = {part: _WORDS[rule] for (part, *_), rule in zip(target.each(), name.split(" + "), strict=True)}
    values = {"values": dict(zip(target.columns, target.numbers, strict=True))} if isinstance(target, Grades) else {}
    return {
        "name": name,
        "words": words,
        "numbers": finished.decision.name_numbers(),
        **values,
        "plain": metric.score(members.truth, finished.plain),
        "nested": metric.score(members.truth, finished.nested),
    }
