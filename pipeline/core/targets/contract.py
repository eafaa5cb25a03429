"""The contract of targets: all that differs between one class, several labels, grades, numbers and shares.

Whoever folds, trains, combines, scores or submits asks the target and never which kind it is. A cell is what a training
table says of one row, as text; where several columns speak of a row its cells are joined by `CELL_SEPARATOR`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.config import Section
from pipeline.core.errors import InputError, some

CELL_SEPARATOR = "\x1f"  # the unit separator of ASCII: no name holds it
# What a probability is taken for before its logarithm: float32 rounds smaller ones away in sums.
FLOOR = 1e-7

Activation = Literal["softmax", "sigmoid", "linear"]


class LossTerms(NamedTuple):
    """The loss of rows in a form in which that of a weighted mean of predictions is convex in the weights.

    The loss of a row is minus the sum of ``weights`` times the logarithms of ``likelihoods``, plus the sum of the
    squares of ``residuals``. Both are linear in the predictions, where the weights of a mean sum to 1.

    Attributes:
        likelihoods: float32 (n, k), what is given to the truth; k may be 0.
        weights: (n, k) of the logarithms, or (1, k) where they are those of every row.
        residuals: float64 (n, r); r may be 0.
    """

    likelihoods: NDArray[np.float32]
    weights: NDArray[np.float64]
    residuals: NDArray[np.float64]


class Target(Section, ABC):
    """What is predicted of an image, and how its numbers are read.

    Attributes:
        kind: its name in a competition's file.
        columns: what each column of a prediction is about: a class, a label, a grade or a number.
        activation: what makes predictions of a network's outputs.
        exclusive: whether the columns exclude each other, so that targets and predictions sum to 1.
    """

    kind: Any
    columns: tuple[str, ...]

    activation: ClassVar[Activation]
    exclusive: ClassVar[bool] = False
    default_metric: ClassVar[str]

    @property
    @abstractmethod
    def truth_width(self) -> int:
        """Columns of `encode`'s result where targets stand side by side; class indices have one."""

    @property
    def n_outputs(self) -> int:
        """Columns of a network's output; one for each column of a prediction, but for some heads of grades."""
        return len(self.columns)

    @property
    def outputs(self) -> tuple[tuple[slice, Activation], ...]:
        """The columns of a network's output, and what becomes of each part."""
        return ((slice(0, len(self.columns)), self.activation),)

    def each(self) -> Iterator[tuple[str, "Target", slice, slice]]:
        """Yields each target there is: its name, itself, its columns of predictions and of the truth."""
        yield "", self, slice(0, len(self.columns)), slice(0, self.truth_width)

    @abstractmethod
    def encode(self, cells: Sequence[str]) -> Truth:
        """Encodes cells: class indices int64 (n,), or float32 (n, truth_width).

        Raises:
            InputError: a cell that is no answer of this kind.
        """

    @abstractmethod
    def decode(self, truth: Truth) -> list[str]:
        """Returns the cell of each row: the inverse of `encode`."""

    @abstractmethod
    def make_targets(self, truth: Truth) -> Targets:
        """Returns what a network is trained on: float32 (n, n_columns)."""

    def make_output_targets(self, truth: Truth) -> Targets:
        """Returns `make_targets` as outputs of each column: marks, or standardised numbers; NaN where there is none."""
        return self.make_targets(truth)

    @abstractmethod
    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Turns a network's outputs (..., n, n_columns), before any activation, into predictions."""

    @abstractmethod
    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Returns outputs that `from_outputs` turns into these predictions: the space in which logits are averaged."""

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Averages outputs (n_views, n, n_columns) as predictions: returns the outputs (n, n_columns) of the mean."""
        return self.to_outputs(self.from_outputs(outputs).mean(axis=0)).astype(np.float32)

    @abstractmethod
    def normalise(self, values: NDArray[np.floating]) -> Values:
        """Brings weighted means of predictions into the form that `check_values` asks for: float32 (n, n_columns)."""

    @abstractmethod
    def check_values(self, values: Values, ids: Sequence[str], place: str) -> None:
        """Holds predictions to their invariants.

        Raises:
            InputError: names the first ids whose rows do not fit.
        """

    @abstractmethod
    def decide(self, values: Values) -> Truth:
        """Returns the plain decision for each row, shaped as `encode`'s result."""

    @abstractmethod
    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Returns the loss of each row (n,): what a network of this kind minimises, and combiners with it."""

    def measure_output_losses(self, truth: Truth, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns the loss of each row (n,), from outputs (n, n_columns) before any activation."""
        return self.measure_losses(truth, self.from_outputs(outputs))

    def list_true_probs(self, truth: Truth, values: Values) -> NDArray[np.floating] | None:
        """Lists the probabilities of what is true: the mean of their negative logarithms is the loss.

        None where the loss is no such mean.
        """
        return None

    @abstractmethod
    def measure_confidence(self, values: Values) -> NDArray[np.floating] | None:
        """Returns how sure the least sure decision of each row is (n,), a probability; None where numbers have none."""

    @abstractmethod
    def soften(self, values: Values, temperature: float) -> NDArray[np.float64]:
        """Returns predictions as targets (n, n_columns), evened out by a temperature above 1.

        Raises:
            InputError: another temperature than 1, and the predictions are numbers.
        """

    def measure_hits(self, truth: Truth, values: Values) -> NDArray[np.float64] | None:
        """Returns the share of each row's decisions (n,) that are right; None where decisions are numbers."""
        right = np.asarray(self.decide(values) == truth, dtype=np.float64)
        hits: NDArray[np.float64] = right if right.ndim == 1 else right.mean(axis=1)
        return hits

    @abstractmethod
    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns the terms of which `measure_losses` is made, up to a number that predictions do not change."""

    def split_columns(self) -> Iterator[tuple["Target", slice, slice]]:
        """Yields the smallest targets that can be predicted one by one: a label, a number, the classes of a target.

        Each with its columns of predictions and of the truth.
        """
        yield self, slice(0, len(self.columns)), slice(0, self.truth_width)

    @abstractmethod
    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns what folds keep in equal shares: (n, n_strata), a row may lie in several or in none."""

    def take_truth(self, columns: Truth) -> Truth:
        """Returns truth that stood beside that of other targets (n, truth_width) as `encode` returns it."""
        return columns

    def index_labels(self, truth: Truth) -> NDArray[np.int64]:
        """Returns the ``label`` of each row in image index and fold table: its class index; -1 where there is none."""
        return np.full(len(truth), -1, dtype=np.int64)


