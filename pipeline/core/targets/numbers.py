"""Numbers: regression of one or several numbers per image."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import (
    CELL_SEPARATOR,
    Activation,
    LossTerms,
    Target,
    list_wrong_rows,
    read_numbers,
)

_BINS = 10  # quantiles in which folds are balanced


class Numbers(Target):
    """Numbers in their own units; the truth is float32 (n, n_columns).

    Networks learn them less ``means`` and divided by ``scales``: those of all training rows, one of each per column.
    """

    kind: Literal["numbers"] = "numbers"
    means: tuple[float, ...]
    scales: tuple[float, ...]
    activation: ClassVar[Activation] = "linear"
    default_metric: ClassVar[str] = "rmse"

    @property
    def truth_width(self) -> int:
        """One column per number."""
        return len(self.columns)

    def encode(self, cells: Sequence[str]) -> Truth:
        """Reads the numbers: float32 (n, n_columns).

        Raises:
            InputError: a cell that is no finite number.
        """
        return read_numbers(cells, self.columns)

    def decode(self, truth: Truth) -> list[str]:
        """Returns the numbers as text, joined."""
        return [CELL_SEPARATOR.join(f"{value:.9g}" for value in row) for row in truth.tolist()]

    def make_targets(self, truth: Truth) -> Targets:
        """Returns standardised numbers."""
        standard: NDArray[np.float64] = (truth - np.asarray(self.means)) / np.asarray(self.scales)
        return standard.astype(np.float32)

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Returns numbers in their own units."""
        numbers: NDArray[np.float64] = outputs.astype(np.float64) * np.asarray(self.scales) + np.asarray(self.means)
        return numbers.astype(np.float32)

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Returns standardised numbers."""
        standard: NDArray[np.float64] = (values.astype(np.float64) - np.asarray(self.means)) / np.asarray(self.scales)
        return standard

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean of the standardised numbers."""
        return np.asarray(outputs.mean(axis=0), dtype=np.float32)

    def normalise(self, values: NDArray[np.floating]) -> Values:
        """Leaves numbers as they are."""
        return values.astype(np.float32)

    def check_values(self, values: Values, ids: Sequence[str], place: str) -> None:
        """Requires finite numbers.

        Raises:
            InputError: a row with a number that is not finite.
        """
        wrong = np.asarray(~np.isfinite(values).all(axis=1))
        if wrong.any():
            raise InputError(f"{place}: {list_wrong_rows(wrong, ids)} hold numbers that are not finite; train it again")

    def decide(self, values: Values) -> Truth:
        """Returns the numbers themselves."""
        return values

    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Squared error of each row in standardised units, its mean over the columns."""
        apart = (truth.astype(np.float64) - values) / np.asarray(self.scales)
        losses: NDArray[np.float64] = (apart**2).mean(axis=1)
        return losses

    def measure_confidence(self, values: Values) -> None:
        """Returns None: a number has no certainty."""

    def soften(self, values: Values, temperature: float) -> NDArray[np.float64]:
        """Returns standardised numbers.

        Raises:
            InputError: another temperature than 1.
        """
        if temperature != 1:
            raise InputError(f"a temperature evens out probabilities, and numbers are none; say 1, not {temperature:g}")
        return self.to_outputs(values)

    def measure_hits(self, truth: Truth, values: Values) -> None:
        """Returns None: a number is near or far, not right or wrong."""

    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns the errors in standardised units."""
        apart = (truth.astype(np.float64) - values) / np.asarray(self.scales) / len(self.columns) ** 0.5
        return LossTerms(np.empty((len(values), 0), dtype=np.float32), np.empty((1, 0)), apart)

    def split_columns(self) -> Iterator[tuple[Target, slice, slice]]:
        """Yields each number."""
        for number, each in enumerate(zip(self.columns, self.means, self.scales, strict=True)):
            column, mean, scale = each
            alone = Numbers(columns=(column,), means=(mean,), scales=(scale,))
            yield alone, slice(number, number + 1), slice(number, number + 1)

    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns tenths of the first number."""
        edges = np.unique(np.quantile(truth[:, 0], np.linspace(0, 1, _BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, truth[:, 0], side="right")
        return np.eye(len(edges) + 1, dtype=np.bool_)[bins]
