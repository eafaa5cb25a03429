"""Folds that each hold every class, searched for exactly: found, or proven not to exist.

To share out groups so that each class reaches each fold is the polychromatic colouring of a hypergraph, a small integer
programme. Reference of the solver: HiGHS through scipy.optimize.milp.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

_NODES = 20_000
_VARIABLES = 20_000
_INFEASIBLE = 2  # the status of scipy.optimize.milp


class Outcome(Enum):
    """The end of a search without an assignment."""

    NONE_EXISTS = "none exists"
    GIVEN_UP = "given up"


def find_cover(held: NDArray[np.bool_], n_splits: int, n_folds: int) -> NDArray[np.int64] | Outcome:
    """Finds folds for groups so that each class lies in each fold, or in `n_folds` of them at least.

    Args:
        held: (n_groups, n_classes) whether a group holds any row of a class.
        n_splits: how many folds there are; none stays empty, and where a class may miss some, each has two classes.
        n_folds: in how many of them each class should lie.

    Returns:
        (n_groups,) folds 0..n_splits-1, or why there are none: the proof that none exist, or too many to try.
    """
    n_groups, n_classes = held.shape
    n_dealt = n_groups * n_splits
    if n_dealt > _VARIABLES:
        return Outcome.GIVEN_UP
    from scipy.optimize import (
        Bounds,
        LinearConstraint,
        milp,
    )  # most splits need no search, which takes a second to start
    from scipy.sparse import csr_array, eye_array, hstack, kron

    # Variables: whether group g lies in fold f, then whether class c counts as lying in fold f.
    folds = eye_array(n_splits, format="csr")
    once = kron(eye_array(n_groups), np.ones((1, n_splits)))
    filled = kron(np.ones((1, n_groups)), folds)
    reached = kron(csr_array(held.T.astype(np.float64)), folds)
    present = hstack([reached, -eye_array(n_classes * n_splits)], format="csr")
    wanted = kron(eye_array(n_classes), np.ones((1, n_splits)))
    several = kron(np.ones((1, n_classes)), folds)
    least = 0 if n_folds == n_splits else min(2, n_classes)
    pad, unused = csr_array((1, n_classes * n_splits)), csr_array((n_classes, n_dealt))
    lower = np.zeros(n_dealt + n_classes * n_splits)
    rarest = held[:, held.sum(axis=0).argmin()]
    if rarest.sum() == n_splits == n_folds:  # one in each fold, and folds have no order
        lower[np.flatnonzero(rarest) * n_splits + np.arange(n_splits)] = 1
    result = milp(
        np.zeros(len(lower)),
        integrality=np.ones(len(lower), dtype=np.int64),
        bounds=Bounds(lower, np.ones(len(lower))),
        constraints=[
            LinearConstraint(hstack([once, kron(np.ones((n_groups, 1)), pad)], format="csr"), 1, 1),
            LinearConstraint(hstack([filled, kron(np.ones((n_splits, 1)), pad)], format="csr"), 1, np.inf),
            LinearConstraint(present, 0, np.inf),
            LinearConstraint(hstack([unused, wanted], format="csr"), n_folds, np.inf),
            LinearConstraint(hstack([csr_array((n_splits, n_dealt)), several], format="csr"), least, np.inf),
        ],
        options={"node_limit": _NODES},
    )
    if result.x is not None:
        dealt = np.asarray(result.x[:n_dealt]).reshape(n_groups, n_splits)
        return np.asarray(dealt.argmax(axis=1), dtype=np.int64)
    return Outcome.NONE_EXISTS if result.status == _INFEASIBLE else Outcome.GIVEN_UP


def find_conflict(held: NDArray[np.bool_], n_splits: int) -> NDArray[np.int64]:
    """Finds as few classes as possible of those that no deal of the groups gives every fold.

    Args:
        held: (n_groups, n_classes) as of `find_cover`, which proved that there is none.
        n_splits: how many folds, in each of which each class should lie.

    Returns:
        (n_conflict,) classes; without any of them there may be a way.
    """
    kept = list(range(held.shape[1]))
    for each in np.argsort(-held.sum(axis=0), kind="stable").tolist():  # the common ones are the first to go
        fewer = [other for other in kept if other != each]
        if fewer and find_cover(held[:, fewer], n_splits, n_splits) is Outcome.NONE_EXISTS:
            kept = fewer
    return np.array(kept, dtype=np.int64)
