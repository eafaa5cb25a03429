"""Shares of votes: targets of several annotators, whose predictions are probabilities that sum to 1."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Targets, Truth, Values
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import Simplex
from pipeline.core.targets.contract import LossTerms, read_numbers


class VoteShares(Simplex):
    """Shares of several annotators' votes; the truth is float32 (n, n_classes), rows sum to 1."""

    kind: Literal["vote_shares"] = "vote_shares"
    default_metric: ClassVar[str] = "kl_divergence"

    @property
    def truth_width(self) -> int:
        """One column per class."""
        return len(self.columns)

    def encode(self, cells: Sequence[str]) -> Truth:
        """Divides counts or shares of votes by their sum.

        Raises:
            InputError: a cell that is no number >= 0, or a row without a vote.
        """
        votes = read_numbers(cells, self.columns).astype(np.float64)
        for row in np.flatnonzero((votes < 0).any(axis=1) | (votes.sum(axis=1) <= 0))[:1]:
            shown = ", ".join(f"{name} {vote:g}" for name, vote in zip(self.columns, votes[row], strict=True))
            raise InputError(
                f"training row {row + 1}: votes {shown} are no shares (each >= 0, some above); "
                "correct or remove that row"
            )
        shares: NDArray[np.float64] = votes / votes.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)

    def decode(self, truth: Truth) -> list[str]:
        """Returns the class with the largest share."""
        return [self.columns[index] for index in truth.argmax(axis=1).tolist()]

    def make_targets(self, truth: Truth) -> Targets:
        """Returns the shares themselves."""
        return truth.astype(np.float32)

    def decide(self, values: Values) -> Truth:
        """Returns the predicted shares."""
        return values

    def measure_losses(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Kullback-Leibler divergence of each row from its shares."""
        shares = truth.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(shares > 0, shares * np.log(shares), 0.0)
        divergence: NDArray[np.float64] = (own - shares * self.to_outputs(values)).sum(axis=1)
        return divergence

    def measure_hits(self, truth: Truth, values: Values) -> NDArray[np.float64]:
        """Ones where the class with the largest share is the most probable one."""
        hits: NDArray[np.bool_] = values.argmax(axis=1) == truth.argmax(axis=1)
        return hits.astype(np.float64)

    def split_losses(self, truth: Truth, values: Values) -> LossTerms:
        """Returns all probabilities, weighed by the shares of votes."""
        return LossTerms(values, truth.astype(np.float64), np.empty((len(values), 0)))

    def make_strata(self, truth: Truth) -> NDArray[np.bool_]:
        """Returns the class with the largest share, one-hot."""
        strata = np.zeros(truth.shape, dtype=np.bool_)
        strata[np.arange(len(truth)), truth.argmax(axis=1)] = True
        return strata
