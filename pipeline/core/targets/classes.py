"""Targets whose predictions are probabilities that sum to 1: one class, ordered grades."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from pipeline.core.arrays import Labels, Targets, Truth, Values
from pipeline.core.errors import InputError, near_names
from pipeline.core.targets.contract import FLOOR, Activation, LossTerms, Target, list_wrong_rows

_SUM_TOLERANCE = 1e-2  # what rounding to three digits does to the sum of some classes
_TINY = np.finfo(np.float32).tiny
_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d*")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def encode_labels(labels: Sequence[str]) -> tuple[list[str], Labels]:
    """Encodes labels as class indices 0..n_classes-1; returns the class names in that order, and the indices.

    Names that are all numbers go by value (2 before 10, 2.0 before 10.0), others as text.
    """
    if any("." in label for label in labels) and all(_NUMBER.fullmatch(label) for label in labels):
        places = {name: place for place, name in enumerate(sorted(set(labels), key=lambda name: (Decimal(name), name)))}
        return list(places), np.array([places[label] for label in labels], dtype=np.int64)
    numeric = all(_WHOLE_NUMBER.fullmatch(label) for label in labels)
    names, indices = np.unique([int(label) for label in labels] if numeric else list(labels), return_inverse=True)
    return [str(name) for name in names.tolist()], indices.astype(np.int64)


class Simplex(Target):
    """Probabilities of classes that exclude each other."""

    activation: ClassVar[Activation] = "softmax"
    exclusive: ClassVar[bool] = True

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Softmax over the classes."""
        from scipy.special import softmax

        probs: NDArray[np.floating] = softmax(outputs, axis=-1)
        return probs.astype(np.float32)

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Logarithms of the probabilities."""
        return np.log(np.maximum(values.astype(np.float64), FLOOR))

    def measure_confidence(self, values: Values) -> NDArray[np.floating]:
        """Highest probability of each row."""
        confidence: NDArray[np.floating] = values.max(axis=1, initial=0.0)
        return confidence

    def soften(self, values: Values, temperature: float) -> NDArray[np.float64]:
        """Softmax of the logarithms, divided by the temperature."""
        from scipy.special import softmax

        logs = np.log(np.maximum(values, _TINY).astype(np.float64))
        return np.asarray(softmax(logs / temperature, axis=1), dtype=np.float64)

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Logarithms of the mean probabilities."""
        from scipy.special import softmax

        probs = softmax(outputs.astype(np.float64), axis=-1).mean(axis=0)
        return np.asarray(np.log(np.maximum(probs, _TINY)), dtype=np.float32)

    def normalise(self, values: NDArray[np.floating]) -> Values:
        """Divides rows by their sums; a row of zeros becomes uniform."""
        total = values.sum(axis=-1, keepdims=True, dtype=np.float64)
        even = 1 / values.shape[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            divided: NDArray[np.float64] = np.where(total > 0, values / total, even)
        return divided.astype(np.float32)

    def check_values(self, values: Values, ids: Sequence[str], place: str) -> None:
        """Requires finite probabilities >= 0 that sum to 1 in every row.

        Raises:
            InputError: a row that does not.
        """
        sums = values.sum(axis=1, dtype=np.float64)
        wrong = ~np.isfinite(sums) | (values < 0).any(axis=1) | (np.abs(sums - 1) > _SUM_TOLERANCE)
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            cells = [float(value) for value in values[first] if not np.isfinite(value) or value < 0]
            worst = f"holds {cells[0]:g}" if cells else f"sums to {sums[first]:.6g}"
            many, _, listed = list_wrong_rows(wrong, ids).partition(", ")
            raise InputError(
                f"{place}: {many} are no probabilities (finite, >= 0, sum 1), {listed}; the first {worst}: "
                "write probabilities after softmax, with all their digits"
            )


class OneClass(Simplex):
    """One class per image; the truth is its index int64 (n,)."""

    kind: Literal["one_class"] = "one_class"
    default_metric: ClassVar[str] = "accuracy"

    @property
    def truth_width(self) -> int:
        """One: the class index."""
        return 1

    def encode(self, cells: Sequence[str]) -> Truth:
        """Returns class indices int64 (n,).

        Raises:
            InputError: a cell that is no class.
        """
        place = {name: index for index, name in enumerate(self.columns)}
        for number, cell in enumerate(cells, 1):
            if cell not in place:
                raise InputError(f"row {number}: {cell!r} is no class; {near_names(cell, self.columns)}")
        return np.array([place[cell] for cell in cells], dtype=np.int64)

    def decode(self, truth: Truth) -> list[str]:
        """Returns class names."""
        return [self.columns[int(index)] for index in np.ravel(truth)]

    def make_targets(self, truth: Truth) -> Targets:
        """One-hot rows."""
        return np.eye(len(self.columns), dtype=np.float32)[self.index_labels(truth)]

    def decide(self, values: Values) -> Truth:
        """Returns the index of the most probable class (n,)."""
        chosen: Labels = values.argmax(axis=1)
        return chosen

    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Cross-entropy of each row."""
        chosen = self.list_true_probs(truth, values).astype(np.float64)
        losses: NDArray[np.float64] = -np.log(np.maximum(chosen, FLOOR))
        return losses

    def list_true_probs(self, truth: Truth, values: Values) -> NDArray[np.floating]:
        """Probabilities of the true classes."""
        return values[np.arange(len(values)), self.index_labels(truth)]

    def measure_output_losses(self, truth: Truth, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Cross-entropy of each row."""
        from scipy.special import log_softmax

        logs: NDArray[np.float64] = log_softmax(outputs.astype(np.float64), axis=1)
        return -logs[np.arange(len(logs)), self.index_labels(truth)]

    def measure_hits(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Ones where the class is the most probable one."""
        hits: NDArray[np.bool_] = self.decide(values) == self.index_labels(truth)
        return hits.astype(np.float64)

    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns the probability of each row's own class."""
        chosen = values[np.arange(len(values)), self.index_labels(truth)]
        return LossTerms(chosen[:, None], np.ones((1, 1)), np.empty((len(values), 0)))

    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns the one-hot classes."""
        return self.make_targets(truth).astype(np.bool_)

    def take_truth(self, columns: Truth) -> Truth:
        """Returns the one column as class indices int64 (n,)."""
        return self.index_labels(columns)

    def index_labels(self, truth: Truth) -> Labels:
        """Returns the class indices themselves."""
        return np.ravel(truth).astype(np.int64)


class Grades(OneClass):
    """Classes with an order; ``numbers`` are their values, the lowest first: quadratic kappa goes by them.

    A prediction is a distribution over the grades, so that members which classify, regress and cumulate can be mixed: a
    regressed number between two grades is shared between them.
    """

    kind: Literal["grades"] = "grades"  # type: ignore[assignment]
    numbers: tuple[float, ...]
    default_metric: ClassVar[str] = "quadratic_kappa"

    @model_validator(mode="after")
    def _one_number_each(self) -> "Grades":
        if len(self.numbers) != len(self.columns) or list(self.numbers) != sorted(set(self.numbers)):
            raise ValueError(f"numbers must rise and be one for each of {len(self.columns)} grades: {self.numbers}")
        return self

    def expect(self, values: Values) -> NDArray[np.float64]:
        """Returns the expected number of each row (n,)."""
        expected: NDArray[np.float64] = values.astype(np.float64) @ np.asarray(self.numbers)
        return expected

    def share_numbers(self, numbers: NDArray[np.floating]) -> Values:
        """Shares each number (n,) between the two grades around it; float32 (n, n_grades) whose expectation it is."""
        grades = np.asarray(self.numbers)
        clipped = np.clip(numbers.astype(np.float64), grades[0], grades[-1])
        below = np.clip(np.searchsorted(grades, clipped, side="right") - 1, 0, len(grades) - 2)
        upper = (clipped - grades[below]) / (grades[below + 1] - grades[below])
        values = np.zeros((len(clipped), len(grades)))
        rows = np.arange(len(clipped))
        values[rows, below], values[rows, below + 1] = 1 - upper, upper
        return values.astype(np.float32)


def order_by_value(columns: Sequence[str]) -> Grades | None:
    """Takes classes whose names are rising numbers for grades; None for words, and for numbers in another order."""
    try:
        numbers = tuple(float(name) for name in columns)
    except ValueError:
        return None
    if not all(np.isfinite(numbers)) or list(numbers) != sorted(set(numbers)):
        return None
    return Grades(columns=tuple(columns), numbers=numbers)
