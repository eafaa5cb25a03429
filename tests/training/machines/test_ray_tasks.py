"""Tasks on Ray: one that fails leaves the others alone, others fill free cores beside them, a signal ends them all."""

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from support.on_ray import MODELS, make_root

from benchmarks.cluster import sleep_fold
from pipeline.core.errors import InputError
from pipeline.stages import train_all
from pipeline.stages.train_all import ModelsToTrain
from pipeline.training.context import RayParams
from pipeline.training.machines import ray_training
from pipeline.training.machines.ray_cluster import count_free
from pipeline.training.machines.ray_training import Results, train_on_ray
from pipeline.training.machines.ray_worker import RemoteFold, RemoteResult
from pipeline.training.task_list import ListedTask

ROOT = Path(__file__).parents[3]


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class Queue:
    """Ray's queue with one worker: a task runs when it is waited for, the first one first, or the last one.

    What is put into it after the first ones takes cores of a node that has enough of them, until it ran.
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, free: tuple[float, ...], last_first: bool) -> None:
        self.free, self.last_first, self.began = [{"CPU": cores} for cores in free], last_first, False
        state = SimpleNamespace(available_resources_per_node=lambda: dict(enumerate(self.free)))
        self._private, self._taken = SimpleNamespace(state=state), dict[int, dict[str, float]]()
        self.tasks, self.done, self.cancelled = dict[int, tuple[Any, RemoteFold]](), dict[int, Any](), list[int]()

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]

    def remote(self, **needs: float) -> Callable[[Any], Any]:
        def submit(train: Any) -> Callable[[RemoteFold], int]:
            def put(fold: RemoteFold) -> int:
                self.tasks[number := len(self.tasks)] = train, fold
                fitting = [node for node in self.free if self.began and node["CPU"] >= needs["num_cpus"]]
                for node in fitting[:1]:
                    node["CPU"] -= needs["num_cpus"]
                    self._taken[number] = node
                return number

            return put

        return lambda train: SimpleNamespace(options=lambda name: SimpleNamespace(remote=submit(train)))

    def wait(self, references: list[int], timeout: float) -> tuple[list[int], list[int]]:
        first, *others = references[::-1] if self.last_first else references
        train, fold = self.tasks[first]
        self.began = True
        try:
            self.done[first] = train(fold)
        except RayError as error:
            self.done[first] = error
        if first in self._taken:
            self._taken.pop(first)["CPU"] += fold.cores
        return [first], others

    def get(self, reference: int) -> Any:
        if isinstance(came := self.done[reference], Exception):
            raise came
        return came

    def cancel(self, reference: int, force: bool) -> None:
        assert force
        self.cancelled.append(reference)


def queue(monkeypatch: pytest.MonkeyPatch, free: tuple[float, ...] = (), last_first: bool = False) -> Queue:
    made = Queue(free, last_first)

    @contextmanager
    def open_cluster(params: RayParams) -> Iterator[Queue]:
        yield made

    monkeypatch.setattr(ray_training, "open_cluster", open_cluster)
    return made


def tasks(model: str, count: int) -> list[ListedTask]:
    return [ListedTask(model, fold, 0, "open", fingerprint="0") for fold in range(count)]


def test_a_fold_that_fails_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(fold: RemoteFold) -> RemoteResult:
        if fold.fold == 2:
            raise RayError("the node is dead")
        return RemoteResult("here", 1.0, "the disk is full; free some space on here" if fold.fold == 0 else "")

    ray, seen = queue(monkeypatch), list[Results]()
    words = (
        r"2 of 4 folds failed, the others are done: one fold 0: the disk is full; free some space on here, one fold 2: "
        r"its worker was lost 6 times \(the node is dead\); correct it, then run the command again"
    )
    with pytest.raises(InputError, match=words):
        train_on_ray(tmp_path, tasks("one", 4), RayParams(), lambda _, results: seen.append(dict(results)), train)
    assert [task.fold for task, result in seen[-1].items() if not result.error] == [1, 3]
    assert not ray.cancelled


@pytest.mark.parametrize(("free", "beside"), [((5.0,), [3, 4]), ((3.0, 3.0), [3, 4]), ((1.0,) * 5, [])])
def test_what_is_beside_fills_free_cores_of_a_node_and_ends_with_the_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: tuple[float, ...], beside: list[int]
) -> None:
    began: list[tuple[str, int]] = []

    def train(fold: RemoteFold) -> RemoteResult:
        began.append((fold.model, fold.fold))
        return RemoteResult("here", 1.0)

    ray, needs = queue(monkeypatch, free), RayParams(cpus_per_fold=2)
    results = train_on_ray(tmp_path, tasks("one", 3), needs, lambda *_: None, train, tasks("next", 6))
    assert began == [("one", 0), ("one", 1), ("one", 2)]
    assert sorted(ray.cancelled) == beside  # nothing waits in the queue for what no node has
    assert list(results) == tasks("one", 3)


def test_few_folds_wait_in_the_queue_so_that_one_tried_again_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []

    def train(fold: RemoteFold) -> RemoteResult:
        most.append(len(ray.tasks) - len(ray.done))
        return RemoteResult("here", 1.0)

    ray, many = queue(monkeypatch), tasks("one", 40)
    assert list(train_on_ray(tmp_path, many, RayParams(), lambda *_: None, train)) == many
    assert max(most) == most[0] == 9  # one under way on the node that is alive, and eight more
    assert most[-9:] == list(range(9, 0, -1))


def test_a_head_that_does_not_answer_is_asked_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []  # every other one finds the head silent

    def look(address: object, silent: int) -> int:
        looks.append(not looks or not looks[-1])
        return int(looks[-1])

    def list_nodes() -> list[dict[str, Any]]:
        assert not (looks and looks[-1])
        return [{"Alive": True, "Resources": {"CPU": 1.0}}]

    ray, many = queue(monkeypatch), tasks("one", 40)
    monkeypatch.setattr(ray, "nodes", list_nodes)
    monkeypatch.setattr(ray_training, "require_head", look)
    results = train_on_ray(tmp_path, many, RayParams(), lambda *_: None, lambda fold: RemoteResult("here", 1.0))
    assert list(results) == many


def test_that_a_fold_beside_the_tasks_fails_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(fold: RemoteFold) -> RemoteResult:
        if fold.model == "next" and fold.fold == 0:
            raise RayTaskError("a defect")
        return RemoteResult("here", 1.0, "diverged" if fold.model == "next" else "")

    queue(monkeypatch, free=(5.0,), last_first=True)
    results = train_on_ray(tmp_path, tasks("one", 2), RayParams(), lambda *_: None, train, tasks("next", 2))
    errors = {task.name: result.error for task, result in results.items()}
    assert errors == {"one fold 1": "", "next fold 1": "diverged", "next fold 0": "a defect", "one fold 0": ""}


def test_no_room_here_for_a_fold_beside_the_tasks_ends_none_of_them(tmp_path: Path) -> None:
    def place(task: ListedTask, came: dict[str, Any]) -> RemoteResult:
        raise OSError(errno.ENOSPC, "No space left on device")

    far: Any = SimpleNamespace(place=place)
    (task,), came = tasks("one", 1), {"machine": "far", "seconds": 3.0}
    result = ray_training._place(far, task, came, needed=False)
    assert result == RemoteResult("far", 3.0, "[Errno 28] No space left on device")
    with pytest.raises(OSError, match="No space left on device"):
        ray_training._place(far, task, came, needed=True)
    lost = RemoteResult("", 0.0, "its worker was lost")
    assert ray_training._place(far, task, lost, needed=True) == lost


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])  # Ctrl-C, and what Ray makes of SIGTERM
def test_what_ends_the_run_takes_all_folds_back_from_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    def train(fold: RemoteFold) -> RemoteResult:
        if fold.fold == 1:
            raise end
        return RemoteResult("here", 1.0)

    ray = queue(monkeypatch, free=(1.0,))
    with pytest.raises(end):
        train_on_ray(tmp_path, tasks("one", 3), RayParams(), lambda *_: None, train, tasks("next", 2))
    assert ray.cancelled == [1, 2, 3]  # the one under way, the next, and the one beside them


def test_free_cores_are_counted_in_folds_node_by_node() -> None:
    assert count_free([{"CPU": 7.0, "GPU": 1.0}], RayParams(cpus_per_fold=2)) == 3
    assert count_free([{"CPU": 7.0, "GPU": 0.5}], RayParams(gpus_per_fold=0.25)) == 2
    assert count_free([{"CPU": 7.0, "memory": 5e9}], RayParams(memory_gb=2.0)) == 2
    assert count_free([{"CPU": 3.0}, {"CPU": 5.0}, {"GPU": 1.0}], RayParams(cpus_per_fold=2)) == 3
    assert count_free([{"CPU": 2.0}, {"CPU": 2.0}], RayParams(cpus_per_fold=4)) == 0
    assert count_free([{}], RayParams()) == count_free([], RayParams()) == 0


def test_models_may_be_named_and_what_is_wrong_with_one_beside_them_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[ListedTask]] = []

    def train(root: Path, tasks: list[ListedTask], params: object, on_change: object, **more: Any) -> Results:
        given.extend((tasks, more["beside"]))
        return {task: RemoteResult("here", 1.0, memory=1_310_000_000) for task in [*tasks, *more["beside"][:2]]}

    root = make_root(tmp_path)
    monkeypatch.setattr(train_all, "train_on_ray", train)
    train_all.run(root, None, ModelsToTrain(MODELS[:1], (MODELS[1], "missing", MODELS[0])))
    assert [(task.model, task.fold) for task in given[0]] == [(MODELS[0], fold) for fold in range(3)]
    assert [(task.model, task.fold) for task in given[1]] == [(MODELS[1], fold) for fold in range(3)]
    printed = capsys.readouterr().out
    assert "missing is not trained with the others: " in printed
    assert "2 of 3 folds of the models after them done; the others are ended" in printed
    assert (
        "a process took up to 1.31 GB of memory: with train.ray.memory_gb: 1.4 Ray gives no node more than it"
        in printed
    )


DRIVER = """
import os, pathlib, sys, time
from pipeline.training.context import RayParams
from pipeline.training.machines.ray_training import train_on_ray
from pipeline.training.task_list import ListedTask

