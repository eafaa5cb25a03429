"""Weights on the simplex (>= 0, sum 1) that make a mixture of probabilities fit best.

Numbers in, numbers out: models, folds and classes are the concern of those who call.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, minimize
from threadpoolctl import threadpool_limits

Numbers = NDArray[np.float64]
# As scikit-learn's log loss clips, so that a certain mistake costs the same in the fit and in the score.
_SMALLEST = float(np.finfo(np.float64).eps)
_TOLERANCE, _ITERATIONS, _NOUGHT = 1e-14, 1000, 1e-9
_AT_ONCE, _JOINING, _PULL = 40, 10, 1e-7


def fit_log_loss_weights(true_probs: NDArray[np.floating[Any]]) -> Numbers:
    """Returns the weights of the mixture whose log loss is lowest: float64 (n_members,), >= 0, sum 1.

    The loss is convex, so there is one lowest value and no start to choose; of members that are the same each gets the
    same. 40 members on 50,000 rows take 0.1 s (one thread). Without rows all members count the same.

    Args:
        true_probs: (n_members, n), what each member gives to the true class of each row.

    Reference: Kraft 1988, a software package for sequential quadratic programming (SLSQP), DFVLR-FB 88-28
    """
    members, rows = true_probs.shape
    equal = np.full(members, 1 / members)
    if members == 1 or not rows:
        return equal
    probs = np.maximum(true_probs.astype(np.float64), _SMALLEST)
    # One thread: sums are split in one way, and on busy cores several are many times slower.
    with threadpool_limits(1):
        return _solved(probs) if members <= _AT_ONCE else _grown(probs)


def _grown(probs: Numbers) -> Numbers:
    """Solves for a few members at a time: SLSQP's cost grows with the cube of their number, 20 s for 200.

    Members that would lower the loss at the weights found so far join, those without weight leave, until none would:
    the condition of Karush, Kuhn and Tucker for the whole.
    """
    weights = np.zeros(len(probs))
    active = np.argsort(-np.log(probs).mean(axis=1), kind="stable")[:_JOINING]
    for _ in range(len(probs)):
        weights[:] = 0
        weights[active] = _solved(probs[active])
        pull = (probs / (weights @ probs)).mean(axis=1)  # above 1: more of this member lowers the loss
        pull[weights > 0] = 0
        joining = np.argsort(-pull, kind="stable")[:_JOINING]
        joining = joining[pull[joining] > 1 + _PULL]
        if not len(joining):
            break
        active = np.concatenate([np.flatnonzero(weights), joining])
    return weights


def _solved(probs: Numbers) -> Numbers:
    members, rows = probs.shape
    if members == 1:
        return np.ones(1)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        mixed = weights @ probs
        return -float(np.log(mixed).mean()), -(probs @ (1 / mixed)) / rows

    found = minimize(
        loss,
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