def slice_truth(part: Target, truth: Truth, columns: slice) -> Truth:
    """Returns a part's own truth, by its columns, as it encodes it; class indices (n,) have no other part."""
    return truth if truth.ndim == 1 else part.take_truth(truth[:, columns])


def list_wrong_rows(wrong: Truth, ids: Sequence[str]) -> str:
    """Counts the rows that are wrong and lists their ids."""
    rows = np.flatnonzero(wrong).tolist()
    return f"{len(rows)} rows, ids {some(ids[row] for row in rows)}"


_FIX = "correct target.kind or train.label in the competition's file"


def read_numbers(cells: Sequence[str], columns: Sequence[str]) -> NDArray[np.float32]:
    """Reads cells of numbers, one for each column: float32 (n, n_columns).

    Raises:
        InputError: a cell that is no finite number, or a row with more or fewer than there are columns.
    """
    rows = [cell.split(CELL_SEPARATOR) for cell in cells]
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise InputError(f"training row {number} has {len(row)} numbers, wanted {len(columns)}: {some(columns)}")
    try:
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))
    except ValueError:
        values = np.array([[_number(text) for text in row] for row in rows])
    for row, column in np.argwhere(~np.isfinite(values))[:1]:
        raise InputError(
            f"training row {row + 1}, column {columns[column]}: {rows[row][column]!r} is no finite number; "
            + ("correct or remove that row" if np.isfinite(values[:, column]).any() else "no row has one: " + _FIX)
        )
    return values.astype(np.float32)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
