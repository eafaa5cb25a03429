"""Several targets at once: a list of targets that share one backbone, each with its own head."""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import CELL_SEPARATOR, Activation, LossTerms, Target
from pipeline.core.targets.numbers import Numbers

Part = Annotated[OneClass | Grades | Numbers, Field(discriminator="kind")]


class SeveralTargets(Target):
    """Targets side by side; the truth is float32 (n, sum of their widths), class indices as numbers.

    ``columns`` are ``<target>:<its column>``.
    """

    kind: Literal["several_targets"] = "several_targets"
    parts: dict[str, Part]
    activation: ClassVar[Activation] = "linear"
    default_metric: ClassVar[str] = "accuracy"

    @model_validator(mode="after")
    def _columns_of_parts(self) -> "SeveralTargets":
        if self.columns != list_part_columns(self.parts):
            raise ValueError("columns must be those of the parts, in their order")
        return self

    @property
    def truth_width(self) -> int:
        """Of all parts together."""
        return sum(part.truth_width for part in self.parts.values())

    @property
    def outputs(self) -> tuple[tuple[slice, Activation], ...]:
        """The columns of each part."""
        return tuple((columns, part.activation) for _, part, columns, _ in self.each())

    def each(self) -> Iterator[tuple[str, Target, slice, slice]]:
        """Yields each part: its name, itself, its columns of predictions and of the truth."""
        column = width = 0
        for name, part in self.parts.items():
            yield (
                name,
                part,
                slice(column, column + len(part.columns)),
                slice(width, width + part.truth_width),
            )
            column, width = column + len(part.columns), width + part.truth_width

    def encode(self, cells: Sequence[str]) -> Truth:
        """Encodes each part's own cell.

        Raises:
            InputError: a row with more or fewer cells than targets, or a cell that does not fit its target.
        """
        rows = [cell.split(CELL_SEPARATOR) for cell in cells]
        for number, row in enumerate(rows, 1):
            if len(row) != len(self.parts):
                raise InputError(f"training row {number} has {len(row)} answers, wanted {len(self.parts)}")
        encoded = []
        for place, (name, part) in enumerate(self.parts.items()):
            try:
                truth = part.encode([row[place] for row in rows])
            except InputError as error:
                raise InputError(f"target {name}: {error}") from error
            encoded.append(truth.reshape(len(rows), -1).astype(np.float32))
        return np.concatenate(encoded, axis=1)

    def decode(self, truth: Truth) -> list[str]:
        """Returns the parts' cells, joined."""
        parts = [part.decode(truth[:, width]) for _, part, _, width in self.each()]
        return [CELL_SEPARATOR.join(cells) for cells in zip(*parts, strict=True)]

    def make_targets(self, truth: Truth) -> Targets:
        """Returns the parts' targets side by side."""
        return np.concatenate([part.make_targets(truth[:, width]) for _, part, _, width in self.each()], axis=1)

    def from_outputs(self, outputs: NDArray[np.floating]) -> Values:
        """Turns each part's outputs into its predictions."""
        made = [part.from_outputs(outputs[..., columns]) for _, part, columns, _ in self.each()]
        return np.concatenate(made, axis=-1)

    def to_outputs(self, values: Values) -> NDArray[np.float64]:
        """Returns each part's outputs."""
        return np.concatenate([part.to_outputs(values[..., columns]) for _, part, columns, _ in self.each()], axis=-1)

    def average_outputs(self, outputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Averages each part as its own predictions."""
        means = [part.average_outputs(outputs[..., columns]) for _, part, columns, _ in self.each()]
        return np.concatenate(means, axis=-1)

    def normalise(self, values: NDArray[np.floating]) -> Values:
        """Brings each part into its form."""
        return np.concatenate([part.normalise(values[..., columns]) for _, part, columns, _ in self.each()], axis=-1)

    def check_values(self, values: Values, ids: Sequence[str], place: str) -> None:
        """Holds each part to its invariants.

        Raises:
            InputError: the first part whose rows do not fit.
        """
        for name, part, columns, _ in self.each():
            part.check_values(values[:, columns], ids, f"{place}, target {name}")

    def decide(self, values: Values) -> Truth:
        """Returns the parts' decisions side by side."""
        decided = [part.decide(values[:, columns]) for _, part, columns, _ in self.each()]
        return np.concatenate([each.reshape(len(values), -1).astype(np.float32) for each in decided], axis=1)

    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Returns the sum of the parts' losses."""
        losses = [part.measure_losses(truth[:, width], values[:, columns]) for _, part, columns, width in self.each()]
        total: NDArray[np.float64] = np.sum(losses, axis=0)
        return total

    def measure_output_losses(self, truth: Truth, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns the sum of the parts' losses."""
        losses = [
            part.measure_output_losses(truth[:, width], outputs[:, columns]) for _, part, columns, width in self.each()
        ]
        total: NDArray[np.float64] = np.sum(losses, axis=0)
        return total

    def measure_confidence(self, values: Values) -> NDArray[np.floating] | None:
        """Returns that of the least sure part; None where one has none."""
        parts = [part.measure_confidence(values[:, columns]) for _, part, columns, _ in self.each()]
        found = [confidence for confidence in parts if confidence is not None]
        return np.min(found, axis=0) if len(found) == len(parts) else None

    def soften(self, values: Values, temperature: float) -> NDArray[np.float64]:
        """Softens each part.

        Raises:
            InputError: another temperature than 1, and one part is numbers.
        """
        return np.concatenate([part.soften(values[:, columns], temperature) for _, part, columns, _ in self.each()], 1)

    def measure_hits(self, truth: Truth, values: Values) -> NDArray[np.float64] | None:
        """Returns the mean of the parts' hits, without numbers; None where all are."""
        parts = [part.measure_hits(truth[:, width], values[:, columns]) for _, part, columns, width in self.each()]
        found = [hits for hits in parts if hits is not None]
        return np.mean(found, axis=0, dtype=np.float64) if found else None

    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns the parts' terms side by side."""
        terms = [part.split_losses(truth[:, width], values[:, columns]) for _, part, columns, width in self.each()]
        rows = len(values)
        weights = [np.broadcast_to(each.weights, (rows, each.weights.shape[1])) for each in terms]
        likelihoods, residuals = [each.likelihoods for each in terms], [each.residuals for each in terms]
        return LossTerms(
            np.concatenate(likelihoods, axis=1), np.concatenate(weights, axis=1), np.concatenate(residuals, axis=1)
        )

    def split_columns(self) -> Iterator[tuple[Target, slice, slice]]:
        """Yields what the parts can be split into."""
        for _, part, columns, width in self.each():
            for inner, within, own in part.split_columns():
                yield inner, _shift(within, columns.start), _shift(own, width.start)

    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns the parts' strata side by side."""
        return np.concatenate([part.make_strata(truth[:, width]) for _, part, _, width in self.each()], axis=1)


def list_part_columns(parts: dict[str, Part]) -> tuple[str, ...]:
    """Lists the columns of several targets: ``<target>:<its column>``."""
    return tuple(f"{name}:{column}" for name, part in parts.items() for column in part.columns)


def _shift(columns: slice, start: int) -> slice:
    return slice(columns.start + start, columns.stop + start)
