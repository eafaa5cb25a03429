"""Estimators of a tabular model: trees or linear models, by what each column of the target is."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth, Values
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import FLOOR, Target
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.threads import limit_threads
from pipeline.training.tabular.recipe import TabularRecipe

Matrix = NDArray[np.float32]
Predictor = Callable[[Matrix], Values]


def fit_estimator(
    recipe: TabularRecipe, target: Target, features: Matrix, truth: Truth, categories: tuple[bool, ...], seed: int
) -> Predictor:
    """Fits a target's estimators.

    Args:
        recipe: of the model.
        target: what is predicted.
        features: float32 (n, n_features); NaN where nothing is known.
        truth: of these rows.
        categories: which features are codes.
        seed: of the trees.

    Returns:
        What predicts values (n, n_columns) from features.
    """
    if isinstance(target, SeveralTargets):
        parts = [
            fit_estimator(recipe, part, features, part.take_truth(truth[:, width]), categories, seed)
            for _, part, _, width in target.each()
        ]
        return lambda rows: np.concatenate([predict(rows) for predict in parts], axis=1)
    with limit_threads():  # how sums are split would change their last bits
        if isinstance(target, OneClass):
            return _fit_classes(recipe, target, features, truth, categories, seed)
        answers = target.make_targets(truth)
        columns = [
            _fit_column(recipe, target, features, answers[:, column], categories, seed)
            for column in range(answers.shape[1])
        ]

    def predict(rows: Matrix) -> Values:
        values = np.stack([column(rows) for column in columns], axis=1)
        if target.activation == "linear":
            return target.from_outputs(values)
        return target.normalise(np.clip(values, FLOOR, 1))

    return predict


def _fit_classes(
    recipe: TabularRecipe, target: OneClass, features: Matrix, truth: Truth, categories: tuple[bool, ...], seed: int
) -> Predictor:
    labels, n_classes = target.index_labels(truth), len(target.columns)
    model = _classifier(recipe, categories, seed).fit(features, labels)

    def predict(rows: Matrix) -> Values:
        values = np.full((len(rows), n_classes), FLOOR)
        with limit_threads():
            values[:, model.classes_] = model.predict_proba(rows)
        return target.normalise(np.maximum(values, FLOOR))

    return predict


def _fit_column(
    recipe: TabularRecipe,
    target: Target,
    features: Matrix,
    answers: NDArray[np.float32],
    categories: tuple[bool, ...],
    seed: int,
) -> Callable[[Matrix], NDArray[np.float64]]:
    """Fits one label, share or number of its own."""
    if len(np.unique(answers)) == 1:
        return lambda rows: np.full(len(rows), float(answers[0]))
    if target.activation == "sigmoid":
        chooser = _classifier(recipe, categories, seed).fit(features, answers.astype(np.int64))
        return lambda rows: np.asarray(chooser.predict_proba(rows)[:, 1], dtype=np.float64)
    model = _regressor(recipe, categories, seed).fit(features, answers)
    return lambda rows: np.asarray(model.predict(rows), dtype=np.float64)


def _trees(recipe: TabularRecipe, categories: tuple[bool, ...], seed: int) -> dict[str, Any]:
    section = recipe.boosting
    return {
        "learning_rate": section.learning_rate,
        "max_iter": section.iterations,
        "max_leaf_nodes": section.leaves,
        "min_samples_leaf": section.min_rows,
        "l2_regularization": section.l2,
        "categorical_features": list(categories),
        "early_stopping": False,
        "random_state": seed,
    }


# scikit-learn takes seconds to start: only where something is fitted, not in the training of a network.
def _classifier(recipe: TabularRecipe, categories: tuple[bool, ...], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if recipe.tabular == "boosting":
        return HistGradientBoostingClassifier(**_trees(recipe, categories, seed))
    return _scaled(LogisticRegression(C=recipe.linear.C, max_iter=1000))


def _regressor(recipe: TabularRecipe, categories: tuple[bool, ...], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    if recipe.tabular == "boosting":
        return HistGradientBoostingRegressor(**_trees(recipe, categories, seed))
    return _scaled(Ridge(alpha=1 / recipe.linear.C))


def _scaled(model: Any) -> Any:
    """Puts the mean where nothing is known, and says so in a column of its own; brings columns to one scale.

    In float64: sums of numbers that float32 holds may be none of float32.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    filled = SimpleImputer(add_indicator=True, keep_empty_features=True)
    return make_pipeline(FunctionTransformer(np.float64), filled, StandardScaler(), model)
