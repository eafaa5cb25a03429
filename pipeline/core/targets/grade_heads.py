"""Heads of ordered grades: what a model computes before it says how probable each grade is.

Whatever the head, targets and predictions are distributions over the grades, so that mixed images, soft labels and
ensembles need not know of it.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import Grades
from pipeline.core.targets.contract import FLOOR, Activation, Target

GradesHead = Literal["classification", "regression", "cumulative"]


class RegressedGrades(Grades):
    """Grades by one number, shared between the two grades around it; the network's is standardised."""

    activation: ClassVar[Activation] = "linear"

    @property
    def n_outputs(self) -> int:
        """One: the number."""
        return 1

    @property
    def outputs(self) -> tuple[tuple[slice, Activation], ...]:
        """The number."""
        return ((slice(0, 1), "linear"),)

    @property
    def centre(self) -> float:
        """Mean of the grades' numbers."""
        return float(np.mean(self.numbers))

    @property
    def spread(self) -> float:
        """Standard deviation of the grades' numbers."""
        return float(np.std(self.numbers))

    def make_output_targets(self, truth: Truth) -> Targets:
        """Returns the standardised number of each row (n, 1)."""
        return self.to_outputs(self.make_targets(truth)).astype(np.float32)

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Shares each number between the grades around it."""
        numbers = np.ravel(outputs).astype(np.float64) * self.spread + self.centre
        return self.share_numbers(numbers).reshape(*outputs.shape[:-1], len(self.columns))

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Returns the standardised expectation (..., n, 1)."""
        return (self.expect(values)[..., None] - self.centre) / self.spread

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean of the numbers."""
        return np.asarray(outputs.mean(axis=0), dtype=np.float32)

    def measure_output_losses(self, truth: Truth, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Squared error of each row's standardised number."""
        apart: NDArray[np.float64] = outputs.astype(np.float64) - self.make_output_targets(truth)
        return apart[:, 0] ** 2


class CumulativeGrades(Grades):
    """Grades by steps: output k is the log-odds of a grade above the k-th, given that it is not below it (CORN).

    The product of the steps' probabilities never rises, so that each row's distribution over the grades is one.

    Reference: Shi, Cao and Raschka 2021, https://arxiv.org/abs/2111.08851
    """

    activation: ClassVar[Activation] = "sigmoid"

    @property
    def n_outputs(self) -> int:
        """One for each step from a grade to the next."""
        return len(self.columns) - 1

    @property
    def outputs(self) -> tuple[tuple[slice, Activation], ...]:
        """The steps."""
        return ((slice(0, self.n_outputs), "sigmoid"),)

    def make_output_targets(self, truth: Truth) -> Targets:
        """Returns whether each row takes each step (n, n_steps); NaN for steps that it does not reach."""
        labels, steps = self.index_labels(truth)[:, None], np.arange(self.n_outputs)
        return np.where(labels >= steps, labels > steps, np.nan).astype(np.float32)

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Multiplies the steps."""
        return np.exp(self._logs(outputs)).astype(np.float32)

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Log-odds of each step, given those before it."""
        from scipy.special import logit

        above = np.cumsum(values[..., ::-1].astype(np.float64), axis=-1)[..., ::-1]
        steps: NDArray[np.float64] = above[..., 1:] / np.maximum(above[..., :-1], FLOOR)
        return np.asarray(logit(np.clip(steps, FLOOR, 1 - FLOOR)))

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Steps of the mean distribution."""
        return self.to_outputs(self.from_outputs(outputs).mean(axis=0)).astype(np.float32)

    def measure_output_losses(self, truth: Truth, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Cross-entropy of each row."""
        return -self._logs(outputs)[np.arange(len(outputs)), self.index_labels(truth)]

    @staticmethod
    def _logs(outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        from scipy.special import log_expit

        double = outputs.astype(np.float64)
        nought = np.zeros((*double.shape[:-1], 1))  # logarithms of 1: all reach the first grade, none leaves the last
        logs: NDArray[np.float64] = np.concatenate([nought, np.cumsum(log_expit(double), axis=-1)], axis=-1)
        logs += np.concatenate([log_expit(-double), nought], axis=-1)
        return logs


HEADS: dict[GradesHead, type[Grades]] = {
    "classification": Grades,
    "regression": RegressedGrades,
    "cumulative": CumulativeGrades,
}


def give_head(target: Target, head: GradesHead, place: str) -> Target:
    """Returns the target as a model with that head computes it.

    Args:
        target: what is predicted.
        head: of grades; ``classification`` leaves every target as it is.
        place: the setting, for the error.

    Raises:
        InputError: another head than classification, and the target is no list of ordered grades.
    """
    if head == "classification":
        return target
    if not isinstance(target, Grades):
        raise InputError(
            f"{place}: {head} is for a target of ordered grades (target.kind: grades), and this competition's is "
            f"{target.kind}; leave it out"
        )
    return HEADS[head](columns=target.columns, numbers=target.numbers)
