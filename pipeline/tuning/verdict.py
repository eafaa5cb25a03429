"""The last word on a study: its best settings and the default, on folds or a seed that the search did not use.

The best of many trials looks too good on the folds that chose it; on others it is as good as it is.
Reference: Cawley and Talbot 2010, https://jmlr.org/papers/v11/cawley10a.html
"""

import dataclasses
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from pipeline import paired, tables
from pipeline.errors import InputError
from pipeline.model_yaml import Settings
from pipeline.opening import open_model
from pipeline.tuning import processes, storing
from pipeline.tuning.trials import Bench, fold_task, scored
from pipeline.tuning.worker import Order


class FellError(Exception):
    """The best settings of a search could not be trained where the search had not tried them."""


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
        FellError: the settings' training diverged.
        InputError: the default's did, or a process died.
    """
    n_folds = int(bench.around.data.fold_of.max()) + 1
    folds, seed = unseen(order.params.folds, n_folds, bench.around.seed)
    made = [_apart(order, each, folds, seed) for each in ({}, settings)]
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


def _apart(order: Order, settings: Settings, folds: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Trains in a process of its own, which takes its memory with it."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = processes.start(_tell, (order, settings, folds, seed, there), "verdict")
    there.close()
    try:
        made: NDArray[np.float32] | str = here.recv()
    except EOFError:
        raise InputError(
            f"{order.model}: the process that measures the best trial again died (out of memory?); free some, or "
            "lower training.batch_size, then run the command again: it goes on where it was"
        ) from None
    finally:
        processes.end(process)
    if not isinstance(made, str):
        return made
    raise FellError(made) if settings else InputError(made)


def _tell(order: Order, settings: Settings, folds: tuple[int, ...], seed: int, told: Connection) -> None:
    processes.follow_parent()
    try:
        told.send(_measure(order, settings, folds, seed))
    except InputError as error:
        told.send(str(error))


def _measure(order: Order, settings: Settings, folds: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    storing.quiet()
    bench = order.bench()
    around = dataclasses.replace(bench.around, seed=seed)
    opened = open_model(bench.space.recipe(settings), around)
    made = []
    for fold in folds:
        what = "best trial" if settings else "default"
        task = fold_task(bench, opened, fold, seed, f"{order.model} {what}, unseen")
        opened.score(task, lambda row: None)
        made.append(scored(task, bench.around)[1])
    return np.concatenate(made)
