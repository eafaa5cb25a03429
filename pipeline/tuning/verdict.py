"""The last word on a study: its best settings and the default, on folds or a seed that the search did not use.

The best of many trials looks too good on the folds that chose it; on others it is as good as it is.
Reference: Cawley and Talbot 2010, https://jmlr.org/papers/v11/cawley10a.html
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core import paired, tables
from pipeline.core.errors import DivergedError, InputError
from pipeline.training.memory import retry_with_half_batches
from pipeline.training.recipes.model_yaml import Settings
from pipeline.training.setup import make_trainable
from pipeline.training.side_by_side import count_workers, run_side_by_side
from pipeline.tuning import storing
from pipeline.tuning.trials import Bench, fold_task, scored
from pipeline.tuning.worker import Order


class FellError(Exception):
    """The best settings of a search could not be trained where the search had not tried them."""


class DefaultFellError(Exception):
    """The recipe as it stands could not be trained there, so that there is nothing to compare with."""


@dataclass(frozen=True)
class Verdict:
    """Two ways to set a model, on rows that chose neither.

    Attributes:
        folds: the rows' folds.
        seed: of the trainings.
        rows: how many.
        default: score of the model as it stands.
        tuned: score of the best trial's settings.
        gain: how much better the latter is, positive when it is, with its paired 95 % bootstrap interval.
    """

    folds: tuple[int, ...]
    seed: int
    rows: int
    default: float
    tuned: float
    gain: paired.Gain


def unseen(searched: Sequence[int], n_folds: int, seed: int) -> tuple[tuple[int, ...], int]:
    """Returns the folds and the seed of the last word: the other folds, or all with another seed where there are none.

    With the seed of `train`, what is trained here need not be trained again.
    """
    others = tuple(fold for fold in range(n_folds) if fold not in searched)
    return (others, seed) if others else (tuple(range(n_folds)), seed + 1)


def judge(order: Order, bench: Bench, settings: Settings) -> Verdict:
    """Trains the default and the settings on the unseen folds, resumably, and compares them.

    Raises:
        FellError: the settings could not be trained.
        DefaultFellError: the default's training diverged, the settings' did not.
        InputError: the default could not be trained for another reason.
    """
    n_folds = int(bench.around.data.fold_of.max()) + 1
    folds, seed = unseen(order.params.folds, n_folds, bench.around.seed)
    workers = count_workers(bench.around.workers)
    fell: DivergedError | None = None
    made = []
    try:
        made.append(_apart(order, {}, folds, seed, workers))
    except DivergedError as error:
        fell = error
    try:
        made.append(_apart(order, settings, folds, seed, workers))
    except InputError as error:
        raise FellError(str(error)) from None
    if fell is not None:
        raise DefaultFellError(str(fell))
    rows = np.concatenate([bench.around.data.rows(fold)[1] for fold in folds])
    labels = bench.around.data.labels[rows]
    groups = tables.read_folds(bench.around.folds).set_index("id")["group"]
    group = groups.reindex([bench.around.data.ids[row] for row in rows]).to_numpy(dtype=np.int64)
    metric = bench.score.metric
    return Verdict(
        folds=folds,
        seed=seed,
        rows=len(rows),
        default=metric.score(labels, made[0]),
        tuned=metric.score(labels, made[1]),
        gain=paired.gain(labels, group, made[1], made[0], metric),
    )


def _apart(order: Order, settings: Settings, folds: tuple[int, ...], seed: int, workers: int) -> NDArray[np.float32]:
    """Trains in processes of their own, which take their memory with them."""
    arguments = (order, settings, seed)
    return retry_with_half_batches(lambda: np.concatenate(run_side_by_side(fold_scorer, arguments, folds, workers)))


def fold_scorer(order: Order, settings: Settings, seed: int) -> Callable[[int], NDArray[np.float32]]:
    """Opens a model with some settings; returns what trains a fold of it and predicts its valid rows."""
    storing.quiet()
    bench = order.bench()
    opened = make_trainable(bench.space.recipe(settings), dataclasses.replace(bench.around, seed=seed))

    def score(fold: int) -> NDArray[np.float32]:
        what = "best trial" if settings else "default"
        task = fold_task(bench, opened, fold, seed, f"{order.model} {what}, unseen")
        opened.score(task, lambda row: None)
        return scored(task, bench.around)[1]

    return score
