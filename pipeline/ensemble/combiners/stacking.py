"""Stacking: a model trained on what the members predict out-of-fold, in the space of outputs.

Reference: Wolpert 1992, Stacked generalization, https://doi.org/10.1016/S0893-6080(05)80023-1
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Values
from pipeline.core.targets.contract import FLOOR, Target
from pipeline.core.threads import limit_threads
from pipeline.ensemble.combiners.contract import Fitted, OofRows, Rule, normalise_rows, take_outputs

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
# Trees for rows x features x classes above this take minutes for a score that linear stacks reach.
_MOST_CELLS = 10_000_000
# From a strength (greater is freer), the rows it is fitted to, and whether it predicts numbers, to a model.
Make = Callable[[float, OofRows, bool], Any]


def fit_stack_logistic(sample: OofRows) -> Fitted:
    """Fits a linear model to each label, number or part of the target: logistic regression, of numbers a ridge.

    Its penalty is chosen on the last of the folds, the same for all parts, then all rows are fitted.
    """
    last = sample.folds == sample.folds.max()
    strength = _STRENGTHS[1]
    if not last.all() and _varies(sample.where(~last)):
        kept, held = sample.where(~last), sample.where(last)
        losses = []
        for candidate in _STRENGTHS:
            combined = _stack(kept, _make_linear, candidate)(held.stacked)
            losses.append(_mean_loss(held, combined))
        strength = _STRENGTHS[int(np.argmin(losses))]
    return _stack(sample, _make_linear, strength)


def fit_stack_boosting(sample: OofRows) -> Fitted:
    """Fits gradient-boosted trees, few and small: the members have done the hard part."""
    return _stack(sample, _make_trees, 1.0)


def is_too_large_for_boosting(sample: OofRows) -> bool:
    """Says whether trees would take minutes where a linear stack takes seconds."""
    cost = sum(part.stacked.size * part.stacked.shape[2] for part, _ in sample.split())
    return bool(cost > _MOST_CELLS)


def _make_linear(strength: float, sample: OofRows, numbers: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge  # slow to import, and most ensembles are no stack

    if numbers:  # the penalty of one row's share, as that of the logistic regression, whose C is of the sum of rows
        return Ridge(alpha=1 / strength)
    return LogisticRegression(C=strength, max_iter=200, tol=1e-3)


def _make_trees(strength: float, sample: OofRows, numbers: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    return kind(
        learning_rate=0.1,
        max_iter=40,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        l2_regularization=strength,
        max_features=0.5,
        early_stopping=False,
        random_state=sample.seed,
    )


def _stack(sample: OofRows, make: Make, strength: float) -> Rule:
    """Fits a model to each part of the target."""
    parts = [(columns, _stack_part(part, make, strength)) for part, columns in sample.split()]

    def combine(stacked: Values) -> Values:
        values = np.empty(stacked.shape[1:], dtype=np.float32)
        for columns, predict in parts:
            values[:, columns] = predict(stacked[:, :, columns])
        return values

    return Rule(combine)


def _stack_part(sample: OofRows, make: Make, strength: float) -> Callable[[Values], Values]:
    target = sample.target
    features = _features(target, sample.stacked)
    if target.activation == "linear":
        true = target.make_targets(sample.truth)
        rest = true[:, 0] - features.mean(axis=1)  # what the mean leaves is learnt: a penalty draws to the mean
        numbers = _fit(make(strength, sample, True), features, rest)

        def predict_numbers(stacked: Values) -> Values:
            given = _features(target, stacked)
            with limit_threads():
                predicted = given.mean(axis=1) + numbers.predict(given)
            return target.from_outputs(np.asarray(predicted)[:, None])

        return predict_numbers
    rows, labels, weights = _expand(sample)
    if len(np.unique(labels)) < 2:
        return lambda stacked: stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
    model = _fit(make(strength, sample, False), features if rows is None else features[rows], labels, weights)

    def predict(stacked: Values) -> Values:
        width = max(2, sample.stacked.shape[2])
        probs = np.zeros((stacked.shape[1], width))
        with limit_threads():
            probs[:, model.classes_] = model.predict_proba(_features(target, stacked))
        if stacked.shape[2] == 1:  # of a label: that it is there
            return target.normalise(probs[:, 1:])
        return normalise_rows(np.maximum(probs, FLOOR))  # a class that the fitted rows lack keeps a trace

    return predict


def _expand(sample: OofRows) -> tuple[Labels | None, Labels, NDArray[np.float64] | None]:
    """Returns rows, their classes and weights; rows are None where each stands once, in its order.

    A row of vote shares stands once for each class that has votes.
    """
    if sample.classes is not None:
        return None, sample.classes, None
    if sample.target.activation == "sigmoid":
        return None, (sample.truth[:, 0] > 0.5).astype(np.int64), None
    rows, labels = np.nonzero(sample.truth)
    return rows, labels, sample.truth[rows, labels].astype(np.float64)


def _varies(sample: OofRows) -> bool:
    """Says whether some part of the truth has two values, which a model can be fitted to."""
    return any(len(np.unique(part.truth)) > 1 for part, _ in sample.split())


def _fit(model: Any, features: NDArray[np.float32], true: NDArray[Any], weights: Sequence[float] | Any = None) -> Any:
    # One thread: sums are split in one way whatever the machine, and where the cores are busy more would wait for each
    # other: trees on 1,000 rows of 8 members took 33 s instead of 2.
    with limit_threads():
        return model.fit(features, true) if weights is None else model.fit(features, true, sample_weight=weights)


def _features(target: Target, stacked: Values) -> NDArray[np.float32]:
    """Returns the members' outputs, (n_samples, n_members * n_columns); of classes centred log-probabilities."""
    each = [take_outputs(target, member) for member in stacked]
    if target.activation == "softmax":
        each = [member - member.mean(axis=1, keepdims=True) for member in each]
    return np.concatenate(each, axis=1)


def _mean_loss(sample: OofRows, values: Values) -> float:
    labels = sample.classes
    if labels is None:
        return float(sample.target.measure_losses(sample.truth, values).mean())
    return -float(np.log(values[np.arange(len(labels)), labels], dtype=np.float64).mean())
