"""Several labels per image, or none: each label is a question of its own."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.errors import InputError, near_names
from pipeline.core.targets.contract import CELL_SEPARATOR, FLOOR, Activation, LossTerms, Target, list_wrong_rows


class SeveralLabels(Target):
    """Labels that each image has or has not; the truth is float32 (n, n_labels) of 0 and 1.

    A prediction is the probability of each label; at 0.5 and above an image is taken to have it.
    """

    kind: Literal["several_labels"] = "several_labels"
    activation: ClassVar[Activation] = "sigmoid"
    default_metric: ClassVar[str] = "roc_auc"

    @property
    def truth_width(self) -> int:
        """One column per label."""
        return len(self.columns)

    def encode(self, cells: Sequence[str]) -> Truth:
        """Marks the labels of each cell; an empty cell has none.

        Raises:
            InputError: a name that is no label.
        """
        place = {name: index for index, name in enumerate(self.columns)}
        marks = np.zeros((len(cells), len(self.columns)), dtype=np.float32)
        for row, cell in enumerate(cells):
            for name in cell.split(CELL_SEPARATOR) if cell else ():
                if name not in place:
                    raise InputError(f"row {row + 1}: {name!r} is no label; {near_names(name, self.columns)}")
                marks[row, place[name]] = 1
        return marks

    def decode(self, truth: Truth) -> list[str]:
        """Returns the names of each row's labels, joined."""
        return [
            CELL_SEPARATOR.join(self.columns[index] for index in np.flatnonzero(row >= 0.5).tolist()) for row in truth
        ]

    def make_targets(self, truth: Truth) -> Targets:
        """Returns the marks themselves."""
        return truth.astype(np.float32)

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Sigmoid of each label."""
        from scipy.special import expit

        probs: NDArray[np.floating] = expit(outputs)
        return probs.astype(np.float32)

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Log-odds of the probabilities."""
        from scipy.special import logit

        odds: NDArray[np.float64] = logit(np.clip(values.astype(np.float64), FLOOR, 1 - FLOOR))
        return odds

    def normalise(self, values: NDArray[np.floating]) -> Values:
        """Cuts what rounding leaves outside of 0 to 1."""
        clipped: NDArray[np.floating] = np.clip(values, 0, 1)
        return clipped.astype(np.float32)

    def check_values(self, values: Values, ids: Sequence[str], place: str) -> None:
        """Requires probabilities from 0 to 1.

        Raises:
            InputError: a row with another value.
        """
        bad = ~((values >= 0) & (values <= 1))
        rows = np.asarray(bad.any(axis=1))
        if rows.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"{place}: {list_wrong_rows(rows, ids)} are no probabilities (0 to 1 for each label); the "
                f"first holds {values[row, column]:g} for {self.columns[column]}: write probabilities after sigmoid"
            )

    def decide(self, values: Values) -> Truth:
        """Returns the marks of labels at 0.5 and above: float32 (n, n_labels)."""
        return (values >= 0.5).astype(np.float32)

    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Binary cross-entropy of each row, its mean over the labels."""
        probs = np.clip(values.astype(np.float64), FLOOR, 1 - FLOOR)
        losses: NDArray[np.float64] = -(truth * np.log(probs) + (1 - truth) * np.log1p(-probs)).mean(axis=1)
        return losses

    def measure_confidence(self, values: Values) -> NDArray[np.floating]:
        """Returns how sure the least sure label of each row is."""
        confidence: NDArray[np.floating] = np.maximum(values, 1 - values).min(axis=1, initial=1.0)
        return confidence

    def soften(self, values: Values, temperature: float) -> NDArray[np.float64]:
        """Sigmoid of the log-odds, divided by the temperature."""
        from scipy.special import expit

        return np.asarray(expit(self.to_outputs(values) / temperature), dtype=np.float64)

    def list_true_probs(self, truth: Truth, values: Values) -> NDArray[np.floating]:
        """Probabilities of each row's marks, row by row."""
        return np.where(truth == 1, values, 1 - values).ravel()

    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns the probability of what is true of each label."""
        likelihoods = np.where(truth > 0.5, values, np.float32(1) - values).astype(np.float32, copy=False)
        return LossTerms(likelihoods, np.full((1, truth.shape[1]), 1 / truth.shape[1]), np.empty((len(values), 0)))

    def split_columns(self) -> Iterator[tuple[Target, slice, slice]]:
        """Yields each label."""
        for number, column in enumerate(self.columns):
            yield SeveralLabels(columns=(column,)), slice(number, number + 1), slice(number, number + 1)

    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns the marks."""
        return truth.astype(np.bool_)
