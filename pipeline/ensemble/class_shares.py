"""Class shares of rows without labels, estimated from predictions; and whether two sets differ in them beyond chance.

Probabilities are calibrated with a temperature and a bias for each class (on rows with labels), then the shares are
found by expectation maximisation. Both rest on one assumption: images of a class look alike in both sets.
References: Saerens, Latinne and Decaestecker 2002, Adjusting the outputs of a classifier to new a priori probabilities,
https://doi.org/10.1162/089976602753284446; Alexandari, Kundaje and Shrikumar 2020, Maximum likelihood with
bias-corrected calibration is hard-to-beat at label shift adaptation, https://arxiv.org/abs/1901.06852; Lipton, Wang and
Smola 2018, Detecting and correcting for label shift with black box predictors, https://arxiv.org/abs/1802.03916.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import chi2

from pipeline.core.arrays import Labels, Probs, Weights

_PULL = 1.0  # towards biases of 0, in rows: a class without rows has no bias of its own
_COLDEST, _HOTTEST = 0.05, 20.0
_STEPS, _MOVED = 2000, 1e-6
_SHRINKAGE = 0.01
_MOST_REPEATED = 50_000
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class BiasCalibration:
    """Calibration of log-probabilities by a temperature and a bias for each class.

    Attributes:
        numbers: (1 + n_classes,) the inverse of the temperature, and the biases.
    """

    numbers: Weights

    def __call__(self, outputs: Matrix) -> Matrix:
        """Turns log-probabilities (n, n_classes) into calibrated probabilities."""
        probs: Matrix = softmax(self.numbers[0] * outputs + self.numbers[1:], axis=1)
        return probs


def fit_bias_calibration(labels: Labels, outputs: Matrix) -> BiasCalibration:
    """Fits temperature and biases by log loss (bias-corrected temperature scaling, Alexandari 2020).

    Args:
        labels: (n,) class indices.
        outputs: (n, n_classes) log-probabilities.
    """
    rows, classes = outputs.shape
    counts = np.bincount(labels, minlength=classes) / rows
    own = float(outputs[np.arange(rows), labels].mean())

    def lose(numbers: Weights) -> tuple[float, Weights]:
        inverse, biases = numbers[0], numbers[1:]
        logits = inverse * outputs + biases
        totals = logsumexp(logits, axis=1)
        probs = np.exp(logits - totals[:, None])
        loss = totals.mean() - inverse * own - biases @ counts + _PULL / 2 / rows * (biases @ biases)
        slope = np.einsum("nc,nc->", probs, outputs) / rows - own
        return float(loss), np.concatenate([[slope], probs.mean(axis=0) - counts + _PULL / rows * biases])

    first = np.concatenate([[1.0], np.zeros(classes)])
    bounds = [(1 / _HOTTEST, 1 / _COLDEST), *[(None, None)] * classes]
    fitted = minimize(lose, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100, "gtol": 1e-5})
    return BiasCalibration(np.asarray(fitted.x, dtype=np.float64))


def measure_influence(labels: Labels, outputs: Matrix, fitted: BiasCalibration) -> Matrix:
    """Returns what each row moves a fitted calibration by: (n, 1 + n_classes).

    The mean over drawn rows, added to the numbers, is one step of Newton's method from the fit on all rows to that on
    the drawn ones: a bootstrap without any fit.
    """
    rows, classes = outputs.shape
    probs = fitted(outputs)
    expected = np.einsum("nc,nc->n", probs, outputs)
    slopes = np.concatenate([(expected - outputs[np.arange(rows), labels])[:, None], probs], axis=1)
    slopes[np.arange(rows), 1 + labels] -= 1
    bends = np.empty((1 + classes, 1 + classes))
    bends[0, 0] = np.einsum("nc,nc,nc->", probs, outputs, outputs) / rows - (expected**2).mean()
    bends[0, 1:] = bends[1:, 0] = ((outputs - expected[:, None]) * probs).mean(axis=0)
    bends[1:, 1:] = np.diag(probs.mean(axis=0) + _PULL / rows) - probs.T @ probs / rows
    bends[0, 0] += 1e-9
    moves: Matrix = -np.linalg.solve(bends, slopes.T).T
    centred: Matrix = moves - moves.mean(axis=0)
    return centred


def count_shares(labels: Labels, n_classes: int) -> Weights:
    """Returns the share of each class, (n_classes,); a class without rows counts half a row."""
    counts = np.maximum(np.bincount(labels, minlength=n_classes), 0.5)
    shares: Weights = counts / counts.sum()
    return shares


def estimate_shares(probs: Matrix, prior: Weights, start: Weights | None = None, precision: float = _MOVED) -> Weights:
    """Returns the class shares that make predictions most likely (Saerens 2002): (n_classes,), sum 1.

    Args:
        probs: (n, n_classes) calibrated probabilities, right where the shares are ``prior``.
        prior: (n_classes,) shares among the rows that the probabilities were calibrated on, above 0.
        start: shares to begin from; ``prior`` if absent.
        precision: how little the shares may move in the last step, all together.
    """
    ratios = probs / prior
    shares = prior.copy() if start is None else start.copy()
    for _ in range(_STEPS):
        # The mean of the corrected probabilities, without making them: share times mean of ratio over its row's sum.
        following = shares * ((1 / np.maximum(ratios @ shares, 1e-300)) @ ratios) / len(ratios)
        following /= following.sum()
        moved = np.abs(following - shares).sum()
        shares = following
        if moved < precision:
            break
    return shares


def measure_difference(one: Probs, other: Probs, groups: Labels) -> float:
    """Returns the probability that chance makes mean predictions of two sets differ by as much as they do.

    Where the classes' shares are the same, so are the expected means, however well calibrated predictions are. The
    squared distance of the means, in units of the spread of rows, is compared with its distribution under chance
    (a weighted sum of chi-squares, by its first two moments: Satterthwaite 1946). Rows that come in groups say less
    than as many rows alone; those of the other set are taken to come in groups alike.

    Args:
        one: (n, n_classes) predictions.
        other: (m, n_classes) predictions.
        groups: (n,) rows of ``one`` that belong together.
    """
    parts = [each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (one, other)]
    spread = sum(part.T @ part for part in parts) / max(len(one) + len(other) - 2, 1)
    values, vectors = np.linalg.eigh(spread)
    values = np.maximum(values, 0)
    ridge = _SHRINKAGE * values.mean()
    if ridge == 0:  # no prediction differs from the others
        return 1.0
    whitening = vectors / np.sqrt(values + ridge)
    apart = (other.mean(axis=0, dtype=np.float64) - one.mean(axis=0, dtype=np.float64)) @ whitening
    scattered = parts[0] @ whitening
    sums = np.zeros((int(groups.max()) + 1, len(values)))
    np.add.at(sums, groups, scattered)
    together = max(float((sums**2).sum() / max((scattered**2).sum(), 1e-300)), 1.0)
    kept = values / (values + ridge)
    distance = float(apart @ apart) / ((1 / len(one) + 1 / len(other)) * together)
    scale, freedom = (kept**2).sum() / kept.sum(), kept.sum() ** 2 / (kept**2).sum()
    return float(chi2.sf(distance / scale, freedom))


def repeat_by_class(labels: Labels, shares: Weights) -> Labels:
    """Returns rows, repeated so that classes have these shares, whatever their shares among the labels."""
    wanted = min(max(len(labels), _MOST_REPEATED), 4 * len(labels))
    order, starts, sizes = _sort_by_class(labels, len(shares))
    many = _round_shares(shares, sizes, wanted)
    kinds = np.repeat(np.arange(len(shares)), many)
    within = np.arange(len(kinds)) - np.repeat(np.cumsum(many) - many, many)
    rows: Labels = order[starts[kinds] + within * sizes[kinds] // many[kinds]]
    return rows


def draw_by_class(labels: Labels, shares: Weights, many: int, random: np.random.Generator) -> Labels:
    """Draws ``many`` rows with replacement, each class as often as the shares want."""
    order, starts, sizes = _sort_by_class(labels, len(shares))
    kinds = np.repeat(np.arange(len(shares)), _round_shares(shares, sizes, many))
    rows: Labels = order[starts[kinds] + (random.random(len(kinds)) * sizes[kinds]).astype(np.int64)]
    return rows


def _sort_by_class(labels: Labels, n_classes: int) -> tuple[Labels, Labels, Labels]:
    sizes = np.bincount(labels, minlength=n_classes)
    return np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes, sizes


def _round_shares(shares: Weights, sizes: Labels, many: int) -> Labels:
    """Rounds shares of classes that have rows to whole numbers of rows, which sum to ``many``."""
    ends = np.cumsum(np.where(sizes > 0, shares, 0))
    rounded: NDArray[np.int64] = np.diff(np.floor(ends / ends[-1] * many + 0.5), prepend=0).astype(np.int64)
    return rounded
