"""Stacking: a model trained on the members' out-of-fold log-probabilities.

Reference: Wolpert 1992, Stacked generalization, https://doi.org/10.1016/S0893-6080(05)80023-1
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipeline.core.arrays import Labels, Probs
from pipeline.ensemble.combiners.contract import FLOOR, Fitted, OofRows, Rule, normalise_rows, take_logs

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
# Trees for rows x features x classes above this take minutes for a score that linear stacks reach.
_MOST_CELLS = 10_000_000


def fit_stack_logistic(sample: OofRows) -> Fitted:
    """Fits a multinomial logistic regression; its penalty is chosen on the last of the folds, then all are fitted."""
    features, labels = _features(sample.stacked), sample.labels
    last = sample.folds == sample.folds.max()
    strength = _STRENGTHS[1]
    if not last.all() and len(np.unique(labels[~last])) > 1:
        losses = []
        for candidate in _STRENGTHS:
            model = _fit(_logistic(candidate), features[~last], labels[~last])
            losses.append(_log_loss(_predict(model, features[last], sample), labels[last]))
        strength = _STRENGTHS[int(np.argmin(losses))]
    return _stack(_fit(_logistic(strength), features, labels), sample)


def fit_stack_boosting(sample: OofRows) -> Fitted:
    """Fits gradient-boosted trees, few and small: the members have done the hard part."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=40,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        random_state=sample.seed,
    )
    return _stack(_fit(model, _features(sample.stacked), sample.labels), sample)


def is_too_large_for_boosting(sample: OofRows) -> bool:
    """Says whether trees would take minutes where a linear stack takes seconds."""
    n_members, n_rows, n_classes = sample.stacked.shape
    return bool(n_members * n_rows * n_classes**2 > _MOST_CELLS)


def _logistic(strength: float) -> Any:
    return LogisticRegression(C=strength, max_iter=200, tol=1e-3)


def _fit(model: Any, features: NDArray[np.float32], labels: Labels) -> Any:
    # One thread: sums are split in one way whatever the machine, and where the cores are busy more would wait for each
    # other: trees on 1,000 rows of 8 members took 33 s instead of 2.
    with threadpool_limits(1):
        return model.fit(features, labels)


def _stack(model: Any, sample: OofRows) -> Rule:
    if len(model.classes_) < 2:
        return Rule(lambda stacked: stacked.mean(axis=0, dtype=np.float64).astype(np.float32))
    return Rule(lambda stacked: _predict(model, _features(stacked), sample))


def _features(stacked: Probs) -> NDArray[np.float32]:
    """Returns centred log-probabilities, (n_samples, n_members * n_classes)."""
    each = [take_logs(member) for member in stacked]
    return np.concatenate([member - member.mean(axis=1, keepdims=True) for member in each], axis=1)


def _predict(model: Any, features: NDArray[np.float32], sample: OofRows) -> Probs:
    probs = np.zeros((len(features), sample.stacked.shape[2]))
    with threadpool_limits(1):
        probs[:, model.classes_] = model.predict_proba(features)
    return normalise_rows(np.maximum(probs, FLOOR))  # a class that the fitted rows lack keeps a trace


def _log_loss(probs: Probs, labels: Labels) -> float:
    return -float(np.log(probs[np.arange(len(labels)), labels], dtype=np.float64).mean())
