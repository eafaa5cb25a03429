"""Outputs of a graph: views averaged, and what a network computes turned into predictions, for every kind of target.

`Target.from_outputs` and `Target.average_outputs` in operations of Keras, which an exported graph can hold.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import FLOOR, Target
from pipeline.core.targets.grade_heads import CumulativeGrades, RegressedGrades
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.images.views import Views, make_view_transforms
from pipeline.networks.runtime import keras, layers, ops

_PLAIN_DECISIONS = {
    "one_class": "the class of the largest probability",
    "grades": "the grade of the largest probability",
    "vote_shares": "the predicted shares",
    "several_labels": "every label of probability 0.5 or more",
    "numbers": "the number itself",
}


class AverageViews(layers.Layer):  # type: ignore[misc]
    """Averages all views of a fold: outputs to predictions, as `checkpoints.combine_views` does."""

    def __init__(self, views: Views, weights: dict[str, float], target: Target, name: str) -> None:
        """Takes the views, their weights where they are learned, and the target with the model's own head."""
        super().__init__(dtype="float32", name=name)
        self._target = target
        self._equal, self._logits = views.weights == "equal", views.average == "logits"
        names = list(make_view_transforms(views))
        even = [1 / len(names)] * len(names)
        chosen = [weights[name] for name in names] if views.weights == "learned" else even
        self._weights = np.array(chosen, dtype=np.float32)[:, None, None]

    def call(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns (batch, n_columns)."""
        by_view = ops.reshape(outputs, (len(self._weights), -1, outputs.shape[-1]))
        parts = [self._average(part, by_view[..., columns]) for part, columns in _split_outputs(self._target)]
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]

    def _average(self, target: Target, by_view: keras.KerasTensor) -> keras.KerasTensor:
        if self._equal and (self._logits or isinstance(target, RegressedGrades)):
            return convert_outputs(target, ops.sum(by_view * self._weights, axis=0))
        return ops.sum(convert_outputs(target, by_view) * self._weights, axis=0)


class AverageSeeds(layers.Layer):  # type: ignore[misc]
    """Averages what the seeds of a fold predict, as `views.average_seeds` does."""

    def __init__(self, views: Views, target: Target, name: str) -> None:
        """Takes the views, whose way of averaging is that of seeds, and the target with the model's own head."""
        super().__init__(dtype="float32", name=name)
        self._target, self._logits = target, views.average == "logits"

    def call(self, made: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Returns (batch, n_columns) from as much of each seed."""
        stacked = ops.stack(made)
        if not self._logits:
            return ops.mean(stacked, axis=0)
        parts = [
            convert_outputs(part, ops.mean(revert_predictions(part, stacked[..., columns]), axis=0))
            for part, columns in _split_predictions(self._target)
        ]
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def revert_predictions(target: Target, values: keras.KerasTensor) -> keras.KerasTensor:
    """Turns predictions (..., n_columns) of a target that stands alone into outputs, as `Target.to_outputs` does."""
    if isinstance(target, RegressedGrades):
        numbers = np.asarray(target.numbers, dtype=np.float32)[:, None]
        return (ops.matmul(values, numbers) - target.centre) / target.spread
    if isinstance(target, CumulativeGrades):
        reached = ops.matmul(values, np.tri(len(target.columns), dtype=np.float32))
        floored = ops.maximum(reached[..., :-1], FLOOR)
        left = values[..., :-1] + (floored - reached[..., :-1])
        return _log_odds(reached[..., 1:] / floored, left / floored)
    if isinstance(target, SeveralLabels):
        return _log_odds(values, 1 - values)
    if isinstance(target, Numbers):
        return (values - np.asarray(target.means, dtype=np.float32)) / np.asarray(target.scales, dtype=np.float32)
    return ops.log(ops.maximum(values, FLOOR))


def convert_outputs(target: Target, outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Turns outputs (..., n_outputs) of a target that stands alone into predictions (..., n_columns).

    Raises:
        InputError: no graph holds targets of this kind.
    """
    if isinstance(target, RegressedGrades):
        return _share_numbers(outputs * target.spread + target.centre, np.asarray(target.numbers, dtype=np.float32))
    if isinstance(target, CumulativeGrades):
        steps = np.triu(np.ones((target.n_outputs, len(target.columns)), dtype=np.float32), 1)
        leaving = np.eye(target.n_outputs, len(target.columns), dtype=np.float32)  # none leaves the last grade
        reached = ops.matmul(ops.log_sigmoid(outputs), steps)
        return ops.exp(reached + ops.matmul(ops.log_sigmoid(-outputs), leaving))
    if isinstance(target, SeveralLabels):
        return ops.sigmoid(outputs)
    if isinstance(target, Numbers):
        return outputs * np.asarray(target.scales, dtype=np.float32) + np.asarray(target.means, dtype=np.float32)
    if isinstance(target, OneClass | VoteShares):
        return ops.softmax(outputs, axis=-1)
    raise InputError(f"no graph holds a target of {target.kind}; use `python -m pipeline predict`")


def describe_decision(target: Target) -> str | dict[str, str]:
    """Describes how a prediction becomes an answer; by target where there are several."""
    if isinstance(target, SeveralTargets):
        return {name: _PLAIN_DECISIONS[part.kind] for name, part, _, _ in target.each()}
    return _PLAIN_DECISIONS[target.kind]


def _split_outputs(target: Target) -> list[tuple[Target, slice]]:
    if not isinstance(target, SeveralTargets):
        return [(target, slice(0, target.n_outputs))]
    return [(part, columns) for _, part, columns, _ in target.each()]


def _split_predictions(target: Target) -> list[tuple[Target, slice]]:
    if not isinstance(target, SeveralTargets):
        return [(target, slice(0, len(target.columns)))]
    return _split_outputs(target)  # targets that stand beside others have an output for each column


def _log_odds(values: keras.KerasTensor, others: keras.KerasTensor) -> keras.KerasTensor:
    """Returns log-odds of values and what they lack of 1: each is cut at the floor, as float32 has no 1 - FLOOR."""
    return ops.log(ops.maximum(values, FLOOR)) - ops.log(ops.maximum(others, FLOOR))


def _share_numbers(numbers: keras.KerasTensor, grades: NDArray[np.float32]) -> keras.KerasTensor:
    """Shares numbers (..., 1) between the two grades around each, as `Grades.share_numbers` does."""
    clipped = ops.clip(numbers, float(grades[0]), float(grades[-1]))
    taken = [ops.clip((clipped - low) / (high - low), 0, 1) for low, high in pairwise(grades.tolist())]
    reached = [ops.ones_like(clipped), *taken]  # how far each grade is reached
    shares = [here - above for here, above in pairwise(reached)]
    return ops.concatenate([*shares, reached[-1]], axis=-1)
