"""Weights on the simplex: one per member, or one per member and column."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.core.arrays import Labels, Weights
from pipeline.core.simplex import fit_mixture_weights
from pipeline.core.targets.contract import FLOOR
from pipeline.core.threads import limit_threads
from pipeline.ensemble.combiners.contract import (
    Fitted,
    OofRows,
    Rule,
    apply_outputs,
    blend_members,
    make_blend,
    take_outputs,
)
from pipeline.ensemble.combiners.greedy import METRIC_CELLS
from pipeline.ensemble.combiners.means import pool_outputs

_STEPS = (0.5, 0.25, 0.1, 0.05)
_PASSES = 5
_CLASS_PENALTY = 0.1


def fit_convex(sample: OofRows) -> Fitted:
    """Fits the weights of a mean that minimise the loss: a convex problem with one solution.

    Reference: Smyth and Wolpert 1999, Linearly combining density estimators, https://doi.org/10.1023/A:1007511322260
    """
    return make_blend(fit_mixture_weights(sample.loss), sample.target)


def fit_metric_weights(sample: OofRows) -> Fitted:
    """Improves the weights that minimise the loss by the competition's metric itself.

    Moves toward, and away from, one member after the other in steps that get smaller; a move must raise the score.
    """
    weights = fit_mixture_weights(sample.loss)
    seen = sample if sample.classes is not None else sample.draw_rows(METRIC_CELLS)
    sign = 1 if sample.metric.greater_is_better else -1
    low = 0.0 if sample.target.activation != "linear" else -np.inf  # below zero by rounding, where nothing can be
    mixed = blend_members(seen.stacked, weights, sample.target)
    best = sign * sample.metric.score(seen.truth, mixed)
    for _ in range(_PASSES):
        before = best
        for member, probs in enumerate(seen.stacked):
            # Below zero the step leads away from the member, at most until it has no weight left.
            none_left = -weights[member] / (1 - weights[member]) if 0 < weights[member] < 1 else 0.0
            for step in (*_STEPS, none_left):
                moved = (1 - step) * mixed + step * probs
                score = sign * sample.metric.score(seen.truth, sample.target.normalise(np.maximum(moved, low)))
                if score > best + 1e-12:
                    best, mixed = score, moved
                    weights = np.maximum((1 - step) * weights + step * (np.arange(len(weights)) == member), 0)
                    weights /= weights.sum()
                    break  # the next step would start from elsewhere
        if best == before:
            break
    return make_blend(weights, sample.target)


def fit_weighted_geometric(sample: OofRows) -> Fitted:
    """Fits a weighted mean of outputs by the loss; its weights need not sum to 1, so that it sharpens or evens out.

    Of probabilities it is the weighted geometric mean.

    Reference: Hinton 2002, Training products of experts, https://doi.org/10.1162/089976602760128018
    """
    if sample.classes is None:
        return _fit_weighted_outputs(sample)
    n_members, n_rows, labels = len(sample.stacked), len(sample.truth), sample.classes
    rows = np.arange(n_rows)
    logged = take_outputs(sample.target, sample.stacked)  # once, not in each of a hundred steps

    def loss(weights: Weights) -> tuple[float, Weights]:
        probs = pool_outputs(sample.target, logged, weights, taken=True)
        value = -float(np.log(np.maximum(probs[rows, labels], FLOOR), dtype=np.float64).mean())
        slope = np.empty(n_members)
        for member, own in enumerate(logged):
            slope[member] = (np.einsum("nc,nc->n", probs, own) - own[rows, labels]).mean(dtype=np.float64)
        return value, slope

    return _fit_powers(sample, loss)


def _fit_weighted_outputs(sample: OofRows) -> Fitted:
    """Fits the same for any target: every loss has the slope "predicted less true" in the space of outputs."""
    n_rows = len(sample.truth)
    pieces = []
    for part, columns in sample.split(whole=True):
        each = part.target
        outputs = np.stack([take_outputs(each, member) for member in part.stacked]).astype(np.float32)
        share = {"sigmoid": 1 / len(each.columns), "linear": 2 / len(each.columns)}.get(each.activation, 1.0)
        true = each.make_targets(part.truth)
        pieces.append((outputs.reshape(len(outputs), -1), columns, each, true, share))

    def loss(weights: Weights) -> tuple[float, Weights]:
        values = np.empty(sample.stacked.shape[1:], dtype=np.float32)
        slope = np.zeros(len(weights))
        for outputs, columns, each, true, share in pieces:
            pooled = (weights.astype(np.float32) @ outputs).reshape(true.shape)
            values[:, columns] = apply_outputs(each, pooled)
            ahead = pooled if each.activation == "linear" else values[:, columns]
            slope += share * (outputs @ (ahead - true).ravel()).astype(np.float64) / n_rows
        return float(sample.target.measure_losses(sample.truth, values).mean()), slope

    with limit_threads():  # sums are split in one way
        return _fit_powers(sample, loss)


def _fit_powers(sample: OofRows, loss: Callable[[Weights], tuple[float, Weights]]) -> Fitted:
    from scipy.optimize import minimize  # slow to import: not where no weights are fitted

    n_members = len(sample.stacked)
    start = np.full(n_members, 1 / n_members)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * n_members, options={"maxiter": 100})
    power: Weights = found.x
    total = power.sum()
    return Rule(lambda stacked: pool_outputs(sample.target, stacked, power), power / total if total > 0 else start)


def fit_class_weights(sample: OofRows) -> Fitted:
    """Fits one weight per member and column by the loss, held to the weights that serve all columns.

    The squared distance to the common weights is penalised. Of classes: the mean of the members' probabilities of a
    class, each class with weights of its own, divided by the sum over the classes.
    """
    return _fit_column_weights(sample) if sample.classes is None else _fit_weights_of_classes(sample, sample.classes)


def _fit_column_weights(sample: OofRows) -> Fitted:
    """Fits weights of their own to each label, number or part of the target."""
    n_members, _, n_columns = sample.stacked.shape
    common = fit_mixture_weights(sample.loss)
    # Squares of a mixture of these are those of its distance to the common weights.
    apart = _CLASS_PENALTY**0.5 * (np.eye(n_members) - common)
    weights = np.empty((n_members, n_columns))
    for part, columns in sample.split():
        loss = part.loss
        held = apart if loss.residuals is None else np.concatenate([loss.residuals, apart], axis=1)
        weights[:, columns] = fit_mixture_weights(replace(loss, residuals=held))[:, None]
    return make_blend(weights, sample.target)


def _fit_weights_of_classes(sample: OofRows, labels: Labels) -> Fitted:
    n_members, n_rows, n_classes = sample.stacked.shape
    common = fit_mixture_weights(sample.loss)[:, None]
    member_of_class = np.eye(n_classes, dtype=np.float64)[labels]

    def loss(flat: Weights) -> tuple[float, Weights]:
        weights = flat.reshape(n_members, n_classes)
        mixed = np.zeros((n_rows, n_classes))
        for member, weight in zip(sample.stacked, weights, strict=True):
            mixed += member * weight
        total = np.maximum(mixed.sum(axis=1), FLOOR)
        # Relative to the total: with a fixed floor, no weights at all would be best where members say 0 and 1.
        own = np.maximum(mixed[np.arange(n_rows), labels], FLOOR * total)
        apart = weights - common
        value = float((np.log(total) - np.log(own)).mean()) + _CLASS_PENALTY * float((apart**2).sum())
        pull = (1 / total)[:, None] - member_of_class / own[:, None]
        slope = np.stack([np.einsum("nc,nc->c", pull, member) for member in sample.stacked]) / n_rows
        return value, (slope + 2 * _CLASS_PENALTY * apart).ravel()

    from scipy.optimize import minimize

    start = np.repeat(common, n_classes, axis=1).ravel()
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options={"maxiter": 50})
    weights: Weights = found.x.reshape(n_members, n_classes)
    shares = weights / np.maximum(weights.sum(axis=0, keepdims=True), FLOOR)
    return Rule(lambda stacked: blend_members(stacked, weights, sample.target), shares)
