"""The order of many folds on many workers: the longest first, so that none of them begins when all others end.

Reference: Graham 1969, Bounds on multiprocessing timing anomalies, https://doi.org/10.1137/0117039: longest first takes
at most a third more than the best order, any order up to twice as long.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from pipeline.core.paths import measured_recipes_path
from pipeline.planning.prior import estimate_recipe, measure_size, read_measured_recipes
from pipeline.training.task_list import ListedTask


def sort_longest_first(root: Path, tasks: Sequence[ListedTask]) -> list[ListedTask]:
    """Sorts folds by the seconds that they are expected to take yet, equal ones as they were.

    A model's folds take as long as those of it that are done; where none is, as the measured recipes say. Of what
    nothing is known begins first.

    Args:
        root: the repository, which must be prepared.
        tasks: of all folds, those that are done among them.
    """
    table = read_measured_recipes(root) if measured_recipes_path(root).is_file() else ()
    size, whole = measure_size(root), dict[str, float]()
    for model in {task.model for task in tasks}:
        of_model = [task for task in tasks if task.model == model]
        done = [task.seconds for task in of_model if task.status == "done" and task.seconds]
        if done:
            whole[model] = mean(done)
        elif estimate := estimate_recipe(model, size, table):
            whole[model] = estimate.seconds * len({task.seed for task in of_model}) / len(of_model)

    def expect(task: ListedTask) -> float:
        left = 1 - min(task.epoch / max(task.epochs, 1), 1.0)
        return left * whole.get(task.model, math.inf) if left else 0.0

    return sorted(tasks, key=expect, reverse=True)
