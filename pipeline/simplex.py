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


def log_loss_weights(true_probs: NDArray[np.floating[Any]]) -> Numbers:
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

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        mixed = weights @ probs
        return -float(np.log(mixed).mean()), -(probs @ (1 / mixed)) / rows

    # One thread: sums are split in one way, and on busy cores several are many times slower.
    with threadpool_limits(1):
        found = minimize(
            loss,
            equal,
            jac=True,
            method="SLSQP",
            bounds=Bounds(0.0, 1.0),
            constraints=LinearConstraint(np.ones((1, members)), 1.0, 1.0),
            options={"ftol": _TOLERANCE, "maxiter": _ITERATIONS},
        )
    weights = np.where(found.x > _NOUGHT, found.x, 0.0)
    weights /= weights.sum()
    return np.asarray(weights, dtype=np.float64)
