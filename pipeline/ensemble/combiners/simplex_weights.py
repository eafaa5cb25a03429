"""Weights on the simplex: one per member, or one per member and class."""

import numpy as np
from scipy.optimize import minimize

from pipeline.core.arrays import Weights
from pipeline.core.simplex import fit_log_loss_weights
from pipeline.ensemble.combiners.contract import (
    FLOOR,
    Fitted,
    OofRows,
    Rule,
    blend_members,
    make_blend,
    normalise_rows,
    take_logs,
)
from pipeline.ensemble.combiners.means import pool_logs

_STEPS = (0.5, 0.25, 0.1, 0.05)
_PASSES = 5
_CLASS_PENALTY = 0.1


def fit_convex(sample: OofRows) -> Fitted:
    """Fits the weights of a mean that minimise log loss: a convex problem with one solution.

    Reference: Smyth and Wolpert 1999, Linearly combining density estimators, https://doi.org/10.1023/A:1007511322260
    """
    return make_blend(fit_log_loss_weights(sample.true_probs))


def fit_metric_weights(sample: OofRows) -> Fitted:
    """Improves the weights that minimise log loss by the competition's metric itself.

    Moves toward, and away from, one member after the other in steps that get smaller; a move must raise the score.
    """
    sign = 1 if sample.metric.greater_is_better else -1
    weights = fit_log_loss_weights(sample.true_probs)
    mixed = blend_members(sample.stacked, weights)
    best = sign * sample.metric.score(sample.labels, mixed)
    for _ in range(_PASSES):
        before = best
        for member, probs in enumerate(sample.stacked):
            # Below zero the step leads away from the member, at most until it has no weight left.
            none_left = -weights[member] / (1 - weights[member]) if 0 < weights[member] < 1 else 0.0
            for step in (*_STEPS, none_left):
                moved = (1 - step) * mixed + step * probs
                score = sign * sample.metric.score(sample.labels, normalise_rows(np.maximum(moved, 0)))
                if score > best + 1e-12:
                    best, mixed = score, moved
                    weights = np.maximum((1 - step) * weights + step * (np.arange(len(weights)) == member), 0)
                    weights /= weights.sum()
                    break  # the next step would start from elsewhere
        if best == before:
            break
    return make_blend(weights)


def fit_weighted_geometric(sample: OofRows) -> Fitted:
    """Fits a weighted geometric mean by log loss; its weights need not sum to 1, so that it sharpens or evens out.

    Reference: Hinton 2002, Training products of experts, https://doi.org/10.1162/089976602760128018
    """
    n_members, n_rows = len(sample.stacked), len(sample.labels)
    rows = np.arange(n_rows)
    logged = take_logs(sample.stacked)  # once, not in each of a hundred steps

    def loss(weights: Weights) -> tuple[float, Weights]:
        probs = pool_logs(logged, weights, logged=True)
        value = -float(np.log(np.maximum(probs[rows, sample.labels], FLOOR), dtype=np.float64).mean())
        slope = np.empty(n_members)
        for member, own in enumerate(logged):
            slope[member] = (np.einsum("nc,nc->n", probs, own) - own[rows, sample.labels]).mean(dtype=np.float64)
        return value, slope

    start = np.full(n_members, 1 / n_members)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * n_members, options={"maxiter": 100})
    power: Weights = found.x
    total = power.sum()
    return Rule(lambda stacked: pool_logs(stacked, power), power / total if total > 0 else start)


def fit_class_weights(sample: OofRows) -> Fitted:
    """Fits one weight per member and class by log loss, held to the weights that serve all classes.

    The mean of the members' probabilities of a class, each class with weights of its own, divided by the sum over the
    classes; the squared distance to the common weights is penalised.
    """
    n_members, n_rows, n_classes = sample.stacked.shape
    common = fit_log_loss_weights(sample.true_probs)[:, None]
    member_of_class = np.eye(n_classes, dtype=np.float64)[sample.labels]

    def loss(flat: Weights) -> tuple[float, Weights]:
        weights = flat.reshape(n_members, n_classes)
        mixed = np.zeros((n_rows, n_classes))
        for member, weight in zip(sample.stacked, weights, strict=True):
            mixed += member * weight
        total = np.maximum(mixed.sum(axis=1), FLOOR)
        # Relative to the total: with a fixed floor, no weights at all would be best where members say 0 and 1.
        own = np.maximum(mixed[np.arange(n_rows), sample.labels], FLOOR * total)
        apart = weights - common
        value = float((np.log(total) - np.log(own)).mean()) + _CLASS_PENALTY * float((apart**2).sum())
        pull = (1 / total)[:, None] - member_of_class / own[:, None]
        slope = np.stack([np.einsum("nc,nc->c", pull, member) for member in sample.stacked]) / n_rows
        return value, (slope + 2 * _CLASS_PENALTY * apart).ravel()

    start = np.repeat(common, n_classes, axis=1).ravel()
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options={"maxiter": 50})
    weights: Weights = found.x.reshape(n_members, n_classes)
    shares = weights / np.maximum(weights.sum(axis=0, keepdims=True), FLOOR)
    return Rule(lambda stacked: blend_members(stacked, weights), shares)
