"""Weights on the simplex (>= 0, sum 1) that make a mixture of predictions fit best.

Numbers in, numbers out: models, folds and classes are the concern of those who call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.threads import limit_threads

Numbers = NDArray[np.float64]
# As scikit-learn's log loss clips, so that a certain mistake costs the same in the fit and in the score.
_SMALLEST = float(np.finfo(np.float64).eps)
_TOLERANCE, _ITERATIONS, _NOUGHT = 1e-14, 1000, 1e-9
_AT_ONCE, _JOINING, _PULL = 40, 10, 1e-7


@dataclass(frozen=True)
class MixtureLoss:
    """The loss of a weighted mean of members' predictions, convex in the weights.

    Attributes:
        likelihoods: (n_members, n_cells), what each member gives to the truth; logarithms of their mixture are summed.
        weights: (n_cells,) of those logarithms; None for 1 / n_cells each.
        residuals: (n_members, r), the squares of whose mixture are summed; None where there are none.
    """

    likelihoods: NDArray[np.floating[Any]]
    weights: Numbers | None = None
    residuals: Numbers | None = None

    @property
    def is_plain(self) -> bool:
        """Says whether it is a log loss, and nothing else."""
        return self.weights is None and self.residuals is None


def compress_residuals(residuals: Numbers) -> Numbers:
    """Returns residuals (n_members, at most n_members) whose mixtures have the same squares as (n_members, n)."""
    if residuals.shape[1] <= residuals.shape[0]:
        return residuals
    values, vectors = np.linalg.eigh(residuals @ residuals.T)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)), dtype=np.float64)


def fit_log_loss_weights(true_probs: NDArray[np.floating[Any]]) -> Numbers:
    """Returns the weights of the mixture whose log loss is lowest: float64 (n_members,), >= 0, sum 1.

    The loss is convex, so there is one lowest value and no start to choose; of members that are the same each gets the
    same. 40 members on 50,000 rows take 0.1 s (one thread). Without rows all members count the same.

    Args:
        true_probs: (n_members, n), what each member gives to the true class of each row.

    Reference: Kraft 1988, a software package for sequential quadratic programming (SLSQP), DFVLR-FB 88-28
    """
    return fit_mixture_weights(MixtureLoss(true_probs))


def fit_mixture_weights(loss: MixtureLoss) -> Numbers:
    """Returns the weights of the mixture whose loss is lowest, as `fit_log_loss_weights` does."""
    members, cells = loss.likelihoods.shape
    equal = np.full(members, 1 / members)
    if members == 1 or (not cells and loss.residuals is None):
        return equal
    probs = np.maximum(loss.likelihoods.astype(np.float64), _SMALLEST)
    whole = MixtureLoss(probs, loss.weights, loss.residuals)
    # One thread: sums are split in one way, and on busy cores several are many times slower.
    with limit_threads():
        return _solved(whole) if members <= _AT_ONCE else _grown(whole)


def _grown(loss: MixtureLoss) -> Numbers:
    """Solves for a few members at a time: SLSQP's cost grows with the cube of their number, 20 s for 200.

    Members that would lower the loss at the weights found so far join, those without weight leave, until none would:
    the condition of Karush, Kuhn and Tucker for the whole.
    """
    probs = loss.likelihoods
    weights = np.zeros(len(probs))
    active = np.argsort(_alone(loss), kind="stable")[:_JOINING]
    for _ in range(len(probs)):
        weights[:] = 0
        weights[active] = _solved(_members(loss, active))
        pull = _pull(loss, weights)  # above 1: more of this member lowers the loss
        pull[weights > 0] = 0
        joining = np.argsort(-pull, kind="stable")[:_JOINING]
        joining = joining[pull[joining] > 1 + _PULL]
        if not len(joining):
            break
        active = np.concatenate([np.flatnonzero(weights), joining])
    return weights


def _members(loss: MixtureLoss, which: NDArray[np.int64]) -> MixtureLoss:
    residuals = None if loss.residuals is None else loss.residuals[which]
    return MixtureLoss(loss.likelihoods[which], loss.weights, residuals)


def _alone(loss: MixtureLoss) -> Numbers:
    """The loss of each member alone."""
    if loss.is_plain:
        return np.asarray(-np.log(loss.likelihoods).mean(axis=1))
    objective = _objective(loss)
    return np.array([objective(row)[0] for row in np.eye(len(loss.likelihoods))])


def _pull(loss: MixtureLoss, weights: Numbers) -> Numbers:
    if loss.is_plain:
        return np.asarray((loss.likelihoods / (weights @ loss.likelihoods)).mean(axis=1))
    slope = _objective(loss)(weights)[1]
    return np.asarray(1 + weights @ slope - slope)


def _objective(loss: MixtureLoss) -> Callable[[Numbers], tuple[float, Numbers]]:
    """Returns the loss of weights and its slope."""
    probs, rows = loss.likelihoods, loss.likelihoods.shape[1]

    def plain(weights: Numbers) -> tuple[float, Numbers]:
        mixed = weights @ probs
        return -float(np.log(mixed).mean()), -(probs @ (1 / mixed)) / rows

    if loss.is_plain:
        return plain
    residuals = np.zeros((len(probs), 0)) if loss.residuals is None else loss.residuals
    squares = residuals @ residuals.T
    shares = loss.weights if loss.weights is not None else np.full(rows, 1 / max(rows, 1))

    def whole(weights: Numbers) -> tuple[float, Numbers]:
        mixed = weights @ probs
        pull = squares @ weights
        return float(weights @ pull - np.log(mixed) @ shares), 2 * pull - probs @ (shares / mixed)

    return whole


def _solved(loss: MixtureLoss) -> Numbers:
    from scipy.optimize import Bounds, LinearConstraint, minimize

    members = len(loss.likelihoods)
    if members == 1:
        return np.ones(1)
    found = minimize(
        _objective(loss),
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(np.ones((1, members)), 1.0, 1.0),
        options={"ftol": _TOLERANCE, "maxiter": _ITERATIONS},
    )
    weights = np.where(found.x > _NOUGHT, found.x, 0.0)
    weights /= weights.sum()
    return np.asarray(weights, dtype=np.float64)
