"""Linear heads on joined features: logistic regression, ridge regression, linear discriminant, class means.

Each returns outputs' coefficients on standardised features. Sums run in one thread, as how they are split would change
their last bits. L-BFGS is preconditioned by the covariance: it bounds the curvature of the loss (Böhning 1992,
https://doi.org/10.1007/BF00048682, with a mean curvature in place of the bound).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

from pipeline.core.arrays import Truth
from pipeline.core.targets.contract import Activation, Target
from pipeline.training.heads.decomposition import decompose_with_ridge
from pipeline.training.heads.moments import Matrix, Moments
from pipeline.training.heads.recipe import DiscriminantHead, LogisticHead, PrototypeHead, RidgeHead

LinearHead = LogisticHead | RidgeHead | DiscriminantHead | PrototypeHead
_TOLERANCE = 1e-4  # of the loss, relative; 1e-5 takes twice as long for 0.001 of log loss
_MOST_STEPS = 200


@dataclass(frozen=True)
class Coefficients:
    """A fitted linear head.

    Attributes:
        weights: on standardised features: float32 (width, n_outputs).
        intercepts: float32 (n_outputs,).
        steps: of L-BFGS.
    """

    weights: Matrix
    intercepts: Matrix
    steps: int = 0


@dataclass(frozen=True)
class LinearRows:
    """Rows that a linear head is fitted to.

    Attributes:
        features: float32 (n, width), not standardised.
        truth: of the n rows.
        target: what is predicted.
        moments: of the training views of these rows.
        weights: what each row counts: float32 (n,); None where all count the same.
    """

    features: Matrix
    truth: Truth
    target: Target
    moments: Moments
    weights: Matrix | None = None

    @property
    def count(self) -> float:
        """The sum of the weights."""
        return len(self.features) if self.weights is None else float(self.weights.sum(dtype=np.float64))

    def weigh(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Returns a matrix (n, k) whose rows count as they are to."""
        return matrix if self.weights is None else matrix * self.weights[:, None]

    def multiply_transposed(self, matrix: Matrix) -> Matrix:
        """Returns the standardised features, transposed, times a matrix (n, k)."""
        made = self.features.T @ matrix
        made -= np.outer(self.moments.mean, matrix.sum(axis=0))
        made /= self.moments.scale[:, None]
        return made

    def multiply(self, weights: Matrix) -> Matrix:
        """Returns the standardised features times weights (width, k)."""
        scaled = weights / self.moments.scale[:, None]
        return np.asarray(self.features @ scaled - self.moments.mean @ scaled, dtype=np.float32)


def list_strengths(head: LinearHead) -> tuple[float, ...]:
    """Lists the settings that the holdout chooses among, in the order in which they are tried."""
    if isinstance(head, LogisticHead | RidgeHead):
        return head.penalties
    return head.shrinkages if isinstance(head, DiscriminantHead) else (0.0,)


def fit_linear_head(head: LinearHead, rows: LinearRows, strength: float, start: Coefficients | None) -> Coefficients:
    """Fits a linear head.

    Args:
        head: which.
        rows: to what.
        strength: one of `list_strengths`.
        start: where L-BFGS begins.
    """
    if isinstance(head, LogisticHead):
        return _fit_logistic(rows, strength * len(rows.moments.mean), start)
    if isinstance(head, RidgeHead):
        return _fit_ridge(rows, strength * len(rows.moments.mean))
    return _fit_means(rows, strength if isinstance(head, DiscriminantHead) else None)


def list_scaled_outputs(target: Target) -> NDArray[np.bool_]:
    """Says which outputs (n_outputs,) are logits, whose scale a holdout may settle."""
    return np.concatenate([np.full(_width(span), kind != "linear") for span, kind in target.outputs])


def _width(span: slice) -> int:
    return int(span.stop) - int(span.start)


def _list_targets(truth: Truth, target: Target) -> list[tuple[Activation, Matrix]]:
    """Lists what each part of the target is fitted to: shares, marks (NaN where there is none) or numbers."""
    made: list[tuple[Activation, Matrix]] = []
    for _, part, _, width in target.each():
        own = truth if truth.ndim == 1 else part.take_truth(truth[:, width])
        softmax = part.activation == "softmax"
        made.append((part.activation, part.make_targets(own) if softmax else part.make_output_targets(own)))
    return made


def _lose(activation: Activation, outputs: Matrix, wanted: Matrix, rows: LinearRows) -> tuple[float, Matrix]:
    """Returns the sum of the losses of all rows, each by its weight, and its slope by the outputs."""
    if activation == "softmax":
        top = outputs.max(axis=1, keepdims=True)
        linear = float(np.einsum("ij,ij->", outputs, rows.weigh(wanted), dtype=np.float64))
        raised = np.exp(outputs - top)
        total = raised.sum(axis=1, keepdims=True)
        loss = float(rows.weigh(np.log(total) + top).sum(dtype=np.float64)) - linear
        raised /= total
        raised -= wanted
        return loss, rows.weigh(raised)
    slope: NDArray[Any]
    losses: NDArray[Any]
    known = ~np.isnan(wanted)
    marks = np.where(known, wanted, np.float32(0))
    if activation == "sigmoid":
        losses = np.logaddexp(np.float32(0), outputs) - marks * outputs
        slope = np.asarray(expit(outputs)) - marks
    else:
        slope = outputs - marks
        losses = slope**2 / 2
    loss = float(rows.weigh(losses).sum(where=known, dtype=np.float64))
    return loss, rows.weigh(np.where(known, slope, np.float32(0)).astype(np.float32))