def wait_long(wanted):
    (pathlib.Path(wanted.root) / str(os.getpid())).touch()
    time.sleep(600)

tasks = [ListedTask("one", fold, 0, "open", fingerprint="0") for fold in range(6)]
params = RayParams(address=sys.argv[2])
train_on_ray(pathlib.Path(sys.argv[1]), tasks, params, lambda *_: None, train=wait_long)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # of Ray's own sockets
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_tasks_on_all_nodes(cluster: Any, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path), cluster.address]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as driver:
        until = time.monotonic() + 120
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        driver.send_signal(number)
        assert driver.wait(30) != 0
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2  # one on each node, and no further task began
    until = time.monotonic() + 20
    while any(psutil.pid_exists(worker) for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(2)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # of Ray's own sockets
def test_a_free_node_trains_what_comes_next_until_the_tasks_are_done(cluster: Any, tmp_path: Path) -> None:
    params, following = RayParams(address=cluster.address), tasks("300.25", 3)  # seconds of sleep
    results = train_on_ray(tmp_path, tasks("6.0", 1), params, lambda *_: None, sleep_fold, following)
    assert [task.model for task in results] == ["6.0"]
    assert len((tmp_path / "begun").read_text().split()) == 2  # the task, and what follows it on the other node

    def is_at_work() -> bool:
        return any("ray::300.25" in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))

    until = time.monotonic() + 20
    while is_at_work():
        assert time.monotonic() < until
        time.sleep(0.1)
