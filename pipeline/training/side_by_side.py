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
    return max(1, min(jobs, count_cores(), _count_fitting()))


def count_places(workers: int) -> int:
    """Returns how many processes have room beside one another, each with the part that one of so many workers gets.

    Five workers on eight cores get one each, and leave three.

    Args:
        workers: how many share the machine.
    """
    if _count_gpus() or workers < 2:
        return workers
    return max(workers, min(count_cores() // max(1, count_cores() // workers), _count_fitting()))


def run_side_by_side(
    make_worker: Callable[..., Callable[[Job], Result]],
    arguments: tuple[Any, ...],
    jobs: Sequence[Job],
    workers: int,
    spare: Sequence[Job] = (),
    to_end: int = 0,
) -> list[Result]:
    """Does jobs in processes of their own, which take their memory with them; the first failure ends all.

    A process gets the same part of the machine however many jobs there are: what is computed depends on that.

    Args:
        make_worker: called once in each process; returns the function that does a job. Importable by name, like all
            that is sent.
        arguments: what it is called with.
        jobs: whoever is free takes the next.
        workers: how many processes share the machine.
        spare: what is free takes these when no more jobs wait; that one fails is no error here, it ends its process
            alone.
        to_end: how many of these, from the first on, are waited for; the others are ended with the last job.

    Returns:
        What came of each job, in the order of the jobs.

    Raises:
        InputError: of a job.
        DiedError: a process ended by itself.
    """
    results, under_way = dict[int, Result](), dict[Connection, int]()
    waiting = [*enumerate(jobs), *enumerate(spare, len(jobs))][::-1]
    running = dict[Connection, BaseProcess]()

    def give(free: Connection) -> None:
        under_way[free], job = waiting.pop()
        try:
            _send_job(free, running[free], (under_way[free], job))
        except DiedError as error:
            give_up(free, error)

    def give_up(failed: Connection, error: InputError) -> None:
        if under_way.pop(failed) < len(jobs):
            raise error
        processes.end_process(running.pop(failed))

    try:
        for slot in range(min(count_places(workers) if spare else workers, len(waiting))):
            here, there = get_context("spawn").Pipe()
            with share_machine(slot, workers):
                running[here] = processes.start_process(_work, (make_worker, arguments, there), f"side by side {slot}")
            there.close()
            give(here)
        while any(place < len(jobs) + to_end for place in under_way.values()):
            for ready in wait(list(under_way)):
                assert isinstance(ready, Connection)
                try:
                    place, result = _receive_result(ready, running[ready])
                except InputError as error:
                    give_up(ready, error)
                    continue
                results[place] = result
                del under_way[ready]
                if waiting:
                    give(ready)
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


def _count_fitting() -> int:
    """Counts the processes that the machine's memory holds."""
    return psutil.virtual_memory().total // _MEMORY


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