def _fit_logistic(rows: LinearRows, penalty: float, start: Coefficients | None) -> Coefficients:
    parts = _list_targets(rows.truth, rows.target)
    count, width = rows.count, len(rows.moments.mean)
    outputs = sum(wanted.shape[1] for _, wanted in parts)
    curvature = 1 / max(2, outputs)
    root = _factor(rows.moments.covariance, curvature, penalty)
    size, unit = width * outputs, np.float32(curvature**0.5)

    def lose(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = _solve_root(root, flat[:size].reshape(width, outputs), transposed=True)
        made = rows.multiply(weights) + flat[size:].astype(np.float32) / unit
        loss, slopes, place = 0.0, np.empty_like(made), 0
        for activation, wanted in parts:
            span = slice(place, place + wanted.shape[1])
            lost, slopes[:, span] = _lose(activation, made[:, span], wanted, rows)
            loss, place = loss + lost, place + wanted.shape[1]
        slopes /= np.float32(count)
        slope = rows.multiply_transposed(slopes) + np.float32(penalty) * weights
        inner = _solve_root(root, slope, transposed=False)
        loss = loss / count + penalty / 2 * float((weights.astype(np.float64) ** 2).sum())
        return loss, np.concatenate([inner.ravel(), slopes.sum(axis=0) / unit]).astype(np.float64)

    begin = np.zeros(size + outputs, dtype=np.float64)
    if start is not None:
        begin = np.concatenate([(root.T @ start.weights).ravel(), start.intercepts * unit]).astype(np.float64)
    fitted = minimize(
        lose,
        np.ravel(begin),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_STEPS, "ftol": _TOLERANCE, "gtol": 1e-5},
    )
    weights = _solve_root(root, fitted.x[:size].reshape(width, outputs), transposed=True)
    return Coefficients(weights, fitted.x[size:].astype(np.float32) / unit, int(fitted.nit))


def _solve_root(root: Matrix, matrix: Any, transposed: bool) -> Matrix:
    trans: Literal[0, 1] = 1 if transposed else 0
    solved = solve_triangular(root, matrix.astype(np.float32), trans=trans, lower=True, check_finite=False)
    return np.asarray(solved, dtype=np.float32)


def _factor(covariance: Matrix, share: float, ridge: float) -> Matrix:
    """Returns the lower root of a share of the covariance plus a multiple of the identity."""
    root = decompose_with_ridge(
        covariance * np.float32(share),
        ridge,
        lambda shifted: cholesky(shifted, lower=True, overwrite_a=True, check_finite=False),
    )
    return np.asarray(root, dtype=np.float32)


def measure_slopes(rows: LinearRows) -> tuple[Matrix, Matrix]:
    """Returns the means of marks and numbers (n_outputs,), and their covariances with features (width, n_outputs)."""
    made = []
    for activation, wanted in _list_targets(rows.truth, rows.target):
        marks = np.where(np.isnan(wanted), np.float32(0.5), wanted)
        made.append(2 * marks - 1 if activation == "sigmoid" else marks)
    wanted = np.concatenate(made, axis=1).astype(np.float32)
    mean = wanted.mean(axis=0) if rows.weights is None else rows.weigh(wanted).sum(axis=0) / np.float32(rows.count)
    return mean, rows.multiply_transposed(rows.weigh(wanted - mean)) / np.float32(rows.count)


def _fit_ridge(rows: LinearRows, penalty: float) -> Coefficients:
    mean, slopes = measure_slopes(rows)
    return Coefficients(_solve(rows.moments.covariance, penalty, slopes), mean)


def _solve(matrix: Matrix, ridge: float, wanted: Matrix) -> Matrix:
    factor = decompose_with_ridge(
        matrix, ridge, lambda shifted: cho_factor(shifted, overwrite_a=True, check_finite=False)
    )
    return np.asarray(cho_solve(factor, wanted, check_finite=False), dtype=np.float32)


def _fit_means(rows: LinearRows, shrinkage: float | None) -> Coefficients:
    """Fits a linear discriminant, or with no shrinkage at all one whose covariance is the identity: nearest mean."""
    marks = rows.weigh(rows.target.make_targets(rows.truth))
    shares = (marks.sum(axis=0) / rows.count).astype(np.float32)
    present = np.maximum(shares, np.float32(0.5 / rows.count))  # a class without rows has about half of one
    means = rows.multiply_transposed(marks) / (present * np.float32(rows.count))
    if shrinkage is None:
        weights = means
    else:
        within = rows.moments.covariance - (means * shares) @ means.T
        within *= np.float32(1 - shrinkage)
        ridge = shrinkage * float(np.trace(rows.moments.covariance)) / len(within)
        weights = _solve(within, ridge, means)
    intercepts = np.log(present) - (means * weights).sum(axis=0) / 2
    return Coefficients(weights, intercepts.astype(np.float32))
