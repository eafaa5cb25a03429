"""Jobs of equal kind in several processes at once, each with its part of the cores or a GPU of its own.

A training on one core is often more than half as fast as on two: as many trainings as cores get more done in all.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import psutil

from pipeline.core import processes
from pipeline.core.errors import InputError
from pipeline.core.room import count_cores

_MEMORY = 3 * 2**30  # bytes of a process: 1 GB with TensorFlow, 2 to 3 with a large network's batch

Job = TypeVar("Job")
Result = TypeVar("Result")


class DiedError(InputError):
    """A process ended before its job was done."""


def count_workers(workers: int | None, jobs: int = 1) -> int:
    """Returns how many processes work at once: as many as asked for, else one for each GPU, or else for each core.

    Args:
        workers: as asked for; None leaves it to the machine.
        jobs: no more processes than that, nor than the machine has memory for: what is free now would give a training
            that continues other cores, and other bits.
    """
    if workers or (workers := _count_gpus()):
        return workers
    return max(1, min(jobs, count_cores(), psutil.virtual_memory().total // _MEMORY))


def run_side_by_side(
    make_worker: Callable[..., Callable[[Job], Result]], arguments: tuple[Any, ...], jobs: Sequence[Job], workers: int
) -> list[Result]:
    """Does jobs in processes of their own, which take their memory with them; the first failure ends all.

    A process gets the same part of the machine however many jobs there are: what is computed depends on that.

    Args:
        make_worker: called once in each process; returns the function that does a job. Importable by name, like all
            that is sent.
        arguments: what it is called with.
        jobs: whoever is free takes the next.
        workers: how many processes share the machine.

    Returns:
        What came of each job, in the order of the jobs.

    Raises:
        InputError: of a job.
        DiedError: a process ended by itself.
    """
    waiting, results = list(enumerate(jobs))[::-1], dict[int, Result]()
    running = dict[Connection, BaseProcess]()
    try:
        for slot in range(min(workers, len(jobs))):
            here, there = get_context("spawn").Pipe()
            with share_machine(slot, workers):
                running[here] = processes.start_process(_work, (make_worker, arguments, there), f"side by side {slot}")
            there.close()
            _send_job(here, running[here], waiting.pop())
        while len(results) < len(jobs):
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                place, result = _receive_result(ready, running[ready])
                results[place] = result
                if waiting:
                    _send_job(ready, running[ready], waiting.pop())
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            processes.end_process(process)
    return [results[place] for place in range(len(jobs))]


@contextmanager
def share_machine(slot: int, workers: int) -> Iterator[None]:
    """Lets a process that starts now inherit its GPU, or its part of the cores, as large as any other's.

    Args:
        slot: its number among all that work at once.
        workers: how many these are.
    """
    gpus = _count_gpus() if workers > 1 else 0
    if gpus:
        with _show_gpu(slot % gpus, gpus):
            yield
    elif workers > 1 and hasattr(os, "sched_setaffinity"):  # elsewhere the system shares the cores out
        cores = sorted(os.sched_getaffinity(0))
        count = max(1, len(cores) // workers)
        os.sched_setaffinity(0, cores[slot * count : (slot + 1) * count] or [cores[slot % len(cores)]])
        try:
            yield
        finally:
            os.sched_setaffinity(0, cores)
    else:
        yield


def _count_gpus() -> int:
    """Counts the GPUs that the backend sees."""
    from pipeline.networks import hardware  # a process that is started need not load a backend because of this module

    return hardware.count_gpus()


@contextmanager
def _show_gpu(number: int, gpus: int) -> Iterator[None]:
    kept = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = kept.split(",") if kept else [str(each) for each in range(gpus)]
    os.environ["CUDA_VISIBLE_DEVICES"] = names[number]
    try:
        yield
    finally:
        if kept is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = kept


def _send_job(here: Connection, process: BaseProcess, job: tuple[int, Any]) -> None:
    try:
        here.send(job)
    except BrokenPipeError:
        raise _explain_death(process) from None


def _receive_result(here: Connection, process: BaseProcess) -> tuple[int, Any]:
    try:
        received: tuple[int, Any] | InputError = here.recv()
    except (EOFError, ConnectionResetError):
        raise _explain_death(process) from None
    if isinstance(received, InputError):
        raise received
    return received


def _explain_death(process: BaseProcess) -> DiedError:
    process.join()
    code = process.exitcode or 0
    how = f"by signal {-code} (out of memory?)" if code < 0 else f"by exit code {code}; its own message is above"
    return DiedError(
        f"a process that trained ended {how}; free memory, or lower training.batch_size in the model's file or "
        "train.workers in params.yaml, then run the command again: it goes on where it was"
    )


def _work(make_worker: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], there: Connection) -> None:
    processes.end_with_parent()
    try:
        do = make_worker(*arguments)
        while True:
            place, job = there.recv()
            there.send((place, do(job)))
    except InputError as error:
        there.send(error)
    except EOFError:  # nobody is there to hand out more
        return
