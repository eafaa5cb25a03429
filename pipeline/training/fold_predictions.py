"""Predictions of all folds of one model, of valid rows and of test images, their views weighted as the recipe asks."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core import predictions
from pipeline.core.arrays import Weights
from pipeline.core.predictions import Predictions
from pipeline.images.views import make_view_transforms
from pipeline.training.data import Data
from pipeline.training.task import FoldTask
from pipeline.training.view_weights import fit_view_weights, weigh_views


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of one model, a list with an entry for each fold.

    Attributes:
        valid: of the rows that the fold's model did not see.
        alone: of the test images, by what is known without the fold's own OOF rows.
        test: of the test images, as they go into the mean of all folds; other than ``alone`` where the weights of views
            are learned.
        view_weights: those of ``test``, by the view's name.
    """

    valid: list[Predictions]
    alone: list[Predictions]
    test: list[Predictions]
    view_weights: dict[str, float]


def read_fold_predictions(tasks: list[FoldTask], data: Data) -> FoldPredictions:
    """Reads the predictions of finished folds, and weights their views where weights are learned.

    Args:
        tasks: the folds of one model.
        data: what they were trained on.
    """
    valid, test = (
        [predictions.read_predictions(task.folder / f"{part}.parquet", data.target) for task in tasks]
        for part in ("valid", "test")
    )
    views = tasks[0].recipe.views
    names = list(make_view_transforms(views))
    if views.weights == "equal":
        return FoldPredictions(valid, test, test, dict.fromkeys(names, 1 / len(names)))
    if len(tasks) == 1:
        print(
            f"{tasks[0].model}: one fold is scored, so its views all count the same; views.weights: learned needs two"
        )
    valid_views, test_views = ([task.folder / f"{part}_views.npy" for task in tasks] for part in ("valid", "test"))
    fitted = fit_view_weights(valid_views, [data.truth[data.rows(task.fold)[1]] for task in tasks], data.target)
    return FoldPredictions(
        valid=_weighed(valid, valid_views, fitted.nested),
        alone=_weighed(test, test_views, fitted.nested),
        test=_weighed(test, test_views, (fitted.whole,) * len(tasks)),
        view_weights=dict(zip(names, fitted.whole.tolist(), strict=True)),
    )


def _weighed(parts: list[Predictions], paths: list[Path], weights: tuple[Weights, ...]) -> list[Predictions]:
    return [replace(part, probs=weigh_views(path, of)) for part, path, of in zip(parts, paths, weights, strict=True)]
