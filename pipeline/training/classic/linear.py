"""Linear models on features: what each kind of target is fitted by, with one strength of the penalty for all.

Classes are fitted by multinomial logistic regression, shares of votes by the same against shares, each label by a
logistic regression of its own, numbers by ridge regression.
"""

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.core.arrays import Labels, Targets, Truth
from pipeline.core.bounds import Rounds
from pipeline.core.config import Section
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import GradesHead
from pipeline.core.threads import limit_threads

if TYPE_CHECKING:
    import sklearn.linear_model

Matrix = NDArray[np.float32]


class LogisticRegression(Section):
    """Multinomial logistic regression, fitted by L-BFGS; of numbers ridge regression, fitted by LSQR.

    Attributes:
        C: inverse strength of the L2 penalty, as scikit-learn counts it: against the sum of the losses of all rows.
        max_iter: iterations at most; stopping there is no error, and the fold's line says so.
        scale: features are brought to mean 0 and deviation 1, both of the fold's training rows.
        class_weight: ``balanced`` weighs each class as if all had as many rows; of a label, with and without it.
        grades: of ordered grades: ``classification`` fits their probabilities, ``regression`` their number,
            ``cumulative`` one regression for each step up, on the rows that reach it.
    """

    C: float = Field(default=1.0, gt=0.0)
    max_iter: Rounds = 300
    scale: bool = True
    class_weight: Literal["none", "balanced"] = "none"
    grades: GradesHead = "classification"


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear model.

    Attributes:
        coefficients: (n_features, n_outputs).
        intercepts: (n_outputs,).
        iterations: that it took; of several fits the most.
    """

    coefficients: NDArray[np.floating]
    intercepts: NDArray[np.floating]
    iterations: int


def fit_linear(
    features: Matrix, truth: Truth, target: Target, section: LogisticRegression, weights: Matrix | None = None
) -> LinearFit:
    """Fits features (n, n_features) to the truth, each part of the target by itself; rows count by weights (n,).

    Raises:
        InputError: ``class_weight`` is set and there are no classes.
    """
    # scikit-learn takes a second or two to start: only where something is fitted, not where a network is trained.
    from sklearn.exceptions import ConvergenceWarning

    fits = []
    # One thread: how sums are split would change their last bits.
    with warnings.catch_warnings(), limit_threads():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _, part, _, width in target.each():
            own = truth if truth.ndim == 1 else truth[:, width]
            if part.activation == "softmax" and part.truth_width == 1:
                fits.append(_fit_classes(features, part.index_labels(own), len(part.columns), section, weights))
            elif part.activation == "softmax":
                fits.append(_fit_shares(features, part.make_targets(own), section, weights))
            elif part.activation == "sigmoid":
                fits.append(_fit_labels(features, part.make_output_targets(own), section, weights))
            else:
                fits.append(_fit_numbers(features, part.make_output_targets(own), section, weights))
    if len(fits) == 1:
        return fits[0]
    return LinearFit(
        np.concatenate([fit.coefficients for fit in fits], axis=1),
        np.concatenate([fit.intercepts for fit in fits]),
        max(fit.iterations for fit in fits),
    )


def _solver(section: LogisticRegression) -> "sklearn.linear_model.LogisticRegression":
    import sklearn.linear_model

    weight = "balanced" if section.class_weight == "balanced" else None
    return sklearn.linear_model.LogisticRegression(C=section.C, max_iter=section.max_iter, class_weight=weight)


def _fit_classes(
    features: Matrix, labels: Labels, n_classes: int, section: LogisticRegression, counts: Matrix | None
) -> LinearFit:
    present = np.unique(labels)
    if len(present) == 1:
        fitted = LinearFit(np.zeros((features.shape[1], 1)), np.zeros(1), 0)
    else:
        solver = _solver(section).fit(features, labels, counts)
        coefficients, intercepts = solver.coef_.T, solver.intercept_
        if len(present) == 2:  # scikit-learn keeps the second class's, against nought
            coefficients, intercepts = (
                np.concatenate([np.zeros_like(x), x], axis=-1) for x in (coefficients, intercepts)
            )
        fitted = LinearFit(coefficients, intercepts, math.ceil(np.max(solver.n_iter_)))
    if len(present) == n_classes:
        return fitted
    # A class without rows is about as likely as one that half a row has.
    coefficients, intercepts = np.zeros((features.shape[1], n_classes)), np.full(n_classes, -math.log(2 * len(labels)))
    coefficients[:, present], intercepts[present] = fitted.coefficients, fitted.intercepts
    return LinearFit(coefficients, intercepts, fitted.iterations)


def _fit_labels(features: Matrix, marks: Targets, section: LogisticRegression, counts: Matrix | None) -> LinearFit:
    from scipy.special import logit

    coefficients, intercepts = np.zeros((features.shape[1], marks.shape[1])), np.zeros(marks.shape[1])
    iterations = 0
    for column, own in enumerate(marks.T):
        rows = np.flatnonzero(~np.isnan(own))  # all, but for steps of grades
        ones = int(own[rows].sum())
        if ones in (0, len(rows)):
            intercepts[column] = logit((ones + 0.5) / (len(rows) + 1))
            continue
        chosen = features if len(rows) == len(own) else features[rows]
        solver = _solver(section).fit(chosen, own[rows] > 0, None if counts is None else counts[rows])
        coefficients[:, column], intercepts[column] = solver.coef_[0], solver.intercept_[0]
        iterations = max(iterations, math.ceil(np.max(solver.n_iter_)))
    return LinearFit(coefficients, intercepts, iterations)


def _fit_numbers(features: Matrix, numbers: Targets, section: LogisticRegression, counts: Matrix | None) -> LinearFit:
    if section.class_weight == "balanced":
        raise InputError("classifier.class_weight: balanced is for classes and labels, not for numbers; say none")
    from sklearn.linear_model import Ridge

    solver = Ridge(alpha=1 / section.C, max_iter=section.max_iter, solver="lsqr", tol=1e-6)
    solver.fit(features, numbers, counts)
    coefficients = np.reshape(solver.coef_, (numbers.shape[1], -1)).T
    return LinearFit(coefficients, np.ravel(solver.intercept_), math.ceil(np.max(solver.n_iter_)))


def _fit_shares(features: Matrix, shares: Targets, section: LogisticRegression, counts: Matrix | None) -> LinearFit:
    """Minimises cross-entropy against shares, which scikit-learn's takes no targets for."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    n_classes, width = shares.shape[1], features.shape[1]
    weights = np.ones(len(shares)) if counts is None else counts.astype(np.float64)
    if section.class_weight == "balanced":
        weights *= shares @ (len(shares) / (n_classes * np.maximum(shares.sum(axis=0), 1e-9)))

    def lose(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        matrix, intercepts = flat[:-n_classes].reshape(width, n_classes), flat[-n_classes:]
        outputs = features @ matrix.astype(np.float32) + intercepts
        logs = outputs - logsumexp(outputs, axis=1, keepdims=True)
        apart = (np.exp(logs) - shares) * weights[:, None]
        slope = features.T @ apart.astype(np.float32) + matrix / section.C
        loss = -float((weights[:, None] * shares * logs).sum()) + float((matrix**2).sum()) / (2 * section.C)
        return loss, np.concatenate([slope.ravel(), apart.sum(axis=0)])

    start = np.zeros((width + 1) * n_classes)
    fitted = minimize(lose, start, jac=True, method="L-BFGS-B", options={"maxiter": section.max_iter})
    return LinearFit(fitted.x[:-n_classes].reshape(width, n_classes), fitted.x[-n_classes:], int(fitted.nit))
