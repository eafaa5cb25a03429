"""Predictions of all folds of one model, of valid rows and of test images: views weighted, seeds averaged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core import predictions
from pipeline.core.arrays import Weights
from pipeline.core.predictions import Predictions
from pipeline.core.targets.contract import Target
from pipeline.images.views import Views, average_seeds, make_view_transforms
from pipeline.training.data import Data
from pipeline.training.seeds import give_recipe_head, group_by_seed
from pipeline.training.task import FoldTask
from pipeline.training.view_weights import fit_view_weights, weigh_views


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of one model, a list with an entry for each fold.

    Attributes:
        valid: of the rows that the fold's model did not see, seeds averaged.
        alone: of the test images, by what is known without the fold's own OOF rows.
        test: of the test images, as they go into the mean of all folds; other than ``alone`` where the weights of views
            are learned.
        view_weights: those of ``test``, by the view's name; the same for all seeds.
        by_seed: what each seed predicts of the valid rows, its views weighted by what is learned from it alone.
    """

    valid: list[Predictions]
    alone: list[Predictions]
    test: list[Predictions]
    view_weights: dict[str, float]
    by_seed: dict[int, list[Predictions]]


def read_fold_predictions(tasks: list[FoldTask], data: Data) -> FoldPredictions:
    """Reads the predictions of finished folds, weights their views where weights are learned, and averages their seeds.

    Args:
        tasks: the folds of one model, of each of its seeds.
        data: what they were trained on.
    """
    seeds, recipe, model = group_by_seed(tasks), tasks[0].recipe, tasks[0].model
    target = give_recipe_head(data.target, recipe.model_dump(mode="json"), f"{model}: grades")
    valid, test = ({seed: _read(of, part, data) for seed, of in seeds.items()} for part in ("valid", "test"))
    views, names = recipe.views, list(make_view_transforms(recipe.views))
    folds = len(next(iter(seeds.values())))
    by_seed, alone, view_weights = valid, test, dict.fromkeys(names, 1 / len(names))
    if views.weights == "learned":
        if folds == 1:
            print(f"{model}: one fold is scored, so its views all count the same; views.weights: learned needs two")
        valid_views, test_views = (
            {seed: [task.folder / f"{part}_views.npy" for task in of] for seed, of in seeds.items()}
            for part in ("valid", "test")
        )
        by_fold = list(zip(*valid_views.values(), strict=True))
        truth = [data.truth[data.rows(task.fold)[1]] for task in tasks[:folds]]
        fitted = fit_view_weights(by_fold, truth, data.target)
        own = dict.fromkeys(seeds, fitted)
        if len(seeds) > 1:
            own = {
                seed: fit_view_weights([[one] for one in of], truth, data.target) for seed, of in valid_views.items()
            }
        by_seed = {seed: _weighed(of, valid_views[seed], own[seed].nested) for seed, of in valid.items()}
        valid = {seed: _weighed(of, valid_views[seed], fitted.nested) for seed, of in valid.items()}
        alone = {seed: _weighed(of, test_views[seed], fitted.nested) for seed, of in test.items()}
        test = {seed: _weighed(of, test_views[seed], (fitted.whole,) * folds) for seed, of in test.items()}
        view_weights = dict(zip(names, fitted.whole.tolist(), strict=True))
    mean_valid, mean_alone, mean_test = (_average(each, views, target) for each in (valid, alone, test))
    return FoldPredictions(mean_valid, mean_alone, mean_test, view_weights, by_seed)


def _read(tasks: list[FoldTask], part: str, data: Data) -> list[Predictions]:
    return [predictions.read_predictions(task.folder / f"{part}.parquet", data.target) for task in tasks]


def _average(by_seed: dict[int, list[Predictions]], views: Views, target: Target) -> list[Predictions]:
    """Averages the seeds of each fold; their rows come in one order, that of the image index."""
    return [
        replace(of_seeds[0], probs=average_seeds([each.probs for each in of_seeds], views, target))
        for of_seeds in zip(*by_seed.values(), strict=True)
    ]


def _weighed(parts: list[Predictions], paths: Sequence[Path], weights: tuple[Weights, ...]) -> list[Predictions]:
    return [replace(part, probs=weigh_views(path, of)) for part, path, of in zip(parts, paths, weights, strict=True)]
