"""Training of all open folds at once as Ray tasks: each is retried when its node is lost, and for nothing else."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, one_line, some
from pipeline.training.context import RayParams
from pipeline.training.machines import far_node
from pipeline.training.machines.cargo import FarFolds, describe_far_fold
from pipeline.training.machines.ray_cluster import count_free, count_room, list_free, open_cluster, require_head
from pipeline.training.machines.ray_worker import SETTINGS, RemoteFold, RemoteResult, train_remote_fold
from pipeline.training.task_list import ListedTask

_RETRIES = 5  # of a task whose worker or node is lost
_LOOK = 2.0  # seconds between two looks at what is under way

Results = dict[ListedTask, RemoteResult]
OnChange = Callable[[list[ListedTask], Results], None]


def train_on_ray(
    root: Path,
    tasks: list[ListedTask],
    params: RayParams,
    on_change: OnChange,
    train: Callable[[RemoteFold], RemoteResult] = train_remote_fold,
    beside: Sequence[ListedTask] = (),
) -> Results:
    """Trains folds on a cluster, in their order; what fails leaves the others alone.

    Ray tries a fold again whose node is lost, behind all that is in its queue by then. So only as many wait there as
    the cluster computes at once, and such a fold is not the last. What is ``beside`` waits here until something of the
    cluster is free: in Ray's queue it would be ahead of a fold that is tried again.

    Args:
        root: the repository folder; nodes see it under this path, or are sent what they lack of it.
        tasks: open folds.
        params: the section ``train.ray``.
        on_change: is given the tasks and the results so far, every two seconds and at each result.
        train: what a worker does; importable by name.
        beside: open folds of other models, for cores that the tasks leave free. They are ended with the last task,
            their last whole epoch kept where nodes see the repository's folder; that one fails is no error here.

    Returns:
        The result of each fold, and of those beside them that ended.

    Raises:
        InputError: as `open_cluster`; the head of the cluster is gone; or folds that failed, each with its reason, once
            all others are done.
    """
    results: Results = {}
    wanted = set(tasks)
    with open_cluster(params) as ray:
        far, held = (None, list(beside)) if params.shared else _send(ray, root, tasks, beside)
        remote = ray.remote(
            num_cpus=params.cpus_per_fold,
            num_gpus=params.gpus_per_fold,
            memory=int(params.memory_gb * 1e9),
            max_retries=_RETRIES,
            retry_exceptions=False,
        )(train if far is None else far_node.train_far_fold)
        waiting: dict[Any, ListedTask] = {}

        def submit(some: list[ListedTask], count: int) -> None:
            for task in some[: max(count, 0)]:
                fold = _describe(root, task, params)
                given = (fold,) if far is None else (far.cargo, describe_far_fold(fold))
                waiting[remote.options(name=task.name).remote(*given)] = task
            del some[: max(count, 0)]

        left = list(tasks)
        submit(left, count_room(ray, params))
        silent = 0
        try:
            while not wanted <= results.keys():
                ready, _ = ray.wait(list(waiting), timeout=_LOOK)
                for reference in ready:
                    task = waiting.pop(reference)
                    came = _receive(ray, reference, task in wanted)
                    results[task] = came if far is None else _place(far, task, came, task in wanted)
                silent = require_head(params.address, silent)
                if not silent:  # what a head that is gone is asked is never answered
                    if left:
                        submit(left, count_room(ray, params) - len(waiting))
                    elif held and not wanted <= results.keys():
                        submit(held, count_free(list_free(ray), params))
                on_change([*tasks, *beside], results)
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and what Ray makes of SIGTERM
            _end(ray, waiting)
            raise
        _end(ray, waiting)
    failed = [f"{task.name}: {results[task].error}" for task in tasks if results[task].error]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(tasks)} folds failed, the others are done: {some(failed, 3)}; correct it, then run "
            "the command again"
        )
    return results


def _send(
    ray: Any, root: Path, tasks: Sequence[ListedTask], beside: Sequence[ListedTask]
) -> tuple[FarFolds, list[ListedTask]]:
    """Sends the files of all folds, or of the tasks alone where they do not fit; returns what may be beside them."""
    ray.cloudpickle.register_pickle_by_value(far_node)
    try:
        return FarFolds(ray, root, [*tasks, *beside]), list(beside)
    except InputError:
        if not beside:
            raise
    return FarFolds(ray, root, tasks), []


def _end(ray: Any, references: Iterable[Any]) -> None:
    for reference in references:
        ray.cancel(reference, force=True)


def _describe(root: Path, task: ListedTask, params: RayParams) -> RemoteFold:
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    return RemoteFold(
        str(root.resolve()), task.model, task.fold, task.seed, task.fingerprint, params.cpus_per_fold, settings
    )


def _receive(ray: Any, reference: Any, needed: bool) -> Any:
    """Returns the result of a finished task; a lost node or a lack of memory becomes one."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if needed:
            raise  # a defect of ours keeps its stack trace
        return RemoteResult("", 0.0, one_line(error))
    except ray.exceptions.RayError as error:
        return RemoteResult("", 0.0, f"its worker was lost {_RETRIES + 1} times ({one_line(error)})")


def _place(far: FarFolds, task: ListedTask, came: Any, needed: bool) -> RemoteResult:
    """Puts a fold that came back in place; that there is no room for one beside the others ends none of them."""
    if isinstance(came, RemoteResult):  # nothing came back
        return came
    try:
        return far.place(task, came)
    except OSError as error:
        if needed:
            raise
        return RemoteResult(came["machine"], came["seconds"], one_line(error))
